"""A link that we dial: one connection kept up, signed on, proven alive, its answers matched."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, assert_never

import structlog
from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory

from gateway.iso8583.codec import Codec
from gateway.iso8583.key_change import (
    CHECK_VALUE,
    KEY_CHANGE,
    KEY_REQUEST,
    ChangedKey,
    KeyChange,
    read_key_change,
)
from gateway.iso8583.mac import Mac
from gateway.iso8583.matching import DuplicateKey, Outcome, PendingTable
from gateway.iso8583.message import Message, MessageClass
from gateway.iso8583.message_set import MessageKind, MessageSet
from gateway.iso8583.session import (
    ECHO_ANSWER_SECONDS,
    ECHO_INTERVAL_SECONDS,
    SIGN_ON_ANSWER_SECONDS,
    Command,
    Event,
    Session,
    State,
    echo_is_due,
)
from gateway.terms.errors import LocalError, PeerError, Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.wire.connection import MessageConnection, Tally
from gateway.wire.link_mac import LinkMac

log = structlog.get_logger()

Token = TypeVar("Token")

CONNECT_SECONDS_MAX = 5.0  # domain.md 4.9; within a bank's network a connection takes a millisecond
RECONNECT_SECONDS_FIRST = 0.5
RECONNECT_SECONDS_MAX = 30.0  # a bureau that comes back is found within half a minute
DRAIN_SECONDS_MAX = 10.0  # a stopping gateway waits this long for answers in flight
OTHER_CODE = "other"  # what a decline is counted under when its DE 39 is none of ours


class KeyChanged(NamedTuple):
    """What became of a far side's new key: DE 39, its check value and, for a MAC key, its MAC."""

    response_code: ResponseCode
    check_value: str = ""
    mac: Mac | None = None


ChangeKey = Callable[[KeyChange, Callable[[KeyChanged], None]], None]


@dataclass(frozen=True, slots=True)
class LinkPlan(Generic[Token]):
    """What a link needs besides its socket.

    `network_message` makes an 08xx request of the message set by its name, or raises
    `Unavailable`; `answered` takes matched and late answers; `became` hears of each change of
    state. `change_key` puts a far side's new key into use and then says what became of it;
    without it none is taken.
    """

    name: str
    host: str
    port: int
    codec: Codec
    message_set: MessageSet
    mac: Mac
    network_message: Callable[[str], Message]
    answered: Callable[[Token, Message], None]
    became: Callable[[State], None]
    answer_seconds_max: float
    in_flight_max: int
    change_key: ChangeKey | None = None


class _Asked(NamedTuple):
    """An 08xx request that waits for its answer, or for the end of its time."""

    name: str
    request: Message | None  # None when there was no trace number for one
    timer: IDelayedCall
    heard: Callable[[str], None] | None = None  # who waits for DE 39 of a key request


class OutboundLink(Generic[Token]):
    """Keeps one connection to one peer and matches what comes back to what went out.

    `reactor` must run on a monotonic clock: a step of the wall clock must not fire a timer.
    """

    def __init__(self, plan: LinkPlan[Token], reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._plan = plan
        self._reactor = reactor
        self._mac = LinkMac(plan.mac, reactor.seconds)
        self._session = Session()
        self._pending: PendingTable[Token] = PendingTable(
            plan.answer_seconds_max, plan.in_flight_max, match_on=plan.message_set.match_on
        )
        self._asked: dict[str, _Asked] = {}  # by STAN
        self._fruitless = 0  # connections and attempts since the last accepted sign-on
        self._connection: MessageConnection | None = None
        self._heard_at = 0.0
        self._watch: IDelayedCall | None = None
        self._draining: IDelayedCall | None = None
        self._stopping: list[Deferred[None]] = []
        self.tally = Tally()
        self.since = reactor.seconds()
        self.reason = "not connected yet"
        endpoint = TCP4ClientEndpoint(reactor, plan.host, plan.port, CONNECT_SECONDS_MAX)
        self._pause = backoffPolicy(RECONNECT_SECONDS_FIRST, RECONNECT_SECONDS_MAX)
        self._service = ClientService(endpoint, _Connections(self), self._back_off, reactor)

    # ------------------------------------------------------------------ from the gateway

    @property
    def name(self) -> str:
        """The link's name in the configuration."""
        return self._plan.name

    @property
    def state(self) -> State:
        """What is known about the link."""
        return self._session.state

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        self._pending.expire(self._reactor.seconds())
        return len(self._pending)

    @property
    def is_ready(self) -> bool:
        """Tell whether a new request may be sent now."""
        return self._session.takes_requests and self.in_flight < self._plan.in_flight_max

    def start(self) -> None:
        """Begin to dial, and go on until stopped."""
        self._service.startService()

    def send(self, message: Message, token: Token) -> None:
        """Write a request or a repeat and await its answer under `token`.

        While the link is down nothing is written: whoever watches the answer repeats it.
        """
        if self._connection is None or not self._session.takes_requests:
            return
        now = self._reactor.seconds()
        self._pending.expire(now)
        try:
            self._pending.add(message, token, now)
        except DuplicateKey:
            pass  # a repeat of what is still awaited: the first answer to either will do
        except Unavailable:
            log.warning("link-full", link=self.name, in_flight=self.in_flight)
            return
        self._write(message)

    def mac(self, data: bytes) -> bytes:
        """Compute the MAC that the link sends with now, 8 bytes."""
        return self._mac(data)

    def change_mac(self, mac: Mac) -> None:
        """Send under a new MAC key from now on; the one before still verifies for a while."""
        self._mac.change(mac)

    def request_key(self, key: ChangedKey, heard: Callable[[str], None]) -> None:
        """Ask the far side for a new key; `heard` gets its DE 39, or nothing when none came.

        The key comes in an 0800 of its own. Raises `Unavailable` while the link is not signed on.
        """
        if not self._session.takes_requests:
            raise Unavailable(f"link {self.name} is {self.state.value}")
        request = self._plan.network_message(KEY_REQUEST).with_fields({53: key.security_control})
        stan = request.text(11)

        def unanswered() -> None:
            del self._asked[stan]
            heard("")

        timer = self._reactor.callLater(ECHO_ANSWER_SECONDS, unanswered)
        self._asked[stan] = _Asked(KEY_REQUEST, request, timer, heard)
        self._write(request)

    def stop(self) -> "Deferred[None]":
        """Wait for what is in flight, sign off and disconnect; fires when the link is closed."""
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        if len(self._stopping) == 1:
            self._apply(Event.SIGN_OFF)
            if self.state is State.CLOSED:
                self._finish()
            else:
                self._drain(self._reactor.seconds() + DRAIN_SECONDS_MAX)
        return stopped

    # ------------------------------------------------------------------ from the connection

    def connected(self, connection: MessageConnection) -> None:
        """Hear that the connection is made: sign on."""
        self._connection = connection
        self.tally.reconnects += 1
        self._heard_at = self._reactor.seconds()
        self._apply(Event.CONNECTED)

    def alive(self) -> None:
        """Hear a sign of life that is no message."""
        self._heard_at = self._reactor.seconds()
        if self._session.echo_misses:
            self._apply(Event.ECHO_ANSWERED)

    def heard(self, message: Message) -> None:
        """Hear a message: an answer of ours, or a request of the peer."""
        self.alive()
        if message.is_request:
            self._answer(message)
        elif message.mti[1] == MessageClass.NETWORK_MANAGEMENT:
            self._network_answer(message)
        else:
            self._match(message)

    def lost(self, reason: str) -> None:
        """Hear that the connection is gone; what was in flight may still be answered late."""
        self._connection = None
        self._pending.clear()
        self._apply(Event.LOST, reason)
        if self._stopping:
            self._finish()

    def connection_for(self) -> MessageConnection:
        """Make the protocol of a new connection."""
        plan = self._plan
        return MessageConnection(plan.name, plan.codec, self._mac, self, self.tally, self._reactor)

    # ------------------------------------------------------------------ answers

    def _match(self, message: Message) -> None:
        now = self._reactor.seconds()
        self._pending.expire(now)
        found = self._pending.match(message, now)
        if found.outcome is Outcome.LATE:
            self.tally.late += 1
        if found.token is not None and found.outcome in {Outcome.MATCHED, Outcome.LATE}:
            self._count_decline(message)
            self._plan.answered(found.token, message)
            return
        self.tally.unmatched += 1
        log.warning(
            "answer-unmatched",
            link=self.name,
            outcome=found.outcome.value,
            data_element=found.data_element,
            trace=message.trace,
        )

    def _count_decline(self, message: Message) -> None:
        code = message.text(39)
        if code != ResponseCode.APPROVED:
            code = code if code in _CODES else OTHER_CODE
            self.tally.declines[code] = self.tally.declines.get(code, 0) + 1

    def _answer(self, request: Message) -> None:
        try:
            kind = self._plan.message_set.check_request(request, "peer")
        except PeerError as error:
            self._refuse(str(error))
            return
        if kind.name == KEY_CHANGE:
            self._change_key(kind, request)
        else:
            self._write(kind.answer(request, ResponseCode.APPROVED.value))

    def _change_key(self, kind: MessageKind, request: Message) -> None:
        """Have a new key taken in; it is in use before the answer says so, and seals the answer."""
        connection = self._connection

        def changed(outcome: KeyChanged) -> None:
            if outcome.mac is not None:
                self.change_mac(outcome.mac)
            log.info("key-change", link=self.name, response_code=outcome.response_code.value)
            value = {CHECK_VALUE: outcome.check_value} if outcome.check_value else None
            if self._connection is connection and connection is not None:
                self._write(kind.answer(request, outcome.response_code.value, value))

        try:
            change = read_key_change(request)
        except PeerError as error:
            self._refuse(str(error))
            changed(KeyChanged(error.response_code))
            return
        if self._plan.change_key is None:
            changed(KeyChanged(ResponseCode.NOT_SUPPORTED))
            return
        self._plan.change_key(change, changed)

    def _refuse(self, reason: str) -> None:
        self.tally.refused += 1
        log.warning("request-refused", link=self.name, reason=reason)

    # ------------------------------------------------------------------ the session

    def _apply(self, event: Event, reason: str = "") -> None:
        before = self.state
        self._session, commands = self._session.decide(event)
        if self.state is not before:
            self._enter(reason or event.value)
        for command in commands:
            self._obey(command)

    def _enter(self, reason: str) -> None:
        """Begin a state: no timer of the one before may fire into it."""
        self.since = self._reactor.seconds()
        self.reason = reason
        _cancel(self._watch)
        _cancel(self._draining)
        if self.state is State.CLOSED:
            self._forget_asked()
        if self._session.takes_requests:
            self._fruitless = 0
            self._watch = self._reactor.callLater(ECHO_INTERVAL_SECONDS, self._look)
        log.info("link", link=self.name, state=self.state.value, why=reason)
        self._plan.became(self.state)

    def _obey(self, command: Command) -> None:
        match command:
            case Command.SEND_SIGN_ON:
                self._ask("sign-on", SIGN_ON_ANSWER_SECONDS, Event.SIGN_ON_REFUSED)
            case Command.SEND_ECHO:
                self._ask("echo", ECHO_ANSWER_SECONDS, Event.ECHO_MISSED)
            case Command.SEND_SIGN_OFF:
                self._ask("sign-off", ECHO_ANSWER_SECONDS, Event.SIGN_OFF_ANSWERED)
            case Command.DISCONNECT:
                assert self._connection is not None  # no state but CLOSED is without one
                self._connection.disconnect()
            case _:
                assert_never(command)

    def _ask(self, name: str, seconds: float, otherwise: Event) -> None:
        """Send an 08xx request; when it is not answered in time, `otherwise` has happened.

        One that cannot be made, for want of a trace number, is as good as not answered.
        """
        try:
            request = self._plan.network_message(name)
        except Unavailable as error:
            log.warning("network-message-unavailable", link=self.name, reason=str(error))
            request = None
        stan = request.text(11) if request is not None else ""

        def unanswered() -> None:
            del self._asked[stan]
            self._apply(otherwise, f"{name} was not answered")

        self._asked[stan] = _Asked(name, request, self._reactor.callLater(seconds, unanswered))
        if request is not None:
            self._write(request)

    def _network_answer(self, message: Message) -> None:
        asked = self._asked.get(message.text(11))
        if asked is None or asked.request is None:
            self.tally.unmatched += 1
            return
        try:
            kind = self._plan.message_set.kind(asked.name)
            self._plan.message_set.check_response(kind, asked.request, message)
        except PeerError as error:
            self._refuse(str(error))
            return
        del self._asked[message.text(11)]
        asked.timer.cancel()
        if asked.heard is not None:
            asked.heard(message.text(39))
        self._apply_answer(asked.name, message.text(39))

    def _apply_answer(self, name: str, code: str) -> None:
        if name == "sign-on" and code == ResponseCode.APPROVED:
            self._apply(Event.SIGN_ON_ACCEPTED)
        elif name == "sign-on":
            self._apply(Event.SIGN_ON_REFUSED, f"sign-on answered {code}")
        elif name == "sign-off":
            self._apply(Event.SIGN_OFF_ANSWERED)

    def _forget_asked(self) -> None:
        forgotten = list(self._asked.values())
        self._asked.clear()
        for asked in forgotten:
            asked.timer.cancel()
            if asked.heard is not None:
                asked.heard("")

    def _look(self) -> None:
        """Look for silence while signed on: an echo is the only real proof of life."""
        now = self._reactor.seconds()
        quiet_until = self._heard_at + ECHO_INTERVAL_SECONDS
        if echo_is_due(self._heard_at, now):
            quiet_until = now + ECHO_INTERVAL_SECONDS
            self._apply(Event.ECHO_DUE)
        self._watch = self._reactor.callLater(quiet_until - now, self._look)

    def _back_off(self, _failures: int) -> float:
        """Give the pause before the next attempt.

        Twisted counts failed connections only; a peer that accepts them and refuses every
        sign-on must not be dialled in a tight circle either.
        """
        self._fruitless += 1
        return self._pause(self._fruitless)

    # ------------------------------------------------------------------ stopping

    def _drain(self, until: float) -> None:
        if self.in_flight and self._reactor.seconds() < until:
            self._draining = self._reactor.callLater(_DRAIN_LOOK_SECONDS, self._drain, until)
        else:
            self._apply(Event.DRAINED)

    def _finish(self) -> None:
        stopping, self._stopping = self._stopping, []

        def closed(_: object) -> None:
            for stopped in stopping:
                stopped.callback(None)

        self._service.stopService().addBoth(closed)

    def _write(self, message: Message) -> None:
        assert self._connection is not None  # heard from one, or not CLOSED
        try:
            self._connection.send(message)
        except LocalError as error:
            # No traceback: its frames hold the message.
            log.error("message-unencodable", link=self.name, reason=str(error))  # noqa: TRY400


_DRAIN_LOOK_SECONDS = 0.05
_CODES = frozenset(ResponseCode)


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


class _Connections(Factory):
    """Makes the protocol of each connection of a link."""

    noisy = False

    def __init__(self, link: OutboundLink[Any]) -> None:
        self._link = link

    def buildProtocol(self, addr: object) -> MessageConnection:  # noqa: N802 - Twisted's name
        """Make the protocol of a new connection."""
        del addr
        return self._link.connection_for()
