"""One direction of a TCP connection put in order: RFC 9293, 3.10.7.4, as an onlooker sees it.

An onlooker may have missed what both ends have seen, so a hole may never be filled: it is waited
for within a bound, then reported.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.app.message_tools.segments import Segment

# A hole that is filled at all is filled by a retransmission within one window; peers of this
# kind have windows of 64 KiB.
WAITING_BYTES_MAX = 64 * 1024
WAITING_SEGMENTS_MAX = 256  # so that a flood of tiny segments costs no time either
_SEQUENCE_SPACE = 1 << 32
_HALF = _SEQUENCE_SPACE // 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes in order, as one segment brought them; `missing` bytes before them were not seen."""

    time: float
    data: bytes
    missing: int = 0


class StreamReader:
    """Puts the segments of one direction in order; no more wait than the two bounds allow."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._missing = 0
        self._waiting: dict[int, tuple[float, bytes]] = {}
        self._waiting_bytes = 0

    def feed(self, segment: Segment, time: float) -> Iterator[Piece]:
        """Take a segment; give what is in order now. Retransmissions give nothing."""
        sequence = segment.sequence
        if segment.opens:
            yield from self.flush()
            sequence = (sequence + 1) % _SEQUENCE_SPACE
            self._next = sequence
        if self._next is None:
            self._next = sequence  # the capture began later than the connection
        if segment.payload or segment.lost_bytes:
            yield from self._take(sequence, time, segment)
        if segment.closes:
            yield from self.flush()

    def flush(self) -> Iterator[Piece]:
        """Give what waits behind holes, now that nothing will fill them."""
        while self._waiting:
            yield from self._skip_hole()

    def _take(self, sequence: int, time: float, segment: Segment) -> Iterator[Piece]:
        ahead = self._ahead(sequence)
        if ahead > 0:
            self._wait(sequence, time, segment.payload)
        else:
            yield from self._advance(time, segment.payload[-ahead or None :])
            if segment.lost_bytes:
                self._skip(sequence + len(segment.payload) + segment.lost_bytes)
        while self._waiting_bytes > WAITING_BYTES_MAX or len(self._waiting) > WAITING_SEGMENTS_MAX:
            yield from self._skip_hole()

    def _ahead(self, sequence: int) -> int:
        """Tell how far a sequence number is ahead of what has come, as a signed number."""
        assert self._next is not None
        return (sequence - self._next + _HALF) % _SEQUENCE_SPACE - _HALF

    def _advance(self, time: float, fresh: bytes) -> Iterator[Piece]:
        """Give the bytes that come next, and those waiting that join on to them."""
        while True:
            if fresh:
                yield self._piece(time, fresh)
            sequence = min(self._waiting, key=self._ahead, default=None)
            if sequence is None or self._ahead(sequence) > 0:
                return
            ahead = self._ahead(sequence)
            time, payload = self._withdraw(sequence)
            fresh = payload[-ahead or None :]

    def _piece(self, time: float, fresh: bytes) -> Piece:
        assert self._next is not None
        self._next = (self._next + len(fresh)) % _SEQUENCE_SPACE
        missing, self._missing = self._missing, 0
        return Piece(time, fresh, missing)

    def _wait(self, sequence: int, time: float, payload: bytes) -> None:
        """Keep a segment; of two with one sequence number the longer."""
        if len(payload) <= len(self._waiting.get(sequence, (0.0, b""))[1]):
            return
        if sequence in self._waiting:
            self._withdraw(sequence)
        self._waiting[sequence] = (time, payload)
        self._waiting_bytes += len(payload)

    def _withdraw(self, sequence: int) -> tuple[float, bytes]:
        time, payload = self._waiting.pop(sequence)
        self._waiting_bytes -= len(payload)
        return time, payload

    def _skip_hole(self) -> Iterator[Piece]:
        sequence = min(self._waiting, key=self._ahead)
        self._skip(sequence)
        time, payload = self._withdraw(sequence)
        yield from self._advance(time, payload)

    def _skip(self, sequence: int) -> None:
        """Go on at a sequence number that lies ahead: what is before it will not come."""
        missed = self._ahead(sequence % _SEQUENCE_SPACE)
        if missed > 0:
            self._missing += missed
            self._next = sequence % _SEQUENCE_SPACE
