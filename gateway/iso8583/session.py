"""The life of one connection of a link, as one table, whichever end dialled.

The dialling end signs on and off; the listening end waits for that. The shell owns sockets and
timers. It turns what happens into events, asks `decide` and carries out the commands in the order
given.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.terms.errors import LocalError

# domain.md 4.9: echo each 60 s idle, dead after 3 misses. Institutions agree on other intervals.
ECHO_INTERVAL_SECONDS = 60.0
ECHO_ANSWER_SECONDS = 10.0  # a far side that needs longer for an echo answers no customer in time
ECHO_MISSES_MAX = 3
SIGN_ON_ANSWER_SECONDS = 15.0  # that of a core's answer: it may have to look us up


class State(StrEnum):
    """What is known about a connection."""

    CLOSED = "closed"  # no connection
    CONNECTED = "connected"  # we dialled; sign-on sent and not answered
    ACCEPTED = "accepted"  # the far side dialled and has not signed on
    SIGNED_ON = "signed-on"  # new requests are sent and taken
    CHANGING_KEY = "changing-key"  # as signed on, and both MAC keys are good
    DRAINING = "draining"  # no new requests; those in flight are waited for, then we sign off
    PARTING = "parting"  # the same, but the far side signed off, or it is its part to do so
    SIGNING_OFF = "signing-off"  # sign-off sent and not answered


class Event(StrEnum):
    """What happened to a connection."""

    CONNECTED = "connected"
    ACCEPTED = "accepted"
    SIGN_ON_ACCEPTED = "sign-on-accepted"
    SIGN_ON_REFUSED = "sign-on-refused"  # or not answered in time, or never sent to us
    PEER_SIGN_ON = "peer-sign-on"
    ECHO_DUE = "echo-due"  # nothing was heard for the echo interval
    ECHO_ANSWERED = "echo-answered"  # or anything else was heard
    ECHO_MISSED = "echo-missed"
    PEER_DEAD = "peer-dead"  # the last echo that may be missed was missed
    KEY_CHANGED = "key-changed"  # a new MAC key is in use, and the one before still verifies
    KEY_SETTLED = "key-settled"  # the one before does so no longer
    CUT_OVER = "cut-over"  # the business day changed
    SIGN_OFF = "sign-off"  # we want to stop
    HANG_UP = "hang-up"  # we want to stop, where signing off is the far side's part
    PEER_SIGN_OFF = "peer-sign-off"  # the far side wants to stop
    DRAINED = "drained"  # nothing is in flight any more, or it was waited for long enough
    SIGN_OFF_ANSWERED = "sign-off-answered"  # or not answered in time
    LOST = "lost"  # the connection is gone


class Command(StrEnum):
    """What the shell must do."""

    SEND_SIGN_ON = "send-sign-on"
    SEND_ECHO = "send-echo"
    SEND_SIGN_OFF = "send-sign-off"
    DISCONNECT = "disconnect"  # at once, with a far side that may not read
    HANG_UP = "hang-up"  # after what was written has left


class Transition(NamedTuple):
    """Where an event leads and what must be done."""

    state: State
    commands: tuple[Command, ...] = ()


_CLOSE = Transition(State.CLOSED, (Command.DISCONNECT,))
_PART = Transition(State.CLOSED, (Command.HANG_UP,))
_GONE = Transition(State.CLOSED)


def _echoing(state: State) -> dict[Event, Transition]:
    """Give what proof of life does in a state that goes on."""
    return {
        Event.ECHO_DUE: Transition(state, (Command.SEND_ECHO,)),
        Event.ECHO_ANSWERED: Transition(state),
        Event.ECHO_MISSED: Transition(state, (Command.SEND_ECHO,)),
        Event.PEER_DEAD: _CLOSE,
        Event.CUT_OVER: Transition(state),
        Event.LOST: _GONE,
    }


def _open(state: State) -> dict[Event, Transition]:
    """Give what may happen while requests are sent and taken."""
    return {
        **_echoing(state),
        Event.PEER_SIGN_ON: Transition(state),
        Event.KEY_CHANGED: Transition(State.CHANGING_KEY),
        Event.KEY_SETTLED: Transition(State.SIGNED_ON),
        Event.SIGN_OFF: Transition(State.DRAINING),
        Event.HANG_UP: Transition(State.PARTING),
        Event.PEER_SIGN_OFF: Transition(State.PARTING),
    }


# Anything not here is refused by name. Echoes go on while draining: a dead far side would
# otherwise be waited for in vain.
TRANSITIONS: dict[State, dict[Event, Transition]] = {
    State.CLOSED: {
        Event.CONNECTED: Transition(State.CONNECTED, (Command.SEND_SIGN_ON,)),
        Event.ACCEPTED: Transition(State.ACCEPTED),
        Event.SIGN_OFF: _GONE,
        Event.HANG_UP: _GONE,
        Event.LOST: _GONE,
    },
    State.CONNECTED: {
        Event.SIGN_ON_ACCEPTED: Transition(State.SIGNED_ON),
        Event.SIGN_ON_REFUSED: _CLOSE,
        Event.ECHO_ANSWERED: Transition(State.CONNECTED),
        Event.SIGN_OFF: _CLOSE,
        Event.PEER_SIGN_OFF: _PART,
        Event.LOST: _GONE,
    },
    State.ACCEPTED: {
        Event.PEER_SIGN_ON: Transition(State.SIGNED_ON),
        Event.SIGN_ON_REFUSED: _CLOSE,
        Event.ECHO_ANSWERED: Transition(State.ACCEPTED),
        Event.HANG_UP: _CLOSE,
        Event.PEER_SIGN_OFF: _PART,
        Event.LOST: _GONE,
    },
    State.SIGNED_ON: _open(State.SIGNED_ON),
    State.CHANGING_KEY: _open(State.CHANGING_KEY),
    State.DRAINING: {
        **_echoing(State.DRAINING),
        Event.SIGN_OFF: Transition(State.DRAINING),
        Event.PEER_SIGN_OFF: Transition(State.PARTING),
        Event.DRAINED: Transition(State.SIGNING_OFF, (Command.SEND_SIGN_OFF,)),
    },
    State.PARTING: {
        **_echoing(State.PARTING),
        Event.SIGN_OFF: Transition(State.PARTING),
        Event.HANG_UP: Transition(State.PARTING),
        Event.PEER_SIGN_OFF: Transition(State.PARTING),
        Event.DRAINED: _PART,
    },
    State.SIGNING_OFF: {
        Event.ECHO_DUE: Transition(State.SIGNING_OFF),
        Event.ECHO_ANSWERED: Transition(State.SIGNING_OFF),
        Event.ECHO_MISSED: Transition(State.SIGNING_OFF),
        Event.PEER_DEAD: _CLOSE,
        Event.SIGN_OFF: Transition(State.SIGNING_OFF),
        Event.PEER_SIGN_OFF: Transition(State.SIGNING_OFF),
        Event.SIGN_OFF_ANSWERED: _CLOSE,
        Event.LOST: _GONE,
    },
}


# A new request may be sent.
TAKING = frozenset({State.SIGNED_ON, State.CHANGING_KEY})


class OutOfOrder(LocalError):
    """An event cannot happen in the state of the link."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event} cannot happen to a connection that is {state}")
        self.state = state
        self.event = event


@dataclass(frozen=True, slots=True)
class Session:
    """One connection now; `echo_misses` counts the echoes missed in a row."""

    state: State = State.CLOSED
    echo_misses: int = 0

    @property
    def takes_requests(self) -> bool:
        """Tell whether a new request may be sent."""
        return self.state in TAKING

    def allows(self, event: Event) -> bool:
        """Tell whether the table has this event now."""
        return event in TRANSITIONS[self.state]

    def decide(self, event: Event) -> tuple["Session", tuple[Command, ...]]:
        """Give what becomes of the connection and what must be done; raises `OutOfOrder`."""
        misses = self._misses_after(event)
        if event is Event.ECHO_MISSED and misses >= ECHO_MISSES_MAX:
            event = Event.PEER_DEAD
        transition = TRANSITIONS[self.state].get(event)
        if transition is None:
            raise OutOfOrder(self.state, event)
        still = 0 if transition.state is State.CLOSED else misses
        return Session(transition.state, still), transition.commands

    def _misses_after(self, event: Event) -> int:
        match event:
            case Event.ECHO_MISSED:
                return self.echo_misses + 1
            case Event.ECHO_ANSWERED:
                return 0
            case _:
                return self.echo_misses


def is_overdue(since_seconds: float, now_seconds: float, seconds: float) -> bool:
    """Tell whether a span of silence is long enough to send an 0800 echo."""
    # A timer for this very sum must find it over, however the difference would be rounded.
    return now_seconds >= since_seconds + seconds


def session_markdown() -> str:
    """Draw the table as a document with a Mermaid state diagram."""
    head = "# Link session\n\nDrawn from the table in `gateway/iso8583/session.py`; do not edit."
    lines = [head, "", "```mermaid", "stateDiagram-v2", "    [*] --> closed"]
    for state, events in TRANSITIONS.items():
        for event, (target, commands) in events.items():
            doing = f" / {', '.join(commands)}" if commands else ""
            lines.append(f"    {_node(state)} --> {_node(target)}: {event}{doing}")
    return "\n".join((*lines, "```", ""))


def _node(state: State) -> str:
    return state.replace("-", "_")
