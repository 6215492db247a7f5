"""The table of GB18030 that goes with a dissector."""

from bisect import bisect
from itertools import pairwise

from gateway.app.message_tools.gb18030 import gb18030_table


def number(raw):
    """Give the number of a character of four bytes."""
    first, second, third, fourth = raw
    return ((first - 0x81) * 10 + second - 0x30) * 1260 + (third - 0x81) * 10 + fourth - 0x30


def characters():
    """Give every character beyond ASCII of the first plane, and some of the others."""
    planes = [*range(0x80, 0xD800), *range(0xE000, 0x10000), 0x10000, 0x20000, 0x10FFFF]
    return [(chr(code), chr(code).encode("gb18030")) for code in planes]


def test_every_character_of_two_bytes_is_in_its_row():
    """Rows are by the first byte, places in them by the second, 7F left out."""
    rows = gb18030_table()["two_bytes"]

    for character, raw in characters():
        if len(raw) == 2:
            assert rows[raw[0] - 0x81][raw[1] - (0x40 if raw[1] < 0x7F else 0x41)] == character


def test_every_character_of_four_bytes_is_in_one_range():
    """Ranges cover what Python's codec writes in four bytes, and nothing twice."""
    ranges = sorted(gb18030_table()["ranges"])

    for character, raw in characters():
        if len(raw) == 4:
            start, code, count = ranges[bisect(ranges, (number(raw), 0x110000)) - 1]
            assert number(raw) - start < count
            assert ord(character) == code + number(raw) - start
    assert all(one[0] + one[2] <= other[0] for one, other in pairwise(ranges))


def test_what_is_no_character_is_marked():
    """Every row has 190 places, so that a second byte finds its own."""
    assert {len(row) for row in gb18030_table()["two_bytes"]} == {190}
