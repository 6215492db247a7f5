"""Frames come out as they went in, however the bytes are cut."""

import struct

import pytest

from gateway.hsm.frames import FRAME_BYTES_MAX, BrokenFrame, Frame, FrameReader, write_frame

FRAMES = [Frame(1, 1, b'{"a":1}'), Frame(0xFFFFFFFF, 255, b""), Frame(2, 4, bytes(300))]
STREAM = b"".join(map(write_frame, FRAMES))


@pytest.mark.parametrize("cut", range(len(STREAM)))
def test_frames_cut_at_any_byte_are_put_together(cut):
    """Wherever the stream is cut, the same frames come out."""
    reader = FrameReader()

    frames = reader.feed(STREAM[:cut]) + reader.feed(STREAM[cut:])

    assert frames == FRAMES


def test_frames_fed_byte_by_byte_are_put_together():
    """A stream of single bytes gives the same frames."""
    reader = FrameReader()

    frames = [frame for at in range(len(STREAM)) for frame in reader.feed(STREAM[at : at + 1])]

    assert frames == FRAMES


@pytest.mark.parametrize("length", [0, 4, FRAME_BYTES_MAX + 1, 0xFFFFFFFF])
def test_impossible_length_is_refused_before_the_rest_is_waited_for(length):
    """A length below the head or above the limit breaks the stream at once."""
    with pytest.raises(BrokenFrame, match="impossible length"):
        FrameReader().feed(struct.pack(">I", length))


def test_largest_frame_passes_and_a_larger_one_is_not_written():
    """The limit is on what the length announces."""
    largest = Frame(7, 1, bytes(FRAME_BYTES_MAX - 5))

    assert FrameReader().feed(write_frame(largest)) == [largest]
    with pytest.raises(BrokenFrame, match="too large"):
        write_frame(Frame(7, 1, bytes(FRAME_BYTES_MAX - 4)))
