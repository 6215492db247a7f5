"""Messages between a host and the HSM (``reference/pin-and-keys.md`` 5.1).

::

    2 bytes       length of what follows, big-endian
    n characters  message header, returned unchanged
    2 characters  command code; in an answer response code
    2 characters  error code, in an answer only
    …             fields
    %NN           identifier of the LMK, where the HSM has more than one; in a request only
    X'19' …       message trailer, at most 32 characters, returned unchanged

Frames are cut by their length alone: the trailer's control character may be in the fields.
"""

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

from gateway.terms.errors import LocalError

FRAME_BYTES_MAX = 0xFFFF  # two bytes of length
HEADER_CHARACTERS_MIN = 3  # a thousand headers, more than may be in flight
HEADER_CHARACTERS_MAX = 12  # more numbers than we ever count to
TRAILER_CHARACTERS_MAX = 32

_LENGTH = struct.Struct(">H")
_TRAILER_CONTROL = b"\x19"
_LMK = re.compile(r"([0-9]{2})?")
_TRAILER = re.compile(r"[ -~]*")
_CODE = re.compile(rb"[0-9A-Z]{2}")


class BrokenMessage(LocalError):
    """What came from the HSM is not a message; the connection cannot be used any more."""


class OversizedMessage(LocalError):
    """A request does not fit into a frame."""


class Answer(NamedTuple):
    """One answer, its fields not yet read; `header` is the number that the request had."""

    header: int
    response_code: str
    error_code: str
    fields: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is around the fields of every message, as the HSM and its host have agreed it."""

    header_characters: int = 8
    lmk: str = ""
    trailer: str = ""

    def __post_init__(self) -> None:
        if not HEADER_CHARACTERS_MIN <= self.header_characters <= HEADER_CHARACTERS_MAX:
            raise LocalError("payment HSM: message header must have 3 to 12 characters")
        if not _LMK.fullmatch(self.lmk):
            raise LocalError("payment HSM: LMK identifier must be two digits, or left out")
        if len(self.trailer) > TRAILER_CHARACTERS_MAX or not _TRAILER.fullmatch(self.trailer):
            raise LocalError("payment HSM: trailer must be at most 32 printable characters")

    @property
    def header_max(self) -> int:
        """The largest number that a header can be."""
        return int("9" * self.header_characters)

    def write(self, header: int, code: str, fields: bytes, after_lmk: bytes = b"") -> bytes:
        """Write a request as a frame; raises `OversizedMessage` when it is too large for one."""
        head = f"{header:0{self.header_characters}d}{code}".encode("ascii")
        lmk = f"%{self.lmk}".encode("ascii") if self.lmk else b""
        message = head + fields + lmk + after_lmk + self._trailer
        if len(message) > FRAME_BYTES_MAX:
            raise OversizedMessage("payment HSM: message is too large")
        return _LENGTH.pack(len(message)) + message

    def read(self, message: bytes) -> Answer:
        """Take an answer apart; raises `BrokenMessage`."""
        end = len(message) - len(self._trailer)
        at = self.header_characters
        header, codes = message[:at], (message[at : at + 2], message[at + 2 : at + 4])
        if end < at + 4 or not header.isdigit() or message[end:] != self._trailer:
            raise BrokenMessage("payment HSM: answer without header, codes or trailer")
        if not all(map(_CODE.fullmatch, codes)):
            raise BrokenMessage("payment HSM: answer has codes of a wrong form")
        response_code, error_code = (code.decode("ascii") for code in codes)
        return Answer(int(header), response_code, error_code, message[at + 4 : end])

    @property
    def _trailer(self) -> bytes:
        return _TRAILER_CONTROL + self.trailer.encode("ascii") if self.trailer else b""


def response_code_of(code: str) -> str:
    """Give the response code of a command: its second letter or digit and one (CA → CB)."""
    return code[0] + chr(ord(code[1]) + 1)


class FrameReader:
    """Puts messages together from bytes as they come."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Give the messages that `data` completes, without their lengths."""
        self._buffer += data
        messages, at = [], 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            end = at + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[at + _LENGTH.size : end]))
            at = end
        del self._buffer[:at]
        return messages
