"""One message of a stream of bytes: length prefix, TPDU, header, trailer, keep-alive frames."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar, Literal, NamedTuple

from annotated_types import Interval
from pydantic import ConfigDict, StringConstraints

from gateway.iso8583.errors import MalformedFrame
from gateway.iso8583.institution_header import InstitutionHeader
from gateway.terms.errors import LocalError

TPDU_BYTES = 5  # identifier 1, destination 2, source 2
_TPDU_IDENTIFIER = b"\x60"
_LENGTHS_MAX = 8_192  # kept as they are written: all that one form of length can say
LengthPrefix = Literal[
    "ascii-4", "bcd-2", "binary-2", "binary-4", "binary-2-little", "binary-4-little"
]


class Frame(NamedTuple):
    """One frame of a connection: the message's bytes and what stood before them.

    `envelope` is TPDU and header, one behind the other, where the dialect has them.
    """

    payload: bytes
    envelope: bytes = b""

    @property
    def is_keep_alive(self) -> bool:
        """Tell whether this is a zero-length frame, a sign of life and nothing else."""
        return not self.payload

    def __repr__(self) -> str:
        # The payload may hold card numbers and PIN blocks.
        return f"Frame({len(self.payload)} bytes)"


@dataclass(frozen=True, slots=True)
class Framing:
    """How a dialect cuts its messages; built from the ``framing`` table of a dialect file.

    A frame is length, TPDU, header, message, trailer. The length counts what follows it and, with
    `length_counts_itself`, its own bytes. `tpdu` and `trailer` are in hex.
    """

    length_prefix: LengthPrefix
    # 0x1603, how a TLS hello begins, must never be taken for a big-endian length.
    message_bytes_max: Annotated[int, Interval(ge=64, le=5600)]
    tpdu: Annotated[str, StringConstraints(pattern=r"^(60[0-9]{8})?$")] = ""
    length_counts_itself: bool = False
    header: InstitutionHeader | None = None
    trailer: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){0,4}$")] = ""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    # ------------------------------------------------------------ writing

    def frame(self, payload: bytes, envelope: bytes = b"") -> bytes:
        """Put `payload` into a frame; without `envelope` it goes under the dialect's own.

        Raises `LocalError` for a payload above the maximum or an envelope of another size.
        """
        if not 0 < len(payload) <= self.message_bytes_max:
            raise LocalError(f"a message has 1 to {self.message_bytes_max} bytes")
        if self.is_bare and not envelope:
            return self._prefix(len(payload)) + payload
        envelope = envelope or self.own_envelope
        if len(envelope) != self.envelope_bytes:
            raise LocalError(f"the envelope of this dialect has {self.envelope_bytes} bytes")
        if self.header:
            tpdu, header = envelope[: self.tpdu_bytes], envelope[self.tpdu_bytes :]
            envelope = tpdu + self.header.filled(header, len(payload))
        body = envelope + payload + bytes.fromhex(self.trailer)
        return self._prefix(len(body)) + body

    def keep_alive(self) -> bytes:
        """Build the zero-length frame."""
        return self._prefix(0)

    @property
    def own_envelope(self) -> bytes:
        """TPDU and header of our own requests; the header's length is filled in by `frame`."""
        return bytes.fromhex(self.tpdu) + (self.header.own() if self.header else b"")

    def answer_envelope(self, envelope: bytes) -> bytes:
        """Swap destination and source in TPDU and header, as an answer carries them."""
        tpdu, header = envelope[: self.tpdu_bytes], envelope[self.tpdu_bytes :]
        swapped = tpdu[:1] + tpdu[3:] + tpdu[1:3]
        return swapped + (self.header.answer(header) if self.header else b"")

    @property
    def is_bare(self) -> bool:
        """Tell whether a frame is nothing but length and message."""
        return not (self.tpdu or self.header or self.trailer)

    @property
    def tpdu_bytes(self) -> int:
        """Number of bytes of the TPDU, 0 where the dialect has none."""
        return TPDU_BYTES if self.tpdu else 0

    @property
    def envelope_bytes(self) -> int:
        """Number of bytes between length and message."""
        return self.tpdu_bytes + (self.header.bytes_ if self.header else 0)

    # ------------------------------------------------------------ length

    @property
    def prefix_bytes(self) -> int:
        """Number of bytes of the length prefix."""
        return _prefix_bytes(self.length_prefix)

    @property
    def _around_bytes(self) -> int:
        return self.envelope_bytes + len(self.trailer) // 2

    def _prefix(self, length: int) -> bytes:
        """Write the length of a body of so many bytes."""
        return _written(self.length_prefix, self.length_counts_itself, length)

    def length_of(self, prefix: bytes) -> int:
        """Read a length prefix, give the bytes behind it; raises `MalformedFrame`."""
        length = self._number(prefix)
        if self.length_counts_itself:
            length -= self.prefix_bytes
            if length < 0:
                raise MalformedFrame(0, "the length is less than its own bytes", _guess(prefix))
        if length > self._around_bytes + self.message_bytes_max:
            rule = f"the length is above the maximum of {self.message_bytes_max} bytes"
            raise MalformedFrame(0, rule, _guess(prefix))
        if 0 < length <= self._around_bytes:
            raise MalformedFrame(0, f"the length leaves no message behind the {self._first}")
        return length

    @property
    def _first(self) -> str:
        return "TPDU" if self.tpdu else "header" if self.header else "trailer"

    def _number(self, prefix: bytes) -> int:
        if self.length_prefix.startswith("binary"):
            return int.from_bytes(prefix, _order(self.length_prefix))
        digits = prefix.hex() if self.length_prefix == "bcd-2" else prefix.decode("latin-1")
        if digits.isascii() and digits.isdigit():
            return int(digits)
        form = "4 BCD digits" if self.length_prefix == "bcd-2" else "4 ASCII digits"
        raise MalformedFrame(0, f"the length is not {form}", _guess(prefix))

    # ------------------------------------------------------------ reading

    def open(self, body: bytes) -> Frame:
        """Take what follows a length apart; raises `MalformedFrame`."""
        if not body:
            return Frame(b"")
        end = len(body) - len(self.trailer) // 2
        envelope, payload = body[: self.envelope_bytes], body[self.envelope_bytes : end]
        self._check_envelope(envelope, len(payload))
        if body[end:] != bytes.fromhex(self.trailer):
            rule = "the trailer is not that of the dialect"
            raise MalformedFrame(self.prefix_bytes + end, rule)
        return Frame(payload, envelope)

    def _check_envelope(self, envelope: bytes, payload_bytes: int) -> None:
        if self.tpdu and envelope[:1] != _TPDU_IDENTIFIER:
            rule = "the TPDU does not begin with 60"
            raise MalformedFrame(self.prefix_bytes, rule, _guess_tpdu(envelope))
        if self.header:
            offset = self.prefix_bytes + self.tpdu_bytes
            self.header.check(envelope[self.tpdu_bytes :], payload_bytes, offset)


def _prefix_bytes(form: LengthPrefix) -> int:
    return 4 if "4" in form else 2


def _order(form: LengthPrefix) -> Literal["big", "little"]:
    return "little" if form.endswith("little") else "big"


@lru_cache(maxsize=_LENGTHS_MAX)
def _written(form: LengthPrefix, counts_itself: bool, length: int) -> bytes:  # noqa: FBT001 - a cache wants positions
    if counts_itself:
        length += _prefix_bytes(form)
    if form == "ascii-4":
        return b"%04d" % length
    if form == "bcd-2":
        return bytes.fromhex(f"{length:04d}")
    return length.to_bytes(_prefix_bytes(form), _order(form))


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
