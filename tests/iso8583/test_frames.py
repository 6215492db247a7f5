"""Frames cut out of a stream and written into it; how one looks is tested with `framing`."""

from pathlib import Path

import pytest

from gateway.iso8583.errors import MalformedFrame
from gateway.iso8583.frames import FrameReader, FrameWriter
from gateway.iso8583.framing import Frame, Framing
from gateway.terms.errors import LocalError

ASCII = Framing("ascii-4", 4096)
DIALECTS = Path(__file__).parents[2] / "specs" / "dialects"


@pytest.mark.parametrize("name", sorted(file.stem for file in DIALECTS.glob("*.toml")))
def test_frame_is_written_as_the_framing_writes_it(dialects, name):
    """The first of a length, the next ones, and those under the envelope of an answer."""
    framing = dialects[name].framing
    writer = FrameWriter(framing)
    envelope = framing.answer_envelope(framing.own_envelope)

    for payload in (b"first", b"other", b"a longer one", b"first"):
        assert writer.frame(payload) == framing.frame(payload)
        assert writer.frame(payload, envelope) == framing.frame(payload, envelope)


@pytest.mark.parametrize(
    ("payload", "envelope"), [(b"", b""), (b"m" * 4097, b""), (b"good", b"\x60\0\0\0\0")]
)
def test_what_cannot_be_framed_is_refused_each_time(payload, envelope):
    """Whatever was written before: empty, too long, or under an envelope that there is not."""
    writer = FrameWriter(ASCII)
    writer.frame(b"good")

    for _ in range(2):
        with pytest.raises(LocalError):
            writer.frame(payload, envelope)


def test_frames_before_garbage_are_still_given():
    """A good frame that came together with garbage is not lost; the error comes next."""
    reader = FrameReader(ASCII)

    frames = reader.feed(b"0002ok" + b"GET / HTTP/1.1")

    assert frames == [Frame(b"ok")]
    assert reader.error
    with pytest.raises(MalformedFrame):
        reader.feed(b"")


def test_frame_that_has_begun_is_known():
    """Between two frames nothing is awaited; inside one the rest is."""
    reader = FrameReader(ASCII)

    assert reader.feed(b"0002ok0") == [Frame(b"ok")]
    assert reader.is_inside_frame
    assert reader.feed(b"001x") == [Frame(b"x")]
    assert not reader.is_inside_frame
