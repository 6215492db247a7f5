"""What stands in a field."""

import pytest

from gateway.iso8583.field_content import BadContent, EncodedText, PackedDigits, content_of


def test_second_byte_form_of_a_character_is_refused():
    """Text that would be written back in other bytes is refused, whatever the character set."""
    # GB18030 as Python has it gives no such form; code page 932 does, of a sign of NEC's.
    with pytest.raises(BadContent, match="one standard form"):
        EncodedText("cp932").read("\x87\x90", 2)


def test_character_newer_than_python_is_text():
    """A character that Python's tables do not know is read and written like any other."""
    newest = "\U0003134f"
    content = EncodedText("gb18030")

    count, raw = content.write(newest)

    assert not newest.isprintable()
    assert content.read(raw, count) == newest


def test_text_in_a_character_set_has_no_expression():
    """Only reading tells whether multibyte text is good."""
    assert EncodedText("gb18030").raw_pattern(2) is None
    assert EncodedText("gb18030").lift("\xb2\xe2", 2) == "测"


@pytest.mark.parametrize(
    ("value", "raw"), [("123", "\x01\x23"), ("1234", "\x12\x34"), ("0", "\x00")]
)
def test_odd_digits_may_be_padded_on_the_left(value, raw):
    """Where a dialect pads left, the zero nibble comes first."""
    content = content_of("n", "ascii", "bcd", pad_left=True)

    assert content.write(value) == (len(value), raw)
    assert content.read(raw, len(value)) == value


def test_left_pad_must_be_zero():
    """A digit in the unused half of the first byte is refused there."""
    with pytest.raises(BadContent, match="unused half") as caught:
        content_of("n", "ascii", "bcd", pad_left=True).read("\x11\x23", 3)

    assert caught.value.offset == 0


def test_left_padded_expression_has_the_pad_in_front():
    """The expression for an odd number of digits allows a zero nibble at its side only."""
    pattern = PackedDigits("0-9", "digits", pad_left=True).raw_pattern(3)

    assert pattern.startswith(r"[\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09][\x00\x01")
