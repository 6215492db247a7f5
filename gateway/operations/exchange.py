"""One request to one far side, from planned until its outcome is known.

States are what we know, events are what we learnt or decided. Anything that is not in
`TRANSITIONS` is refused by name. ``docs/machines/exchange.md`` is drawn from the table.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.operations.copies import copier
from gateway.terms.errors import LocalError
from gateway.terms.numbers import Rrn, Stan
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side
from gateway.terms.values import value


class ExchangeState(StrEnum):
    """What is known of an exchange."""

    PLANNED = "planned"
    NOT_SENT = "not-sent"  # final: the link was down, no byte left
    SENT = "sent"
    INQUIRING = "inquiring"  # the outcome is asked for
    REVERSING = "reversing"  # the effect, if any, is being undone
    APPROVED = "approved"
    DECLINED = "declined"  # final: the far side did not do it and never will
    REVERSED = "reversed"  # final: the far side confirmed that nothing of it stands
    UNANSWERED = "unanswered"  # final: a question without effect stayed unanswered
    UNKNOWN = "unknown"  # a late answer may still settle it; we can do no more
    MANUAL = "manual"  # nothing more is sent: a person must find out


class ExchangeEvent(StrEnum):
    """What moves an exchange."""

    SEND = "send"
    HOLD_BACK = "hold-back"
    REPEAT = "repeat"
    APPROVE = "approve"
    DECLINE = "decline"
    GIVE_UP = "give-up"
    LOSE_TRACK = "lose-track"
    INQUIRE = "inquire"
    REVERSE = "reverse"
    CONFIRM_REVERSAL = "confirm-reversal"
    EXPIRE = "expire"
    FIND_DONE = "find-done"  # by a person, with the far side
    FIND_NOT_DONE = "find-not-done"


_S, _E = ExchangeState, ExchangeEvent

TRANSITIONS: dict[ExchangeState, dict[ExchangeEvent, ExchangeState]] = {
    _S.PLANNED: {_E.SEND: _S.SENT, _E.HOLD_BACK: _S.NOT_SENT},
    _S.NOT_SENT: {},
    _S.SENT: {
        _E.REPEAT: _S.SENT,
        _E.APPROVE: _S.APPROVED,
        _E.DECLINE: _S.DECLINED,
        _E.GIVE_UP: _S.UNANSWERED,
        _E.LOSE_TRACK: _S.UNKNOWN,
        _E.INQUIRE: _S.INQUIRING,
        _E.REVERSE: _S.REVERSING,
        _E.EXPIRE: _S.MANUAL,
    },
    _S.INQUIRING: {
        _E.INQUIRE: _S.INQUIRING,
        _E.APPROVE: _S.APPROVED,
        _E.DECLINE: _S.DECLINED,
        _E.REVERSE: _S.REVERSING,
        _E.EXPIRE: _S.MANUAL,
    },
    _S.REVERSING: {
        _E.REPEAT: _S.REVERSING,
        _E.CONFIRM_REVERSAL: _S.REVERSED,
        _E.EXPIRE: _S.MANUAL,
    },
    _S.APPROVED: {_E.REVERSE: _S.REVERSING},
    _S.DECLINED: {},
    _S.REVERSED: {},
    _S.UNANSWERED: {},
    _S.UNKNOWN: {_E.APPROVE: _S.APPROVED, _E.DECLINE: _S.DECLINED},
    _S.MANUAL: {_E.FIND_DONE: _S.APPROVED, _E.FIND_NOT_DONE: _S.DECLINED},
}

WITHOUT_EFFECT = frozenset({_S.NOT_SENT, _S.DECLINED, _S.REVERSED, _S.UNANSWERED})
"""States in which the far side certainly holds no effect of the exchange."""

AWAITING = frozenset({_S.SENT, _S.INQUIRING, _S.REVERSING})
"""States in which a message is out and its answer is due."""


class Recovery(StrEnum):
    """What an overdue answer means for a kind of exchange (message sets declare it)."""

    QUERY = "query"  # no effect: repeat, then go without
    REVERSIBLE = "reversible"  # repeat, then undo until confirmed
    AT_MOST_ONCE = "at-most-once"  # repeat from memory only, then say that we do not know
    FORWARD = "forward"  # repeat from memory, then inquire until the outcome is known
    REVOCABLE = "revocable"  # repeat from memory, inquire, then undo until confirmed
    ADVICE = "advice"  # repeat until answered
    AT_LEAST_ONCE = "at-least-once"  # repeat until answered without expiry, with an alarm

    @property
    def needs_no_link(self) -> bool:
        """Tell whether a message is stored and forwarded, so that it begins with the link down."""
        return self in {Recovery.ADVICE, Recovery.AT_LEAST_ONCE}


class Form(StrEnum):
    """Which message of an exchange is sent."""

    ORIGINAL = "original"
    INQUIRY = "inquiry"
    REVERSAL = "reversal"


@value(frozen=True, slots=True)
class Trace:
    """How a request is known on the wire: data elements 11, 37 and 7 (the full UTC instant).

    `terminal` is DE 41 of the node that sent it, which a repeat by another node keeps.
    """

    stan: Stan
    rrn: Rrn
    transmitted_at: datetime
    terminal: str = ""


@value(frozen=True, slots=True)
class Exchange:
    """One exchange as folded from its facts.

    `attempts` counts the messages sent in the present state; `trace` is that of the original
    request, `follow_up` that of the inquiry or the reversal.
    """

    name: str
    side: Side
    message: str
    recovery: Recovery
    state: ExchangeState = ExchangeState.PLANNED
    attempts: int = 0
    sent_at: datetime | None = None
    trace: Trace | None = None
    follow_up: Trace | None = None
    response_code: ResponseCode | None = None
    reason: str | None = None

    @property
    def form(self) -> Form:
        """Which message goes out in the present state."""
        if self.state is ExchangeState.INQUIRING:
            return Form.INQUIRY
        return Form.REVERSAL if self.state is ExchangeState.REVERSING else Form.ORIGINAL

    @property
    def current_trace(self) -> Trace | None:
        """The trace of the message whose answer is awaited."""
        return self.trace if self.form is Form.ORIGINAL else self.follow_up

    @property
    def is_forwarded(self) -> bool:
        """Tell whether it is stored and forwarded now: sent again whenever there is a link."""
        if self.state not in AWAITING:
            return False
        return self.form is not Form.ORIGINAL or self.recovery.needs_no_link

    @property
    def reached_peer(self) -> bool:
        """Tell whether the original may have left for the far side."""
        return self.trace is not None


@value(frozen=True, slots=True)
class Move:
    """What is learnt of an exchange at one instant."""

    event: ExchangeEvent
    at: datetime
    trace: Trace | None = None
    response_code: ResponseCode | None = None
    reason: str | None = None


_SENDING = frozenset({_E.SEND, _E.REPEAT, _E.INQUIRE, _E.REVERSE})
_TRACED = {_E.SEND: "trace", _E.INQUIRE: "follow_up", _E.REVERSE: "follow_up"}


def move(exchange: Exchange, step: Move) -> Exchange:
    """Fold one move into the exchange.

    Raises `LocalError` when the table does not have it, and when a message would go out
    without the trace under which its answer will be known.
    """
    state = TRANSITIONS[exchange.state].get(step.event)
    if state is None:
        raise LocalError(f"exchange {exchange.name} cannot {step.event} while {exchange.state}")
    changes: dict[str, Any] = {"state": state}
    if step.response_code is not None:
        changes |= {"response_code": step.response_code, "reason": step.reason}
    if step.event is _E.FIND_NOT_DONE:
        # What the far side once answered is not why nothing stands.
        changes |= {"response_code": None, "reason": None}
    if step.event in _SENDING:
        again = state is exchange.state
        changes["attempts"] = exchange.attempts + 1 if again else 1
        changes["sent_at"] = exchange.sent_at if again else step.at
    # A repeat differs from its original in MTI and MAC only: it has no trace of its own.
    if step.event in _TRACED:
        changes[_TRACED[step.event]] = _required(step)
    return _copy(exchange, changes)


_copy = copier(Exchange)


def _required(step: Move) -> Trace:
    if step.trace is None:
        raise LocalError(f"a message to {step.event} needs its trace numbers")
    return step.trace


def exchange_markdown() -> str:
    """Draw the table as a document with a Mermaid state diagram."""
    head = "# Exchange\n\nDrawn from the table in `gateway/operations/exchange.py`; do not edit."
    lines = [head, "", "```mermaid", "stateDiagram-v2", f"    [*] --> {_node(_S.PLANNED)}"]
    for state, events in TRANSITIONS.items():
        lines += [f"    {_node(state)} --> {_node(to)}: {event}" for event, to in events.items()]
        lines += [] if events else [f"    {_node(state)} --> [*]"]
    return "\n".join((*lines, "```", ""))


def _node(state: ExchangeState) -> str:
    return state.replace("-", "_")
