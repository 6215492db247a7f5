"""A link between an SS card and an account: its states, and whether two persons are one."""

from datetime import datetime
from enum import StrEnum

from gateway.financial.account import AccountOwner
from gateway.social.card import CardHolder
from gateway.terms.numbers import (
    AgencyCode,
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    PersonName,
    PinSessionId,
)
from gateway.terms.sides import PinPurpose
from gateway.terms.values import value


class LinkState(StrEnum):
    """Where a link stands; only an active one lets anything be done through it."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
    REMOVED = "removed"

    @property
    def holds_card(self) -> bool:
        """Tell whether the card cannot be linked again meanwhile."""
        return self in {LinkState.PENDING, LinkState.ACTIVE}


@value(frozen=True, slots=True)
class Link:
    """What linking itself knows: references and states, and neither side's numbers."""

    id: LinkId
    agency: AgencyCode
    channel: str
    state: LinkState
    created_at: datetime
    activated_at: datetime | None = None


@value(frozen=True, slots=True)
class LinkChanged:
    """Record: the link has a new state."""

    link: LinkId
    state: LinkState
    at: datetime


@value(frozen=True, slots=True)
class PinSession:
    """A one-time right to set one PIN through one link."""

    id: PinSessionId
    link: LinkId
    purpose: PinPurpose
    nonce: str
    kid: str
    expires_at: datetime
    is_used: bool = False

    def is_usable(self, link: LinkId, purpose: PinPurpose, now: datetime) -> bool:
        """Tell whether the session may be used now for this link and this PIN."""
        bound = self.link == link and self.purpose is purpose
        return bound and not self.is_used and now < self.expires_at


@value(frozen=True, slots=True)
class SessionUsed:
    """Record: the session is spent, whatever came of it."""

    session: PinSessionId


@value(frozen=True, slots=True)
class LinkRequest:
    """What the caller said of itself when it asked for a link; compared, never believed.

    `mobile_equals_core` is the region's rule that the mobile must be the one that the bank holds.
    """

    customer: CustomerNumber
    mobile: Mobile
    mobile_equals_core: bool = True


@value(frozen=True, slots=True, repr=False)
class Applicant:
    """Who applies for a first card, as the channel has seen on the id; compared with the core."""

    customer: CustomerNumber
    name: PersonName
    citizen_id: CitizenId

    def owns(self, owner: AccountOwner) -> bool:
        """Tell whether the account is the applicant's own."""
        asked = (self.customer, self.name, self.citizen_id)
        return asked == (owner.customer, owner.name, owner.citizen_id)


def is_one_person(owner: AccountOwner, holder: CardHolder, request: LinkRequest) -> bool:
    """Compare what the core, the bureau and the channel say: one and the same natural person.

    The citizen id and the name come from the far sides, the customer number from the channel. A
    mobile that is not the one that the bank holds could be a stranger's; the region may allow it.
    """
    return (
        owner.customer == request.customer
        and owner.citizen_id == holder.citizen_id
        and owner.name == holder.name
        and (owner.mobile == request.mobile or not request.mobile_equals_core)
    )
