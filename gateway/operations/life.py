"""Decides what an event changes in an operation and what must follow.

The kind of an operation contributes its plan: a function of the exchanges' states alone that
says which exchange begins next, which is undone, and how the operation ends. So a plan reads
the same before and after a crash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
from gateway.operations.operation import Operation, evolve
from gateway.operations.recovery import Limits, answered, is_alarming, overdue, pause
from gateway.operations.resolution import OutcomeOf, findings_of
from gateway.terms.numbers import OperationId
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

# ------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True)
class Begun:
    """The operation was just opened."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Overdue:
    """No answer came in time to the message last sent."""

    exchange: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A new process took the operation over; nothing is in its memory."""


@dataclass(frozen=True, slots=True)
class Woken:
    """The time that the operation waited for has come."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Somebody approved what another had proposed of an operation that was manual."""

    by: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Whoever asked for the operation has it taken back."""


Event = Begun | Answered | Overdue | Resumed | Woken | Resolved | Withdrawn

# ------------------------------------------------------------------ what a plan may ask for


@dataclass(frozen=True, slots=True)
class Begin:
    """Send the originals of these exchanges, all of them or none."""

    exchanges: tuple[str, ...]
    records: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Undo:
    """Reverse an approved exchange."""

    exchange: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until the next event."""


Step = Begin | Undo | Settle | Wait
Plan = Callable[[Operation, datetime], Step]

# ------------------------------------------------------------------ what follows


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send the message of the exchange's present form; `is_repeat` sets the repeat MTI (x1x1)."""

    exchange: str
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """Raise `Overdue` for the exchange at this instant unless it was answered."""

    exchange: str
    due: datetime


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Raise `Woken` at this instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Forget:
    """Wipe the PIN block held for the exchange."""

    exchange: str


@dataclass(frozen=True, slots=True)
class OpenFollowUp:
    """Open another operation in the same transaction."""

    operation: OperationId
    kind: OperationKind


@dataclass(frozen=True, slots=True)
class Alarm:
    """Let the bank's staff know that the exchange stays unconfirmed; it goes on."""

    exchange: str


Effect = Transmit | Watch | WakeAt | Forget | OpenFollowUp | Alarm


@dataclass(frozen=True, slots=True)
class Decision:
    """Facts and records to make durable, then effects to carry out, and the state thereafter."""

    operation: Operation
    facts: tuple[Fact, ...] = ()
    records: tuple[object, ...] = ()
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
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
    decision = _take_in(Decision(operation), event, now, around)
    if isinstance(event, Resumed) or _settles_anything(event, decision):
        decision = _follow_plan(decision, now, around)
    return decision


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


def _settles_anything(event: Event, decision: Decision) -> bool:
    return isinstance(event, Begun | Woken) or bool(decision.facts)


def _take_in(decision: Decision, event: Event, now: datetime, around: Surroundings) -> Decision:
    match event:
        case Begun() | Woken():
            return decision
        case Answered():
            return _take_answer(decision, event, now)
        case Overdue(exchange=name):
            exchange = decision.operation.exchanges[name]
            if exchange.state not in AWAITING:
                return decision
            return _after_silence(decision, exchange, now, around, resumed=False)
        case Resolved() | Withdrawn():
            return _take_word(decision, event, now)
        case Resumed():
            return _take_over(decision, now, around)
        case _:
            assert_never(event)


def _take_word(decision: Decision, event: Resolved | Withdrawn, now: datetime) -> Decision:
    if isinstance(event, Withdrawn):
        return _record(decision, WithdrawnFact(now))
    found = findings_of(decision.operation, now)
    decision = _record(decision, ResolutionApproved(event.by, now))
    for fact in found:
        decision = _record(decision, fact)
    return decision


def _take_over(decision: Decision, now: datetime, around: Surroundings) -> Decision:
    for exchange in decision.operation.exchanges.values():
        if exchange.state in AWAITING:
            decision = _after_silence(decision, exchange, now, around, resumed=True)
    return decision


def _take_answer(decision: Decision, event: Answered, now: datetime) -> Decision:
    exchange = decision.operation.exchanges[event.exchange]
    what = _reading(exchange, event)
    if what is None:
        return _record(decision, AnswerSetAside(exchange.name, now, event.response_code))
    step = Move(what, now, response_code=event.response_code, reason=event.reason)
    decision = _record(decision, Moved(exchange.name, step), Forget(exchange.name))
    findings = {**decision.operation.findings, exchange.name: event.finding}
    told = {**decision.operation.told, **event.told}
    return replace(decision, operation=replace(decision.operation, findings=findings, told=told))


def _reading(exchange: Exchange, event: Answered) -> ExchangeEvent | None:
    """Read an answer in the exchange's present state; None sets it aside.

    A late answer to the original settles what is unknown or being inquired after. Once a
    reversal is decided it stands, whatever the original's answer says.
    """
    if event.form is exchange.form and exchange.state in AWAITING:
        return answered(exchange, event.response_code)
    settles = exchange.state in {ExchangeState.UNKNOWN, ExchangeState.INQUIRING}
    if not settles or event.form is not Form.ORIGINAL:
        return None
    return answered(replace(exchange, state=ExchangeState.SENT), event.response_code)


def _after_silence(
    decision: Decision, exchange: Exchange, now: datetime, around: Surroundings, *, resumed: bool
) -> Decision:
    limits = around.limits(exchange.side)
    what = overdue(exchange, now, limits, resumed=resumed)
    if is_alarming(exchange, limits):
        decision = replace(decision, effects=(*decision.effects, Alarm(exchange.name)))
    if what in {ExchangeEvent.REPEAT, ExchangeEvent.INQUIRE, ExchangeEvent.REVERSE}:
        return _send(decision, exchange.name, what, now, around)
    return _record(decision, Moved(exchange.name, Move(what, now)), Forget(exchange.name))


def _follow_plan(decision: Decision, now: datetime, around: Surroundings) -> Decision:
    while True:
        operation = decision.operation
        step = around.plan(operation, now)
        match step:
            case Wait():
                woken = operation.wake_at is not None and operation.wake_at > now
                wake = (WakeAt(operation.wake_at),) if woken and operation.wake_at else ()
                return replace(decision, effects=(*decision.effects, *wake))
            case Begin():
                decision = _begin(decision, step, now, around)
            case Undo(exchange=name):
                decision = _send(decision, name, ExchangeEvent.REVERSE, now, around)
            case Settle():
                return _settle(decision, step, now, around)
            case _:
                assert_never(step)


def _begin(decision: Decision, step: Begin, now: datetime, around: Surroundings) -> Decision:
    """Send all or none; what is stored and forwarded needs no link to begin."""
    exchanges = [decision.operation.exchanges[name] for name in step.exchanges]
    barred = [
        exchange
        for exchange in exchanges
        if not exchange.recovery.needs_no_link and not around.is_ready(exchange.side)
    ]
    for exchange in barred:
        held = Moved(exchange.name, Move(ExchangeEvent.HOLD_BACK, now))
        decision = _record(decision, held)
    if barred:
        return decision
    decision = replace(decision, records=(*decision.records, *step.records))
    for exchange in exchanges:
        decision = _send(decision, exchange.name, ExchangeEvent.SEND, now, around)
    return decision


def _send(
    decision: Decision, name: str, what: ExchangeEvent, now: datetime, around: Surroundings
) -> Decision:
    exchange = decision.operation.exchanges[name]
    is_repeat = what is ExchangeEvent.REPEAT
    trace = None if is_repeat else around.allocate(exchange.side, now)
    effects: tuple[Effect, ...] = (Transmit(name, is_repeat),)
    if what in {ExchangeEvent.INQUIRE, ExchangeEvent.REVERSE}:
        effects = (Forget(name), *effects)
    decision = _record(decision, Moved(name, Move(what, now, trace)), *effects)
    return _watch(decision, name, now, around.limits(exchange.side))


def _watch(decision: Decision, name: str, now: datetime, limits: Limits) -> Decision:
    due = now + pause(decision.operation.exchanges[name], limits)
    return replace(decision, effects=(*decision.effects, Watch(name, due)))


def _settle(decision: Decision, step: Settle, now: datetime, around: Surroundings) -> Decision:
    before = decision.operation
    # What its own caller has taken back is over only then; anything else is over once.
    is_over = before.state.is_final and not (before.is_withdrawn and step.state is not before.state)
    if before.state is step.state or is_over:
        return decision
    follow_up = around.identify() if step.follow_up else None
    effects = (OpenFollowUp(follow_up, step.follow_up),) if follow_up and step.follow_up else ()
    decision = _record(
        decision,
        Settled(step.state, now, step.refusal, step.response_code, follow_up, step.told),
        *effects,
    )
    return replace(decision, records=(*decision.records, *step.records))


def _record(decision: Decision, fact: Fact, *effects: Effect) -> Decision:
    return replace(
        decision,
        operation=evolve(decision.operation, fact),
        facts=(*decision.facts, fact),
        effects=(*decision.effects, *effects),
    )
