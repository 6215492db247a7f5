"""One message in a stream of bytes, however the network cuts it."""

from pathlib import Path

import pytest

from gateway.iso8583.errors import MalformedFrame
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.framing import Frame, Framing
from gateway.terms.errors import LocalError

ASCII = Framing("ascii-4", 4096)
BINARY = Framing("binary-2", 4096, "6000010000")
TPDU = bytes.fromhex("6000010000")
DIALECTS = Path(__file__).parents[2] / "specs" / "dialects"
STREAMS = [
    pytest.param(ASCII, b"0005hello0000" + b"0001x", [b"hello", b"", b"x"], b"", id="bureau"),
    pytest.param(
        BINARY,
        b"\x00\x0a" + TPDU + b"hello\0\0\x00\x06" + TPDU + b"x",
        [b"hello", b"", b"x"],
        TPDU,
        id="core",
    ),
]


OTHERS = {
    "bcd-2": Framing("bcd-2", 4096),
    "binary-2-little": Framing("binary-2-little", 4096, trailer="03"),
    "binary-4": Framing("binary-4", 4096, length_counts_itself=True),
    "binary-4-little": Framing("binary-4-little", 4096, "6000010000", trailer="0d0a"),
    "ascii-4-itself": Framing("ascii-4", 4096, length_counts_itself=True),
}


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("bcd-2", b"\x00\x12" + b"x" * 12 + b"\x00\x00"),
        ("binary-2-little", b"\x0d\x00" + b"x" * 12 + b"\x03" + b"\x00\x00"),
        ("binary-4", b"\x00\x00\x00\x10" + b"x" * 12 + b"\x00\x00\x00\x04"),
        (
            "binary-4-little",
            b"\x13\x00\x00\x00" + TPDU + b"x" * 12 + b"\r\n" + b"\x00\x00\x00\x00",
        ),
        ("ascii-4-itself", b"0016" + b"x" * 12 + b"0004"),
    ],
)
def test_every_form_of_length_and_trailer_is_read_and_written(name, stream):
    """A message and a keep-alive, cut at every byte, in the bytes that the declaration says."""
    framing = OTHERS[name]
    expected = [Frame(b"x" * 12, framing.own_envelope), Frame(b"")]

    assert framing.frame(b"x" * 12) + framing.keep_alive() == stream
    for at in range(len(stream) + 1):
        reader = FrameReader(framing)
        assert [*reader.feed(stream[:at]), *reader.feed(stream[at:])] == expected


@pytest.mark.parametrize("name", sorted(file.stem for file in DIALECTS.glob("*.toml")))
def test_frames_of_every_dialect_are_the_same_wherever_the_stream_is_cut(dialects, name):
    """Messages and keep-alives of every shipped dialect, cut at every byte and in single bytes."""
    framing = dialects[name].framing
    stream = framing.frame(b"first") + framing.keep_alive() + framing.frame(b"second message")
    cuts = [[stream[:at], stream[at:]] for at in range(len(stream) + 1)]
    cuts.append([bytes((byte,)) for byte in stream])

    for pieces in cuts:
        reader = FrameReader(framing)
        frames = [frame for piece in pieces for frame in reader.feed(piece)]
        assert [frame.payload for frame in frames] == [b"first", b"", b"second message"]
        assert stream == b"".join(
            framing.frame(frame.payload, frame.envelope) if frame.payload else framing.keep_alive()
            for frame in frames
        )


def test_answer_of_an_institution_goes_under_the_swapped_header(dialects):
    """The header of the answer has its own length, and the institutions have changed places."""
    framing = dialects["institution"].framing
    (request,) = FrameReader(framing).feed(framing.frame(b"request"))

    answer = framing.frame(b"the answer", framing.answer_envelope(request.envelope))

    assert answer[4:32] == b"\x2e\x020056" + b"99000001   99350201   "
    assert FrameReader(framing).feed(answer)[0].payload == b"the answer"


@pytest.mark.parametrize(("framing", "stream", "payloads", "tpdu"), STREAMS)
def test_frames_are_the_same_wherever_the_stream_is_cut(framing, stream, payloads, tpdu):
    """Cut at any byte, in single bytes or all at once: the same frames come out."""
    cuts = [[stream[:at], stream[at:]] for at in range(len(stream) + 1)]
    cuts.append([bytes((byte,)) for byte in stream])
    expected = [Frame(payload, tpdu if payload else b"") for payload in payloads]

    for pieces in cuts:
        reader = FrameReader(framing)
        assert [frame for piece in pieces for frame in reader.feed(piece)] == expected
        assert reader.error is None


@pytest.mark.parametrize("framing", [ASCII, BINARY])
def test_frame_is_read_back(framing):
    """What is framed is what comes out, up to the longest message."""
    payloads = [b"m", b"m" * framing.message_bytes_max]
    stream = b"".join(framing.frame(payload) for payload in payloads) + framing.keep_alive()

    frames = FrameReader(framing).feed(stream)

    assert [frame.payload for frame in frames] == [*payloads, b""]
    assert [frame.is_keep_alive for frame in frames] == [False, False, True]


@pytest.mark.parametrize(
    ("framing", "data", "offset", "rule", "hint"),
    [
        pytest.param(ASCII, b"+017", 0, "ASCII digits", "", id="signed"),
        pytest.param(ASCII, b" 017", 0, "ASCII digits", "", id="spaced"),
        pytest.param(ASCII, b"1_00", 0, "ASCII digits", "", id="underscored"),
        pytest.param(ASCII, "٥٥".encode(), 0, "ASCII digits", "", id="arabic-indic"),  # noqa: RUF001 - the point
        pytest.param(ASCII, b"4097", 0, "above the maximum", "digits", id="too-long"),
        pytest.param(ASCII, b"GET /", 0, "ASCII digits", "HTTP", id="http"),
        pytest.param(ASCII, b"\x16\x03\x01\x02", 0, "ASCII digits", "TLS", id="tls"),
        pytest.param(ASCII, b"\x00\x2f0800", 0, "ASCII digits", "binary length", id="binary"),
        pytest.param(OTHERS["bcd-2"], b"\x00\x1a", 0, "BCD digits", "binary length", id="bcd-hex"),
        pytest.param(OTHERS["bcd-2"], b"\x41\x00", 0, "above the maximum", "", id="bcd-too-long"),
        pytest.param(OTHERS["binary-2-little"], b"\1\0\3", 0, "behind the trailer", "", id="end"),
        pytest.param(OTHERS["binary-2-little"], b"\2\0x\4", 3, "the trailer is not", "", id="x04"),
        pytest.param(BINARY, b"\x10\x06", 0, "above the maximum", "", id="core-too-long"),
        pytest.param(BINARY, b"\xff\xff", 0, "above the maximum", "", id="core-ffff"),
        pytest.param(BINARY, b"POST", 0, "above the maximum", "HTTP", id="core-http"),
        pytest.param(BINARY, b"\x16\x03\x01", 0, "above the maximum", "TLS", id="core-tls"),
        pytest.param(BINARY, b"0047", 0, "above the maximum", "digits", id="core-ascii-length"),
        pytest.param(BINARY, b"\0\x05", 0, "no message", "", id="core-tpdu-only"),
        pytest.param(BINARY, b"\0\x010", 0, "no message", "", id="core-one"),
        pytest.param(BINARY, b"\0\x0708\0abcd", 2, "begin with 60", "without", id="core-no-tpdu"),
        pytest.param(BINARY, b"\0\x07\x08\x00abcde", 2, "begin with 60", "without", id="core-bcd"),
        pytest.param(BINARY, b"\0\x07\x61abcdef", 2, "begin with 60", "", id="core-tpdu-61"),
    ],
)  # fmt: skip
def test_stream_that_is_none_is_refused_for_good(framing, data, offset, rule, hint):
    """Foreign bytes are named by place, rule and hint, and nothing is read after them."""
    reader = FrameReader(framing)

    with pytest.raises(MalformedFrame, match=rule) as first:
        reader.feed(data)
    with pytest.raises(MalformedFrame) as second:
        reader.feed(framing.frame(b"good"))

    assert first.value.offset == offset
    assert hint in first.value.hint
    assert bool(hint) == bool(first.value.hint)
    assert second.value is first.value is reader.error


@pytest.mark.parametrize(
    ("framing", "payload", "tpdu", "rule"),
    [
        (ASCII, b"", b"", "1 to 4096"),
        (ASCII, b"m" * 4097, b"", "1 to 4096"),
        (ASCII, b"m", TPDU, "has 0 bytes"),
        (BINARY, b"m", TPDU[:4], "has 5 bytes"),
    ],
)
def test_what_cannot_be_framed_is_our_mistake(framing, payload, tpdu, rule):
    """Empty or oversized messages and wrong TPDUs never leave."""
    with pytest.raises(LocalError, match=rule):
        framing.frame(payload, tpdu)


def test_answer_goes_back_where_the_request_came_from():
    """Destination and source change places in the TPDU of an answer."""
    assert BINARY.answer_envelope(bytes.fromhex("6000010203")) == bytes.fromhex("6002030001")
    assert BINARY.frame(b"x", BINARY.answer_envelope(TPDU)) == b"\x00\x06\x60\x00\x00\x00\x01x"


def test_frame_never_prints_its_bytes():
    """The payload may hold card numbers and PIN blocks."""
    assert repr(Frame(b"T00000019")) == "Frame(9 bytes)"
