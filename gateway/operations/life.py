"""Decides what an event changes in an operation and what must follow.

The kind of an operation contributes its plan: a function of the exchanges' states alone that
says which exchange begins next, which is undone, and how the operation ends. So a plan reads
the same before and after a crash.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import assert_never

from gateway.operations.exchange import (
    AWAITING,
    Exchange,
    ExchangeEvent,
    ExchangeState,
    Form,
    Move,
    Trace,
)
from gateway.operations.facts import (
    AnswerSetAside,
    Fact,
    Moved,
    OperationKind,
    OperationState,
    ResolutionApproved,
    Settled,
)
from gateway.operations.facts import Withdrawn as WithdrawnFact
from gateway.operations.operation import Operation, evolve, with_told
from gateway.operations.recovery import Limits, answered, is_alarming, overdue, pause
from gateway.operations.resolution import OutcomeOf, findings_of
from gateway.terms.numbers import OperationId
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side
from gateway.terms.values import value

# ------------------------------------------------------------------ events


@value(frozen=True, slots=True)
class Begun:
    """The operation was just opened."""


@value(frozen=True, slots=True)
class Answered:
    """A far side answered the message of `form`.

    `finding` is what it told of persons, `told` are open words, such as the state of a card.
    """

    exchange: str
    form: Form
    response_code: ResponseCode
    reason: str | None = None
    finding: object = field(default=None, repr=False)
    told: Mapping[str, str] = field(default_factory=dict)


@value(frozen=True, slots=True)
class Overdue:
    """No answer came in time to the message last sent; `is_spent` says that it cannot be repeated.

    Its PIN is older than a PIN may be sent.
    """

    exchange: str
    is_spent: bool = False


@value(frozen=True, slots=True)
class Resumed:
    """A new process took the operation over; nothing is in its memory."""


@value(frozen=True, slots=True)
class Woken:
    """The time that the operation waited for has come."""


@value(frozen=True, slots=True)
class Resolved:
    """Somebody approved what another had proposed of an operation that was manual."""

    by: str


@value(frozen=True, slots=True)
class Withdrawn:
    """Whoever asked for the operation has it taken back."""


Event = Begun | Answered | Overdue | Resumed | Woken | Resolved | Withdrawn

# ------------------------------------------------------------------ what a plan may ask for


@value(frozen=True, slots=True)
class Begin:
    """Send the originals of these exchanges, all of them or none."""

    exchanges: tuple[str, ...]
    records: tuple[object, ...] = ()


@value(frozen=True, slots=True)
class Undo:
    """Reverse an approved exchange."""

    exchange: str


@value(frozen=True, slots=True)
class Settle:
    """Tell the caller this; `records` are rows of a side or of the link that change with it.

    `told` are open words of the far side, such as the state of a card.
    """

    state: OperationState
    refusal: Refusal | None = None
    response_code: ResponseCode | None = None
    records: tuple[object, ...] = ()
    follow_up: OperationKind | None = None
    told: Mapping[str, str] | None = None


@value(frozen=True, slots=True)
class Wait:
    """Nothing to do until the next event."""


Step = Begin | Undo | Settle | Wait
Plan = Callable[[Operation, datetime], Step]

# ------------------------------------------------------------------ what follows


@value(frozen=True, slots=True)
class Transmit:
    """Send the message of the exchange's present form; `is_repeat` sets the repeat MTI (x1x1)."""

    exchange: str
    is_repeat: bool


@value(frozen=True, slots=True)
class Watch:
    """Raise `Overdue` for the exchange at this instant unless it was answered."""

    exchange: str
    due: datetime


@value(frozen=True, slots=True)
class WakeAt:
    """Raise `Woken` at this instant."""

    at: datetime


@value(frozen=True, slots=True)
class Forget:
    """Wipe the PIN block held for the exchange."""

    exchange: str


@value(frozen=True, slots=True)
class OpenFollowUp:
    """Open another operation in the same transaction."""

    operation: OperationId
    kind: OperationKind


@value(frozen=True, slots=True)
class Alarm:
    """Let the bank's staff know that the exchange stays unconfirmed; it goes on."""

    exchange: str


Effect = Transmit | Watch | WakeAt | Forget | OpenFollowUp | Alarm


@value(frozen=True, slots=True)
class Decision:
    """Facts and records to make durable, then effects to carry out, and the state thereafter."""

    operation: Operation
    facts: tuple[Fact, ...] = ()
    records: tuple[object, ...] = ()
    effects: tuple[Effect, ...] = ()


@value(frozen=True, slots=True)
class Surroundings:
    """What a decision may draw on besides state and event.

    `allocate` gives fresh trace numbers for a side, `is_ready` tells whether a side's link can
    take a message now, `identify` gives a fresh operation id. All three are deterministic in the
    simulator.
    """

    plan: Plan
    limits: Callable[[Side], Limits]
    allocate: Callable[[Side, datetime], Trace]
    is_ready: Callable[[Side], bool]
    identify: Callable[[], OperationId]


def decide(operation: Operation, event: Event, now: datetime, around: Surroundings) -> Decision:
    """Choose what an event changes and what must follow, until the plan waits."""
    deciding = _Deciding(operation, now, around)
    deciding.take_in(event)
    if isinstance(event, Resumed | Begun | Woken) or deciding.facts:
        deciding.follow_plan()
    return Decision(
        deciding.operation,
        tuple(deciding.facts),
        tuple(deciding.records),
        tuple(deciding.effects),
    )


def outcome_by(plan: Plan) -> OutcomeOf:
    """Tell where a plan leads from here: what it settles, FAILED where it takes back first."""

    def outcome_of(operation: Operation, now: datetime) -> OperationState | None:
        match plan(operation, now):
            case Settle(state=state):
                return state
            case Undo():
                return OperationState.FAILED
            case _:
                return None

    return outcome_of


class _Deciding:
    """A decision in the making; it lives no longer than one call of `decide`."""

    __slots__ = ("around", "effects", "facts", "now", "operation", "records")

    def __init__(self, operation: Operation, now: datetime, around: Surroundings) -> None:
        self.operation = operation
        self.now = now
        self.around = around
        self.facts: list[Fact] = []
        self.records: list[object] = []
        self.effects: list[Effect] = []

    # ------------------------------------------------------------------ the event

    def take_in(self, event: Event) -> None:
        """Record what the event itself says."""
        match event:
            case Begun() | Woken():
                pass
            case Answered():
                self._take_answer(event)
            case Overdue(exchange=name, is_spent=is_spent):
                # As in a process that has no PIN any more.
                self._after_silence([self.operation.exchanges[name]], resumed=is_spent)
            case Resolved() | Withdrawn():
                self._take_word(event)
            case Resumed():
                exchanges = tuple(self.operation.exchanges.values())
                self._after_silence(exchanges, resumed=True)
            case _:
                assert_never(event)

    def _take_word(self, event: Resolved | Withdrawn) -> None:
        if isinstance(event, Withdrawn):
            self._record(WithdrawnFact(self.now))
            return
        found = findings_of(self.operation, self.now)
        self._record(ResolutionApproved(event.by, self.now))
        for fact in found:
            self._record(fact)

    def _take_answer(self, event: Answered) -> None:
        exchange = self.operation.exchanges[event.exchange]
        what = _reading(exchange, event)
        if what is None:
            self._record(AnswerSetAside(exchange.name, self.now, event.response_code))
            return
        step = Move(what, self.now, response_code=event.response_code, reason=event.reason)
        self._record(Moved(exchange.name, step), Forget(exchange.name))
        self.operation = with_told(self.operation, exchange.name, event.finding, event.told)

    def _after_silence(self, exchanges: Iterable[Exchange], *, resumed: bool) -> None:
        for exchange in exchanges:
            if exchange.state in AWAITING:
                self._go_on(exchange, resumed=resumed)

    def _go_on(self, exchange: Exchange, *, resumed: bool) -> None:
        limits = self.around.limits(exchange.side)
        what = overdue(exchange, self.now, limits, resumed=resumed)
        if is_alarming(exchange, limits):
            self.effects.append(Alarm(exchange.name))
        if what in _ASKING_AGAIN:
            self._send(exchange.name, what)
        else:
            self._record(Moved(exchange.name, Move(what, self.now)), Forget(exchange.name))

    # ------------------------------------------------------------------ the plan

    def follow_plan(self) -> None:
        """Do what the plan says until it waits or settles."""
        while True:
            operation = self.operation
            step = self.around.plan(operation, self.now)
            match step:
                case Wait():
                    if operation.wake_at is not None and operation.wake_at > self.now:
                        self.effects.append(WakeAt(operation.wake_at))
                    return
                case Begin():
                    self._begin(step)
                case Undo(exchange=name):
                    self._send(name, ExchangeEvent.REVERSE)
                case Settle():
                    self._settle(step)
                    return
                case _:
                    assert_never(step)

    def _begin(self, step: Begin) -> None:
        """Send all or none; what is stored and forwarded needs no link to begin."""
        exchanges = [self.operation.exchanges[name] for name in step.exchanges]
        barred = [
            exchange
            for exchange in exchanges
            if not exchange.recovery.needs_no_link and not self.around.is_ready(exchange.side)
        ]
        for exchange in barred:
            self._record(Moved(exchange.name, Move(ExchangeEvent.HOLD_BACK, self.now)))
        if barred:
            return
        self.records.extend(step.records)
        for exchange in exchanges:
            self._send(exchange.name, ExchangeEvent.SEND)

    def _send(self, name: str, what: ExchangeEvent) -> None:
        exchange = self.operation.exchanges[name]
        is_repeat = what is ExchangeEvent.REPEAT
        trace = None if is_repeat else self.around.allocate(exchange.side, self.now)
        if what in _OTHERWISE:
            self.effects.append(Forget(name))
        self._record(Moved(name, Move(what, self.now, trace)), Transmit(name, is_repeat))
        limits = self.around.limits(exchange.side)
        due = self.now + pause(self.operation.exchanges[name], limits)
        self.effects.append(Watch(name, due))

    def _settle(self, step: Settle) -> None:
        before, state = self.operation, step.state
        # What its own caller has taken back is over only then; anything else is over once.
        is_over = before.state.is_final and not before.is_withdrawn
        if before.state is state or is_over:
            return
        follow_up = self.around.identify() if step.follow_up else None
        self._record(
            Settled(state, self.now, step.refusal, step.response_code, follow_up, step.told)
        )
        if follow_up is not None and step.follow_up is not None:
            self.effects.append(OpenFollowUp(follow_up, step.follow_up))
        self.records.extend(step.records)

    def _record(self, fact: Fact, *effects: Effect) -> None:
        self.operation = evolve(self.operation, fact)
        self.facts.append(fact)
        self.effects.extend(effects)


# Made once: a set that is written where it is looked into is made at each look.
_OTHERWISE = frozenset({ExchangeEvent.INQUIRE, ExchangeEvent.REVERSE})
_ASKING_AGAIN = _OTHERWISE | {ExchangeEvent.REPEAT}
_OPEN_STILL = frozenset({ExchangeState.UNKNOWN, ExchangeState.INQUIRING})


def _reading(exchange: Exchange, event: Answered) -> ExchangeEvent | None:
    """Read an answer in the exchange's present state; None sets it aside.

    A late answer to the original settles what is unknown or being inquired after. Once a
    reversal is decided it stands, whatever the original's answer says.
    """
    if event.form is exchange.form and exchange.state in AWAITING:
        return answered(exchange, event.response_code)
    settles = exchange.state in _OPEN_STILL
    if not settles or event.form is not Form.ORIGINAL:
        return None
    return answered(replace(exchange, state=ExchangeState.SENT), event.response_code)
