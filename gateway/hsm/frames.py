"""Frames between the gateway and its security module.

::

    4 bytes   length of what follows, big-endian
    4 bytes   request id, chosen by the client and returned with the answer
    1 byte    command
    rest      payload, as `gateway.hsm.protocol` writes it

Requests are pipelined; answers come in the order of the requests.
"""

import struct
from typing import NamedTuple

from gateway.terms.errors import LocalError

FRAME_BYTES_MAX = 16_384  # an envelope has some 450 characters, the holder's data less
REQUEST_ID_MAX = 0xFFFF_FFFF

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">IIB")
_HEAD_WITHOUT_LENGTH_BYTES = _HEAD.size - _LENGTH.size


class BrokenFrame(LocalError):
    """What came over the socket is not a frame; the connection cannot be used any more."""


class Frame(NamedTuple):
    """One request or answer."""

    request_id: int
    command: int
    payload: bytes


def write_frame(frame: Frame) -> bytes:
    """Write a frame; raises `BrokenFrame` when it would be larger than the other end takes."""
    length = _HEAD_WITHOUT_LENGTH_BYTES + len(frame.payload)
    if length > FRAME_BYTES_MAX:
        raise BrokenFrame("frame is too large")
    return _HEAD.pack(length, frame.request_id, frame.command) + frame.payload


class FrameReader:
    """Puts frames together from bytes as they come."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Give the frames that `data` completes; raises `BrokenFrame` for an impossible length."""
        self._buffer += data
        frames, at = [], 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if not _HEAD_WITHOUT_LENGTH_BYTES <= length <= FRAME_BYTES_MAX:
                raise BrokenFrame("frame has an impossible length")
            end = at + _LENGTH.size + length
            if len(self._buffer) < end:
                break
            _, request_id, command = _HEAD.unpack_from(self._buffer, at)
            payload = bytes(self._buffer[at + _HEAD.size : end])
            frames.append(Frame(request_id, command, payload))
            at = end
        del self._buffer[:at]
        return frames
