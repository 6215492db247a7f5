"""One TCP connection that speaks a dialect: bytes to messages and back, with their MAC."""

import socket
from typing import Any, Protocol

import structlog
from twisted.internet import protocol
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from gateway.iso8583.codec import Codec
from gateway.iso8583.errors import MacMismatch, MalformedFrame, MalformedMessage
from gateway.iso8583.frames import FrameReader, FrameWriter
from gateway.iso8583.framing import Frame
from gateway.iso8583.message import Message
from gateway.wire.link_mac import LinkMac
from gateway.wire.tally import Tally
from gateway.wire.tls import socket_transport, why_lost

log = structlog.get_logger()

USER_TIMEOUT_MS = 30_000  # unacknowledged bytes for this long: the peer's host is gone
FRAME_SECONDS_MAX = 5.0  # the rest of a frame is on its way already; else its length was a lie
HANG_UP_SECONDS_MAX = 5.0  # one 0810 and TLS's goodbye; a far side that reads has them in less
UNSENT_BYTES_MAX = 1 << 20  # a peer that does not read for a megabyte is cut off


class Listener(Protocol):
    """What a connection tells: the link that owns it listens."""

    def connected(self, connection: "MessageConnection") -> None:
        """Hear that the connection is made."""

    def heard(self, message: Message) -> None:
        """Hear a well-formed message with a good MAC."""

    def alive(self) -> None:
        """Hear a sign of life that is no message."""

    def lost(self, reason: str) -> None:
        """Hear that the connection is gone."""


class MessageConnection(protocol.Protocol):
    """Cuts a stream into messages, checks each MAC, and frames what is sent.

    A message that breaks the dialect or its MAC is refused with a logged place and rule, and the
    connection goes on: the frame around it was sound. A stream that is not one of frames is
    closed, and so is one that stops in the middle of a frame: whatever came next would be taken
    for the rest of it. No log line holds a value. `clock` must be monotonic.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        mac: LinkMac,
        listener: Listener,
        tally: Tally,
        clock: IReactorTime,
    ) -> None:
        self._name = name
        self._codec = codec
        self._mac = mac
        self.answer_envelope = b""  # what an answer to the latest message goes under
        self._listener = listener
        self._tally = tally
        self._framing = codec.dialect.framing
        self._reader = FrameReader(self._framing)
        self._writer = FrameWriter(self._framing)
        self._clock = clock
        self._unfinished: IDelayedCall | None = None
        self._hanging_up: IDelayedCall | None = None
        self._is_reading = False
        self._unwritten: list[bytes] = []  # while reading

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Set the socket's options and tell the link."""
        tcp = socket_transport(self.transport)
        tcp.setTcpNoDelay(True)
        tcp.setTcpKeepAlive(True)
        tcp.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        tcp.bufferSize = UNSENT_BYTES_MAX  # Twisted's 64 KiB is less than one burst
        # Not of TLS: it would pause us while it shakes hands.
        tcp.registerProducer(_Impatient(self.transport), True)
        self._listener.connected(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take bytes in, however the network split or joined them."""
        try:
            frames = self._reader.feed(data)
        except MalformedFrame as error:
            self._close_over(error)
            return
        # What is said to many messages at once leaves at once.
        self._is_reading = True
        try:
            for frame in frames:
                self._take(frame)
        finally:
            self._is_reading = False
            self._write_out()
        if self._reader.error is not None:
            self._close_over(self._reader.error)
        elif frames or self._unfinished is None:
            self._watch_rest()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:  # noqa: N802
        """Tell the link that the connection is gone."""
        self._forget_rest()
        if self._hanging_up is not None and self._hanging_up.active():
            self._hanging_up.cancel()
        self._listener.lost(why_lost(reason))

    def send(self, message: Message, envelope: bytes = b"", until: float | None = None) -> None:
        """Write a message with its MAC; raises `UnencodableMessage`, our own mistake.

        It goes under the dialect's own TPDU and header, unless an answer's `envelope` is given.
        Nothing is written after `until` on the clock: a PIN must not be set long after it was asked
        for, though the process was held between decision and act, or a connection long to make.
        """
        payload = self._codec.encode(message, self._mac.current)
        if until is not None and self._clock.seconds() > until:
            log.warning("message-too-old", link=self._name, trace=message.trace)
            return
        self._tally.sent += 1
        self._unwritten.append(self._writer.frame(payload, envelope))
        if not self._is_reading:
            self._write_out()

    def _write_out(self) -> None:
        if self._unwritten:
            transport: Any = self.transport
            transport.write(b"".join(self._unwritten))
            self._unwritten.clear()

    def disconnect(self) -> None:
        """Close the connection without waiting for a peer that does not read."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def hang_up(self) -> None:
        """Close the connection once everything written has left, or soon without that.

        Under TLS the far side has to agree, and it may not.
        """
        self._write_out()
        transport: Any = self.transport
        self._hanging_up = self._clock.callLater(HANG_UP_SECONDS_MAX, self.disconnect)
        transport.loseConnection()

    def _take(self, frame: Frame) -> None:
        payload = frame.payload
        if not payload:
            self._listener.alive()
            return
        self._tally.received += 1
        try:
            message = self._codec.read(payload, self._mac.current)
        except MacMismatch as mismatch:
            self._take_under_previous(frame, mismatch)
        except MalformedMessage as error:
            self._tally.malformed += 1
            log.warning("message-malformed", link=self._name, reason=str(error))
        else:
            if frame.envelope:
                self.answer_envelope = self._framing.answer_envelope(frame.envelope)
            self._listener.heard(message)

    def _take_under_previous(self, frame: Frame, mismatch: MacMismatch) -> None:
        """Take a message in that was sent before the far side knew of the newest MAC key."""
        previous = self._mac.previous
        try:
            if previous is None:
                raise mismatch
            message = self._codec.read(frame.payload, previous)
        except MacMismatch as wrong:
            self._tally.mac_failures += 1
            log.warning("message-mac-failure", link=self._name, reason=str(wrong))
        else:
            if frame.envelope:
                self.answer_envelope = self._framing.answer_envelope(frame.envelope)
            self._listener.heard(message)

    def _watch_rest(self) -> None:
        """See that a frame which has begun is complete in time."""
        self._forget_rest()
        if self._reader.is_inside_frame:
            self._unfinished = self._clock.callLater(FRAME_SECONDS_MAX, self._close_over_rest)

    def _forget_rest(self) -> None:
        if self._unfinished is not None:
            self._unfinished.cancel()
            self._unfinished = None

    def _close_over_rest(self) -> None:
        self._unfinished = None
        self._close_over(MalformedFrame(0, f"not complete within {FRAME_SECONDS_MAX:g} seconds"))

    def _close_over(self, error: MalformedFrame) -> None:
        self._tally.malformed += 1
        log.warning("connection-closed", link=self._name, reason=str(error))
        self.disconnect()


class _Impatient:
    """Cuts off a peer that lets more unsent bytes pile up than the transport buffers."""

    def __init__(self, transport: Any) -> None:  # noqa: ANN401 - Twisted's transports are untyped
        self._transport = transport

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._transport.abortConnection()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        pass

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        pass
