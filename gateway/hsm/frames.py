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

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Give the frames that `data` completes; raises `BrokenFrame` for an impossible length."""
        data = self._begun + data if self._begun else data
        frames, at, size = [], 0, len(data)
        while size - at >= _HEAD.size:
            length, request_id, command = _HEAD.unpack_from(data, at)
            _check_length(length)
            end = at + _LENGTH.size + length
            if size < end:
                break
            frames.append(Frame(request_id, command, data[at + _HEAD.size : end]))
            at = end
        self._begun = data[at:]
        if len(self._begun) >= _LENGTH.size:
            _check_length(*_LENGTH.unpack_from(self._begun))
        return frames


def _check_length(length: int) -> None:
    if not _HEAD_WITHOUT_LENGTH_BYTES <= length <= FRAME_BYTES_MAX:
        raise BrokenFrame("frame has an impossible length")
