"""What a bank core may have done: the businesses of the counter, checked like any channel's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from gateway.api import service as api
from gateway.api.service import Caller, IdempotencyKey
from gateway.app.card_life import CardLife, Judged
from gateway.app.cargo import CHANNEL, Cargo
from gateway.app.conductor import SS_FOLLOWS_AFTER_S
from gateway.app.intake import Intake
from gateway.app.pins import AcceptedPin, PinOrder, PinOutcome
from gateway.linking.link import LinkChanged, LinkState, PinSession
from gateway.linking.procedures import BY_KIND, Procedure
from gateway.operations.facts import Opened, OperationKind, OperationState
from gateway.operations.operation import Operation
from gateway.regions.vocabulary import Business
from gateway.social import exchanges as bureau
from gateway.store.journal import Conflict
from gateway.store.queries import Linked
from gateway.store.unit import KeyUsed, Unit
from gateway.terms.errors import LocalError, RequestRefused
from gateway.terms.numbers import LinkId, OperationId, Pan
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

PAD_PIN_LIFE = timedelta(seconds=60)  # a request is answered, or its PIN forgotten, within this
REFUSED = "refused/"  # what a key stands for whose request was refused before anything began
TOMBSTONE = "tombstone"  # … and one whose request was reversed before it came

_SET_PIN = Procedure(
    OperationKind.SET_SS_PIN, (bureau.SET_PIN,), {bureau.SET_PIN.name: PinPurpose.SS_PIN}
)


@dataclass(frozen=True, slots=True)
class Order:
    """One business that a core asks for, on the account and through the link that it names.

    `words` and `private` are as in `BusinessCommand`; `block` is the PIN pad's, hexadecimal.
    """

    kind: OperationKind
    link: LinkId
    account: Pan
    words: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict, repr=False)
    block: str = field(default="", repr=False)
    activated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a business: as an operation says, or as its view does."""

    kind: OperationKind
    state: OperationState
    refusal: Refusal | None
    response_code: str | None
    told: Mapping[str, str]

    @classmethod
    def of(cls, operation: Operation) -> Self:
        """Read an operation; only a business in the life of a card tells anything."""
        told = operation.told if operation.kind in BY_KIND else {}
        code = operation.response_code
        return cls(operation.kind, operation.state, operation.refusal, code, told)


class Reversed(Exception):
    """The request was reversed before it came: nothing of it is done."""


class CoreDesk:
    """Carries out what a core asks for, once for each key, over restarts too."""

    def __init__(self, intake: Intake, card_life: CardLife) -> None:
        self._intake = intake
        self._card_life = card_life

    async def query(self, caller: Caller, link: LinkId, account: Pan) -> LinkState:
        """Tell the state of a link; an account that is not the link's is refused like none."""
        linked = _of(account, await self._intake.read(lambda queries: queries.linked(link)))
        self._intake.must_be_granted(caller, linked.link.agency, Business.QUERY_LINK)
        return linked.link.state

    async def do(self, caller: Caller, key: IdempotencyKey, order: Order) -> Outcome:
        """Carry out a business, or tell what became of it; raises `RequestRefused`, `Reversed`."""
        try:
            return await self._do_once(caller, key, order)
        except RequestRefused as refused:
            if refused.refusal is Refusal.IDEMPOTENCY_KEY_REUSED:
                await self._must_not_be_reversed(caller, key)
            raise

    async def undo(self, caller: Caller, key: IdempotencyKey, original: IdempotencyKey) -> Outcome:
        """Take an unlinking back, or see to it that a request not known here is never done.

        Raises `RequestRefused`: NOT_FOUND once the original is barred, NOT_OFFERED for what is
        never taken back, ALREADY_SO when nothing of it stands.
        """
        async with self._intake.turns.once(caller, key) as (stored, _):
            if stored is not None:
                return await self._stored(stored)
            try:
                return await self._undo(caller, key, original)
            except RequestRefused as refused:
                await self._keep_refusal(caller, key, refused.refusal)
                raise

    # ------------------------------------------------------------------ once

    async def _do_once(self, caller: Caller, key: IdempotencyKey, order: Order) -> Outcome:
        async with self._intake.turns.once(caller, key, order.link) as (stored, found):
            if stored is not None:
                return await self._stored(stored)
            try:
                linked = _active(_of(order.account, found))
                return await self._do(caller, key, linked, order)
            except RequestRefused as refused:
                await self._keep_refusal(caller, key, refused.refusal)
                raise

    async def _must_not_be_reversed(self, caller: Caller, key: IdempotencyKey) -> None:
        stored = await self._intake.read(lambda queries: queries.key(caller.channel, key.key))
        if stored is not None and stored.resource == TOMBSTONE:
            raise Reversed

    async def _stored(self, resource: str) -> Outcome:
        if resource.startswith(REFUSED):
            raise RequestRefused(Refusal(resource.removeprefix(REFUSED)))
        return Outcome.of(await self._intake.outcomes.follow(OperationId(resource)))

    async def _keep_refusal(self, caller: Caller, key: IdempotencyKey, refusal: Refusal) -> None:
        """Give the same answer to every repeat, unless asking again may help."""
        if not refusal.retryable:
            used = self._intake.used(caller, key, REFUSED + refusal.value)
            await self._intake.outcomes.keep(Unit(records=(used,), may_be_refused=True))

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
        view = reply.operation
        told = view.result or {}
        return Outcome(procedure.kind, view.state, view.refusal, view.response_code, told)

    async def _set_pin(
        self, caller: Caller, key: IdempotencyKey, linked: Linked, order: Order
    ) -> Outcome:
        self._intake.must_be_allowed(caller, linked, Business.SS_PIN_SET)
        with self._intake.turns.alone(linked.link.id):
            self._intake.must_be_ready(Side.SOCIAL, linked.link.agency)
            accepted = await self._translate(linked, _SET_PIN, order, caller.channel)
            details = {CHANNEL: caller.channel}
            opened = Opened(order.kind, linked.link.id, self._intake.now(), details=details)
            used = (self._intake.used(caller, key),)
            if isinstance(accepted, Refusal):
                return Outcome.of(await self._intake.outcomes.refuse(opened, accepted, used))
            pins = {name: each.enciphered for name, each in accepted.items()}
            cargo = Cargo.of(linked, None, caller.channel)
            return Outcome.of(await self._intake.outcomes.run(opened, cargo, used, pins=pins))

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
            details = {CHANNEL: caller.channel}
            opened = Opened(
                OperationKind.UNLINK, linked.link.id, self._intake.now(), details=details
            )
            cargo = Cargo.of(linked, None, caller.channel)
            used = (self._intake.used(caller, key),)
            return Outcome.of(await self._intake.outcomes.run(opened, cargo, used))

    async def _follow(
        self, caller: Caller, key: IdempotencyKey, linked: Linked, order: Order
    ) -> Outcome:
        """Have the SS account follow an activation that the core tells of, by the region's rule."""
        self._intake.must_be_allowed(caller, linked, Business.ACTIVATE)
        rules = self._intake.catalogue.agency(linked.link.agency).profile.rules(
            self._intake.today()
        )
        now = self._intake.now()
        at = order.activated_at or now
        delay = rules.activation.ss_follows_after
        details = {
            "activated_at": at.isoformat(),
            SS_FOLLOWS_AFTER_S: str(int(delay.total_seconds())),
            CHANNEL: caller.channel,
        }
        kind = OperationKind.SS_ACCOUNT
        opened = Opened(kind, linked.link.id, now, wake_at=at + delay, details=details)
        cargo = Cargo.of(linked, None, caller.channel)
        return Outcome.of(
            await self._intake.outcomes.begin(opened, cargo, (self._intake.used(caller, key),))
        )

    # ------------------------------------------------------------------ reversals

    async def _undo(self, caller: Caller, key: IdempotencyKey, original: IdempotencyKey) -> Outcome:
        stored = await self._intake.read(lambda queries: queries.key(caller.channel, original.key))
        if stored is None:
            tombstone = KeyUsed(
                caller.channel, original.key, original.fingerprint, TOMBSTONE, self._intake.now()
            )
            try:
                await self._intake.outcomes.keep(Unit(records=(tombstone,), may_be_refused=True))
            except Conflict:
                # The original came meanwhile: asked again, its outcome is looked at.
                raise RequestRefused(Refusal.IN_PROGRESS) from None
            raise RequestRefused(Refusal.NOT_FOUND)
        if stored.resource == TOMBSTONE:
            raise RequestRefused(Refusal.NOT_FOUND)
        if stored.resource.startswith(REFUSED):
            raise RequestRefused(Refusal.ALREADY_SO)
        operation = await self._intake.outcomes.follow(OperationId(stored.resource))
        if operation.state is OperationState.FAILED:
            raise RequestRefused(Refusal.ALREADY_SO)
        if operation.kind is not OperationKind.UNLINK:
            raise RequestRefused(Refusal.NOT_OFFERED)
        if operation.state is not OperationState.SUCCEEDED:
            raise RequestRefused(Refusal.IN_PROGRESS)
        return await self._take_back(caller, key, operation)

    async def _take_back(
        self, caller: Caller, key: IdempotencyKey, operation: Operation
    ) -> Outcome:
        """Have both sides undo an unlinking, unless the card was linked otherwise since."""
        linked = await self._intake.read(lambda queries: queries.linked(operation.link))
        if linked is None or linked.link.state is not LinkState.REMOVED:
            raise RequestRefused(Refusal.ALREADY_SO)
        for side in Side:
            self._intake.must_be_ready(side, linked.link.agency)
        held = LinkChanged(operation.link, LinkState.PENDING, self._intake.now())
        with self._intake.turns.alone(operation.link):
            cargo, records = (
                Cargo.of(linked, None, caller.channel),
                (held, self._intake.used(caller, key)),
            )
            try:
                return Outcome.of(await self._intake.outcomes.withdraw(operation, cargo, records))
            except Conflict:
                raise RequestRefused(Refusal.ALREADY_LINKED) from None


def _of(account: Pan, linked: Linked | None) -> Linked:
    """Give a link of an account; another's is the same as none."""
    if linked is None or linked.account.pan != account:
        raise RequestRefused(Refusal.NOT_FOUND)
    return linked


def _active(linked: Linked) -> Linked:
    if linked.link.state is LinkState.PENDING:
        raise RequestRefused(Refusal.IN_PROGRESS)
    if linked.link.state is not LinkState.ACTIVE:
        raise RequestRefused(Refusal.NOT_FOUND)
    return linked
