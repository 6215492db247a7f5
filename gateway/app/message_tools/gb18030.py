"""GB 18030-2005 as a table small enough to go with a dissector, from Python's own codec."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

_TRAILS: Final = (*range(0x40, 0x7F), *range(0x80, 0xFF))  # second bytes of two
_FOUR: Final = 4
# From 90 30 81 30, which has this number, code points from U+10000 are in a row.
_SUPPLEMENTARY: Final = (189_000, 0x10000, 0x100000)


def gb18030_table() -> dict[str, Any]:
    """Give GB18030 as rows of characters of two bytes and ranges of those of four.

    A range is the number of its first character of four bytes, its code point, and how many.
    """
    rows = [
        "".join(_decoded(bytes((lead, trail))) for trail in _TRAILS) for lead in range(0x81, 0xFF)
    ]
    return {"two_bytes": rows, "ranges": [*_ranges(), _SUPPLEMENTARY]}


def _decoded(raw: bytes) -> str:
    text = raw.decode("gb18030", "replace")
    return text if len(text) == 1 else "\ufffd"


def _ranges() -> Iterator[tuple[int, int, int]]:
    """Give the runs of neighbours among the characters of four bytes below U+10000."""
    characters = (*range(0x80, 0xD800), *range(0xE000, 0x10000))  # without surrogates
    numbers = ((code, _number(code)) for code in characters)
    of_four = [(code, number) for code, number in numbers if number is not None]
    for _, run in groupby(of_four, key=lambda pair: pair[1] - pair[0]):
        codes = list(run)
        yield codes[0][1], codes[0][0], len(codes)


def _number(code: int) -> int | None:
    raw = chr(code).encode("gb18030")
    if len(raw) != _FOUR:
        return None
    first, second, third, fourth = raw
    return ((first - 0x81) * 10 + second - 0x30) * 1260 + (third - 0x81) * 10 + fourth - 0x30
