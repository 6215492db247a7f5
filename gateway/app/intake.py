"""What every request passes, whoever made it: whose link it is, what is granted, once per key.

The parts that carry out businesses stand beside each other and have this one in common.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Protocol, Unpack

from gateway.api import service as api
from gateway.api.problems import NotPermitted
from gateway.api.service import Caller, IdempotencyKey, Reply
from gateway.api.vouchers import Paper
from gateway.app import rendering
from gateway.app.cargo import Cargo
from gateway.app.clock import LOCAL_ZONE
from gateway.app.conductor import Conductor
from gateway.app.identifiers import Identifiers
from gateway.app.outcomes import Brought, Outcomes
from gateway.app.pins import PinOrder, PinOutcome
from gateway.app.rendering import ENQUIRIES_EN, ENQUIRIES_ZH, PAPERS
from gateway.app.turns import Reader, Turns
from gateway.linking.kinds import BESIDE_OTHERS, EXCHANGES
from gateway.linking.link import LinkState, PinSession
from gateway.linking.losses import why_blocked
from gateway.linking.procedures import BY_KIND
from gateway.operations.facts import Opened, OperationKind
from gateway.operations.operation import Operation
from gateway.regions.catalogue import Catalogue
from gateway.regions.matrix import NotGranted
from gateway.regions.rules import Rules
from gateway.regions.vocabulary import Business, Proof
from gateway.store import questions
from gateway.store.found import Linked
from gateway.store.unit import KeyUsed
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import (
    AgencyCode,
    CustomerNumber,
    LinkId,
    OperationId,
    PinSessionId,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side


class Pins(Protocol):
    """The security modules of both sides, as businesses need them."""

    async def kid(self, purpose: PinPurpose) -> str:
        """Give the key under which a PIN is to be encrypted; raises `RequestRefused`."""

    async def public_keys(self) -> tuple[api.PublicKey, ...]:
        """Give every public key; raises `RequestRefused`."""

    async def security_control(self, channel: str, side: Side) -> str:
        """Give DE 53 that a channel's PIN blocks come with; raises `RequestRefused`."""

    async def encipher(self, order: PinOrder) -> PinOutcome:
        """Open, judge and encipher a PIN in one call; raises `RequestRefused`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Looks up, checks, and has operations run; `answer_wait_s` is how long a caller waits.

    `is_ready` tells whether a side's link can take a message, `zone` names that link's zone.
    `institutions` gives the bank that each channel belongs to; one without is nobody else's.
    """

    conductor: Conductor
    read: Reader
    pins: Pins
    catalogue: Catalogue
    identifiers: Identifiers
    is_ready: Callable[[Side, AgencyCode], bool]
    zone: Callable[[Side, AgencyCode], str]
    now: Callable[[], datetime]
    answer_wait_s: float
    institutions: Mapping[str, str] = field(default_factory=dict)
    outcomes: Outcomes = field(init=False)
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        outcomes = Outcomes(self.conductor, self.read, self.identifiers, self.answer_wait_s)
        object.__setattr__(self, "outcomes", outcomes)
        object.__setattr__(self, "turns", Turns(self.read, self.conductor))

    # ------------------------------------------------------------------ looking up

    def today(self) -> date:
        """Give the day where the regions are."""
        return self.now().astimezone(LOCAL_ZONE).date()

    def rules(self, agency: AgencyCode) -> Rules:
        """Give what the region of an institution says today."""
        return self.catalogue.agency(agency).profile.rules(self.today())

    async def own(self, caller: Caller, link: LinkId) -> Linked:
        """Find a link of this customer; another's is the same as none."""
        return self._owned(caller, await self.read(questions.linked(link)))

    def is_shared(self, linked: Linked, channel: str) -> bool:
        """Tell whether a channel is of the bank whose channel made the link."""
        made_by = linked.link.channel
        institution = self.institutions.get
        return institution(made_by, made_by) == institution(channel, channel)

    def belongs(self, linked: Linked, caller: Caller) -> bool:
        """Tell whether a link is the caller's customer's, at the caller's bank."""
        same_bank = self.is_shared(linked, caller.channel)
        return same_bank and linked.account.customer == caller.customer

    def active(self, caller: Caller, linked: Linked | None) -> Linked:
        """Give a link of the caller's customer that things may be done through."""
        return must_be_active(self._owned(caller, linked))

    def _owned(self, caller: Caller, linked: Linked | None) -> Linked:
        if linked is None or not self.belongs(linked, caller):
            raise RequestRefused(Refusal.NOT_FOUND)
        return linked

    async def read_operation(self, caller: Caller, operation: OperationId) -> api.OperationView:
        """Read an operation on a link of the caller's customer."""
        found, followed = await self.read(questions.followed(operation))
        if found is None or found.kind is OperationKind.SS_ACCOUNT:
            raise RequestRefused(Refusal.NOT_FOUND)
        await self.own(caller, found.link)
        return rendering.operation_view(found, EXCHANGES[found.kind], followed)

    async def session(
        self, session: PinSessionId, linked: Linked, purpose: PinPurpose
    ) -> PinSession:
        """Find a PIN session that may be used now; raises `RequestRefused`."""
        found = linked.session
        if found is None or found.id != session:
            found = await self.read(questions.session(session))
        if found is None or not found.is_usable(linked.link.id, purpose, self.now()):
            raise RequestRefused(Refusal.PIN_SESSION_UNUSABLE, "/pin_session")
        return found

    def pin_order(
        self, linked: Linked, purpose: PinPurpose, rules: Rules | None = None
    ) -> PinOrder:
        """Order a PIN for what a link leads to, judged by the rules of its region."""
        zone = self.zone(purpose.side, linked.link.agency)
        if purpose.side is Side.FINANCIAL:
            return PinOrder.for_account(linked.account, zone)
        rules = rules or self.rules(linked.link.agency)
        order = PinOrder.for_card(linked.card, zone, rules.pin.policy)
        if purpose in _OF_ECARD and rules.ecard is not None:
            order = PinOrder.for_ecard(linked.card, zone, rules.ecard.pin_policy)
        return order.as_proof() if purpose.is_proof else order

    # ------------------------------------------------------------------ checks

    def must_be_granted(self, caller: Caller, agency: AgencyCode, business: Business) -> None:
        """See that an institution's region grants a business where the caller stands."""
        _must_be_granted(caller, self.rules(agency), business)

    def must_be_allowed(
        self,
        caller: Caller,
        linked: Linked,
        business: Business,
        shown: frozenset[Proof] = frozenset(),
    ) -> Rules:
        """See that it is granted through this link; gives the region's rules, by which it is.

        `shown` are PINs, which nobody attests.
        """
        if shown:
            caller = replace(caller, proofs=caller.proofs | shown)
        rules = self.rules(linked.link.agency)
        _must_be_granted(caller, rules, business)
        blocked = why_blocked(business, linked.card, linked.account, rules.loss, self.now())
        if blocked is not None:
            raise RequestRefused(blocked)
        return rules

    def must_be_ready(self, side: Side, agency: AgencyCode) -> None:
        """See that a message can go out now, before anything is spent for it."""
        if not self.conductor.has_room(agency):
            raise RequestRefused(Refusal.OVERLOADED)
        if not self.is_ready(side, agency):
            unavailable = {
                Side.SOCIAL: Refusal.BUREAU_UNAVAILABLE,
                Side.FINANCIAL: Refusal.CORE_UNAVAILABLE,
            }
            raise RequestRefused(unavailable[side])

    # ------------------------------------------------------------------ once

    def used(self, caller: Caller, key: IdempotencyKey, resource: str = "") -> KeyUsed:
        """Write that a key is used, for a resource or for the operation that it begins."""
        return KeyUsed(caller.channel, key.key, key.fingerprint, resource, self.now())

    async def replay(self, caller: Caller, resource: str) -> Reply:
        """Answer as the first time."""
        view = await self.read_operation(caller, OperationId(resource))
        return Reply(view, replayed=True)

    async def run(
        self,
        opened: Opened,
        cargo: Cargo,
        records: tuple[object, ...],
        **brought: Unpack[Brought],
    ) -> Reply:
        """Have an operation run, and tell it as it is when it is settled or the wait is over."""
        if opened.kind not in BESIDE_OTHERS:
            self.turns.must_be_current()
        opened = self._with_papers(opened, cargo.card.agency)
        return Reply(_view(await self.outcomes.run(opened, cargo, records, **brought)))

    def _with_papers(self, opened: Opened, agency: AgencyCode) -> Opened:
        """Note what the region has printed of a business today: a later change is not its."""
        procedure = BY_KIND.get(opened.kind)
        if procedure is not None and procedure.is_question:
            return opened
        rules = self.rules(agency)
        papers = [Paper.VOUCHER] if rules.vouchers.every_business else []
        details: dict[str, str] = {}
        if rules.vouchers.collection_receipt and opened.kind in _COLLECTED_LATER:
            papers.append(Paper.COLLECTION_RECEIPT)
            enquiries = rules.matrix.notices.enquiries
            details = {ENQUIRIES_ZH: enquiries.zh, ENQUIRIES_EN: enquiries.en}
        if not papers:
            return opened
        details[PAPERS] = " ".join(papers)
        return replace(opened, details={**(opened.details or {}), **details})

    async def refuse(self, opened: Opened, refusal: Refusal, records: tuple[object, ...]) -> Reply:
        """Record an operation that is refused before anything is sent."""
        return Reply(_view(await self.outcomes.refuse(opened, refusal, records)))


_COLLECTED_LATER = {OperationKind.CARD_APPLY, OperationKind.CARD_REPLACE}
_OF_ECARD = {PinPurpose.ECARD_PIN, PinPurpose.ECARD_PIN_PROOF}


def customer_of(caller: Caller) -> CustomerNumber:
    """Give the customer of a call that names one, as its contract demands."""
    if caller.customer is None:
        raise RequestRefused(Refusal.INVALID_REQUEST)
    return caller.customer


def _must_be_granted(caller: Caller, rules: Rules, business: Business) -> None:
    decision = rules.matrix.decide(caller.kind, business, caller.proofs)
    if isinstance(decision, NotGranted):
        raise NotPermitted(decision)


def must_be_active(linked: Linked) -> Linked:
    """Give a link that things may be done through; one that is being made may become one."""
    if linked.link.state is LinkState.PENDING:
        raise RequestRefused(Refusal.IN_PROGRESS)
    if linked.link.state is not LinkState.ACTIVE:
        raise RequestRefused(Refusal.NOT_FOUND)
    return linked


def _view(operation: Operation) -> api.OperationView:
    return rendering.operation_view(operation, EXCHANGES[operation.kind])
