"""Bytes of a message as hex, with nothing sensitive in them."""

from gateway.app.message_tools.hex_view import hex_lines
from gateway.iso8583.describe import Row

DATA = b"0100BITMAPBI000123\x06SECRET??"
ROWS = [
    Row("MTI", "", 0, 4, "0100"),
    Row("DE 11", "", 12, 6, "000123"),
    Row("DE 48", "", 18, 7, ""),
    Row("DE 48 NM", "", 19, 6, "****ET"),
]


def test_only_bytes_of_values_shown_whole_are_shown():
    """MTI, bitmap and open fields are; masked fields, containers and the rest are not."""
    assert hex_lines(DATA, ROWS) == [
        "0000  30 31 30 30 42 49 54 4d 41 50 42 49 30 30 30 31",
        "0010  32 33 ** ** ** ** ** ** ** ** **",
    ]


def test_caret_stands_under_its_byte():
    """In whichever line of sixteen the byte is."""
    lines = hex_lines(DATA, ROWS, caret=18)

    assert lines[1] == "0010  32 33 ** ** ** ** ** ** ** ** **"
    assert lines[2] == "            ^^"
    assert lines[1].index("**") == lines[2].index("^^")


def test_caret_may_stand_behind_the_last_byte():
    """A message that ends too early ends there, also at the end of a line."""
    assert hex_lines(b"0" * 16, [], caret=16)[-2:] == ["0010", "      ^^"]


def test_message_that_stops_in_its_bitmap_shows_its_mti_only():
    """What could not be read may be anything."""
    assert hex_lines(DATA[:6], ROWS[:1], caret=4)[0] == "0000  30 31 30 30 ** **"
