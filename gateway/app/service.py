"""What the HTTP room asks of the gateway: look up, check, open an operation, wait decently."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from gateway.api import service as api
from gateway.api.agency_views import AgencyView, agency_view
from gateway.api.problems import NotPermitted
from gateway.api.service import Caller, IdempotencyKey, Reply
from gateway.app import rendering
from gateway.app.cargo import Cargo
from gateway.app.clock import LOCAL_ZONE
from gateway.app.conductor import SS_FOLLOWS_AFTER_S, Conductor
from gateway.app.identifiers import Identifiers
from gateway.app.outcomes import Outcomes
from gateway.app.pins import PIN_BUSINESSES, PinOrder, PinOutcome
from gateway.app.turns import Reader, Turns
from gateway.financial import exchanges as core
from gateway.financial.account import AddedService, FinancialAccount, services_code
from gateway.linking.kinds import EXCHANGES
from gateway.linking.link import (
    Link,
    LinkRequest,
    LinkState,
    PinSession,
    SessionUsed,
)
from gateway.linking.losses import why_blocked
from gateway.linking.plans import REQUEST
from gateway.operations.draft import EncipheredPin
from gateway.operations.facts import Opened, OperationKind
from gateway.operations.operation import Operation
from gateway.regions.catalogue import Agency, Catalogue
from gateway.regions.matrix import NotGranted
from gateway.regions.vocabulary import PIN_PROOFS, Business, Proof
from gateway.social import exchanges as bureau
from gateway.social.card import SocialCard
from gateway.store.journal import Conflict
from gateway.store.queries import Linked, Queries
from gateway.store.unit import KeyUsed, Unit
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

T = TypeVar("T")

NONCE_BYTES = 16  # 128 bits: never met twice, never guessed


class Pins(Protocol):
    """The security modules of both sides, as the service needs them."""

    async def kid(self, purpose: PinPurpose) -> str:
        """Give the key under which a PIN is to be encrypted; raises `RequestRefused`."""

    async def public_keys(self) -> tuple[api.PublicKey, ...]:
        """Give every public key; raises `RequestRefused`."""

    async def encipher(self, order: PinOrder) -> PinOutcome:
        """Open, judge and encipher a PIN in one call; raises `RequestRefused`."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What `readiness` and `metrics` report, supplied by the wiring."""

    checks: Callable[[], Mapping[str, api.ReadinessCheck]]
    metrics: Callable[[], bytes]


class OnlineBanking:
    """Implements `gateway.api.service.GatewayService` over the conductor."""

    def __init__(  # noqa: PLR0913 - the wiring of one object, by keyword
        self,
        *,
        conductor: Conductor,
        read: Reader,
        pins: Pins,
        catalogue: Catalogue,
        identifiers: Identifiers,
        is_ready: Callable[[Side, AgencyCode], bool],
        zone: Callable[[Side, AgencyCode], str],
        now: Callable[[], datetime],
        answer_wait_s: float,
        session_life: timedelta,
        readiness: Readiness,
    ) -> None:
        self._conductor = conductor
        self._read = read
        self._pins = pins
        self._catalogue = catalogue
        self._identifiers = identifiers
        self._is_ready = is_ready
        self._zone = zone
        self._now = now
        self._outcomes = Outcomes(conductor, read, identifiers, answer_wait_s)
        self._session_life = session_life
        self._readiness = readiness
        self._turns = Turns(read, conductor)

    # ------------------------------------------------------------------ reading

    def agencies(self) -> tuple[AgencyView, ...]:
        """List the institutions served."""
        on = self._today()
        agencies = self._catalogue.agencies.values()
        return tuple(agency_view(agency, on) for agency in agencies)

    async def public_keys(self) -> tuple[api.PublicKey, ...]:
        """List the modules' public keys."""
        return await self._pins.public_keys()

    async def read_link(self, caller: Caller, link: LinkId) -> api.LinkView:
        """Read a link of the caller's customer."""
        own = await self._own(caller, link)
        self._must_be_granted(caller, self._catalogue.agency(own.link.agency), Business.QUERY_LINK)
        return rendering.link_view(own)

    async def read_operation(self, caller: Caller, operation: OperationId) -> api.OperationView:
        """Read an operation on a link of the caller's customer."""
        found, followed = await self._read(partial(_with_follow_up, operation=operation))
        if found is None or found.kind is OperationKind.SS_ACCOUNT:
            raise RequestRefused(Refusal.NOT_FOUND)
        await self._own(caller, found.link)
        return rendering.operation_view(found, EXCHANGES[found.kind], followed)

    def readiness(self) -> Mapping[str, api.ReadinessCheck]:
        """Say whether each thing the gateway needs is there."""
        return self._readiness.checks()

    def metrics(self) -> bytes:
        """Give the metrics in the Prometheus text format."""
        return self._readiness.metrics()

    # ------------------------------------------------------------------ operations

    async def link(self, caller: Caller, key: IdempotencyKey, command: api.LinkCommand) -> Reply:
        """Link a card to an account of the caller's customer."""
        async with self._turns.once(caller, key) as (replayed, _):
            if replayed is not None:
                return await self._replay(caller, replayed)
            agency = self._catalogue.agency(command.institution)
            self._must_be_granted(caller, agency, Business.LINK)
            if not agency.profile.card_number_fits(command.ss_card_number, self._today()):
                rule = "the form of card numbers in this region"
                raise RequestRefused(Refusal.INVALID_REQUEST, "/ss_card_number", rule)
            for side in Side:
                self._must_be_ready(side, command.institution)
            return await self._open_link(caller, key, agency, command)

    async def unlink(self, caller: Caller, key: IdempotencyKey, link: LinkId) -> Reply:
        """Remove a link of the caller's customer at both sides."""
        async with self._turns.once(caller, key, link) as (replayed, found):
            if replayed is not None:
                return await self._replay(caller, replayed)
            linked = active(caller, found)
            self._must_be_allowed(caller, linked, Business.UNLINK)
            for side in Side:
                self._must_be_ready(side, linked.link.agency)
            with self._turns.alone(link):
                opened = Opened(OperationKind.UNLINK, link, self._now())
                return await self._run(opened, Cargo.of(linked), (self._used(caller, key),))

    async def open_pin_session(
        self, caller: Caller, key: IdempotencyKey, link: LinkId, purpose: PinPurpose
    ) -> api.SessionReply:
        """Open a one-time PIN session on a link of the caller's customer."""
        async with self._turns.once(caller, key, link) as (replayed, found):
            if replayed is not None:
                return await self._replay_session(caller, replayed)
            linked = active(caller, found)
            self._must_be_of_use(caller, linked, purpose)
            session = PinSession(
                self._identifiers.pin_session(),
                link,
                purpose,
                secrets.token_urlsafe(NONCE_BYTES),
                await self._pins.kid(purpose),
                (self._now() + self._session_life).replace(microsecond=0),
            )
            used = self._used(caller, key, session.id.value)
            await self._outcomes.keep(Unit(records=(session, used), may_be_refused=True))
            return api.SessionReply(rendering.session_view(session))

    async def set_ss_pin(
        self, caller: Caller, key: IdempotencyKey, link: LinkId, command: api.SetPinCommand
    ) -> Reply:
        """Set the SS PIN without the old one, through an active link of the same customer."""
        async with self._turns.once(caller, key, link, command.pin_session) as (replayed, found):
            if replayed is not None:
                return await self._replay(caller, replayed)
            linked = active(caller, found)
            agency = self._catalogue.agency(linked.link.agency)
            self._must_be_allowed(caller, linked, Business.SS_PIN_SET)
            rules = agency.profile.rules(self._today()).pin
            zone = self._zone(Side.SOCIAL, linked.link.agency)
            order = PinOrder.for_card(linked.card, zone, rules.policy)
            opened = Opened(OperationKind.SET_SS_PIN, link, self._now())
            return await self._run_with_pin(caller, key, linked, opened, order, command)

    async def activate(
        self, caller: Caller, key: IdempotencyKey, command: api.ActivateCommand
    ) -> Reply:
        """Activate the account of a link under a new financial PIN."""
        session = command.pin.pin_session
        async with self._turns.once(caller, key, command.link, session) as (replayed, found):
            if replayed is not None:
                return await self._replay(caller, replayed)
            linked = active(caller, found)
            agency = self._catalogue.agency(linked.link.agency)
            self._must_be_allowed(caller, linked, Business.ACTIVATE)
            follows = agency.profile.rules(self._today()).activation.ss_follows_after
            details = {
                "services": services_code(_SERVICES[each] for each in command.added_services),
                SS_FOLLOWS_AFTER_S: str(int(follows.total_seconds())),
            }
            opened = Opened(OperationKind.ACTIVATE, command.link, self._now(), details=details)
            zone = self._zone(Side.FINANCIAL, linked.link.agency)
            order = PinOrder.for_account(linked.account, zone)
            return await self._run_with_pin(caller, key, linked, opened, order, command.pin)

    # ------------------------------------------------------------------ opening

    async def _open_link(
        self, caller: Caller, key: IdempotencyKey, agency: Agency, command: api.LinkCommand
    ) -> Reply:
        customer, link = customer_of(caller), self._identifiers.link()
        card = SocialCard(
            link,
            command.ss_card_number,
            command.institution,
            command.mobile,
            command.contact_address,
        )
        account = FinancialAccount(link, command.account, customer)
        now = self._now()
        fresh = Link(link, command.institution, caller.channel, LinkState.PENDING, now)
        opened = Opened(OperationKind.LINK, link, now)
        records = (fresh, card, account, self._used(caller, key))
        must_equal = agency.profile.rules(self._today()).mobile_equals_core
        asked = LinkRequest(customer, command.mobile, must_equal)
        findings: dict[str, object] = {REQUEST: asked}
        try:
            return await self._run(
                opened, Cargo(card, account, channel=caller.channel), records, findings=findings
            )
        except Conflict:
            raise RequestRefused(await self._why_held(caller, card)) from None

    async def _why_held(self, caller: Caller, card: SocialCard) -> Refusal:
        """Say that a card is linked to its own customer only: to others it is not confirmed."""

        def holder(queries: Queries) -> Linked | None:
            held = queries.link_holding(card.number)
            return queries.linked(held) if held else None

        linked = await self._read(holder)
        if linked is None or not _belongs(linked, caller):
            return Refusal.NOT_CONFIRMED
        is_open = linked.link.state is LinkState.PENDING
        return Refusal.IN_PROGRESS if is_open else Refusal.ALREADY_LINKED

    async def _run_with_pin(
        self,
        caller: Caller,
        key: IdempotencyKey,
        linked: Linked,
        opened: Opened,
        order: PinOrder,
        command: api.SetPinCommand,
    ) -> Reply:
        with self._turns.alone(linked.link.id):
            session = await self._session(command.pin_session, linked, order.purpose)
            self._must_be_ready(order.purpose.side, linked.link.agency)
            filled = order.with_envelope(session, command.encrypted_pin)
            if command.pin_block:
                filled = order.with_block(session, caller.channel, command.pin_block)
            outcome = await self._pins.encipher(filled)
            records = (SessionUsed(session.id), self._used(caller, key))
            if isinstance(outcome, Refusal):
                return await self._refuse(opened, outcome, records)
            exchange = bureau.SET_PIN if order.purpose is PinPurpose.SS_PIN else core.ACTIVATE
            pins = {exchange.name: outcome.enciphered}
            return outcome.beside(await self._run(opened, Cargo.of(linked), records, pins=pins))

    async def _session(
        self, session: PinSessionId, linked: Linked, purpose: PinPurpose
    ) -> PinSession:
        found = linked.session
        if found is None or found.id != session:
            found = await self._read(lambda queries: queries.session(session))
        if found is None or not found.is_usable(linked.link.id, purpose, self._now()):
            raise RequestRefused(Refusal.PIN_SESSION_UNUSABLE, "/pin_session")
        return found

    async def _run(
        self,
        opened: Opened,
        cargo: Cargo,
        records: tuple[object, ...],
        *,
        findings: dict[str, object] | None = None,
        pins: Mapping[str, EncipheredPin] | None = None,
        operation: OperationId | None = None,
    ) -> Reply:
        run = self._outcomes.run
        settled = await run(
            opened, cargo, records, findings=findings, pins=pins, operation=operation
        )
        return Reply(_view(settled))

    async def _refuse(self, opened: Opened, refusal: Refusal, records: tuple[object, ...]) -> Reply:
        return Reply(_view(await self._outcomes.refuse(opened, refusal, records)))

    # ------------------------------------------------------------------ once

    async def _replay(self, caller: Caller, resource: str) -> Reply:
        view = await self.read_operation(caller, OperationId(resource))
        return Reply(view, replayed=True)

    async def _replay_session(self, caller: Caller, resource: str) -> api.SessionReply:
        session = await self._read(lambda queries: queries.session(PinSessionId(resource)))
        if session is None:
            raise RequestRefused(Refusal.NOT_FOUND)
        await self._own(caller, session.link)
        return api.SessionReply(rendering.session_view(session), replayed=True)

    def _used(self, caller: Caller, key: IdempotencyKey, resource: str = "") -> KeyUsed:
        return KeyUsed(caller.channel, key.key, key.fingerprint, resource, self._now())

    # ------------------------------------------------------------------ checks

    async def _own(self, caller: Caller, link: LinkId) -> Linked:
        """Find a link of this customer; another's is the same as none."""
        return _owned(caller, await self._read(lambda queries: queries.linked(link)))

    def _must_be_granted(self, caller: Caller, agency: Agency, business: Business) -> None:
        decision = agency.profile.decide(caller.kind, business, caller.proofs, self._today())
        if isinstance(decision, NotGranted):
            raise NotPermitted(decision)

    def _must_be_allowed(
        self,
        caller: Caller,
        linked: Linked,
        business: Business,
        shown: frozenset[Proof] = frozenset(),
    ) -> None:
        """See that it is granted through this link; `shown` are PINs, which nobody attests."""
        agency = self._catalogue.agency(linked.link.agency)
        if shown:
            caller = replace(caller, proofs=caller.proofs | shown)
        self._must_be_granted(caller, agency, business)
        rules = agency.profile.rules(self._today()).loss
        blocked = why_blocked(business, linked.card, linked.account, rules, self._now())
        if blocked is not None:
            raise RequestRefused(blocked)

    def _must_be_of_use(self, caller: Caller, linked: Linked, purpose: PinPurpose) -> None:
        """See that something that takes this PIN is allowed; raises the first refusal of all."""
        refusals = []
        for business in PIN_BUSINESSES[purpose]:
            try:
                return self._must_be_allowed(caller, linked, business, PIN_PROOFS)
            except RequestRefused as refused:
                refusals.append(refused)
        raise refusals[0]

    def _must_be_ready(self, side: Side, agency: AgencyCode) -> None:
        if not self._conductor.has_room:  # asked before a PIN session is spent
            raise RequestRefused(Refusal.OVERLOADED)
        if not self._is_ready(side, agency):
            unavailable = {
                Side.SOCIAL: Refusal.BUREAU_UNAVAILABLE,
                Side.FINANCIAL: Refusal.CORE_UNAVAILABLE,
            }
            raise RequestRefused(unavailable[side])

    def _today(self) -> date:
        return self._now().astimezone(LOCAL_ZONE).date()


_SERVICES = {
    api.AddedService.SMS: AddedService.SMS,
    api.AddedService.ONLINE_BANKING: AddedService.ONLINE_BANKING,
    api.AddedService.WEALTH_ACCOUNT: AddedService.WEALTH_ACCOUNT,
}


def _with_follow_up(
    queries: Queries, operation: OperationId
) -> tuple[Operation | None, Operation | None]:
    found = queries.operation(operation)
    follow_up = found.follow_up if found else None
    return found, queries.operation(follow_up) if follow_up else None


def _view(operation: Operation) -> api.OperationView:
    return rendering.operation_view(operation, EXCHANGES[operation.kind])


def customer_of(caller: Caller) -> CustomerNumber:
    """Give the customer of a call that names one, as its contract demands."""
    if caller.customer is None:
        raise RequestRefused(Refusal.INVALID_REQUEST)
    return caller.customer


def _owned(caller: Caller, linked: Linked | None) -> Linked:
    if linked is None or not _belongs(linked, caller):
        raise RequestRefused(Refusal.NOT_FOUND)
    return linked


def active(caller: Caller, linked: Linked | None) -> Linked:
    """Give a link of the caller's customer that things may be done through."""
    own = _owned(caller, linked)
    if own.link.state is LinkState.PENDING:
        raise RequestRefused(Refusal.IN_PROGRESS)
    if own.link.state is not LinkState.ACTIVE:
        raise RequestRefused(Refusal.NOT_FOUND)
    return own


def _belongs(linked: Linked, caller: Caller) -> bool:
    same_channel = linked.link.channel == caller.channel
    return same_channel and linked.account.customer == caller.customer
