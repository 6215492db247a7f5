"""Digits two a byte, and signed amounts of them."""

import pytest

from gateway.iso8583.field_content import BadContent, EbcdicText, Text
from gateway.iso8583.packed_digits import PackedDigits, SignedAmount

LEFT = PackedDigits("0-9", "digits", pad_left=True)
RIGHT_F = PackedDigits("0-9", "digits", pad_left=False, filler="F")
AMOUNT = SignedAmount(Text("A-Za-z", "letters"), LEFT)


@pytest.mark.parametrize(
    ("content", "value", "raw"),
    [
        (LEFT, "123", "\x01\x23"),
        (LEFT, "1234", "\x12\x34"),
        (LEFT, "0", "\x00"),
        (RIGHT_F, "123", "\x12\x3f"),
        (RIGHT_F, "1234", "\x12\x34"),
        (AMOUNT, "C123", "C\x01\x23"),
        (SignedAmount(EbcdicText("A-Z", "", "cp037"), Text("0-9", "")), "D12", "\xc412"),
    ],
)
def test_odd_digits_are_padded_where_the_dialect_says(content, value, raw):
    """The filler stands on one side of an odd number of digits; a sign has a byte of its own."""
    assert content.write(value) == (len(value), raw)
    assert content.read(raw, len(value)) == content.lift(raw, len(value)) == value
    assert content.put(value) == raw
    assert content.size(len(value)) == len(raw)


@pytest.mark.parametrize(
    ("content", "raw", "count", "offset", "rule"),
    [
        (LEFT, "\x11\x23", 3, 0, "unused half of a byte is not zero"),
        (RIGHT_F, "\x12\x30", 3, 1, "unused half of a byte is not the filler F"),
        (LEFT, "\x01\x2a", 3, 1, "digits"),
        (LEFT, "\x0a\x23", 3, 0, "digits"),
        (AMOUNT, "X\x01\x23", 4, 0, "C for credit or D for debit"),
        (AMOUNT, "C\x01\x2a", 4, 2, "digits"),
        (AMOUNT, "\xc3\x01\x23", 4, 0, "letters"),
    ],
)
def test_other_half_bytes_are_refused(content, raw, count, offset, rule):
    """A wrong filler, digit or sign is refused at its byte."""
    with pytest.raises(BadContent, match=rule) as caught:
        content.read(raw, count)

    assert caught.value.offset == offset


def test_left_padded_expression_has_the_pad_in_front():
    """The expression for an odd number of digits allows a zero nibble at its side only."""
    pattern = LEFT.raw_pattern(3)

    assert pattern.startswith(r"[\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09][\x00\x01")


@pytest.mark.parametrize("value", ["", "X1", "1", "C1x"])
def test_amount_without_sign_is_never_written(value):
    """A signed amount is a sign and digits."""
    with pytest.raises(BadContent):
        AMOUNT.write(value)
