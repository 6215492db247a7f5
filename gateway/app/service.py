"""What the HTTP room asks of the gateway: look up, check, open an operation, wait decently."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway.api import service as api
from gateway.api.agency_views import AgencyView, agency_view
from gateway.api.problems import AlreadyLinked
from gateway.api.service import Caller, IdempotencyKey, Reply
from gateway.app import rendering
from gateway.app.cargo import Cargo, asked_by
from gateway.app.conductor import SS_FOLLOWS_AFTER_S
from gateway.app.intake import Intake, customer_of
from gateway.app.pins import PIN_BUSINESSES, PinOrder
from gateway.financial import exchanges as core
from gateway.financial.account import AddedService, FinancialAccount, services_code
from gateway.linking.link import (
    Link,
    LinkRequest,
    LinkState,
    PinSession,
    SessionUsed,
)
from gateway.linking.plans import REQUEST, STANDS_ALONE
from gateway.operations.facts import Opened, OperationKind
from gateway.regions.catalogue import Agency
from gateway.regions.vocabulary import PIN_PROOFS, Business
from gateway.social import exchanges as bureau
from gateway.social.card import SocialCard
from gateway.store import questions
from gateway.store.errors import Conflict
from gateway.store.found import Linked
from gateway.store.unit import Unit
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import LinkId, OperationId, PinSessionId
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

NONCE_BYTES = 16  # 128 bits: never met twice, never guessed


@dataclass(frozen=True, slots=True)
class Readiness:
    """What `readiness` and `metrics` report, supplied by the wiring."""

    checks: Callable[[], Mapping[str, api.ReadinessCheck]]
    metrics: Callable[[], bytes]


class OnlineBanking:
    """Implements `gateway.api.service.GatewayService`; the life of a card is a part beside it."""

    def __init__(
        self,
        intake: Intake,
        card_life: api.CardLifeService,
        session_life: timedelta,
        readiness: Readiness,
    ) -> None:
        self._intake = intake
        self._card_life = card_life
        self._session_life = session_life
        self._readiness = readiness

    @property
    def card_life(self) -> api.CardLifeService:
        """The businesses in the life of a card."""
        return self._card_life

    # ------------------------------------------------------------------ reading

    def agencies(self) -> tuple[AgencyView, ...]:
        """List the institutions served."""
        on = self._intake.today()
        agencies = self._intake.catalogue.agencies.values()
        return tuple(agency_view(agency, on) for agency in agencies)

    async def public_keys(self) -> tuple[api.PublicKey, ...]:
        """List the modules' public keys."""
        return await self._intake.pins.public_keys()

    async def read_link(self, caller: Caller, link: LinkId) -> api.LinkView:
        """Read a link of the caller's customer."""
        own = await self._intake.own(caller, link)
        self._intake.must_be_granted(caller, own.link.agency, Business.QUERY_LINK)
        return rendering.link_view(own)

    async def read_operation(self, caller: Caller, operation: OperationId) -> api.OperationView:
        """Read an operation on a link of the caller's customer."""
        return await self._intake.read_operation(caller, operation)

    def readiness(self) -> Mapping[str, api.ReadinessCheck]:
        """Say whether each thing the gateway needs is there."""
        return self._readiness.checks()

    def metrics(self) -> bytes:
        """Give the metrics in the Prometheus text format."""
        return self._readiness.metrics()

    # ------------------------------------------------------------------ operations

    async def link(self, caller: Caller, key: IdempotencyKey, command: api.LinkCommand) -> Reply:
        """Link a card to an account of the caller's customer."""
        async with self._intake.turns.once(caller, key) as (replayed, _):
            if replayed is not None:
                return await self._intake.replay(caller, replayed)
            agency = self._intake.catalogue.agency(command.institution)
            self._intake.must_be_granted(caller, command.institution, Business.LINK)
            if not agency.profile.card_number_fits(command.ss_card_number, self._intake.today()):
                rule = "the form of card numbers in this region"
                raise RequestRefused(Refusal.INVALID_REQUEST, "/ss_card_number", rule)
            for side in Side:
                self._intake.must_be_ready(side, command.institution)
            return await self._open_link(caller, key, agency, command)

    async def unlink(self, caller: Caller, key: IdempotencyKey, link: LinkId) -> Reply:
        """Remove a link of the caller's customer at both sides."""
        async with self._intake.turns.once(caller, key, link) as (replayed, found):
            if replayed is not None:
                return await self._intake.replay(caller, replayed)
            linked = self._intake.active(caller, found)
            self._intake.must_be_allowed(caller, linked, Business.UNLINK)
            for side in Side:
                self._intake.must_be_ready(side, linked.link.agency)
            with self._intake.turns.alone(link):
                details = asked_by(caller.channel, linked)
                opened = Opened(OperationKind.UNLINK, link, self._intake.now(), details=details)
                cargo = Cargo.of(linked, None, caller.channel)
                return await self._intake.run(opened, cargo, (self._intake.used(caller, key),))

    async def open_pin_session(
        self, caller: Caller, key: IdempotencyKey, link: LinkId, purpose: PinPurpose
    ) -> api.SessionReply:
        """Open a one-time PIN session on a link of the caller's customer."""
        async with self._intake.turns.once(caller, key, link) as (replayed, found):
            if replayed is not None:
                return await self._replay_session(caller, replayed)
            linked = self._intake.active(caller, found)
            self._must_be_of_use(caller, linked, purpose)
            session = PinSession(
                self._intake.identifiers.pin_session(),
                link,
                purpose,
                secrets.token_urlsafe(NONCE_BYTES),
                await self._intake.pins.kid(purpose),
                (self._intake.now() + self._session_life).replace(microsecond=0),
            )
            used = self._intake.used(caller, key, session.id.value)
            await self._intake.outcomes.keep(Unit(records=(session, used), may_be_refused=True))
            return api.SessionReply(rendering.session_view(session))

    async def set_ss_pin(
        self, caller: Caller, key: IdempotencyKey, link: LinkId, command: api.SetPinCommand
    ) -> Reply:
        """Set the SS PIN without the old one, through an active link of the same customer."""
        async with self._intake.turns.once(caller, key, link, command.pin_session) as (
            replayed,
            found,
        ):
            if replayed is not None:
                return await self._intake.replay(caller, replayed)
            linked = self._intake.active(caller, found)
            rules = self._intake.must_be_allowed(caller, linked, Business.SS_PIN_SET)
            order = self._intake.pin_order(linked, PinPurpose.SS_PIN, rules)
            details = asked_by(caller.channel, linked)
            opened = Opened(OperationKind.SET_SS_PIN, link, self._intake.now(), details=details)
            return await self._run_with_pin(caller, key, linked, opened, order, command)

    async def activate(
        self, caller: Caller, key: IdempotencyKey, command: api.ActivateCommand
    ) -> Reply:
        """Activate the account of a link under a new financial PIN."""
        session = command.pin.pin_session
        async with self._intake.turns.once(caller, key, command.link, session) as (
            replayed,
            found,
        ):
            if replayed is not None:
                return await self._intake.replay(caller, replayed)
            linked = self._intake.active(caller, found)
            rules = self._intake.must_be_allowed(caller, linked, Business.ACTIVATE).activation
            details = {
                "services": services_code(_SERVICES[each] for each in command.added_services),
                SS_FOLLOWS_AFTER_S: str(int(rules.ss_follows_after.total_seconds())),
                **asked_by(caller.channel, linked),
            }
            if not rules.ss_follows:
                details[STANDS_ALONE] = "yes"
            opened = Opened(
                OperationKind.ACTIVATE, command.link, self._intake.now(), details=details
            )
            order = self._intake.pin_order(linked, PinPurpose.FINANCIAL_PIN)
            return await self._run_with_pin(caller, key, linked, opened, order, command.pin)

    # ------------------------------------------------------------------ opening

    async def _open_link(
        self, caller: Caller, key: IdempotencyKey, agency: Agency, command: api.LinkCommand
    ) -> Reply:
        customer, link = customer_of(caller), self._intake.identifiers.link()
        card = SocialCard(
            link,
            command.ss_card_number,
            command.institution,
            command.mobile,
            command.contact_address,
        )
        account = FinancialAccount(link, command.account, customer)
        now = self._intake.now()
        fresh = Link(link, command.institution, caller.channel, LinkState.PENDING, now)
        opened = Opened(OperationKind.LINK, link, now)
        records = (fresh, card, account, self._intake.used(caller, key))
        must_equal = agency.profile.rules(self._intake.today()).mobile_equals_core
        asked = LinkRequest(customer, command.mobile, must_equal)
        findings: dict[str, object] = {REQUEST: asked}
        try:
            return await self._intake.run(
                opened, Cargo(card, account, channel=caller.channel), records, findings=findings
            )
        except Conflict:
            raise await self._why_held(caller, card) from None

    async def _why_held(self, caller: Caller, card: SocialCard) -> RequestRefused:
        """Say that a card is linked to its own customer only: to others it is not confirmed."""
        linked = await self._intake.read(questions.holding(card.number))
        if linked is None:
            # Nobody holds it: the key is in use at another node, or the link has just ended.
            return RequestRefused(Refusal.IN_PROGRESS)
        if not self._intake.belongs(linked, caller):
            return RequestRefused(Refusal.NOT_CONFIRMED)
        if linked.link.state is LinkState.PENDING:
            return RequestRefused(Refusal.IN_PROGRESS)
        return AlreadyLinked(linked.link.id)

    async def _run_with_pin(
        self,
        caller: Caller,
        key: IdempotencyKey,
        linked: Linked,
        opened: Opened,
        order: PinOrder,
        command: api.SetPinCommand,
    ) -> Reply:
        with self._intake.turns.alone(linked.link.id):
            session = await self._intake.session(command.pin_session, linked, order.purpose)
            self._intake.must_be_ready(order.purpose.side, linked.link.agency)
            filled = order.with_entry(session, caller.channel, command)
            outcome = await self._intake.pins.encipher(filled)
            records = (SessionUsed(session.id), self._intake.used(caller, key))
            if isinstance(outcome, Refusal):
                return await self._intake.refuse(opened, outcome, records)
            exchange = bureau.SET_PIN if order.purpose is PinPurpose.SS_PIN else core.ACTIVATE
            pins = {exchange.name: outcome.enciphered}
            cargo = Cargo.of(linked, None, caller.channel)
            reply = await self._intake.run(opened, cargo, records, pins=pins)
            return outcome.beside(reply)

    # ------------------------------------------------------------------ once

    async def _replay_session(self, caller: Caller, resource: str) -> api.SessionReply:
        session = await self._intake.read(questions.session(PinSessionId(resource)))
        if session is None:
            raise RequestRefused(Refusal.NOT_FOUND)
        await self._intake.own(caller, session.link)
        return api.SessionReply(rendering.session_view(session), replayed=True)

    def _must_be_of_use(self, caller: Caller, linked: Linked, purpose: PinPurpose) -> None:
        """See that something that takes this PIN is allowed; raises the first refusal of all."""
        refusals = []
        for business in PIN_BUSINESSES[purpose]:
            try:
                self._intake.must_be_allowed(caller, linked, business, PIN_PROOFS)
            except RequestRefused as refused:
                refusals.append(refused)
            else:
                return
        raise refusals[0]


_SERVICES = {
    api.AddedService.SMS: AddedService.SMS,
    api.AddedService.ONLINE_BANKING: AddedService.ONLINE_BANKING,
    api.AddedService.WEALTH_ACCOUNT: AddedService.WEALTH_ACCOUNT,
}
