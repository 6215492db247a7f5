"""One connection of a link with the session on it, whichever end dialled."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, Protocol, assert_never

import structlog
from twisted.internet.interfaces import IDelayedCall

from gateway.iso8583.codec import Codec
from gateway.iso8583.cut_over import BUSINESS_DAY, CUT_OVER, business_day
from gateway.iso8583.message import REQUESTS, Message, MessageClass, answer_mti
from gateway.iso8583.message_kind import MessageKind, Sender
from gateway.iso8583.message_set import MessageSet
from gateway.iso8583.session import (
    ECHO_ANSWER_SECONDS,
    ECHO_INTERVAL_SECONDS,
    SIGN_ON_ANSWER_SECONDS,
    Command,
    Event,
    Session,
    State,
    is_overdue,
)
from gateway.terms.errors import LocalError, PeerError, Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.wire.connection import MessageConnection
from gateway.wire.link_mac import LinkMac
from gateway.wire.tally import Tally

log = structlog.get_logger()

DRAIN_SECONDS_MAX = 10.0  # a stopping gateway waits this long for answers in flight
SESSION_MESSAGES = ("sign-on", "sign-off", "echo")  # what a message set needs for a session
_NETWORK_MANAGEMENT = MessageClass.NETWORK_MANAGEMENT.value
# What a refusal echoes, where the request has it.
_ECHOED = (3, 7, 11, 32, 33, 37, 41, 70)
_PEER_EVENTS = {
    "sign-on": Event.PEER_SIGN_ON,
    "sign-off": Event.PEER_SIGN_OFF,
    CUT_OVER: Event.CUT_OVER,
}


@dataclass(frozen=True, slots=True)
class Speech:
    """What all connections of a link have in common.

    `network_message` makes an 08xx request of the message set by its name, or raises
    `Unavailable`. The end that dials signs on and off, and is the gateway of the message set.
    After `echo_seconds` of silence a sign of life is asked for.
    """

    name: str
    codec: Codec
    message_set: MessageSet
    mac: LinkMac
    network_message: Callable[[str], Message]
    dials: bool
    echo_seconds: float = ECHO_INTERVAL_SECONDS

    @property
    def answer_seconds(self) -> float:
        """How long an echo may take, and a request before it counts as one that was missed."""
        return min(ECHO_ANSWER_SECONDS, self.echo_seconds)


class Owner(Protocol):
    """The link that a line is part of."""

    def changed(self, line: "Line", reason: str) -> None:
        """Hear that the line's state is another."""

    def answered(self, message: Message) -> None:
        """Take an answer to a request that is no 08xx."""

    def requested(self, kind: str, message: Message, reply: Callable[[Message], None]) -> None:
        """Take a request of the far side that is in the message set; `reply` answers it."""

    def cut_over(self, business_day: str) -> None:
        """Hear that the business day is another, MMDD, whichever end said so."""

    def in_flight_over(self, line: "Line") -> int:
        """Count the requests sent over the line that wait for their answer."""

    def lost(self, line: "Line") -> None:
        """Hear that the connection is gone."""


class _Asked(NamedTuple):
    """An 08xx request that waits for its answer, or for the end of its time."""

    name: str
    request: Message | None  # None when there was no trace number for one
    timer: IDelayedCall
    heard: Callable[[str], None] | None = None  # who waits for its DE 39, or for nothing


class Line:
    """Keeps the session on one connection: sign-on, proof of life, draining, sign-off.

    `reactor` must run on a monotonic clock: a step of the wall clock must not fire a timer.
    """

    def __init__(self, speech: Speech, owner: Owner, tally: Tally, reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._speech = speech
        self._owner = owner
        self._tally = tally
        self._reactor = reactor
        self._seconds: Callable[[], float] = reactor.seconds
        self._session = Session()
        self.takes_requests = self._session.takes_requests  # whether a new one may be sent
        framing = speech.codec.dialect.framing
        # Where we are the far side, the dialect's own destination is ours.
        own = framing.own_envelope
        self._own_envelope = b"" if speech.dials else framing.answer_envelope(own)
        self._asked: dict[str, _Asked] = {}  # by STAN
        self._unmade = count()
        self._why_closed = ""  # while no sign-on has been accepted since
        self._connection: MessageConnection | None = None
        self._heard_at = 0.0
        self._asked_at: float | None = None  # the first request since then, whatever it waits for
        self._watch: IDelayedCall | None = None
        self._draining: IDelayedCall | None = None

    @property
    def state(self) -> State:
        """What is known about the connection."""
        return self._session.state

    def connection(self) -> MessageConnection:
        """Make the protocol of a new connection."""
        speech = self._speech
        return MessageConnection(
            speech.name, speech.codec, speech.mac, self, self._tally, self._reactor
        )

    def write(self, message: Message, envelope: bytes = b"", until: float | None = None) -> None:
        """Send a message; one that does not fit the dialect is logged, our own mistake."""
        assert self._connection is not None  # heard from one, or not CLOSED
        try:
            self._connection.send(message, envelope, until)
        except LocalError as error:
            # No traceback: its frames hold the message.
            log.error("message-unencodable", link=self._speech.name, reason=str(error))  # noqa: TRY400

    def send(self, request: Message, until: float | None = None) -> None:
        """Send a request: where nothing at all is heard after it, the far side may be gone."""
        if self._asked_at is None:
            self._asked_at = self._seconds()
        self.write(request, until=until)

    def prove(self) -> None:
        """Ask a far side for a sign of life that was silent for a while, and not asked yet."""
        now = self._seconds()
        is_silent = is_overdue(self._heard_at, now, self._speech.answer_seconds)
        if is_silent and not self._is_echoing:
            self.apply_if_allowed(Event.ECHO_DUE)

    def apply(self, event: Event, reason: str = "") -> None:
        """Have something happen to the session, and do what follows."""
        before = self.state
        self._session, commands = self._session.decide(event)
        self.takes_requests = self._session.takes_requests
        if self.state is not before:
            self._enter(reason or event.value)
        for command in commands:
            self._obey(command)
        if self.state is not before and self.state in {State.DRAINING, State.PARTING}:
            self._drain(self._reactor.seconds() + DRAIN_SECONDS_MAX)

    def apply_if_allowed(self, event: Event) -> bool:
        """Have something happen if it can happen now; tell whether it did."""
        if not self._session.allows(event):
            return False
        self.apply(event)
        return True

    def ask(self, name: str, request: Message, heard: Callable[[str], None]) -> None:
        """Send an 08xx request of the set; `heard` gets its DE 39, or nothing when none came."""
        stan = request.text(11)

        def unanswered() -> None:
            del self._asked[stan]
            heard("")

        timer = self._reactor.callLater(ECHO_ANSWER_SECONDS, unanswered)
        self._asked[stan] = _Asked(name, request, timer, heard)
        self.write(request, self._own_envelope)

    # ------------------------------------------------------------------ from the connection

    def connected(self, connection: MessageConnection) -> None:
        """Hear that the connection is made: sign on, or wait for the far side to."""
        self._connection = connection
        self._tally.reconnects += 1
        self._heard_at, self._asked_at = self._reactor.seconds(), None
        self.apply(Event.CONNECTED if self._speech.dials else Event.ACCEPTED)

    def alive(self) -> None:
        """Hear a sign of life that is no message."""
        self._heard_at, self._asked_at = self._seconds(), None
        if self._session.echo_misses:
            self.apply(Event.ECHO_ANSWERED)

    def heard(self, message: Message) -> None:
        """Hear a message: an answer of ours, or a request of the peer."""
        self._heard_at, self._asked_at = self._seconds(), None
        if self._session.echo_misses:
            self.apply(Event.ECHO_ANSWERED)
        mti = message.mti
        if mti[2] in REQUESTS:
            self._take_request(message)
        elif mti[1] == _NETWORK_MANAGEMENT:
            self._network_answer(message)
        else:
            self._owner.answered(message)

    def lost(self, reason: str) -> None:
        """Hear that the connection is gone."""
        self._connection = None
        self.apply(Event.LOST, reason)
        self._owner.lost(self)

    # ------------------------------------------------------------------ requests of the far side

    def _take_request(self, request: Message) -> None:
        assert self._connection is not None  # heard from one
        envelope = self._connection.answer_envelope
        sender: Sender = "peer" if self._speech.dials else "gateway"
        try:
            kind = self._speech.message_set.check_request(request, sender)
        except PeerError as error:
            self._refuse(str(error))
            self._decline(request, envelope, error.response_code)
            return
        if kind.name in SESSION_MESSAGES or kind.name in _PEER_EVENTS:
            self._session_request(kind, request, envelope)
            return
        if not (self._speech.dials or self.takes_requests):
            self._refuse("the far side has not signed on")
            self._decline(request, envelope, ResponseCode.INOPERATIVE)
            return
        connection = self._connection

        def reply(answer: Message) -> None:
            if self._connection is connection:
                self.write(answer, envelope)

        self._owner.requested(kind.name, request, reply)

    def _session_request(self, kind: MessageKind, request: Message, envelope: bytes) -> None:
        event = _PEER_EVENTS.get(kind.name)
        code = self._session_refusal(kind.name, request)
        self.write(kind.answer(request, code or ResponseCode.APPROVED), envelope)
        if event is not None and code is None:
            self._happened(event, request)

    def _session_refusal(self, name: str, request: Message) -> ResponseCode | None:
        event = _PEER_EVENTS.get(name)
        if event is not None and not self._session.allows(event):
            self._refuse(f"{name} cannot happen to a connection that is {self.state}")
            return ResponseCode.INOPERATIVE
        try:
            if event is Event.CUT_OVER:
                business_day(request)
        except PeerError as error:
            self._refuse(str(error))
            return error.response_code
        return None

    def _happened(self, event: Event, request: Message) -> None:
        self.apply(event)
        if event is Event.CUT_OVER:
            self._owner.cut_over(request.text(BUSINESS_DAY))

    def _decline(self, request: Message, envelope: bytes, code: ResponseCode) -> None:
        """Answer what is refused, where the far side waits for that: it dialled us."""
        if not self._speech.dials:
            echoed = {de: request.fields[de] for de in _ECHOED if de in request.fields}
            fields = dict(sorted({**echoed, 39: code.value}.items()))
            self.write(Message(answer_mti(request.mti), fields), envelope)

    def _refuse(self, reason: str) -> None:
        self._tally.refused += 1
        log.warning("request-refused", link=self._speech.name, reason=reason)

    # ------------------------------------------------------------------ the session

    def _enter(self, reason: str) -> None:
        """Begin a state: no timer of the one before may fire into it."""
        _cancel(self._watch)
        _cancel(self._draining)
        if self.state is State.CLOSED:
            self._forget_asked()
            self._why_closed = reason
        elif self.state is State.CONNECTED and self._why_closed:
            reason = f"{reason}; before: {self._why_closed}"
        elif self.takes_requests:
            self._why_closed = ""
        if self.state is State.ACCEPTED:
            self._watch = self._reactor.callLater(
                SIGN_ON_ANSWER_SECONDS, self.apply, Event.SIGN_ON_REFUSED, "no sign-on came"
            )
        if self.takes_requests:
            self._watch = self._reactor.callLater(_LOOK_SECONDS, self._look)
        log.info("link", link=self._speech.name, state=self.state.value, why=reason)
        self._owner.changed(self, reason)

    def _obey(self, command: Command) -> None:
        match command:
            case Command.SEND_SIGN_ON:
                self._ask("sign-on", SIGN_ON_ANSWER_SECONDS, Event.SIGN_ON_REFUSED)
            case Command.SEND_ECHO:
                self._ask("echo", self._speech.answer_seconds, Event.ECHO_MISSED)
            case Command.SEND_SIGN_OFF:
                self._ask("sign-off", ECHO_ANSWER_SECONDS, Event.SIGN_OFF_ANSWERED)
            case Command.DISCONNECT:
                assert self._connection is not None  # no state but CLOSED is without one
                self._connection.disconnect()
            case Command.HANG_UP:
                assert self._connection is not None  # no state but CLOSED is without one
                self._connection.hang_up()
            case _:
                assert_never(command)

    def _ask(self, name: str, seconds: float, otherwise: Event) -> None:
        """Send an 08xx request; when it is not answered in time, `otherwise` has happened.

        One that cannot be made, for want of a trace number, is as good as not answered.
        """
        try:
            request = self._speech.network_message(name)
        except Unavailable as error:
            log.warning("network-message-unavailable", link=self._speech.name, reason=str(error))
            request = None
        # One without a STAN is answered by nobody, but its time must end like any other's.
        stan = request.text(11) if request is not None else f"none-{next(self._unmade)}"

        mac_failures = self._tally.mac_failures

        def unanswered() -> None:
            del self._asked[stan]
            self.apply(otherwise, self._unanswered(name, mac_failures))

        self._asked[stan] = _Asked(name, request, self._reactor.callLater(seconds, unanswered))
        if request is not None:
            self.write(request, self._own_envelope)

    def _unanswered(self, name: str, mac_failures: int) -> str:
        """Say that no answer came; where something came under another key, that is why."""
        if self._tally.mac_failures == mac_failures:
            return f"{name} was not answered"
        return f"{name} was not answered under our MAC key: compare its check value"

    def _network_answer(self, message: Message) -> None:
        asked = self._asked.get(message.text(11))
        if asked is None or asked.request is None:
            self._tally.unmatched += 1
            return
        try:
            kind = self._speech.message_set.kind(asked.name)
            self._speech.message_set.check_response(kind, asked.request, message)
        except PeerError as error:
            self._refuse(str(error))
            return
        del self._asked[message.text(11)]
        asked.timer.cancel()
        self._apply_answer(asked.name, asked.request, message.text(39))
        if asked.heard is not None:
            asked.heard(message.text(39))

    def _apply_answer(self, name: str, request: Message, code: str) -> None:
        if name == CUT_OVER and code == ResponseCode.APPROVED:
            self.apply_if_allowed(Event.CUT_OVER)  # it may be signing off by now
            self._owner.cut_over(request.text(BUSINESS_DAY))
        elif name == "sign-on" and code == ResponseCode.APPROVED:
            self.apply(Event.SIGN_ON_ACCEPTED)
        elif name == "sign-on":
            self.apply(Event.SIGN_ON_REFUSED, f"sign-on answered {code}")
        elif name == "sign-off":
            self.apply(Event.SIGN_OFF_ANSWERED)

    def _forget_asked(self) -> None:
        forgotten = list(self._asked.values())
        self._asked.clear()
        for asked in forgotten:
            asked.timer.cancel()
            if asked.heard is not None:
                asked.heard("")

    def _look(self) -> None:
        """Look for silence while signed on: an echo is the only real proof of life.

        A request is as good a question as an echo: nothing at all in the time of one is a miss.
        """
        now, speech = self._reactor.seconds(), self._speech
        self._watch = self._reactor.callLater(_LOOK_SECONDS, self._look)
        if self._is_echoing:
            return
        if self._asked_at is not None and is_overdue(self._asked_at, now, speech.answer_seconds):
            self.apply(Event.ECHO_MISSED, "a request was not answered, nor anything else said")
        elif is_overdue(self._heard_at, now, speech.echo_seconds):
            self.apply(Event.ECHO_DUE)

    @property
    def _is_echoing(self) -> bool:
        return any(asked.name == "echo" for asked in self._asked.values())

    def _drain(self, until: float) -> None:
        if self._owner.in_flight_over(self) and self._reactor.seconds() < until:
            self._draining = self._reactor.callLater(_DRAIN_LOOK_SECONDS, self._drain, until)
        else:
            self.apply(Event.DRAINED)


_DRAIN_LOOK_SECONDS = 0.05
_LOOK_SECONDS = 1.0  # so much later than it is over a silence is noticed


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
