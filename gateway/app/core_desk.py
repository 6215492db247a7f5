"""What a bank core may have done: the businesses of the counter, checked like any channel's."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api import service as api
from gateway.api.service import Caller, IdempotencyKey, Reply
from gateway.app.card_life import CardLife, Judged
from gateway.app.cargo import Cargo, asked_by
from gateway.app.conductor import SS_FOLLOWS_AFTER_S
from gateway.app.core_record import CoreRecord, Outcome
from gateway.app.intake import Intake, must_be_active
from gateway.app.pins import AcceptedPin, PinOrder, PinOutcome
from gateway.iso8583.errors import RefusedMessage
from gateway.linking.link import LinkState, PinSession
from gateway.linking.procedures import BY_KIND, Procedure
from gateway.operations.facts import Opened, OperationKind
from gateway.regions.vocabulary import Business
from gateway.social import exchanges as bureau
from gateway.store import questions
from gateway.store.found import Linked
from gateway.terms.errors import LocalError, RequestRefused
from gateway.terms.numbers import LinkId, Pan
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

PAD_PIN_LIFE = timedelta(seconds=60)  # a request is answered, or its PIN forgotten, within this

_SET_PIN = Procedure(
    OperationKind.SET_SS_PIN, (bureau.SET_PIN,), {bureau.SET_PIN.name: PinPurpose.SS_PIN}
)


@dataclass(frozen=True, slots=True)
class Order:
    """One business that a core asks for, on the account and through the link that it names.

    `words` and `private` are as in `BusinessCommand`; `block` is the PIN pad's, hexadecimal, and
    `security_control` what DE 53 says of it.
    """

    kind: OperationKind
    link: LinkId
    account: Pan
    words: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict, repr=False)
    block: str = field(default="", repr=False)
    security_control: str = ""
    activated_at: datetime | None = None


class CoreDesk:
    """Carries out what a core asks for, once for each key, over restarts too."""

    def __init__(self, intake: Intake, card_life: CardLife) -> None:
        self._intake = intake
        self._card_life = card_life
        self._record = CoreRecord(intake)

    async def query(self, caller: Caller, link: LinkId, account: Pan) -> LinkState:
        """Tell the state of a link; an account that is not the link's is refused like none."""
        linked = self._of(caller, account, await self._intake.read(questions.linked(link)))
        self._intake.must_be_granted(caller, linked.link.agency, Business.QUERY_LINK)
        return linked.link.state

    async def do(self, caller: Caller, key: IdempotencyKey, order: Order) -> Outcome:
        """Carry out a business, or tell what became of it; raises `RequestRefused`, `Barred`."""

        async def begin(found: Linked | None) -> Outcome:
            return await self._do(
                caller, key, must_be_active(self._of(caller, order.account, found)), order
            )

        return await self._once(caller, key, begin, order.link)

    async def apply(
        self, caller: Caller, key: IdempotencyKey, command: api.ApplyCommand
    ) -> Outcome:
        """Apply for a first card; the outcome names the link of the application. Raises as `do`."""

        async def begin(_found: Linked | None) -> Outcome:
            reply = await self._card_life.apply_once(caller, key, command)
            return _seen(reply)

        return await self._once(caller, key, begin)

    def _of(self, caller: Caller, account: Pan, linked: Linked | None) -> Linked:
        """Give a link of an account of the core's bank; another's is the same as none."""
        is_own = linked is not None and self._intake.is_shared(linked, caller.channel)
        if linked is None or not is_own or linked.account.pan != account:
            raise RequestRefused(Refusal.NOT_FOUND)
        return linked

    # ------------------------------------------------------------------ once

    async def _once(
        self,
        caller: Caller,
        key: IdempotencyKey,
        begin: Callable[[Linked | None], Awaitable[Outcome]],
        link: LinkId | None = None,
    ) -> Outcome:
        try:
            async with self._intake.turns.once(caller, key, link) as (stored, found):
                if stored is not None:
                    return Outcome.of(await self._record.operation(stored))
                try:
                    return await begin(found)
                except RequestRefused as refused:
                    await self._record.keep_refusal(caller, key, refused.refusal)
                    raise
        except RequestRefused as refused:
            if refused.refusal in {Refusal.IDEMPOTENCY_KEY_REUSED, Refusal.IN_PROGRESS}:
                await self._record.must_not_be_barred(caller, key)
            raise

    # ------------------------------------------------------------------ the businesses

    async def _do(
        self, caller: Caller, key: IdempotencyKey, linked: Linked, order: Order
    ) -> Outcome:
        if order.kind is OperationKind.UNLINK:
            return await self._unlink(caller, key, linked)
        if order.kind is OperationKind.SS_ACCOUNT:
            return await self._follow(caller, key, linked, order)
        if order.kind is OperationKind.SET_SS_PIN:
            return await self._set_pin(caller, key, linked, order)
        command = api.BusinessCommand({}, order.words, order.private)
        procedure = BY_KIND[order.kind]

        async def judge(linked: Linked) -> Judged:
            return Judged(await self._translate(linked, procedure, order, caller.channel))

        reply = await self._card_life.do(caller, key, linked, procedure, command, judge)
        return _seen(reply)

    async def _set_pin(
        self, caller: Caller, key: IdempotencyKey, linked: Linked, order: Order
    ) -> Outcome:
        self._intake.must_be_allowed(caller, linked, Business.SS_PIN_SET)
        with self._intake.turns.alone(linked.link.id):
            self._intake.must_be_ready(Side.SOCIAL, linked.link.agency)
            accepted = await self._translate(linked, _SET_PIN, order, caller.channel)
            details = asked_by(caller.channel, linked)
            opened = Opened(order.kind, linked.link.id, self._intake.now(), details=details)
            used = (self._intake.used(caller, key),)
            if isinstance(accepted, Refusal):
                return _seen(await self._intake.refuse(opened, accepted, used))
            pins = {name: each.enciphered for name, each in accepted.items()}
            cargo = Cargo.of(linked, None, caller.channel)
            return _seen(await self._intake.run(opened, cargo, used, pins=pins))

    async def _enciphered(self, order: PinOrder) -> PinOutcome:
        try:
            return await self._intake.pins.encipher(order)
        except LocalError:
            # Formats that may not become each other (PCI PIN 3.1, 3-3): a question of settings.
            raise RequestRefused(Refusal.NOT_OFFERED) from None

    async def _translate(
        self, linked: Linked, procedure: Procedure, order: Order, channel: str
    ) -> dict[str, AcceptedPin] | Refusal:
        accepted: dict[str, AcceptedPin] = {}
        for name, purpose in procedure.with_pins(()).pins.items():
            agreed = await self._intake.pins.security_control(channel, purpose.side)
            if order.security_control != agreed:
                raise RefusedMessage("DE 53", "is not what the zone of the PIN pads declares")
            until = (self._intake.now() + PAD_PIN_LIFE).replace(microsecond=0)
            identity = self._intake.identifiers.pin_session()
            session = PinSession(identity, linked.link.id, purpose, "", "", until)
            wanted = self._intake.pin_order(linked, purpose).with_block(
                session, channel, order.block
            )
            outcome = await self._enciphered(wanted)
            if isinstance(outcome, Refusal):
                return outcome
            accepted[name] = outcome
        return accepted

    async def _unlink(self, caller: Caller, key: IdempotencyKey, linked: Linked) -> Outcome:
        self._intake.must_be_allowed(caller, linked, Business.UNLINK)
        for side in Side:
            self._intake.must_be_ready(side, linked.link.agency)
        with self._intake.turns.alone(linked.link.id):
            details = asked_by(caller.channel, linked)
            opened = Opened(
                OperationKind.UNLINK, linked.link.id, self._intake.now(), details=details
            )
            cargo = Cargo.of(linked, None, caller.channel)
            used = (self._intake.used(caller, key),)
            return _seen(await self._intake.run(opened, cargo, used))

    async def _follow(
        self, caller: Caller, key: IdempotencyKey, linked: Linked, order: Order
    ) -> Outcome:
        """Have the SS account follow an activation that the core tells of, by the region's rule."""
        self._intake.must_be_allowed(caller, linked, Business.ACTIVATE)
        rules = self._intake.rules(linked.link.agency)
        if not rules.activation.ss_follows:
            raise RequestRefused(Refusal.NOT_OFFERED)
        now = self._intake.now()
        at = order.activated_at or now
        delay = rules.activation.ss_follows_after
        details = {
            "activated_at": at.isoformat(),
            SS_FOLLOWS_AFTER_S: str(int(delay.total_seconds())),
            **asked_by(caller.channel, linked),
        }
        kind = OperationKind.SS_ACCOUNT
        opened = Opened(kind, linked.link.id, now, wake_at=at + delay, details=details)
        cargo = Cargo.of(linked, None, caller.channel)
        return Outcome.of(
            await self._intake.outcomes.begin(opened, cargo, (self._intake.used(caller, key),))
        )


def _seen(reply: Reply) -> Outcome:
    view = reply.operation
    told = view.result or {}
    return Outcome(view.kind, view.link, view.state, view.refusal, view.response_code, told)
