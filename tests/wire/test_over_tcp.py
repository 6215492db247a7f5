"""A link over real sockets: what memory cannot show of the network."""

import socket
from time import monotonic

import pytest
from twisted.internet.epollreactor import EPollReactor

from gateway.iso8583.framing import FrameReader
from gateway.iso8583.session import State
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
