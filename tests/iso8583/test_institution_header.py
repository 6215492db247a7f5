"""The fixed header of institution links."""

import pytest

from gateway.iso8583.errors import MalformedFrame
from gateway.iso8583.institution_header import HeaderPart, InstitutionHeader


@pytest.fixture
def header(dialects):
    """Give the 46 bytes of the institution dialect."""
    return dialects["institution"].framing.header


def test_header_is_as_institutions_have_it(header):
    """Length of the header, flag, total length, both institutions, and the rest (domain.md 4.1)."""
    filled = header.filled(header.own(), 54)

    assert header.bytes_ == 46
    assert filled[:6] == b"\x2e\x020100"
    assert filled[6:28] == b"99350201   99000001   "
    assert filled[28:] == b"\0\0\0\0" + b"0" * 8 + b"\0" + b"0" * 5
    header.check(filled, 54, 0)


def test_answer_goes_back_to_the_source(header):
    """Destination and source change places, whatever they are; nothing else changes."""
    own = header.own()
    answer = header.answer(own.replace(b"99000001   ", b"12345678901"))

    assert answer[6:28] == b"1234567890199350201   "
    assert answer[:6] + answer[28:] == own[:6] + own[28:]


@pytest.mark.parametrize(
    ("at", "bytes_", "rule"),
    [
        (0, b"\x2f", "always the same"),
        (1, b"\x82", "always the same"),
        (2, b"0101", "not that of header and message"),
        (2, b" 100", "not that of header and message"),
        (6, b" 9935020100", "left-justified"),
        (6, b"9935020100\n", "left-justified"),
        (17, b"\xf9" * 11, "left-justified"),
        (41, b"00001", "always the same"),
    ],
)
def test_wrong_part_is_refused_where_it_stands(header, at, bytes_, rule):
    """Each part is checked; a reject code other than zeros is none that a member makes."""
    filled = header.filled(header.own(), 54)

    with pytest.raises(MalformedFrame, match=rule) as caught:
        header.check(filled[:at] + bytes_ + filled[at + len(bytes_) :], 54, 4)

    assert caught.value.offset == 4 + at


def test_free_part_of_a_peer_may_be_anything(header):
    """Batch, transaction and user information are the sender's own."""
    filled = header.filled(header.own(), 54)

    header.check(filled[:28] + bytes(range(13)) + filled[41:], 54, 4)


def test_header_without_institutions_answers_as_it_came():
    """Nothing is swapped where nothing says who sends."""
    header = InstitutionHeader((HeaderPart("Class", "constant", 2, "6022"),))

    assert header.answer(header.own()) == b"\x60\x22"
    assert header.flaw() is None


@pytest.mark.parametrize(
    ("parts", "key", "rule"),
    [
        ([("constant", 2, "60")], "parts.0.value", "as many"),
        ([("constant", 1, "6x")], "parts.0.value", "hex text"),
        ([("length", 4, "0000")], "parts.0.value", "computed"),
        ([("free", 1, "00"), ("source", 3, "")], "parts.1.value", "as many"),
        ([("source", 3, " 12")], "parts.0.value", "as many"),
        ([("source", 3, "1234")], "parts.0.value", "as many"),
        ([("source", 3, "\u6d4b")], "parts.0.value", "as many"),
        ([("source", 3, "123")], "parts", "come together"),
        ([("source", 3, "123"), ("destination", 4, "1")], "parts", "one length"),
        ([("length", 4, ""), ("length", 4, "")], "parts", "at most"),
    ],
)
def test_wrong_declaration_is_named(parts, key, rule):
    """Key and rule tell the author of a dialect what does not fit together."""
    flaw = InstitutionHeader(tuple(HeaderPart("Part", *part) for part in parts)).flaw()

    assert flaw
    assert flaw[0] == key
    assert rule in flaw[1]
