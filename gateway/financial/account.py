"""The financial account on a card, as the core tells of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.terms.numbers import CitizenId, CustomerNumber, LinkId, Mobile, Pan, PersonName


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


@dataclass(frozen=True, slots=True)
class AccountOwner:
    """Whose account it is, as the core says."""

    customer: CustomerNumber
    name: PersonName
    citizen_id: CitizenId
    mobile: Mobile | None = None


@dataclass(frozen=True, slots=True)
class FinancialAccount:
    """The financial half of a link; `owner` is known once the core has told it."""

    link: LinkId
    pan: Pan
    customer: CustomerNumber
    owner: AccountOwner | None = None


@dataclass(frozen=True, slots=True)
class OwnerKept:
    """Record: the core's word on the owner is kept with the account, enciphered."""

    link: LinkId
    owner: AccountOwner
