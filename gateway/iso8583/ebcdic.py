"""EBCDIC code pages: IBM 037, 500 and 1047, each a one-to-one table of all 256 bytes.

Python has 037 and 500. IBM-1047 (Latin-1 for open systems) is 037 with three pairs of characters
changing places: circumflex and not sign, left bracket and Y acute, right bracket and diaeresis.
Source: IBM's registered code page CPGID 01047, CCSID 1047, as GNU libc (``IBM1047``) has it; line
feed and next line stay where 037 has them. All three agree on digits and letters.
"""

import codecs
from functools import cache
from typing import Literal

CodePage = Literal["cp037", "cp500", "ibm1047"]
Characters = Literal["ascii", "cp037", "cp500", "ibm1047"]  # of the text of a dialect
_EVERY_BYTE = bytes(range(256))
_SWAPS_1047 = str.maketrans("^\xac[\xdd]\xa8", "\xac^\xdd[\xa8]")


def table_of(code_page: CodePage) -> str:
    """Give the characters of the bytes 0 to 255 in order."""
    if code_page == "ibm1047":
        return _EVERY_BYTE.decode("cp037").translate(_SWAPS_1047)
    return _EVERY_BYTE.decode(code_page)


class Transcoder:
    """Between text and EBCDIC bytes read as Latin-1, one character a byte."""

    def __init__(self, code_page: CodePage) -> None:
        self._table = table_of(code_page)
        self._map = codecs.charmap_build(self._table)

    def text(self, raw: str) -> str:
        """Read EBCDIC; every byte is some character."""
        return codecs.charmap_decode(raw.encode("latin-1"), "strict", self._table)[0]

    def raw(self, text: str) -> str:
        """Write EBCDIC; raises `UnicodeEncodeError` for what is not Latin-1."""
        return codecs.charmap_encode(text, "strict", self._map)[0].decode("latin-1")


@cache
def transcoder(code_page: CodePage) -> Transcoder:
    """Give the transcoder of a code page, the same for all its fields."""
    return Transcoder(code_page)
