"""The social-security card as the bank knows it, and the states a bureau tells of."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    LinkId,
    Mobile,
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
    """The social half of a link; `holder` is known once the bureau has told it."""

    link: LinkId
    number: SsCardNumber
    agency: AgencyCode
    mobile: Mobile
    address: Address | None = None
    holder: CardHolder | None = None


@dataclass(frozen=True, slots=True)
class HolderKept:
    """Record: the bureau's word on the holder is kept with the card, enciphered."""

    link: LinkId
    holder: CardHolder
