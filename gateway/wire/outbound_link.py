"""A link that we dial: connections kept up and signed on, answers matched to their requests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

import structlog
from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.iso8583.codec import Codec
from gateway.iso8583.cut_over import BUSINESS_DAY, CUT_OVER
from gateway.iso8583.cut_over import business_day as read_business_day
from gateway.iso8583.key_change import (
    KEY_CHANGE,
    KEY_REQUEST,
    PREVIOUS_MAC_KEY_SECONDS,
    ChangedKey,
)
from gateway.iso8583.mac import Mac
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import MessageSet
from gateway.iso8583.session import ECHO_INTERVAL_SECONDS, Event, State
from gateway.terms.errors import Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.wire.addresses import client_endpoint
from gateway.wire.answers import Answers
from gateway.wire.connection import MessageConnection
from gateway.wire.key_changes import ChangeKey, KeyTaker, MacChange
from gateway.wire.line import Line, Speech
from gateway.wire.link_mac import LinkMac
from gateway.wire.rotation import Rotation
from gateway.wire.tally import Tally

log = structlog.get_logger()

Token = TypeVar("Token")

_takes_requests: Callable[[Line], bool] = attrgetter("takes_requests")
RECONNECT_SECONDS_FIRST = 0.5
RECONNECT_SECONDS_MAX = 30.0  # a bureau that comes back is found within half a minute


@dataclass(frozen=True, slots=True)
class Address:
    """Where one connection goes: ``host:port`` or a Twisted endpoint string, and its share."""

    place: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class LinkPlan(Generic[Token]):
    """What a link needs besides its sockets; it keeps one connection up for each address.

    `network_message` makes an 08xx request of the message set by its name, or raises
    `Unavailable`; `answered` takes matched and late answers; `became` hears of each change of
    state. `change_key` puts a far side's new key into use and then says what became of it;
    without it none is taken. `echo_seconds` of silence end in an echo.
    """

    name: str
    addresses: Sequence[Address]
    codec: Codec
    message_set: MessageSet
    mac: Mac
    network_message: Callable[[str], Message]
    answered: Callable[[Token, Message], None]
    became: Callable[[State], None]
    answer_seconds_max: float
    in_flight_max: int
    change_key: ChangeKey | None = None
    echo_seconds: float = ECHO_INTERVAL_SECONDS


class OutboundLink(Generic[Token]):
    """Keeps connections to one peer and matches what comes back to what went out.

    Requests take turns over the connections that are signed on. An answer may come over any of
    them. `reactor` must run on a monotonic clock: a step of the wall clock must not fire a timer.
    """

    def __init__(self, plan: LinkPlan[Token], reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._plan = plan
        self._reactor = reactor
        self._answers: Answers[Token] = Answers(plan, reactor)
        self._mac = LinkMac(plan.mac, reactor.seconds)
        self._keys = KeyTaker(
            plan.name, plan.message_set, plan.change_key, self.change_mac, self.tally
        )
        self._state = State.CLOSED
        self._mac_change = MacChange(self._mac, lambda: self._lines, reactor)
        self.business_day: str | None = None  # MMDD, as the latest cut-over has it
        self._stopping: list[Deferred[None]] = []
        self.since = reactor.seconds()
        self.reason = "not connected yet"
        speech = Speech(
            plan.name,
            plan.codec,
            plan.message_set,
            self._mac,
            plan.network_message,
            dials=True,
            echo_seconds=plan.echo_seconds,
        )
        self._lines: dict[Line, _Dialler] = {
            line: _Dialler(line, address.place, reactor, self.unreachable)
            for line, address in (
                (Line(speech, self, self.tally, reactor), address) for address in plan.addresses
            )
        }
        weights = [address.weight for address in plan.addresses]
        self._turns = Rotation(tuple(self._lines), weights)
        self._await_answer = self._answers.await_answer
        self.answered = self._answers.take  # hears of each answer to a request

    # ------------------------------------------------------------------ from the gateway

    @property
    def name(self) -> str:
        """The link's name in the configuration."""
        return self._plan.name

    @property
    def tally(self) -> Tally:
        """What was counted."""
        return self._answers.tally

    @property
    def state(self) -> State:
        """What is known about the link: the state of its best connection."""
        return self._state

    @property
    def connections_up(self) -> int:
        """How many connections take requests."""
        return sum(line.takes_requests for line in self._lines)

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return self._answers.in_flight

    @property
    def is_ready(self) -> bool:
        """Tell whether a new request may be sent now."""
        has_connection = any(map(_takes_requests, self._lines))
        return has_connection and self.in_flight < self._plan.in_flight_max

    def start(self) -> None:
        """Begin to dial, and go on until stopped."""
        for dialler in self._lines.values():
            dialler.start()

    def send(self, message: Message, token: Token, until: float | None = None) -> None:
        """Write a request or a repeat and await its answer under `token`.

        While the link is down nothing is written, nor after `until` on the reactor's clock: whoever
        watches the answer repeats it.
        """
        line = self._turns.next(_takes_requests)
        if line is not None and self._await_answer(message, token, line):
            line.send(message, until)

    def mac(self, data: bytes) -> bytes:
        """Compute the MAC that the link sends with now, 8 bytes."""
        return self._mac(data)

    def change_mac(self, mac: Mac, overlap_seconds: float = PREVIOUS_MAC_KEY_SECONDS) -> None:
        """Send under a new MAC key from now on; the one before still verifies for a while."""
        self._mac_change.change(mac, overlap_seconds)

    def request_key(self, key: ChangedKey, heard: Callable[[str], None]) -> None:
        """Ask the far side for a new key; `heard` gets its DE 39, or nothing when none came.

        The key comes in an 0800 of its own. Raises `Unavailable` while the link is not signed on.
        """
        line = self._turns.next(_takes_requests)
        if line is None:
            raise Unavailable(f"link {self.name} is {self.state.value}")
        request = self._plan.network_message(KEY_REQUEST).with_fields({53: key.security_control})
        line.ask(KEY_REQUEST, request, heard)

    def announce(self, business_day: str, heard: Callable[[str], None]) -> None:
        """Tell the far side the new business day, MMDD; `heard` as in `request_key`.

        The day is ours when the far side has approved. Raises `Unavailable` as there, and
        `RefusedMessage` for a day that cannot be.
        """
        line = self._turns.next(_takes_requests)
        if line is None:
            raise Unavailable(f"link {self.name} is {self.state.value}")
        request = self._plan.network_message(CUT_OVER).with_fields({BUSINESS_DAY: business_day})
        read_business_day(request)
        line.ask(CUT_OVER, request, heard)

    def stop(self) -> "Deferred[None]":
        """Wait for what is in flight, sign off and disconnect; fires when the link is closed."""
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        if len(self._stopping) == 1:
            for line in self._lines:
                line.apply(Event.SIGN_OFF)
                if line.state is State.CLOSED:
                    self.lost(line)
        elif all(dialler.is_retired for dialler in self._lines.values()):
            self._finish()
        return stopped

    # ------------------------------------------------------------------ from the connections

    def changed(self, line: Line, reason: str) -> None:
        """Hear that the state of one connection is another."""
        if line.takes_requests:
            self._lines[line].succeeded()
        best = max((line.state for line in self._lines), key=_BEST.index)
        if best is self._state:
            return
        self._state = best
        self.since = self._reactor.seconds()
        self.reason = reason
        self._plan.became(best)

    def unreachable(self, why: str) -> None:
        """Hear why an attempt to connect failed; it is said once, not at every attempt."""
        if self._state is State.CLOSED and why != self.reason:
            self.reason = why
            log.warning("link-unreachable", link=self.name, why=why)

    def requested(self, kind: str, message: Message, reply: Callable[[Message], None]) -> None:
        """Take a new key in; over this link the far side asks for nothing else."""
        if kind == KEY_CHANGE:
            self._keys.take(message, reply)
            return
        self.tally.refused += 1
        log.warning(
            "request-refused", link=self.name, reason="nobody takes it", trace=message.trace
        )
        reply(self._plan.message_set.kind(kind).answer(message, ResponseCode.NOT_SUPPORTED))

    def cut_over(self, business_day: str) -> None:
        """Hear the new business day."""
        self.business_day = business_day
        log.info("cut-over", link=self.name, business_day=business_day)

    def in_flight_over(self, line: Line) -> int:
        """Count the requests sent over a connection that wait for their answer."""
        return self._answers.in_flight_over(line)

    def lost(self, line: Line) -> None:
        """Hear that a connection is gone; what was in flight may still be answered late."""
        self._answers.give_up(line)
        if self._stopping:
            self._lines[line].retire(self._finish)

    def _finish(self) -> None:
        if all(dialler.is_retired for dialler in self._lines.values()):
            self._mac_change.end()
            stopping, self._stopping = self._stopping, self._stopping[:1]
            for stopped in stopping:
                if not stopped.called:
                    stopped.callback(None)


# From the worst state of a connection to the best.
_BEST = (
    State.CLOSED,
    State.ACCEPTED,
    State.CONNECTED,
    State.SIGNING_OFF,
    State.PARTING,
    State.DRAINING,
    State.CHANGING_KEY,
    State.SIGNED_ON,
)


class _Dialler:
    """Dials one address again and again, with pauses that grow up to a maximum."""

    def __init__(
        self,
        line: Line,
        place: str,
        reactor: Any,  # noqa: ANN401 - Twisted's
        unreachable: Callable[[str], None],
    ) -> None:
        self._pause = backoffPolicy(RECONNECT_SECONDS_FIRST, RECONNECT_SECONDS_MAX)
        self._fruitless = 0  # connections and attempts since the last accepted sign-on
        endpoint = _Attempts(client_endpoint(reactor, place), place, unreachable)
        self._service = ClientService(endpoint, _Connections(line), self._back_off, reactor)
        self._is_retiring = False
        self.is_retired = False

    def start(self) -> None:
        """Begin to dial."""
        self._service.startService()

    def succeeded(self) -> None:
        """Hear that the far side accepted the sign-on: the next pause is short again."""
        self._fruitless = 0

    def retire(self, then: Callable[[], None]) -> None:
        """Dial no more and disconnect; `then` is called once, when that is done."""
        if self._is_retiring:
            return
        self._is_retiring = True

        def retired(_: object) -> None:
            self.is_retired = True
            then()

        self._service.stopService().addBoth(retired)

    def _back_off(self, _failures: int) -> float:
        """Give the pause before the next attempt.

        Twisted counts failed connections only; a peer that accepts them and refuses every
        sign-on must not be dialled in a tight circle either.
        """
        self._fruitless += 1
        return self._pause(self._fruitless)


@implementer(IStreamClientEndpoint)
class _Attempts:
    """An endpoint that tells why an attempt to connect failed; Twisted's service keeps it quiet."""

    def __init__(self, endpoint: Any, place: str, failed: Callable[[str], None]) -> None:  # noqa: ANN401 - Twisted's
        self._endpoint = endpoint
        self._place = place
        self._failed = failed

    def connect(self, factory: IProtocolFactory) -> "Deferred[IProtocol]":
        """Try to connect."""
        attempt: Deferred[IProtocol] = self._endpoint.connect(factory)
        return attempt.addErrback(self._tell)

    def _tell(self, failure: Failure) -> Failure:
        if not failure.check(CancelledError):
            self._failed(f"{self._place}: {failure.getErrorMessage()}")
        return failure


class _Connections(Factory[MessageConnection]):
    """Makes the protocol of each connection of a line."""

    noisy = False

    def __init__(self, line: Line) -> None:
        self._line = line

    def buildProtocol(self, addr: object) -> MessageConnection:  # noqa: N802 - Twisted's name
        """Make the protocol of a new connection."""
        del addr
        return self._line.connection()
