"""What a dialect file says of one data element: its format and, where declared, its subfields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, Literal, NamedTuple

from annotated_types import MinLen
from pydantic import AfterValidator, ConfigDict

Sensitivity = Literal["mask", "hide", "name", "none"]
Kind = Literal["n", "a", "an", "ans", "z", "b", "x+n"]
_LL = 2
_NOTATION = re.compile(r"(n|a|an|ans|z|b|x\+n) ?(\.{2,3})?([1-9][0-9]{0,2})")
_FORBID = ConfigDict(extra="forbid")


class FieldFormat(NamedTuple):
    """The standard notation of a field, taken apart: ``ans..28`` is ``("ans", 2, 28)``.

    `length_digits` is 0 for a fixed field; `length_max` counts digits or characters for text and
    bytes for ``b`` and for multibyte text. ``x+n`` is a sign, C or D, before `length_max` digits.
    """

    kind: Kind
    length_digits: int
    length_max: int


@cache
def parse_format(notation: str) -> FieldFormat:
    """Read ``n 6``, ``ans..28`` or ``b 8``; raises `ValueError` with the rule."""
    found = _NOTATION.fullmatch(notation)
    if not found:
        raise ValueError(
            "a format is n, a, an, ans, z, b or x+n with its length: n 6, ans..28, b 8"
        )
    kind, dots, length = found[1], len(found[2] or ""), int(found[3])
    if dots == _LL and length >= 10**_LL:
        raise ValueError("two dots allow a length of two digits")
    if kind == "x+n" and dots:
        raise ValueError("a signed amount has a fixed length")
    return FieldFormat(kind, dots, length)  # type: ignore[arg-type]  # the pattern names the kinds


def _check_format(notation: str) -> str:
    parse_format(notation)
    return notation


@dataclass(frozen=True, slots=True)
class Subfields:
    """How one field is divided.

    ``positional``: the `parts` one behind the other; the last ones may be absent together.
    ``tlv``: tag, length, value. ``ltv``: a length that counts tag and value, tag, value.
    ``usage``: two capital letters, three digits, value, as on Chinese institution links.
    ``ber-tlv``: BER-TLV objects in a binary field (DE 55), constructed ones divided in turn; their
    digits are packed and their text is ASCII, whatever the dialect's are (EMV Book 3). `parts`
    are keyed by tag; a tag that is not among them is refused, as is one that comes twice. `tag`
    is the format of a tag and `length_digits` that of a length, for ``tlv`` and ``ltv`` only.
    Lengths count bytes, or characters where each has one byte.
    """

    layout: Literal["positional", "tlv", "ltv", "usage", "ber-tlv"]
    parts: Annotated[Mapping[str, "FieldSpecification"], MinLen(1)]
    tag: Annotated[str, AfterValidator(_check_format)] | None = None
    length_digits: Literal[2, 3] | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID


@dataclass(frozen=True, slots=True)
class FieldSpecification:
    """One data element: its ISO 8583:1987 name, its format and whether its value may be shown.

    `charset` is that of multibyte text, whose lengths count bytes; other text has the dialect's
    characters. `sensitive`: ``mask`` keeps the last characters, ``name`` the last one of a
    personal name, ``hide`` nothing.
    """

    name: str
    format: Annotated[str, AfterValidator(_check_format)]
    charset: Literal["gb18030", "gbk"] | None = None
    sensitive: Sensitivity = "none"
    subfields: Subfields | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    @property
    def form(self) -> FieldFormat:
        """The format, taken apart."""
        return parse_format(self.format)
