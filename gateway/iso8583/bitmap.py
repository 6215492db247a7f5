"""Bitmaps: which data elements follow, in one to three maps of 64 bits (ISO 8583:1987, 4.2)."""

from collections.abc import Iterable
from typing import Literal

from gateway.iso8583.ebcdic import Transcoder
from gateway.iso8583.errors import MalformedMessage

BITMAP_BITS = 64
SECONDARY = 1
TERTIARY = 65
Form = Literal["binary", "hex", "hex-ebcdic"]
_HEX = "0123456789ABCDEF"
_EBCDIC = Transcoder("cp037")


class BitmapForm:
    """How bitmaps are written; the maps stand one behind the other before the first field."""

    def __init__(self, form: Form, *, has_tertiary: bool) -> None:
        self._form = form
        self._has_tertiary = has_tertiary
        self.map_bytes = 8 if form == "binary" else 16
        # First characters, as they stand in a message, of a map whose first bit is set.
        self.announcing = frozenset(_announcing(form))

    def end(self, text: str, at: int) -> int:
        """Tell where the maps that begin at `at` end, were they all there."""
        end = at + self.map_bytes
        if text[at : at + 1] not in self.announcing:
            return end
        second, end = end, end + self.map_bytes
        if self._has_tertiary and text[second : second + 1] in self.announcing:
            return end + self.map_bytes
        return end

    def read(self, text: str, at: int) -> tuple[list[int], int]:
        """Give the data elements and where the first begins; raises `MalformedMessage`.

        The bits that announce a map are left out, except one that announces a tertiary bitmap
        where the dialect has none.
        """
        end = self.end(text, at)
        if len(text) < end:
            raise MalformedMessage("bitmap", at, "the message ends inside the bitmap")
        elements = _bits(self._hex(text, at, end))
        announced = {SECONDARY, TERTIARY} if self._has_tertiary else {SECONDARY}
        return [element for element in elements if element not in announced], end

    def _hex(self, text: str, at: int, end: int) -> str:
        raw = text[at:end]
        if self._form == "binary":
            return raw.encode("latin-1").hex()
        digits = _EBCDIC.text(raw) if self._form == "hex-ebcdic" else raw
        for index, digit in enumerate(digits):
            if digit not in _HEX:
                rule = "the bitmap is not written in the digits 0 to 9 and A to F"
                raise MalformedMessage("bitmap", at + index, rule, self._guess(raw, digits))
        return digits

    def _guess(self, raw: str, digits: str) -> str:
        """Say what a map that is not hex text looks like."""
        if all(digit in _HEX for digit in digits.upper()):
            return "bitmap looks like lower-case hex text, dialect says upper case"
        if all(digit in _HEX for digit in raw.upper()):
            return "bitmap looks like ASCII, dialect says EBCDIC"
        if all(digit in _HEX for digit in _EBCDIC.text(raw).upper()):
            return "bitmap looks like EBCDIC, dialect says ASCII"
        return "bitmap looks binary, dialect says hex text"

    def hint(self, text: str, at: int) -> str:
        """Say what a map of this form with impossible bits looks like."""
        first = text[at : at + 8]
        if self._form != "binary":
            return ""
        if all(character in _HEX for character in first.upper()):
            return "bitmap looks like hex text, dialect says binary"
        if all(character in _HEX for character in _EBCDIC.text(first).upper()):
            return "bitmap looks like EBCDIC hex text, dialect says binary"
        return ""

    def write(self, elements: Iterable[int]) -> str:
        """Give as many maps as the highest element needs."""
        bits = set(elements)
        maps = -(-max(bits) // BITMAP_BITS)
        bits.update((SECONDARY, TERTIARY)[: maps - 1])
        size = maps * BITMAP_BITS
        number = sum(1 << (size - bit) for bit in bits)
        digits = f"{number:0{size // 4}X}"
        if self._form == "binary":
            return bytes.fromhex(digits).decode("latin-1")
        return _EBCDIC.raw(digits) if self._form == "hex-ebcdic" else digits


def _announcing(form: Form) -> Iterable[str]:
    if form == "binary":
        return map(chr, range(0x80, 0x100))
    # Capitals only: lower case is refused wherever it stands.
    return "89ABCDEF" if form == "hex" else _EBCDIC.raw("89ABCDEF")


def _bits(digits: str) -> list[int]:
    """List the bits that are set, numbered from 1."""
    number, size = int(digits, 16), 4 * len(digits)
    return [bit for bit in range(1, size + 1) if number >> (size - bit) & 1]
