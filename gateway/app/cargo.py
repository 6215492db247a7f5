"""What an operation's messages are written from, and the errand that one of them is."""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Self

from gateway.financial import account as financial
from gateway.financial.account import AccountRecord, FinancialAccount
from gateway.operations.copies import copier
from gateway.operations.draft import EncipheredPin
from gateway.operations.exchange import Exchange
from gateway.operations.operation import Operation
from gateway.social import card as social
from gateway.social.card import CardRecord, SocialCard
from gateway.store.found import Linked
from gateway.terms.values import value

CHANNEL = "channel"
"""Detail of an operation that another channel than the link's own asked for."""


def asked_by(channel: str, linked: Linked) -> dict[str, str]:
    """Give the detail that says who asked, where it was not the channel that made the link."""
    return {} if channel == linked.link.channel else {CHANNEL: channel}


def same_asker(operation: Operation) -> dict[str, str]:
    """Give the detail that says who asked for an operation to the one that follows it."""
    return {name: value for name, value in operation.details.items() if name == CHANNEL}


@value(frozen=True, slots=True)
class Cargo:
    """What an operation's messages are written from; held in memory while it runs.

    `words` are subfields of DE 48 that must not be recorded, such as a new mobile number;
    `channel` is who asked for the operation, and hears of its outcome.
    """

    card: SocialCard
    account: FinancialAccount
    words: Mapping[str, str] = field(default_factory=dict, repr=False)
    channel: str = ""

    @classmethod
    def of(cls, linked: Linked, words: Mapping[str, str] | None = None, channel: str = "") -> Self:
        """Load what a link leads to; the channel is the link's own unless another is named."""
        return cls(linked.card, linked.account, words or {}, channel or linked.link.channel)

    @classmethod
    def resumed(cls, linked: Linked, operation: Operation) -> Self:
        """Load what goes on with an operation of before, for the channel that asked for it.

        Once anything was sent it speaks of the card of that time: a repeat says what its original
        said, and a loss that was reported is not the new card's.
        """
        card, exchanges = linked.card, operation.exchanges.values()
        if any(exchange.reached_peer for exchange in exchanges):
            card = replace(card, number=card.number_at(operation.opened_at))
        return cls(card, linked.account, {}, operation.details.get(CHANNEL) or linked.link.channel)


@value(frozen=True, slots=True)
class Errand:
    """One message to send for an exchange; after `until`, monotonic, its PIN is too old."""

    operation: Operation
    exchange: Exchange
    cargo: Cargo
    is_repeat: bool
    pin: EncipheredPin | None = field(default=None, repr=False)
    until: float | None = None


def with_records(cargo: Cargo, records: tuple[object, ...]) -> Cargo:
    """Bring a cargo up to what has become durable."""
    for record in records:
        if isinstance(record, CardRecord):
            cargo = _copy(cargo, {"card": social.keep(cargo.card, record)})
        if isinstance(record, AccountRecord):
            cargo = _copy(cargo, {"account": financial.keep(cargo.account, record)})
    return cargo


_copy = copier(Cargo)
