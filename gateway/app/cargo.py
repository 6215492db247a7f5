"""What an operation's messages are written from: the two halves of its link, and its own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.financial.account import FinancialAccount, OwnerKept
from gateway.social.card import HolderKept, SocialCard


@dataclass(frozen=True, slots=True)
class Cargo:
    """What an operation's messages are written from; held in memory while it runs.

    `words` are subfields of DE 48 that must not be recorded, such as a new mobile number.
    """

    card: SocialCard
    account: FinancialAccount
    words: Mapping[str, str] = field(default_factory=dict, repr=False)


def with_records(cargo: Cargo, records: tuple[object, ...]) -> Cargo:
    """Bring a cargo up to what has become durable."""
    for record in records:
        if isinstance(record, HolderKept):
            cargo = replace(cargo, card=replace(cargo.card, holder=record.holder))
        if isinstance(record, OwnerKept):
            cargo = replace(cargo, account=replace(cargo.account, owner=record.owner))
    return cargo
