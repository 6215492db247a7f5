"""The financial account on a card, as the core tells of it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from gateway.operations.copies import copier
from gateway.terms.losses import Loss, confirmed, lifted, refused, reported
from gateway.terms.numbers import (
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
)
from gateway.terms.values import value


class AccountState(StrEnum):
    """State of the financial account (subfield AS of DE 48)."""

    NOT_ACTIVATED = "N"
    ACTIVE = "A"
    FROZEN = "F"
    LOST = "L"
    CLOSED = "C"


class AddedService(StrEnum):
    """What a customer may add at activation, of his own choice only (Qingdao, seed 004)."""

    SMS = "S"
    ONLINE_BANKING = "O"
    WEALTH_ACCOUNT = "W"


def services_code(services: Iterable[AddedService]) -> str:
    """Write chosen services as subfield SV: their letters in the order of the table, or a dash."""
    chosen = set(services)
    return "".join(service.value for service in AddedService if service in chosen) or "-"


@value(frozen=True, slots=True)
class AccountOwner:
    """Whose account it is, as the core says."""

    customer: CustomerNumber
    name: PersonName
    citizen_id: CitizenId
    mobile: Mobile | None = None


@value(frozen=True, slots=True)
class FinancialAccount:
    """The financial half of a link; `owner` is known once the core has told it.

    `loss` is the newest loss of the account that was reported through this gateway, over whichever
    link, and is not cancelled.
    """

    link: LinkId
    pan: Pan
    customer: CustomerNumber
    owner: AccountOwner | None = None
    loss: Loss | None = None


@value(frozen=True, slots=True)
class OwnerKept:
    """Record: the core's word on the owner is kept with the account, enciphered."""

    link: LinkId
    owner: AccountOwner


@value(frozen=True, slots=True)
class AccountLossKept:
    """Record: the financial account is reported lost."""

    link: LinkId
    loss: Loss


@value(frozen=True, slots=True)
class AccountLossLifted:
    """Record: the loss of this reference is no more; a newer one stands.

    Where its report was refused the one before it stands again; a cancellation ends both.
    """

    link: LinkId
    reference: OperationId
    was_refused: bool = False


@value(frozen=True, slots=True)
class AccountLossConfirmed:
    """Record: the core has the loss of this reference."""

    link: LinkId
    reference: OperationId
    at: datetime


AccountRecord = OwnerKept | AccountLossKept | AccountLossLifted | AccountLossConfirmed


def keep(account: FinancialAccount, record: AccountRecord) -> FinancialAccount:
    """Take a record into the account that it is about."""
    match record:
        case OwnerKept():
            return _copy(account, {"owner": record.owner})
        case AccountLossKept():
            return _copy(account, {"loss": reported(record.loss, account.loss)})
        case AccountLossLifted():
            end = refused if record.was_refused else lifted
            return _copy(account, {"loss": end(account.loss, record.reference)})
        case AccountLossConfirmed():
            loss = confirmed(account.loss, record.reference, record.at)
            return _copy(account, {"loss": loss})
        case _:
            assert_never(record)


_copy = copier(FinancialAccount)
