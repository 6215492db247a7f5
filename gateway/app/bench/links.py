"""Link round trips: both ends in one process on one core, one connection, over loopback TCP.

Ours is the gateway's own outbound link with its session, strict gate and declared matching; at the
other end stands the strict codec with the same gate. The baseline is a bare loop on pyiso8583 that
checks nothing and matches by STAN alone. The message is a pin-set of 14 data elements with its MAC
field, some 210 bytes, and its answer.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from time import monotonic, process_time
from typing import Any, NamedTuple

import iso8583
import uvloop
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

from gateway.app.bench.figures import Figure
from gateway.app.specifications import Specifications, shipped_directory
from gateway.hsm.mac import MacPadding, RetailMac
from gateway.iso8583 import private_data
from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.field_content import Value
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.mac import MAC_BYTES, Mac
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import MessageKind, MessageSet
from gateway.iso8583.session import State
from gateway.wire.connection import MessageConnection
from gateway.wire.link_mac import LinkMac
from gateway.wire.outbound_link import Address, LinkPlan, OutboundLink
from gateway.wire.tally import Tally

ROUNDS = 15
SECONDS = 0.1  # a turn of one loop; short, so that a slow moment of the machine hits all alike
IN_FLIGHT = 64
_TEST_MAC_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
_STANS = 1_000_000


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Figure]:
    """Measure round trips with 64 in flight, without and with a retail MAC, and with one."""
    # The links say on standard output that they come and go, where structlog is as it comes.
    with (
        redirect_stdout(StringIO()),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        turns = runner.run(_take_turns(rounds, seconds))
    unit, many = "round trips/s", f"{IN_FLIGHT} in flight"
    figures = [
        Figure.against(f"links: {many}", unit, turns["ours"], turns["bare"]),
        Figure.against(f"links: {many}, retail MAC", unit, turns["sealed"], turns["bare"]),
    ]
    latencies = [[1e6 / rate for rate in turns[name]] for name in ("ours, one", "bare, one")]
    return [*figures, Figure.against("links: 1 in flight, latency", "µs", *latencies)]


async def _take_turns(rounds: int, seconds: float) -> dict[str, list[float]]:
    loop = asyncio.get_running_loop()
    reactor = AsyncioSelectorReactor(loop)
    reactor.seconds = monotonic  # as in production
    specifications = Specifications(shipped_directory())
    dialect = specifications.dialect("bureau")
    messages = specifications.message_set("bureau", dialect)
    seal = RetailMac(_TEST_MAC_KEY, MacPadding(dialect.mac.padding))
    ours, sealed = (_Ours(reactor, dialect, messages, mac) for mac in (_no_mac, seal))
    bare = _Bare(reactor, dialect)
    loops = [ours, sealed, bare]
    for each in loops:
        await each.open()
    plan: dict[str, tuple[_Loop, int]] = {
        "ours": (ours, IN_FLIGHT),
        "bare": (bare, IN_FLIGHT),
        "sealed": (sealed, IN_FLIGHT),
        "ours, one": (ours, 1),
        "bare, one": (bare, 1),
    }
    turns: dict[str, list[float]] = {name: [] for name in plan}
    for _ in range(rounds):
        for name, (each, in_flight) in plan.items():
            turns[name].append(await each.turn(in_flight, seconds))
    for each in loops:
        await each.close()
    return turns


def _no_mac(_data: bytes) -> bytes:
    """Fill the MAC's place: the message set wants one, and this is not about ciphers."""
    return bytes(MAC_BYTES)


class _Loop(ABC):
    """A client and a server on one reactor, that say the same thing over and over."""

    def __init__(self, reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._reactor = reactor
        self._stan = 0
        self._count = 0
        self._in_flight = 0
        self._is_time_up = False
        self._until = 0.0
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @abstractmethod
    async def open(self) -> None:
        """Listen and connect."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect and listen no more."""

    @abstractmethod
    def ask(self) -> None:
        """Send one request."""

    async def turn(self, in_flight: int, seconds: float) -> float:
        """Keep so many in flight for about `seconds` of the processor; give round trips a second.

        Time of the processor, user's and system's, is what other processes do not take from us.
        """
        self._over = asyncio.get_running_loop().create_future()
        self._count, self._in_flight, self._is_time_up = 0, in_flight, False
        begun = process_time()
        self._until = begun + seconds
        for _ in range(in_flight):
            self.ask()
        await self._over
        return self._count / (process_time() - begun)

    def answered(self) -> None:
        """Count an answer, and ask again while there is time."""
        self._count += 1
        if self._count % _LOOK == 0:
            self._is_time_up = process_time() >= self._until
        if not self._is_time_up:
            self.ask()
            return
        self._in_flight -= 1
        if not self._in_flight:
            self._over.set_result(None)

    def next_stan(self) -> str:
        """Give the next trace number."""
        self._stan = self._stan % (_STANS - 1) + 1
        return f"{self._stan:06d}"


_LOOK = 64  # answers between two looks at the clock


class _Ours(_Loop):
    """The gateway's link; the far side reads, checks and answers as strictly."""

    def __init__(self, reactor: Any, dialect: Dialect, messages: MessageSet, mac: Mac) -> None:  # noqa: ANN401
        super().__init__(reactor)
        self._messages = messages
        self._kind = messages.kind("pin-set")
        self._signed_on = asyncio.Event()
        self._server: Factory[MessageConnection] = _FarSides(dialect, messages, mac, reactor)
        self._plan = partial(
            LinkPlan,
            name="bench",
            codec=Codec(dialect),
            message_set=messages,
            mac=mac,
            network_message=self._network_message,
            answered=self._answered,
            became=self._became,
            answer_seconds_max=20.0,
            in_flight_max=IN_FLIGHT,
        )

    async def open(self) -> None:
        self._port = self._reactor.listenTCP(0, self._server, interface=_HOST)
        plan = self._plan(addresses=(Address(f"{_HOST}:{self._port.getHost().port}"),))
        self._link = OutboundLink(plan, self._reactor)
        self._link.start()
        await self._signed_on.wait()

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        await self._link.stop().asFuture(loop)
        await self._port.stopListening().asFuture(loop)

    def ask(self) -> None:
        request = self._kind.build({**_FIELDS, 11: self.next_stan()}, _PRIVATE)
        self._link.send(request, _Asked(self._kind, request))

    def _answered(self, asked: "_Asked", answer: Message) -> None:
        self._messages.check_response(asked.kind, asked.request, answer)
        self.answered()

    def _network_message(self, name: str) -> Message:
        kind = self._messages.kind(name)
        fields = {**_FIELDS, 11: self.next_stan()}
        return kind.build({de: fields[de] for de in kind.trace_fields})

    def _became(self, state: State) -> None:
        if state is State.SIGNED_ON:
            self._signed_on.set()


class _Asked(NamedTuple):
    kind: MessageKind
    request: Message


class _FarSide:
    """Checks each request and approves it."""

    def __init__(self, messages: MessageSet) -> None:
        self._messages = messages

    def connected(self, connection: MessageConnection) -> None:
        self._connection = connection

    def heard(self, message: Message) -> None:
        kind = self._messages.check_request(message)
        self._connection.send(kind.answer(message, "00"))

    def alive(self) -> None:
        """Hear a keep-alive, of which there are none."""

    def lost(self, reason: str) -> None:
        """Hear the end, at which there is nothing to do."""


class _FarSides(Factory[MessageConnection]):
    noisy = False

    def __init__(self, dialect: Dialect, messages: MessageSet, mac: Mac, reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._codec, self._messages, self._mac = Codec(dialect), messages, mac
        self._reactor = reactor

    def buildProtocol(self, addr: object) -> MessageConnection:  # noqa: N802 - Twisted's name
        del addr
        far_side = _FarSide(self._messages)
        return MessageConnection(
            "far side",
            self._codec,
            LinkMac(self._mac, self._reactor.seconds),
            far_side,
            Tally(),
            self._reactor,
        )


# ---------------------------------------------------------------- the baseline


class _Bare(_Loop):
    """Forty lines of Twisted around pyiso8583, as an integrator would write them first."""

    def __init__(self, reactor: Any, dialect: Dialect) -> None:  # noqa: ANN401 - Twisted's
        super().__init__(reactor)
        self._dialect = dialect
        self._specification = dialect.pyiso8583_specification()
        self._waiting: set[str] = set()
        fields = {**_FIELDS, 3: "920000", 48: private_data.pack(_PRIVATE)}
        encoded = Codec(dialect).encode(Message("0100", fields), _no_mac)
        self._document, _ = iso8583.decode(encoded, self._specification)

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        server: Any = Factory.forProtocol(lambda: _BareEnd(self._dialect, self._serve))
        server.noisy = False
        self._port = self._reactor.listenTCP(0, server, interface=_HOST)
        endpoint = TCP4ClientEndpoint(self._reactor, _HOST, self._port.getHost().port)
        end = _BareEnd(self._dialect, self._match)
        self._client: _BareEnd = await connectProtocol(endpoint, end).asFuture(loop)

    async def close(self) -> None:
        self._client.transport.abortConnection()
        await self._port.stopListening().asFuture(asyncio.get_running_loop())

    def ask(self) -> None:
        document = {**self._document, "11": self.next_stan()}
        self._waiting.add(document["11"])
        self._client.send(document)

    def _serve(self, end: "_BareEnd", request: dict[str, str]) -> None:
        answer = {de: request[de] for de in ("7", "11", "32", "33", "37", "41", "128")}
        end.send({**answer, "t": "0110", "39": "00"})

    def _match(self, _end: "_BareEnd", answer: dict[str, str]) -> None:
        self._waiting.remove(answer["11"])
        self.answered()


class _BareEnd(Protocol):
    """One end of the bare connection."""

    transport: Any

    def __init__(
        self, dialect: Dialect, heard: Callable[["_BareEnd", dict[str, str]], None]
    ) -> None:
        self._specification = dialect.pyiso8583_specification()
        self._framing = dialect.framing
        self._reader = FrameReader(dialect.framing)
        self._heard = heard

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        for frame in self._reader.feed(data):
            self._heard(self, iso8583.decode(frame.payload, self._specification)[0])

    def send(self, document: dict[str, str]) -> None:
        encoded, _ = iso8583.encode(document, self._specification)
        self.transport.write(self._framing.frame(bytes(encoded)))


_HOST = "127.0.0.1"
_PRIVATE = {"IN": "99350201", "LK": "lnk_01k8zq3v5n6w7x8y9zabcdefgh"}
_FIELDS: dict[int, Value] = {
    7: "1101093015",
    11: "000017",
    12: "173015",
    13: "1101",
    32: "99000001",
    33: "99000001",
    37: "530509000017",
    41: "GATEWAY1",
    52: bytes.fromhex("0123456789ABCDEF"),
    53: "1600000000000000",
    100: "99350201",
    102: "T00000019",
}
