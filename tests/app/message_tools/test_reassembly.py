"""One direction of a connection in order, whatever the network and the capture did to it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.app.message_tools.reassembly import (
    WAITING_BYTES_MAX,
    WAITING_SEGMENTS_MAX,
    Piece,
    StreamReader,
)
from gateway.app.message_tools.segments import End, Segment

ONE, OTHER = End("192.0.2.1", 41000), End("192.0.2.2", 8583)
START = 2**32 - 20  # the numbers wrap around inside every test
SYN, FIN, RST = 0x02, 0x01, 0x04


def segment(offset, payload, flags=0x10, lost=0):
    """Give a segment that begins so many bytes behind the SYN."""
    return Segment(ONE, OTHER, (START + 1 + offset) % 2**32, payload, flags, lost)


SYN_SEGMENT = Segment(ONE, OTHER, START, b"", SYN)


def pieces(segments):
    """Feed segments, a second apart, and the end of the capture."""
    reader = StreamReader()
    found = [piece for at, each in enumerate(segments) for piece in reader.feed(each, float(at))]
    return [*found, *reader.flush()]


def text(found):
    """Join the bytes of pieces."""
    return b"".join(piece.data for piece in found)


@st.composite
def deliveries(draw):
    """Draw bytes, and segments that hold each of them at least once, in any order."""
    data = draw(st.binary(min_size=1, max_size=60))
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=8)) | {0, len(data)})
    spans = list(pairwise(cuts))
    more = st.tuples(st.integers(0, len(data)), st.integers(0, len(data))).map(sorted)
    spans += [tuple(span) for span in draw(st.lists(more, max_size=6))]
    return data, draw(st.permutations(spans))


@given(deliveries())
def test_every_order_and_overlap_gives_the_same_bytes(delivery):
    """Out of order, twice, overlapping, across the wrap of the numbers: all once."""
    data, spans = delivery

    found = pieces([SYN_SEGMENT, *(segment(start, data[start:end]) for start, end in spans)])

    assert text(found) == data
    assert [piece.missing for piece in found] == [0] * len(found)


def test_piece_has_the_time_of_the_segment_that_brought_it():
    """A message is as old as its bytes, not as what made room for them."""
    assert pieces([SYN_SEGMENT, segment(2, b"cd"), segment(0, b"ab")]) == [
        Piece(2.0, b"ab"), Piece(1.0, b"cd"),
    ]  # fmt: skip


def test_hole_that_nothing_fills_is_reported_with_what_follows():
    """At the end of the connection or the capture."""
    for last in ([], [segment(9, b"", FIN)], [segment(9, b"", RST)]):
        found = pieces([SYN_SEGMENT, segment(0, b"ab"), segment(5, b"fg"), segment(8, b"i"), *last])

        assert found == [Piece(1.0, b"ab"), Piece(2.0, b"fg", missing=3), Piece(3.0, b"i", 1)]


def test_bytes_that_the_capture_cut_off_are_missing_at_once():
    """Nothing waits for what no retransmission will show either."""
    reader = StreamReader()
    found = [
        piece
        for each in (SYN_SEGMENT, segment(0, b"ab", lost=3), segment(5, b"fg"))
        for piece in reader.feed(each, 0.0)
    ]

    assert found == [Piece(0.0, b"ab"), Piece(0.0, b"fg", missing=3)]


def test_capture_that_began_later_begins_with_what_it_has():
    """Without a SYN the first segment is where the stream begins."""
    assert text(pieces([segment(100, b"ab"), segment(102, b"cd")])) == b"abcd"


def test_keep_alive_probe_is_no_data():
    """TCP's own probe repeats the byte before."""
    assert (
        text(pieces([SYN_SEGMENT, segment(0, b"ab"), segment(1, b"\0"), segment(2, b"c")]))
        == b"abc"
    )


def test_connection_opened_anew_on_the_same_ports_begins_anew():
    """What waited of the old one is given first."""
    again = Segment(ONE, OTHER, 5, b"", SYN)
    fresh = Segment(ONE, OTHER, 6, b"new", 0x10)

    found = pieces([SYN_SEGMENT, segment(0, b"ab"), segment(4, b"ef"), again, fresh])

    assert [(piece.data, piece.missing) for piece in found] == [(b"ab", 0), (b"ef", 2), (b"new", 0)]


def test_what_waits_behind_a_hole_is_bounded():
    """In bytes and in segments: then the hole is given up, and reading goes on."""
    size = 1000
    for count, step in ((WAITING_BYTES_MAX // size + 2, size), (WAITING_SEGMENTS_MAX + 2, 1)):
        reader = StreamReader()
        waiting = [SYN_SEGMENT, *(segment(1 + n * step, b"x" * step) for n in range(count))]
        found = [piece for each in waiting for piece in reader.feed(each, 0.0)]

        assert found[0].missing == 1
        assert len(text(found)) >= (count - 1) * step
