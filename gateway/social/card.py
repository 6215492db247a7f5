"""The social-security card as the bank knows it, and the states a bureau tells of."""

from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from gateway.operations.copies import copier
from gateway.terms.losses import Loss, confirmed, lifted, refused, reported
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    EcardNumber,
    LinkId,
    Mobile,
    OperationId,
    PersonName,
    SsCardNumber,
)
from gateway.terms.values import value


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


@value(frozen=True, slots=True)
class CardHolder:
    """Whose card it is, as the bureau says."""

    name: PersonName
    citizen_id: CitizenId
    mobile: Mobile | None = None


@value(frozen=True, slots=True)
class FormerNumber:
    """The number of a card that the link led to, and until when."""

    number: SsCardNumber
    until: datetime


@value(frozen=True, slots=True)
class SocialCard:
    """The social half of a link; `holder` is known once the bureau has told it.

    `loss` is the newest loss of the card that was reported through this gateway, over whichever
    link, and is not cancelled; `replacing` says that another card was ordered in its place; `ecard`
    is issued for the card; `former` are the cards before it, the oldest first.
    """

    link: LinkId
    number: SsCardNumber
    agency: AgencyCode
    mobile: Mobile
    address: Address | None = None
    holder: CardHolder | None = None
    loss: Loss | None = None
    replacing: bool = False
    ecard: EcardNumber | None = None
    former: tuple[FormerNumber, ...] = ()

    def number_at(self, instant: datetime) -> SsCardNumber:
        """Give the number of the card that the link led to at an instant."""
        later = (former.number for former in self.former if instant < former.until)
        return next(later, self.number)

    @property
    def is_applied_for(self) -> bool:
        """Tell whether there is an application only: its reference stands for the number."""
        return self.number == application_reference(self.link)


def application_reference(link: LinkId) -> SsCardNumber:
    """Give the reference of an application, in the place where its card's number will stand."""
    return SsCardNumber(link.value[-12:].upper())


@value(frozen=True, slots=True)
class HolderKept:
    """Record: the bureau's word on the holder is kept with the card, enciphered."""

    link: LinkId
    holder: CardHolder


@value(frozen=True, slots=True)
class SsLossKept:
    """Record: the SS account is reported lost; nothing but what the region allows works now."""

    link: LinkId
    loss: Loss


@value(frozen=True, slots=True)
class SsLossLifted:
    """Record: the loss of this reference is no more; a newer one stands.

    Where its report was refused the one before it stands again; a cancellation ends both.
    """

    link: LinkId
    reference: OperationId
    was_refused: bool = False


@value(frozen=True, slots=True)
class SsLossConfirmed:
    """Record: the bureau has the loss of this reference."""

    link: LinkId
    reference: OperationId
    at: datetime


@value(frozen=True, slots=True)
class MobileBound:
    """Record: the bureau has another mobile number for the card."""

    link: LinkId
    mobile: Mobile


@value(frozen=True, slots=True)
class ReplacementBegun:
    """Record: another card was ordered in place of this one."""

    link: LinkId


@value(frozen=True, slots=True)
class CardReplaced:
    """Record: the link leads to the new card from now on; the old card's loss went with it."""

    link: LinkId
    number: SsCardNumber
    at: datetime


@value(frozen=True, slots=True)
class NewCard:
    """What a bureau tells of a card handed over in place of the old one."""

    number: SsCardNumber
    keeps_link: bool


@value(frozen=True, slots=True)
class EcardKept:
    """Record: the e-card of the card has this number, or there is none any more."""

    link: LinkId
    number: EcardNumber | None


@value(frozen=True, slots=True)
class OneTimeCode:
    """A code of the e-card, told once and never kept."""

    code: str = field(repr=False)
    expires_at: datetime


CardRecord = (
    HolderKept
    | SsLossKept
    | SsLossLifted
    | SsLossConfirmed
    | MobileBound
    | ReplacementBegun
    | CardReplaced
    | EcardKept
)


def keep(card: SocialCard, record: CardRecord) -> SocialCard:
    """Take a record into the card that it is about."""
    changes: dict[str, Any]
    match record:
        case HolderKept():
            changes = {"holder": record.holder}
        case SsLossKept() | SsLossLifted() | SsLossConfirmed():
            changes = {"loss": _loss_after(card.loss, record)}
        case MobileBound():
            changes = {"mobile": record.mobile}
        case ReplacementBegun():
            changes = {"replacing": True}
        case EcardKept():
            changes = {"ecard": record.number}
        case CardReplaced():
            changes = {"number": record.number, "loss": None, "replacing": False, "ecard": None}
            changes["former"] = (*card.former, FormerNumber(card.number, record.at))
        case _:
            assert_never(record)
    return _copy(card, changes)


_copy = copier(SocialCard)


def _loss_after(
    loss: Loss | None, record: SsLossKept | SsLossLifted | SsLossConfirmed
) -> Loss | None:
    match record:
        case SsLossKept():
            return reported(record.loss, loss)
        case SsLossLifted():
            end = refused if record.was_refused else lifted
            return end(loss, record.reference)
        case SsLossConfirmed():
            return confirmed(loss, record.reference, record.at)
