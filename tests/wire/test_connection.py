"""One connection: bytes to messages, each refused by place and rule."""

import socket

import pytest
from structlog.testing import capture_logs
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gateway.wire.connection import (
    FRAME_SECONDS_MAX,
    UNSENT_BYTES_MAX,
    USER_TIMEOUT_MS,
    MessageConnection,
)
from gateway.wire.link_mac import LinkMac
from gateway.wire.tally import Tally


class Listener:
    """Notes what a connection tells."""

    def __init__(self):
        self.events = []

    def connected(self, _connection):
        self.events.append("connected")

    def heard(self, message):
        self.events.append(message)

    def alive(self):
        self.events.append("alive")

    def lost(self, reason):
        self.events.append(reason)


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def connection(words, listener, transport, tally, mac, clock):
    connection = MessageConnection(
        "far", words.codec, LinkMac(mac, clock.seconds), listener, tally, clock
    )
    connection.makeConnection(transport)
    listener.events.clear()
    return connection


def test_fresh_connection_is_set_up_and_told(words, listener, transport, tally, mac, clock):
    """Small messages leave at once, and a dead host is noticed by unacknowledged bytes."""
    connection = MessageConnection(
        "far", words.codec, LinkMac(mac, clock.seconds), listener, tally, clock
    )

    connection.makeConnection(transport)

    timeout = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    assert transport.options == [("no-delay", True), ("keep-alive", True), timeout]
    assert transport.bufferSize == UNSENT_BYTES_MAX
    assert listener.events == ["connected"]


def test_frames_are_heard_wherever_the_network_cuts(connection, listener, words):
    """Three messages in two parts, cut at every byte in turn, are heard as three."""
    said = [words.request(), words.request("echo"), words.request()]
    stream = b"".join(words.framed(message) for message in said)

    for cut in range(len(stream) + 1):
        connection.dataReceived(stream[:cut])
        connection.dataReceived(stream[cut:])

    mtis = [message.mti for message in listener.events]
    assert mtis == ["0100", "0800", "0100"] * (len(stream) + 1)


def test_bytes_one_by_one_make_a_message(connection, listener, words):
    """The slowest network loses nothing."""
    message = words.request()

    for byte in words.framed(message):
        connection.dataReceived(bytes((byte,)))

    (heard,) = listener.events
    assert {de: heard.fields[de] for de in message.fields} == dict(message.fields)


def test_keep_alive_is_a_sign_of_life_and_no_message(connection, listener, words, tally):
    """A zero-length frame says that the far side lives."""
    connection.dataReceived(words.framing.keep_alive())

    assert (listener.events, tally.received) == (["alive"], 0)


def test_malformed_message_is_refused_and_the_next_is_heard(connection, listener, words, tally):
    """The frame around a bad message was sound, so the connection goes on."""
    bad = words.framing.frame(b"\x00" * 40)

    with capture_logs() as lines:
        connection.dataReceived(bad + words.framed(words.request("echo")))

    assert [message.mti for message in listener.events] == ["0800"]
    assert (tally.received, tally.malformed) == (2, 1)
    assert lines[0]["event"] == "message-malformed"


@pytest.mark.parametrize("taken", [slice(-1, None), slice(-8, -7), slice(-8, None)])
def test_wrong_mac_is_counted_and_refused(connection, listener, words, tally, taken):
    """A message that was changed under way, or whose MAC was, is heard by nobody."""
    changed = bytearray(words.framed(words.request("echo")))
    changed[taken] = words.framed(words.request("echo"))[taken]

    with capture_logs() as lines:
        connection.dataReceived(bytes(changed) + words.framed(words.request("echo")))

    assert len(listener.events) == 1
    assert tally.mac_failures == 1
    assert lines == [
        {
            "event": "message-mac-failure",
            "link": "far",
            "log_level": "warning",
            "reason": "MAC: does not belong to this message",
        }
    ]


def test_message_without_a_mac_is_counted_as_one_with_a_wrong_one(
    connection, listener, words, tally
):
    """Whoever leaves it out gains nothing; the next message is heard."""
    bare = words.framing.frame(words.codec.encode(words.request("echo")))

    with capture_logs() as lines:
        connection.dataReceived(bare + words.framed(words.request("echo")))

    assert (len(listener.events), tally.mac_failures) == (1, 1)
    assert (lines[0]["event"], lines[0]["reason"]) == ("message-mac-failure", "MAC: missing")


@pytest.mark.parametrize(
    "foreign", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"9999"]
)
def test_stream_that_is_none_of_frames_is_closed(connection, transport, tally, foreign):
    """Whoever lost the place in a stream cannot find it again."""
    with capture_logs() as lines:
        connection.dataReceived(foreign)

    assert (transport.is_aborted, tally.malformed) == (True, 1)
    assert lines[0]["event"] == "connection-closed"


def test_good_message_before_a_bad_frame_is_still_heard(connection, listener, words, transport):
    """What was complete before the stream went wrong counts."""
    connection.dataReceived(words.framed(words.request("echo")) + b"GET / HTTP/1.1\r\n\r\n")

    assert [message.mti for message in listener.events] == ["0800"]
    assert transport.is_aborted


def test_no_log_line_holds_a_value(connection, words):
    """Refusals name place and rule; card and account numbers stay out of the log."""
    spoilt = bytearray(words.framed(words.request()))
    spoilt[-1] ^= 0xFF
    cut = words.framing.frame(words.codec.encode(words.request())[:-20])

    with capture_logs() as lines:
        connection.dataReceived(bytes(spoilt))
        connection.dataReceived(cut)

    assert [line["event"] for line in lines] == ["message-mac-failure", "message-malformed"]
    assert all(number not in str(lines) for number in ("T00000019", "6200000000000000195"))


def test_message_leaves_with_mac_and_frame(connection, words, transport, tally):
    """What is written can be read by the dialect's own rules."""
    message = words.request()

    connection.send(message)

    (read,) = words.read(transport.value())
    assert (read.mti, read.text(11)) == (message.mti, message.text(11))
    assert tally.sent == 1


def test_message_whose_time_is_over_is_not_written(connection, words, transport, tally, clock):
    """What was decided in time and is written too late is dropped at the last moment."""
    in_time, late = words.request(), words.request()

    connection.send(in_time, until=clock.seconds())
    clock.advance(1)
    connection.send(late, until=clock.seconds() - 0.5)

    assert [message.text(11) for message in words.read(transport.value())] == [in_time.text(11)]
    assert tally.sent == 1


def test_what_one_read_brings_about_leaves_in_one_write(
    connection, listener, words, transport, monkeypatch
):
    """Answers to many messages at once leave together and in order, before a hanging up."""
    writes = []
    monkeypatch.setattr(transport, "write", writes.append)
    monkeypatch.setattr(transport, "loseConnection", lambda: writes.append("gone"))
    said = [words.request(), words.request("echo")]

    def heard(message):
        connection.send(message)
        if message.mti == "0800":
            connection.hang_up()

    monkeypatch.setattr(listener, "heard", heard)
    connection.dataReceived(b"".join(words.framed(message) for message in said))

    written, gone = writes
    assert [message.mti for message in words.read(written)] == ["0100", "0800"]
    assert gone == "gone"


def test_disconnecting_before_connecting_is_nothing(words, listener, tally, mac, clock):
    """A connection that never was needs no closing."""
    connection = MessageConnection(
        "far", words.codec, LinkMac(mac, clock.seconds), listener, tally, clock
    )

    connection.disconnect()

    assert listener.events == []


def test_lost_connection_is_told_with_its_kind(connection, listener):
    """The reason is the kind of the error, whose text could be anything."""
    nameless = Failure(ConnectionDone())
    nameless.type = None

    connection.connectionLost(Failure(ConnectionDone()))
    connection.connectionLost(nameless)

    assert listener.events == ["the connection was closed", "unknown"]


@pytest.mark.usefixtures("connection")
def test_only_too_many_unsent_bytes_cut_a_peer_off(transport):
    """The transport's own pauses close the connection; nothing else it says of flow does."""
    producer = transport.producer

    producer.resumeProducing()
    producer.stopProducing()
    before = transport.is_aborted
    producer.pauseProducing()

    assert (before, transport.is_aborted) == (False, True)


def test_frame_that_stops_half_way_closes_the_connection(words, connection, transport, clock):
    """What came next would be taken for the rest of it, and no answer would ever be heard."""
    framed = words.framed(words.request())

    with capture_logs() as logs:
        connection.dataReceived(framed + framed[:10])
        clock.advance(FRAME_SECONDS_MAX)

    assert transport.is_aborted
    assert [line["event"] for line in logs] == ["connection-closed"]


def test_frame_in_pieces_is_waited_for(words, connection, transport, listener, clock):
    """The rest of a frame in time is no reason to close; neither is silence between frames."""
    framed = words.framed(words.request())

    connection.dataReceived(framed[:10])
    clock.advance(FRAME_SECONDS_MAX - 0.1)
    connection.dataReceived(framed[10:])
    clock.advance(60)

    assert not transport.is_aborted
    assert len(listener.events) == 1


def test_lost_connection_waits_for_no_rest(words, connection, transport, clock):
    """A frame cut off by the end of its connection leaves no timer behind."""
    connection.dataReceived(words.framed(words.request())[:10])

    connection.connectionLost(Failure(ConnectionDone()))

    assert clock.getDelayedCalls() == []
    assert not transport.is_aborted
