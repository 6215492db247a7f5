"""One TCP connection to a simulated far side: frames in, answers out, faults on the way."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from twisted.internet.interfaces import IAddress, IConsumer, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from gateway.iso8583 import private_data
from gateway.iso8583.errors import (
    MacMismatch,
    MalformedFrame,
    MalformedMessage,
    UnencodableMessage,
)
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.framing import Frame
from gateway.iso8583.mac import Mac
from gateway.iso8583.message import Message, answer_mti
from gateway.iso8583.message_set import MessageKind
from gateway.simulators.desk import Outcome, Request
from gateway.simulators.faults import Fault, FaultKind
from gateway.simulators.host import Host
from gateway.simulators.journal import Direction
from gateway.simulators.zone_ring import SECURITY_CONTROL, KeyName
from gateway.terms.errors import PeerError
from gateway.terms.response_codes import ResponseCode

CONNECTIONS_MAX: Final = 64  # a far side has a handful of gateways, each with a handful of links
ECHO_MISSES_MAX: Final = 3  # domain.md 4.9
_STAN_LAST: Final = 999_999
_KEY_NAMES: Final[Mapping[str, KeyName]] = {text: name for name, text in SECURITY_CONTROL.items()}
_NETWORK_MANAGEMENT: Final = "8"
# What an answer to a message outside the message set echoes, where the message has it.
_ECHOED: Final = (3, 7, 11, 32, 33, 37, 41, 70)


class Turn(NamedTuple):
    """One request that is being served."""

    kind: MessageKind
    message: Message
    envelope: bytes


class Connection(Protocol):
    """Serves one gateway's connection."""

    transport: ITCPTransport

    def __init__(self, host: Host[Any], number: int) -> None:
        self._host = host
        self._number = number
        self._framing = host.wire.codec.dialect.framing
        self._reader = FrameReader(self._framing)
        self.is_open = True
        self._spoken = {kind.name for kind in host.wire.message_set.messages}
        self._signed_on = "sign-on" not in self._spoken  # where nobody can, nobody must
        self._heard = False
        self._misses = 0
        self._stan = 0
        self._echo = LoopingCall(self._keep_alive)
        self._echo.clock = host.clock

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Begin with a connection that nobody has signed on."""
        self.transport.setTcpNoDelay(True)
        # Whoever does not read its answers is not read either: what waits for it stays bounded.
        self._consumer.registerProducer(cast("IPushProducer", self.transport), True)
        self._note("connected")
        self._echo.start(self._host.wire.echo_interval_seconds, now=False)

    @property
    def _consumer(self) -> IConsumer:
        """The transport as what it is as well: whoever fills it is told to pause."""
        return cast("IConsumer", self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        """Stop; requests that a fault still delays are carried out nevertheless."""
        self.is_open = False
        if self._echo.running:
            self._echo.stop()
        self._note("disconnected")

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take bytes; whatever is not a frame of this dialect ends the connection."""
        self._heard = True
        try:
            for frame in self._reader.feed(data):
                self._received(frame)
        except MalformedFrame as error:
            self._give_up(str(error))
        if self._reader.error is not None:
            self._give_up(str(self._reader.error))

    # ------------------------------------------------------------ requests

    def _received(self, frame: Frame) -> None:
        if frame.is_keep_alive or not self.is_open:
            return
        codec = self._host.wire.codec
        try:
            message = codec.decode(frame.payload)
        except MalformedMessage as error:
            self._give_up(str(error))
            return
        if self._is_key_answer(message):
            self._key_answered(message, frame.payload)
            return
        kind = None
        try:
            self._host.wire.verify(frame.payload)
            kind = self._kind_of(message)
        except PeerError as error:
            self._enter(Direction.RECEIVED, "", message, frame.payload, str(error))
            self._refuse(message, frame.envelope, error.response_code)
            return
        self._enter(Direction.RECEIVED, kind.name if kind else "", message, frame.payload)
        if kind is not None:
            self._serve(Turn(kind, message, frame.envelope))

    def _kind_of(self, message: Message) -> MessageKind | None:
        """Name the request; an answer, which can only be to our echo, has no name."""
        return self._host.wire.message_set.check_request(message) if message.is_request else None

    def offer_key(self, name: KeyName) -> None:
        """Send the gateway a new key, of which only its answer makes the key in use."""
        ring = self._host.wire.ring
        if ring is None or not ring.can_offer:
            self._note("no key to encipher a new one under")
            return
        trace = self._next_trace()
        fields = {**trace, 53: SECURITY_CONTROL[name]}
        change = self._host.wire.message_set.kind("key-change")
        self._request(change.build(fields, ring.offer(name, trace[11])), change.name)

    def announce(self, day: str) -> None:
        """Tell the gateway the new business day, MMDD."""
        change = self._host.wire.message_set.kind("cut-over")
        self._request(change.build({**self._next_trace(), 15: day}), change.name)

    def _is_key_answer(self, message: Message) -> bool:
        ring = self._host.wire.ring
        offer = None if ring is None else ring.offered
        return offer is not None and message.mti == "0810" and message.text(11) == offer.stan

    def _key_answered(self, message: Message, payload: bytes) -> None:
        ring = self._host.wire.ring
        assert ring is not None  # an offer was made
        note = "key changed"
        if message.text(39) != ResponseCode.APPROVED:
            ring.offered, note = None, "key refused"
        else:
            try:
                ring.accepted(self._host.wire.codec, payload)
            except MacMismatch:
                note = "key not confirmed: its MAC is wrong"
        self._enter(Direction.RECEIVED, "key-change", message, payload, note)

    def _serve(self, turn: Turn) -> None:
        """Serve a request as the fault in force will have it."""
        management = turn.message.mti[1] == _NETWORK_MANAGEMENT
        fault = self._host.faults.take(turn.kind.name, management=management)
        if fault is None:
            self._answer(turn, self._decide(turn))
            return
        match fault:
            case Fault(fault=FaultKind.DROP_REQUEST):
                self._note("fault: request dropped")
            case Fault(fault=FaultKind.DISCONNECT, when="before"):
                self._give_up("fault: disconnected, not carried out", at_once=True)
            case Fault(
                fault=FaultKind.DECLINE, when="before", response_code=ResponseCode() as code
            ):
                self._answer(turn, Outcome(code), "fault: declined, not carried out")
            case Fault(fault=FaultKind.DELAY, seconds=float() as seconds):
                self._note("fault: request delayed")
                self._host.clock.callLater(seconds, self._carry_out, turn, None)
            case _:
                self._carry_out(turn, fault)

    def _carry_out(self, turn: Turn, fault: Fault | None) -> None:
        """Carry a request out and answer it as the fault in force will have it."""
        outcome = self._decide(turn)
        match fault:
            case Fault(fault=FaultKind.DROP_ANSWER):
                self._note("fault: answer dropped")
            case Fault(fault=FaultKind.DISCONNECT):
                self._give_up("fault: carried out, disconnected", at_once=True)
            case Fault(fault=FaultKind.DECLINE, response_code=ResponseCode() as code):
                self._answer(turn, Outcome(code), "fault: carried out, declined")
            case Fault(fault=FaultKind.LATE_ANSWER, seconds=float() as seconds):
                self._note("fault: answer held back")
                self._host.clock.callLater(seconds, self._answer, turn, outcome, "fault: late")
            case Fault(fault=FaultKind.DUPLICATE_ANSWER):
                self._answer(turn, outcome)
                self._answer(turn, outcome, "fault: answered again")
            case Fault(fault=FaultKind.CLOSE_MID_FRAME):
                self._close_mid_frame(turn, outcome)
            case Fault(fault=FaultKind.GARBLE_MAC):
                self._answer(turn, outcome, "fault: wrong MAC", garbled=True)
            case _:
                self._answer(turn, outcome)

    def _decide(self, turn: Turn) -> Outcome:
        if turn.kind.name == "key-change":
            return Outcome(ResponseCode.NOT_SUPPORTED)  # here the keys are made
        if turn.kind.name == "key-request":
            name = _KEY_NAMES.get(turn.message.text(53))
            if name is None:
                return Outcome(ResponseCode.FORMAT_ERROR)
            # After the answer has left.
            self._host.clock.callLater(0, self.offer_key, name)
            return Outcome(ResponseCode.APPROVED)
        if turn.kind.network_code is not None:
            # Sign-on and sign-off change this connection only; an echo changes nothing.
            self._signed_on = {"sign-on": True, "sign-off": False}.get(
                turn.kind.name, self._signed_on
            )
            return Outcome(ResponseCode.APPROVED)
        if not self._signed_on:
            return Outcome.refused(ResponseCode.INOPERATIVE, "NOT_SIGNED_ON")
        subfields = private_data.unpack(turn.message.text(48))
        request = Request(turn.kind.name, turn.message, subfields)
        return self._host.desk.answer(request, self._host.now())

    # ------------------------------------------------------------ answers

    def _answer(
        self, turn: Turn, outcome: Outcome, note: str = "", *, garbled: bool = False
    ) -> None:
        answer = turn.kind.answer(turn.message, outcome.code, outcome.private)
        envelope = self._framing.answer_envelope(turn.envelope)
        try:
            self._send(turn.kind.name, answer, envelope, note, garbled=garbled)
        except UnencodableMessage as error:
            # A plain dialect has no characters for a Chinese name.
            self._note(f"answer not of this dialect: {error}")
            refusal = turn.kind.answer(turn.message, ResponseCode.MALFUNCTION)
            self._send(turn.kind.name, refusal, envelope, note, garbled=garbled)

    def _refuse(self, message: Message, envelope: bytes, code: ResponseCode) -> None:
        """Answer a message outside the message set, or with a bad MAC."""
        if message.is_request:
            echoed = {de: message.fields[de] for de in _ECHOED if de in message.fields}
            answer = Message(answer_mti(message.mti), echoed | {39: code})
            self._send("", answer, self._framing.answer_envelope(envelope))

    def _close_mid_frame(self, turn: Turn, outcome: Outcome) -> None:
        answer = turn.kind.answer(turn.message, outcome.code, outcome.private)
        sealed = self._host.wire.codec.encode(answer, self._host.wire.mac)
        framed = self._framing.frame(sealed, self._framing.answer_envelope(turn.envelope))
        self.transport.write(framed[: len(framed) // 2])
        self._give_up("fault: closed in the middle of the answer")

    def _send(
        self, name: str, message: Message, envelope: bytes, note: str = "", *, garbled: bool = False
    ) -> None:
        if not self.is_open:
            self._note("answer not sent: the connection is gone")
            return
        mac = self._host.wire.mac
        data = self._host.wire.codec.encode(message, _inverted(mac) if garbled else mac)
        self._enter(Direction.SENT, name, message, data, note)
        self.transport.write(self._framing.frame(data, envelope))

    # ------------------------------------------------------------ echo

    def _keep_alive(self) -> None:
        """Ask for a sign of life after a silent interval; three without one end it."""
        if self._heard:
            self._heard, self._misses = False, 0
            return
        if not self._signed_on or "echo" not in self._spoken:
            return
        if self._misses >= ECHO_MISSES_MAX:
            self._give_up("the gateway answers no echo", at_once=True)
            return
        self._misses += 1
        self._request(self._host.wire.message_set.kind("echo").build(self._next_trace()), "echo")

    def _request(self, message: Message, name: str) -> None:
        self._send(name, message, self._framing.answer_envelope(self._framing.own_envelope))

    def _next_trace(self) -> dict[int, str]:
        now = self._host.now()
        self._stan = self._stan % _STAN_LAST + 1
        return {
            7: f"{now:%m%d%H%M%S}",
            11: f"{self._stan:06d}",
            33: self._host.wire.institution,
        }

    # ------------------------------------------------------------ the end, and the journal

    def _give_up(self, why: str, *, at_once: bool = False) -> None:
        """End the connection, after what was written has left; every other one goes on."""
        if self.is_open:
            self.is_open = False
            self._note(why)
            if at_once:
                self.transport.abortConnection()
            else:
                self._consumer.unregisterProducer()  # or one that is paused would never close
                self.transport.loseConnection()

    def _note(self, note: str) -> None:
        self._host.journal.event(self._host.now(), self._number, note)

    def _enter(
        self, direction: Direction, name: str, message: Message, data: bytes, note: str = ""
    ) -> None:
        now = self._host.now()
        self._host.journal.message(now, self._number, direction, name, message, data, note)


def _inverted(mac: Mac) -> Mac:
    """Give a MAC that is wrong in every bit, cut or not."""
    return lambda data: bytes(byte ^ 0xFF for byte in mac(data))


class ConnectionFactory(ServerFactory):
    """Accepts a bounded number of gateways."""

    noisy = False

    def __init__(self, host: Host[Any]) -> None:
        self._host = host
        self._number = 0
        self._open: list[Connection] = []

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:  # noqa: ARG002, N802 - Twisted's
        """Serve another connection, or refuse it beyond the limit."""
        self._open = [connection for connection in self._open if connection.is_open]
        if len(self._open) >= CONNECTIONS_MAX:
            return None
        self._number += 1
        connection = Connection(self._host, self._number)
        self._open.append(connection)
        return connection

    def newest(self) -> Connection | None:
        """Give the connection that was opened last, if one is open."""
        return next((one for one in reversed(self._open) if one.is_open), None)

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return sum(connection.is_open for connection in self._open)
