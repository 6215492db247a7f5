"""The social-security card as the bank knows it, and the states a bureau tells of."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from gateway.terms.losses import Loss, lifted
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    LinkId,
    Mobile,
    OperationId,
    PersonName,
    SsCardNumber,
)


class CardState(StrEnum):
    """State of the SS application on the card (subfield CS of DE 48)."""

    NORMAL = "N"
    NOT_ACTIVATED = "I"
    TEMPORARY_LOSS = "T"
    FORMAL_LOSS = "F"
    LOCKED = "L"
    CANCELLED = "C"


class PinState(StrEnum):
    """State of the SS PIN (subfield PS of DE 48); a region decides which of them exist."""

    UNSET = "U"
    INITIAL = "I"
    ENABLED = "E"
    OPTED_OUT = "O"
    LOCKED = "L"


@dataclass(frozen=True, slots=True)
class CardHolder:
    """Whose card it is, as the bureau says."""

    name: PersonName
    citizen_id: CitizenId
    mobile: Mobile | None = None


@dataclass(frozen=True, slots=True)
class SocialCard:
    """The social half of a link; `holder` is known once the bureau has told it.

    `loss` is the newest loss reported through this gateway that is not cancelled, `replacing` says
    that another card was ordered in its place.
    """

    link: LinkId
    number: SsCardNumber
    agency: AgencyCode
    mobile: Mobile
    address: Address | None = None
    holder: CardHolder | None = None
    loss: Loss | None = None
    replacing: bool = False


@dataclass(frozen=True, slots=True)
class HolderKept:
    """Record: the bureau's word on the holder is kept with the card, enciphered."""

    link: LinkId
    holder: CardHolder


@dataclass(frozen=True, slots=True)
class SsLossKept:
    """Record: the SS account is reported lost; nothing but what the region allows works now."""

    link: LinkId
    loss: Loss


@dataclass(frozen=True, slots=True)
class SsLossLifted:
    """Record: the loss of this reference is no more; a newer one stands."""

    link: LinkId
    reference: OperationId


@dataclass(frozen=True, slots=True)
class MobileBound:
    """Record: the bureau has another mobile number for the card."""

    link: LinkId
    mobile: Mobile


@dataclass(frozen=True, slots=True)
class ReplacementBegun:
    """Record: another card was ordered in place of this one."""

    link: LinkId


@dataclass(frozen=True, slots=True)
class CardReplaced:
    """Record: the link leads to the new card from now on; the old card's loss went with it."""

    link: LinkId
    number: SsCardNumber


@dataclass(frozen=True, slots=True)
class NewCard:
    """What a bureau tells of a card handed over in place of the old one."""

    number: SsCardNumber
    keeps_link: bool


CardRecord = HolderKept | SsLossKept | SsLossLifted | MobileBound | ReplacementBegun | CardReplaced


def keep(card: SocialCard, record: CardRecord) -> SocialCard:
    """Take a record into the card that it is about."""
    match record:
        case HolderKept():
            return replace(card, holder=record.holder)
        case SsLossKept():
            return replace(card, loss=record.loss)
        case SsLossLifted():
            return replace(card, loss=lifted(card.loss, record.reference))
        case MobileBound():
            return replace(card, mobile=record.mobile)
        case ReplacementBegun():
            return replace(card, replacing=True)
        case CardReplaced():
            return replace(card, number=record.number, loss=None, replacing=False)
        case _:
            assert_never(record)
