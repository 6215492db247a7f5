"""A link over real sockets: what memory cannot show of the network."""

import socket
from contextlib import suppress
from ipaddress import ip_network
from time import monotonic

import pytest
from twisted.internet.epollreactor import EPollReactor

from gateway.iso8583.frames import FrameReader
from gateway.iso8583.session import State
from gateway.wire.doorway import Doorway
from gateway.wire.exchange_link import ExchangeLink
from gateway.wire.inbound_link import InboundLink, InboundPlan
from gateway.wire.outbound_link import Address, LinkPlan, OutboundLink

RECEIVE_BUFFER_BYTES = 8192  # small, so that a peer that does not read is full at once
STRIDE_SECONDS = 0.01
DEADLINE_SECONDS = 8.0


class Loopback:
    """A link on a reactor of its own, and the listening socket that it dials."""

    def __init__(self, words, mac):
        self.words = words
        self.answers = []
        self.reactor = EPollReactor()
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        plan = LinkPlan(
            name=words.side,
            addresses=(Address(f"127.0.0.1:{self._listening.getsockname()[1]}"),),
            codec=words.codec,
            message_set=words.messages,
            mac=mac,
            network_message=words.request,
            answered=lambda token, message: self.answers.append((token, message.text(39))),
            became=lambda _state: None,
            answer_seconds_max=60.0,
            in_flight_max=1_000_000,
        )
        self.link = OutboundLink(plan, self.reactor)
        self.peer = None

    def until(self, probe):
        """Run the reactor until something is so."""
        deadline = monotonic() + DEADLINE_SECONDS
        while not probe():
            assert monotonic() < deadline, "it did not come about"
            self.reactor.iterate(STRIDE_SECONDS)

    def accept(self):
        """Take the connection that the link makes."""
        self._listening.setblocking(False)
        while self.peer is None:
            self.reactor.iterate(STRIDE_SECONDS)
            try:
                self.peer, _ = self._listening.accept()
            except BlockingIOError:
                continue
        self.peer.setblocking(False)
        self._reader = FrameReader(self.words.framing)
        return self

    def sign_on(self):
        """Take the connection and approve the sign-on."""
        self.accept().answer_one()
        self.until(lambda: self.link.state is State.SIGNED_ON)
        return self

    def answer_one(self):
        """Wait for a request and approve it; give it."""
        frames = []
        while not frames:
            self.reactor.iterate(STRIDE_SECONDS)
            try:
                frames = self._reader.feed(self.peer.recv(65536))
            except BlockingIOError:
                continue
        (frame,) = frames
        request = self.words.codec.decode(frame.payload)
        self.peer.sendall(self.words.framed(self.words.answer(request)))
        return request

    def hang_up(self):
        """Close the connection from the peer's end."""
        self.peer.close()
        self.peer = None

    def close(self):
        """Close every socket there is."""
        if self.peer is not None:
            self.hang_up()
        self._listening.close()
        stopped = self.link.stop()
        self.until(lambda: stopped.called)
        self.reactor.disconnectAll()
        for own in tuple(self.reactor._internalReaders):
            own.connectionLost(None)
        self.reactor._poller.close()


@pytest.fixture
def loopback(words, mac):
    loopback = Loopback(words, mac)
    loopback.link.start()
    yield loopback
    loopback.close()


def test_link_signs_on_asks_and_signs_off(loopback):
    """Sign-on, a request, its answer and the sign-off pass over TCP."""
    loopback.sign_on()
    loopback.link.send(loopback.words.request(), "asked")
    loopback.answer_one()
    loopback.until(lambda: loopback.answers)

    stopped = loopback.link.stop()
    sign_off = loopback.answer_one()
    loopback.until(lambda: stopped.called)

    assert loopback.answers == [("asked", "00")]
    assert sign_off.text(70) == "002"


def test_peer_that_does_not_read_is_cut_off(loopback):
    """A megabyte that the far side does not take ends the connection, and memory is kept."""
    loopback.sign_on()
    repeat = loopback.words.request().as_repeat()
    handle = next(iter(loopback.link._lines))._connection.transport.getHandle()
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER_BYTES)

    def pour():
        for _ in range(1000):
            loopback.link.send(repeat, "poured")
        return loopback.link.state is State.CLOSED

    loopback.until(pour)

    assert loopback.link.reason == "ConnectionAborted"


def test_connection_that_closes_amid_a_frame_is_made_again(loopback):
    """Half a frame is nothing; the link dials again and signs on."""
    loopback.sign_on()
    echo = loopback.words.framed(loopback.words.request("echo"))

    loopback.peer.sendall(echo[: len(echo) // 2])
    loopback.hang_up()
    loopback.until(lambda: loopback.link.state is State.CLOSED)
    loopback.sign_on()

    assert loopback.link.tally.reconnects == 2
    assert loopback.link.tally.received == 2  # the two answers to a sign-on


# ------------------------------------------------------------------ our two ends, and a bad wire


class Wire:
    """A far side that dials a listener of ours by hand, over a real socket."""

    def __init__(self, words, mac):
        self.words = words
        self.reactor = EPollReactor()
        plan = InboundPlan(
            name="in",
            peers=[ip_network("127.0.0.0/8")],
            codec=words.codec,
            message_set=words.messages,
            mac=mac,
            network_message=words.request,
            handler=lambda request, reply: reply(words.answer(request)),
            connections_max=8,
            connections_per_peer_max=8,
        )
        self.link = InboundLink(plan, self.reactor)
        door = Doorway(self.reactor, "127.0.0.1:0")
        door.take()
        self.link.start(door)
        self.port = door.number
        self._sockets = []

    def until(self, probe):
        """Run the reactor until something is so."""
        deadline = monotonic() + DEADLINE_SECONDS
        while not probe():
            assert monotonic() < deadline, "it did not come about"
            self.reactor.iterate(STRIDE_SECONDS)

    def dial(self):
        """Connect; gives the socket."""
        dialled = socket.create_connection(("127.0.0.1", self.port))
        dialled.setblocking(False)
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(dialled)
        return dialled

    def heard(self, dialled, count):
        """Wait for so many messages."""
        reader, messages = FrameReader(self.words.framing), []

        def probe():
            try:
                frames = reader.feed(dialled.recv(65536))
            except BlockingIOError:
                return False
            messages.extend(self.words.codec.decode(frame.payload) for frame in frames)
            return len(messages) >= count

        self.until(probe)
        return messages

    def is_closed(self, dialled):
        """Tell whether we hung up."""
        try:
            return dialled.recv(65536) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def close(self):
        """Close every socket there is."""
        for dialled in self._sockets:
            dialled.close()
        stopped = self.link.stop()
        self.until(lambda: stopped.called)
        self.reactor.disconnectAll()
        for own in tuple(self.reactor._internalReaders):
            own.connectionLost(None)
        self.reactor._poller.close()


@pytest.fixture
def wire(words, mac):
    wire = Wire(words, mac)
    yield wire
    wire.close()


def test_both_ends_of_ours_understand_each_other(wire, words, mac):
    """Our link signs on at our listener, asks, is answered and signs off, over TCP."""
    answers = []
    plan = LinkPlan(
        name="out",
        addresses=[Address(f"tcp:host=127.0.0.1:port={wire.port}")],
        codec=words.codec,
        message_set=words.messages,
        mac=mac,
        network_message=words.request,
        answered=lambda token, message: answers.append((token, message.text(39))),
        became=lambda _state: None,
        answer_seconds_max=60.0,
        in_flight_max=64,
    )
    link = OutboundLink(plan, wire.reactor)
    link.start()
    wire.until(lambda: link.is_ready)
    for number in range(64):
        link.send(words.request(), number)
    wire.until(lambda: len(answers) == 64)
    stopped = link.stop()
    wire.until(lambda: stopped.called)
    wire.until(lambda: not wire.link.states)

    assert answers == [(number, "00") for number in range(64)]


def test_one_exchange_per_connection_over_tcp(wire, words, mac):
    """A listener that wants a sign-on declines what comes without one; the answer is matched."""
    answers = []
    plan = LinkPlan(
        name="out",
        addresses=[Address(f"127.0.0.1:{wire.port}")],
        codec=words.codec,
        message_set=words.messages,
        mac=mac,
        network_message=words.request,
        answered=lambda token, message: answers.append((token, message.text(39))),
        became=lambda _state: None,
        answer_seconds_max=60.0,
        in_flight_max=64,
    )
    link = ExchangeLink(plan, wire.reactor)
    link.start()

    for number in range(3):
        link.send(words.request(), number)
    wire.until(lambda: len(answers) == 3)
    stopped = link.stop()
    wire.until(lambda: stopped.called)

    assert sorted(answers) == [(0, "91"), (1, "91"), (2, "91")]


def test_stream_cut_at_every_byte_is_answered_alike(wire, words):
    """Each connection gets sign-on and request in two pieces, cut one byte further on."""
    said = words.framed(words.request("sign-on")) + words.framed(words.request())

    for cut in range(1, len(said), 7):
        dialled = wire.dial()
        dialled.sendall(said[:cut])
        wire.reactor.iterate(0)
        dialled.sendall(said[cut:])
        assert [answer.text(39) for answer in wire.heard(dialled, 2)] == ["00", "00"]
        dialled.close()


def test_many_messages_in_one_segment_are_all_answered(wire, words):
    """What the network joined is taken apart again, in order."""
    dialled = wire.dial()
    requests = [words.request("sign-on"), *(words.request() for _ in range(20))]

    dialled.sendall(b"".join(map(words.framed, requests)))

    answers = wire.heard(dialled, 21)
    assert [a.text(11) for a in answers] == [r.text(11) for r in requests]


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01"]
)
def test_garbage_ends_its_own_connection_only(wire, words, garbage):
    """One far side talks nonsense and is left; the other goes on."""
    good, bad = wire.dial(), wire.dial()
    good.sendall(words.framed(words.request("sign-on")))
    wire.heard(good, 1)

    bad.sendall(garbage)
    wire.until(lambda: wire.is_closed(bad))
    good.sendall(words.framed(words.request()))

    assert wire.heard(good, 1)[0].text(39) == "00"


def test_slow_far_side_delays_no_other(wire, words):
    """While one sends a byte at a time, another's requests are answered in between."""
    slow, quick = wire.dial(), wire.dial()
    quick.sendall(words.framed(words.request("sign-on")))
    wire.heard(quick, 1)
    said = words.framed(words.request("sign-on"))
    order = []

    for byte in said[:20]:
        slow.sendall(bytes((byte,)))
        quick.sendall(words.framed(words.request()))
        order += [answer.text(39) for answer in wire.heard(quick, 1)]
    slow.sendall(said[20:])

    assert wire.heard(slow, 1)[0].text(39) == "00"
    assert order == ["00"] * 20


def test_far_side_that_reads_nothing_is_cut_off(wire, words):
    """Half-open: it sends and never reads; its unsent answers end the connection, nobody else's."""
    deaf = wire.dial()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    deaf.sendall(words.framed(words.request("sign-on")))
    wire.until(lambda: wire.link.states[State.SIGNED_ON] == 1)
    (line,) = wire.link._lines
    handle = line._connection.transport.getHandle()
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER_BYTES)
    said = words.framed(words.request()) * 100

    def pour():
        with suppress(BlockingIOError, ConnectionError):
            deaf.send(said)
        return not wire.link.states

    wire.until(pour)

    assert wire.link.tally.received > 1000
