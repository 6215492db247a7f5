"""The gateway's own link in every shipped dialect, over real TCP, with what a network does to it.

The far side is `gateway simulate`; between them stands a wire that cuts, joins, holds and adds.
"""

import socket
from contextlib import suppress
from itertools import count
from time import monotonic

import pytest
from twisted.internet.epollreactor import EPollReactor

from gateway.iso8583.session import State
from gateway.simulators.population import person
from gateway.wire.outbound_link import Address, LinkPlan, OutboundLink

DEADLINE_SECONDS = 8.0
NOISE = (
    b"\xff" * 64,
    b"HTTP/1.1 400 Bad Request\r\nServer: proxy\r\n\r\n",
    bytes.fromhex("15030100020228"),
)


class Wire:
    """One listening port that leads to a simulator, and the bytes on their way to the gateway."""

    def __init__(self, far_side):
        host, _, port = far_side.partition(":")
        self._far_side = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._gateway = self._peer = None
        self.is_held = False
        self.held = b""
        self.accepted = 0

    def pump(self):
        """Move what came."""
        with suppress(BlockingIOError):
            dialled, _ = self._listening.accept()
            self._hang_up()
            self._gateway = dialled
            self._peer = socket.create_connection(self._far_side)
            for end in (self._gateway, self._peer):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.setblocking(False)
            self.accepted += 1
            self.held = b""
        if self._gateway is None:
            return
        self._peer_gets(self._taken(self._gateway))
        self.held += self._taken(self._peer)
        if not self.is_held:
            self.release(len(self.held))

    def release(self, size):
        """Let the gateway have the next bytes."""
        self.say(self.held[:size])
        self.held = self.held[size:]

    def say(self, data):
        """Send the gateway bytes."""
        with suppress(OSError):
            self._gateway.sendall(data)

    def _peer_gets(self, data):
        with suppress(OSError):
            self._peer.sendall(data)

    def _taken(self, end):
        try:
            return end.recv(65536)
        except OSError:
            return b""

    def _hang_up(self):
        for end in (self._gateway, self._peer):
            if end is not None:
                end.close()

    def close(self):
        self._hang_up()
        self._listening.close()


class Loop:
    """A link over two wires, and the reactor that runs it."""

    def __init__(self, simulator, answer_seconds_max=30.0):
        self.wire = simulator.wire
        self.dialect = self.wire.codec.dialect
        self.wires = [Wire(simulator.ready["iso8583"]) for _ in range(2)]
        self.reactor = EPollReactor()
        self.answers = []
        self._stans = count(1)
        self._is_bureau = "card-inquiry" in {k.name for k in self.wire.message_set.messages}
        plan = LinkPlan(
            name=self.dialect.name,
            addresses=[Address(wire.address) for wire in self.wires],
            codec=self.wire.codec,
            message_set=self.wire.message_set,
            mac=self.wire.mac,
            network_message=self.request,
            answered=lambda token, message: self.answers.append((token, message.text(39))),
            became=lambda _state: None,
            answer_seconds_max=answer_seconds_max,
            in_flight_max=1_000,
        )
        self.link = OutboundLink(plan, self.reactor)
        self.link.start()
        self.until(lambda: self.link.connections_up == 2)

    def request(self, name):
        """Word a request with a trace of its own."""
        kind, stan = self.wire.message_set.kind(name), f"{next(self._stans):06d}"
        trace = {7: "1121040000", 11: stan, 12: "120000", 13: "1121", 32: "99350001"}
        trace |= {33: "99350001", 37: f"{stan}000000", 41: "GATEWAY1"}
        return kind.build({de: trace[de] for de in kind.trace_fields})

    def inquiry(self):
        """Word an inquiry; person 19 has a name in letters, for a plain dialect has no others."""
        if self._is_bureau:
            kind = self.wire.message_set.kind("card-inquiry")
            whose = {100: "99350201", 102: person(19).card}
            return kind.build({**self.request("card-inquiry").fields, **whose}, {"IN": "99350201"})
        kind = self.wire.message_set.kind("account-inquiry")
        return kind.build({**self.request("account-inquiry").fields, 2: person(19).pan})

    def ask(self, number):
        """Send an inquiry; it goes over the connections in turn."""
        self.link.send(self.inquiry(), number)

    def turn(self):
        """Let the bytes that are on their way arrive."""
        self.reactor.iterate(0.001)
        for wire in self.wires:
            wire.pump()

    def until(self, probe):
        deadline = monotonic() + DEADLINE_SECONDS
        while not probe():
            assert monotonic() < deadline, "it did not come about"
            self.turn()

    def answered(self, number):
        """Wait for an answer and tell whether it is good."""
        self.until(lambda: any(token == number for token, _ in self.answers))
        return (number, "00") in self.answers

    def close(self):
        for wire in self.wires:
            wire.is_held = False
        stopped = self.link.stop()
        self.until(lambda: stopped.called)
        for wire in self.wires:
            wire.close()
        for own in tuple(self.reactor._internalReaders):
            own.connectionLost(None)
        self.reactor._poller.close()


@pytest.fixture
def loop_of(speaker, monkeypatch):
    """Give the maker of links to the simulator of each dialect; what waits is short."""
    monkeypatch.setattr("gateway.wire.outbound_link.backoffPolicy", lambda *_: lambda _: 0.01)
    monkeypatch.setattr("gateway.wire.line.DRAIN_SECONDS_MAX", 0.05)
    loops = []

    def make(**options):
        loops.append(Loop(speaker, **options))
        return loops[-1]

    yield make
    for loop in loops:
        loop.close()


def test_link_signs_on_asks_and_signs_off(loop_of, speaker):
    """Over both connections; what each end says, the other understands."""
    loop = loop_of()

    for number in range(20):
        loop.ask(number)
    loop.until(lambda: len(loop.answers) == 20)
    stopped = loop.link.stop()
    loop.until(lambda: stopped.called)

    entries = speaker.control("GET", "journal")[1]["entries"]
    said = [entry["message"] for entry in entries if entry.get("direction") == "received"]
    assert sorted(loop.answers) == [(number, "00") for number in range(20)]
    assert (said.count("sign-on"), said.count("sign-off")) == (2, 2)
    assert loop.link.reason == "sign-off-answered"


def test_answer_cut_at_every_byte_is_one_answer(loop_of):
    """A part arrives, time passes, the rest arrives: at every place of an answer."""
    loop = loop_of()
    for wire in loop.wires:
        wire.is_held = True
    number, cut, size = 0, 1, 2

    while cut < size:
        wire = loop.wires[number % 2]
        loop.ask(number)
        loop.until(lambda wire=wire: wire.held)
        size = len(wire.held)
        wire.release(cut)
        loop.turn()
        wire.release(size)
        assert loop.answered(number)
        number, cut = number + 1, cut + 1

    assert size > 60  # an inquiry's answer, not a keep-alive
    assert loop.link.tally.malformed == 0


def test_answers_that_come_in_one_piece_are_taken_apart(loop_of):
    """Those to fifty requests, keep-alives before and behind, in one segment a connection."""
    loop = loop_of()
    for wire in loop.wires:
        wire.is_held = True
        wire.held = loop.dialect.framing.keep_alive()
    for number in range(50):
        loop.ask(number)
    size = 25 * 60
    loop.until(lambda: all(len(wire.held) > size for wire in loop.wires))
    assert loop.answers == []

    for wire in loop.wires:
        wire.is_held = False
    loop.until(lambda: len(loop.answers) == 50)

    assert sorted(loop.answers) == [(number, "00") for number in range(50)]


@pytest.mark.parametrize("noise", NOISE, ids=["bytes", "http", "tls"])
def test_garbage_ends_its_own_connection_only(loop_of, monkeypatch, noise):
    """The other connection goes on; the one that was closed is made again."""
    monkeypatch.setattr("gateway.wire.connection.FRAME_SECONDS_MAX", 0.2)  # noise may be a length
    loop = loop_of()
    bad = loop.wires[0]

    bad.say(loop.dialect.framing.keep_alive() + noise)
    loop.until(lambda: loop.link.connections_up == 1 or bad.accepted == 2)
    loop.ask(1)
    served = loop.answered(1)
    loop.until(lambda: loop.link.connections_up == 2)
    for number in (2, 3):
        loop.ask(number)

    assert (served, loop.answered(2), loop.answered(3)) == (True, True, True)
    assert (bad.accepted, loop.wires[1].accepted) == (2, 1)
    assert loop.link.tally.malformed == 1


def test_message_that_is_none_is_refused_and_the_connection_goes_on(loop_of):
    """A sound frame around nonsense costs its message only."""
    loop = loop_of()

    for wire in loop.wires:
        wire.say(loop.dialect.framing.frame(b"\xff" * 40))
    for number in range(4):
        loop.ask(number)

    assert all(loop.answered(number) for number in range(4))
    assert (loop.link.tally.malformed, [wire.accepted for wire in loop.wires]) == (2, [1, 1])


def test_far_side_that_halts_amid_a_frame_is_left(loop_of, monkeypatch):
    """Half-open: it keeps its connection and says no more; what it was asked is not lost."""
    monkeypatch.setattr("gateway.wire.connection.FRAME_SECONDS_MAX", 0.05)
    loop = loop_of()
    halted = loop.wires[0]
    halted.is_held = True
    loop.ask(1)
    loop.until(lambda: halted.held)

    halted.release(len(halted.held) // 2)
    loop.until(lambda: loop.link.connections_up == 1)
    loop.ask(2)
    served = loop.answered(2)
    halted.is_held = False
    loop.until(lambda: loop.link.connections_up == 2)
    repeat = loop.inquiry()
    loop.link.send(repeat, "again")

    assert (served, loop.answered("again")) == (True, True)
    assert loop.link.tally.malformed == 1


def test_late_answer_of_a_slow_far_side_is_told_as_late(loop_of):
    """Its time is over, another connection's answer was not; when it comes it is recorded."""
    loop = loop_of(answer_seconds_max=0.2)
    slow = loop.wires[0]
    slow.is_held = True
    for number in (1, 2):
        loop.ask(number)
    loop.until(lambda: slow.held)
    quick = loop.answered(2)
    deadline = monotonic() + 0.25
    loop.until(lambda: monotonic() > deadline)
    in_flight = loop.link.in_flight

    slow.is_held = False

    assert (quick, in_flight, loop.answered(1)) == (True, 0, True)
    assert loop.link.tally.late == 1


def test_far_side_that_does_not_read_is_cut_off(loop_of, monkeypatch):
    """What waits to be sent is bounded; the other connection goes on."""
    monkeypatch.setattr("gateway.wire.connection.UNSENT_BYTES_MAX", 20_000)
    loop = loop_of()
    deaf = loop.wires[0]
    lines = list(loop.link._lines)
    lines[0]._connection.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    deaf._gateway.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.pump = lambda: None
    request = loop.inquiry()

    def pour():
        for _ in range(100):
            if lines[0].takes_requests:
                lines[0].write(request)
        return lines[0].state is State.CLOSED

    loop.until(pour)
    loop.ask(1)

    assert loop.answered(1)
    assert loop.link.connections_up == 1
    del deaf.pump


def test_answer_with_a_wrong_mac_is_refused_and_counted(loop_of, speaker):
    """Wrong in what the dialect keeps of a MAC; the next answer over the same connection counts."""
    loop = loop_of()
    inquiry = loop.inquiry()
    speaker.fault(loop.wire.message_set.identify(inquiry).name, "garble_mac")

    loop.link.send(inquiry, 1)
    loop.until(lambda: loop.link.tally.mac_failures == 1)
    for number in (2, 3):
        loop.ask(number)

    assert (loop.answered(2), loop.answered(3)) == (True, True)
    assert {token for token, _ in loop.answers} == {2, 3}
    assert loop.link.connections_up == 2
