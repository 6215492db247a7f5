"""Tags and lengths of BER-TLV: one form each."""

import pytest

from gateway.iso8583.ber_tlv import is_constructed, length_at, raw_length, raw_tag, tag_end
from gateway.iso8583.field_content import BadContent


@pytest.mark.parametrize(
    ("tag", "constructed"),
    [("5A", False), ("9F26", False), ("71", True), ("BF0C", True), ("DF8101", False)],
)
def test_tag_is_as_long_as_it_says(tag, constructed):
    """One byte, two or three, found again in a longer string."""
    raw = raw_tag(tag)

    assert tag_end("xx" + raw + "rest", 2) == 2 + len(tag) // 2
    assert is_constructed(tag) is constructed


@pytest.mark.parametrize("tag", ["", "5", "5a", "9F", "5A01", "9F80", "9F8001", "00", "FF", "5 A"])
def test_what_is_no_tag_cannot_be_declared(tag):
    """Too short, too long, empty numbers, small letters, fillers."""
    with pytest.raises(ValueError, match="hexadecimal capitals"):
        raw_tag(tag)


@pytest.mark.parametrize("raw", ["\x9f", "\x9f\x80\x01", "\x9f\x81\x81\x01", "\x00", "\xff"])
def test_bad_tag_of_a_peer_is_refused_where_it_begins(raw):
    """Cut, begun with zeros, longer than any, a filler."""
    with pytest.raises(BadContent) as caught:
        tag_end("x" + raw, 1)

    assert caught.value.offset == 1


@pytest.mark.parametrize("length", [1, 127, 128, 255, 256, 65_535])
def test_length_has_one_form(length):
    """The shortest one, up to the longest field."""
    raw = raw_length(length)

    assert length_at("x" + raw, 1) == (length, 1 + len(raw))
    assert len(raw) == 1 + (length > 127) + (length > 255)


@pytest.mark.parametrize(
    "raw", ["", "\x00", "\x80", "\x81", "\x81\x7f", "\x81\x00", "\x82\x00\xff", "\x82\x01", "\xff"]
)
def test_other_lengths_are_refused(raw):
    """None, zero, indefinite, cut, longer than it need be."""
    with pytest.raises(BadContent, match="shortest form") as caught:
        length_at("x" + raw, 1)

    assert caught.value.offset == 1
