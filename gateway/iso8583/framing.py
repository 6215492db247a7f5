"""Messages in a stream of bytes: length prefix, TPDU, zero-length keep-alive frames."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval
from pydantic import ConfigDict, StringConstraints

from gateway.iso8583.errors import MalformedFrame
from gateway.terms.errors import LocalError

TPDU_BYTES = 5  # identifier 1, destination 2, source 2
_TPDU_IDENTIFIER = b"\x60"
_PREFIX_BYTES = {"ascii-4": 4, "binary-2": 2}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a connection: the message's bytes and, where there is one, its TPDU."""

    payload: bytes
    tpdu: bytes = b""

    @property
    def is_keep_alive(self) -> bool:
        """Tell whether this is a zero-length frame, a sign of life and nothing else."""
        return not self.payload

    def __repr__(self) -> str:
        # The payload may hold card numbers and PIN blocks.
        return f"Frame({len(self.payload)} bytes)"


@dataclass(frozen=True, slots=True)
class Framing:
    """How a dialect cuts its messages; built from the ``framing`` table of a dialect file."""

    length_prefix: Literal["ascii-4", "binary-2"]
    # 0x1603, how a TLS hello begins, must never be taken for a length.
    message_bytes_max: Annotated[int, Interval(ge=64, le=5600)]
    tpdu: Annotated[str, StringConstraints(pattern=r"^(60[0-9]{8})?$")] = ""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def prefix_bytes(self) -> int:
        """Number of bytes of the length prefix."""
        return _PREFIX_BYTES[self.length_prefix]

    def frame(self, payload: bytes, tpdu: bytes = b"") -> bytes:
        """Put `payload` into a frame; without `tpdu` it goes under the dialect's own.

        Raises `LocalError` for a payload above the maximum or a TPDU that is not 5 bytes.
        """
        tpdu = tpdu or bytes.fromhex(self.tpdu)
        if not 0 < len(payload) <= self.message_bytes_max:
            raise LocalError(f"a message has 1 to {self.message_bytes_max} bytes")
        if len(tpdu) != self.tpdu_bytes:
            raise LocalError(f"the TPDU of this dialect has {self.tpdu_bytes} bytes")
        return self._prefix(len(tpdu) + len(payload)) + tpdu + payload

    def keep_alive(self) -> bytes:
        """Build the zero-length frame."""
        return self._prefix(0)

    @property
    def tpdu_bytes(self) -> int:
        """Number of bytes of the TPDU, 0 where the dialect has none."""
        return TPDU_BYTES if self.tpdu else 0

    def _prefix(self, length: int) -> bytes:
        if self.length_prefix == "ascii-4":
            return b"%04d" % length
        return length.to_bytes(2, "big")

    def length_of(self, prefix: bytes) -> int:
        """Read a length prefix; raises `MalformedFrame`."""
        if self.length_prefix == "binary-2":
            length = int.from_bytes(prefix, "big")
        elif prefix.isdigit():  # of bytes: the ten ASCII digits and nothing else
            length = int(prefix)
        else:
            raise MalformedFrame(0, "the length is not 4 ASCII digits", _guess(prefix))
        if length > self.tpdu_bytes + self.message_bytes_max:
            rule = f"the length is above the maximum of {self.message_bytes_max} bytes"
            raise MalformedFrame(0, rule, _guess(prefix))
        if 0 < length <= self.tpdu_bytes:
            raise MalformedFrame(0, "the length leaves no message behind the TPDU")
        return length


def answer_tpdu(tpdu: bytes) -> bytes:
    """Swap destination and source, as an answer carries them."""
    return tpdu[:1] + tpdu[3:] + tpdu[1:3]


class FrameReader:
    """Cuts the bytes of one connection into frames, however the network split or joined them."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._buffer = bytearray()
        self._error: MalformedFrame | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they came; give the frames that are complete now.

        Raises `MalformedFrame` when the stream cannot be a stream of frames, and again at every
        later call: whoever lost the place in the stream cannot find it again. Frames that were
        complete before the bad one in the same bytes are still given; the error then comes with
        the next call.
        """
        if self._error:
            raise self._error
        self._buffer += data
        frames: list[Frame] = []
        try:
            self._cut(frames)
        except MalformedFrame as error:
            self._error = error
            self._buffer.clear()
            if not frames:
                raise
        return frames

    @property
    def error(self) -> MalformedFrame | None:
        """What is wrong with the stream, once something is."""
        return self._error

    def _cut(self, frames: list[Frame]) -> None:
        prefix_bytes, buffer, start = self._framing.prefix_bytes, self._buffer, 0
        try:
            while len(buffer) - start >= prefix_bytes:
                body = start + prefix_bytes
                end = body + self._framing.length_of(bytes(buffer[start:body]))
                if len(buffer) < end:
                    break
                frames.append(self._frame(bytes(buffer[body:end])))
                start = end
        finally:
            del buffer[:start]

    def _frame(self, body: bytes) -> Frame:
        if not body:
            return Frame(b"")
        tpdu_bytes = self._framing.tpdu_bytes
        tpdu = body[:tpdu_bytes]
        if tpdu and tpdu[:1] != _TPDU_IDENTIFIER:
            offset = self._framing.prefix_bytes
            raise MalformedFrame(offset, "the TPDU does not begin with 60", _guess_tpdu(tpdu))
        return Frame(body[tpdu_bytes:], tpdu)


# The first two bytes of what else knocks on an open port.
_HTTP = frozenset({b"GE", b"PO", b"PU", b"HE", b"DE", b"OP", b"CO", b"TR", b"PA", b"PR", b"HT"})
_TLS = b"\x16\x03"


def _guess(prefix: bytes) -> str:
    """Say what a bad length prefix looks like."""
    if prefix[:2] in _HTTP:
        return "looks like HTTP"
    if prefix[:2] == _TLS:
        return "looks like a TLS hello"
    if prefix.isdigit():
        return "looks like ASCII digits"
    if prefix[:1] == b"\x00":
        return "looks like a binary length"
    return ""


def _guess_tpdu(tpdu: bytes) -> str:
    """Say what bytes in the place of a TPDU look like."""
    # An MTI in BCD begins with a zero digit, in ASCII with the character 0.
    if tpdu[:1] in {b"0", *(bytes((n,)) for n in range(1, 9))}:
        return "looks like a message without TPDU"
    return ""
