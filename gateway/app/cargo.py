"""What an operation's messages are written from, and the errand that one of them is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.financial.account import FinancialAccount, OwnerKept
from gateway.operations.draft import EncipheredPin
from gateway.operations.exchange import Exchange
from gateway.operations.operation import Operation
from gateway.social.card import HolderKept, SocialCard


@dataclass(frozen=True, slots=True)
class Cargo:
    """What an operation's messages are written from; held in memory while it runs.

    `words` are subfields of DE 48 that must not be recorded, such as a new mobile number.
    """

    card: SocialCard
    account: FinancialAccount
    words: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Errand:
    """One message to send for an exchange."""

    operation: Operation
    exchange: Exchange
    cargo: Cargo
    is_repeat: bool
    pin: EncipheredPin | None = field(default=None, repr=False)


def with_records(cargo: Cargo, records: tuple[object, ...]) -> Cargo:
    """Bring a cargo up to what has become durable."""
    for record in records:
        if isinstance(record, HolderKept):
            cargo = replace(cargo, card=replace(cargo.card, holder=record.holder))
        if isinstance(record, OwnerKept):
            cargo = replace(cargo, account=replace(cargo.account, owner=record.owner))
    return cargo
