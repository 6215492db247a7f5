"""Captured connections as conversations: who said what to whom, when, and what is not known."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.app.message_tools.fitting import Tongue, frame_bytes
from gateway.app.message_tools.reassembly import Piece, StreamReader
from gateway.app.message_tools.report import Account
from gateway.app.message_tools.segments import End, Segment
from gateway.iso8583.errors import MalformedFrame, MalformedMessage
from gateway.iso8583.frames import FrameReader

# With what the two streams of each may keep waiting this is some 50 MB, whatever the capture's
# size; the one that was silent longest is let go.
CONNECTIONS_MAX = 256
# A connection that has no good message in this many pieces is of another protocol.
_PIECES_TRIED_MAX = 64
_BYTES_TRIED_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """One message, keep-alive or remark about one direction; `time` in seconds since 1970."""

    time: float
    sender: End
    receiver: End
    account: Account | None = None
    remark: str = ""

    @property
    def is_flaw(self) -> bool:
        """Tell whether something is wrong with it, or missing."""
        return self.account.error is not None if self.account else self.remark != KEEP_ALIVE


KEEP_ALIVE = "keep-alive"


class Ear:
    """Hears one direction in one dialect; finds the next frame again after a loss.

    A place in the stream once lost can only be guessed: at the beginning of a segment that begins
    with a good length and, behind the envelope, a known MTI.
    """

    def __init__(self, tongue: Tongue, *, from_start: bool) -> None:
        self._tongue = tongue
        self._framing = tongue.dialect.framing
        self._reader = FrameReader(self._framing) if from_start else None
        self._skipped = 0
        self._pending = 0

    def hear(self, piece: Piece) -> Iterator[Account | str]:
        """Take a piece; give accounts of messages and remarks."""
        if piece.missing:
            yield f"{piece.missing} bytes are not in the capture"
            self._lose()
        if self._reader is None:
            if not self._begins_frame(piece.data):
                self._skipped += len(piece.data)
                return
            yield from self._find()
        self._pending += len(piece.data)
        yield from self._read(piece.data)

    def _begins_frame(self, data: bytes) -> bool:
        prefix = self._framing.prefix_bytes
        try:
            self._framing.length_of(data[:prefix])
            next(self._tongue.codec.readings(data[prefix + self._framing.envelope_bytes :]))
        except (MalformedFrame, MalformedMessage):
            return False
        return True

    def _find(self) -> Iterator[str]:
        self._reader = FrameReader(self._framing)
        if self._skipped:
            yield f"{self._skipped} bytes skipped up to here"
        self._skipped = 0

    def _read(self, data: bytes) -> Iterator[Account | str]:
        assert self._reader
        try:
            frames = self._reader.feed(data)
        except MalformedFrame as error:
            yield str(error)
            self._lose()
            return
        for frame in frames:
            self._pending -= frame_bytes(self._framing, frame)
            yield KEEP_ALIVE if frame.is_keep_alive else Account.of(self._tongue, frame.payload)
        if self._reader.error:
            yield str(self._reader.error)
            self._lose()

    def _lose(self) -> None:
        self._reader = None
        self._skipped += self._pending
        self._pending = 0

    def end(self) -> Iterator[str]:
        """Give remarks about what is left over when the stream ends."""
        left = self._skipped + self._pending
        if left:
            yield f"the last {left} bytes are no whole frame"


class Conversation:
    """One connection: two streams, and the dialect they are in once it is known."""

    def __init__(self, tongues: list[Tongue]) -> None:
        self._tongues = tongues
        self._streams: dict[End, StreamReader] = {}
        self._opened: set[End] = set()
        self._ears: dict[End, Ear] = {}
        self._heard: list[tuple[End, End, Piece]] = []
        self._tongue = tongues[0] if len(tongues) == 1 else None
        self._given_up = False

    def feed(self, segment: Segment, time: float) -> Iterator[Said]:
        """Take a segment of either direction; give what was said."""
        if segment.opens:
            yield from self._end_of(segment.sender, segment.receiver, time)
            self._opened.add(segment.sender)
        stream = self._streams.setdefault(segment.sender, StreamReader())
        for piece in stream.feed(segment, time):
            yield from self._hear(segment.sender, segment.receiver, piece)

    def end(self, ends: tuple[End, End], time: float) -> Iterator[Said]:
        """Give what still waits in both directions, and what is left over."""
        for sender, receiver in (ends, ends[::-1]):
            yield from self._end_of(sender, receiver, time)
        if self._tongue is None and self._heard:
            yield from self._give_up()

    def _end_of(self, sender: End, receiver: End, time: float) -> Iterator[Said]:
        if sender in self._streams:
            for piece in self._streams[sender].flush():
                yield from self._hear(sender, receiver, piece)
        if sender in self._ears:
            for remark in self._ears.pop(sender).end():
                yield Said(time, sender, receiver, remark=remark)

    def _hear(self, sender: End, receiver: End, piece: Piece) -> Iterator[Said]:
        if self._given_up:
            return
        if self._tongue is None:
            self._heard.append((sender, receiver, piece))
            yield from self._decide()
            return
        ear = self._ear(self._tongue, self._ears, sender)
        for what in ear.hear(piece):
            account, remark = (None, what) if isinstance(what, str) else (what, "")
            yield Said(piece.time, sender, receiver, account, remark)

    def _ear(self, tongue: Tongue, ears: dict[End, Ear], sender: End) -> Ear:
        if sender not in ears:
            ears[sender] = Ear(tongue, from_start=sender in self._opened)
        return ears[sender]

    # ------------------------------------------------------------ which dialect

    def _decide(self) -> Iterator[Said]:
        """Take the first dialect in which a whole message was good."""
        self._tongue = next(filter(self._fits, self._tongues), None)
        if self._tongue:
            heard, self._heard = self._heard, []
            for sender, receiver, piece in heard:
                yield from self._hear(sender, receiver, piece)
        elif len(self._heard) > _PIECES_TRIED_MAX or self._heard_bytes > _BYTES_TRIED_MAX:
            yield from self._give_up()

    @property
    def _heard_bytes(self) -> int:
        return sum(len(piece.data) for _, _, piece in self._heard)

    def _fits(self, tongue: Tongue) -> bool:
        ears: dict[End, Ear] = {}
        return any(
            isinstance(what, Account) and what.error is None
            for sender, _, piece in self._heard
            for what in self._ear(tongue, ears, sender).hear(piece)
        )

    def _give_up(self) -> Iterator[Said]:
        sender, receiver, piece = self._heard[0]
        yield Said(piece.time, sender, receiver, remark="fits no dialect, not followed further")
        self._given_up, self._heard = True, []


class Conversations:
    """All connections of a capture, at most `CONNECTIONS_MAX` at a time."""

    def __init__(self, tongues: list[Tongue], port: int | None = None) -> None:
        self._tongues = tongues
        self._port = port
        self._open: OrderedDict[tuple[End, End], Conversation] = OrderedDict()
        self._time = 0.0

    def feed(self, segment: Segment, time: float) -> Iterator[Said]:
        """Take the next segment of the capture; give what was said."""
        ends = (segment.sender, segment.receiver)
        if self._port and self._port not in {end.port for end in ends}:
            return
        self._time = time
        key = min(ends, ends[::-1])
        if key not in self._open and len(self._open) >= CONNECTIONS_MAX:
            yield from self._close_oldest()
        conversation = self._open.setdefault(key, Conversation(self._tongues))
        self._open.move_to_end(key)
        yield from conversation.feed(segment, time)

    def end(self) -> Iterator[Said]:
        """Give what is left over when the capture ends."""
        while self._open:
            yield from self._close_oldest()

    def _close_oldest(self) -> Iterator[Said]:
        ends, conversation = self._open.popitem(last=False)
        yield from conversation.end(ends, self._time)
