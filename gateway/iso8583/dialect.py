"""How bytes look on one kind of link, read from a file in ``specs/dialects``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, ConfigDict

from gateway.iso8583.framing import Framing
from gateway.iso8583.mac import MAC_BYTES, MAC_DATA_ELEMENTS, MacRule
from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

Sensitivity = Literal["mask", "hide", "name", "none"]
BITMAP_BITS = 64
_LL = 2
_NOTATION = re.compile(r"(n|a|an|ans|z|b) ?(\.{2,3})?([1-9][0-9]{0,2})")
_FORBID = ConfigDict(extra="forbid")


class FieldFormat(NamedTuple):
    """The standard notation of a field, taken apart: ``ans..28`` is ``("ans", 2, 28)``.

    `length_digits` is 0 for a fixed field; `length_max` counts digits or characters for text and
    bytes for ``b`` and for GB18030 text.
    """

    kind: Literal["n", "a", "an", "ans", "z", "b"]
    length_digits: int
    length_max: int


@cache
def parse_format(notation: str) -> FieldFormat:
    """Read ``n 6``, ``ans..28`` or ``b 8``; raises `ValueError` with the rule."""
    found = _NOTATION.fullmatch(notation)
    if not found:
        raise ValueError("a format is n, a, an, ans, z or b with its length: n 6, ans..28, b 8")
    kind, dots, length = found[1], len(found[2] or ""), int(found[3])
    if dots == _LL and length >= 10**_LL:
        raise ValueError("two dots allow a length of two digits")
    if kind == "b" and dots:
        raise ValueError("a binary field has a fixed length")
    return FieldFormat(kind, dots, length)  # type: ignore[arg-type]  # the pattern names the kinds


def _check_format(notation: str) -> str:
    parse_format(notation)
    return notation


@dataclass(frozen=True, slots=True)
class FieldSpecification:
    """One data element: its ISO 8583:1987 name, its format and whether its value may be shown.

    `charset` of a text field: GB18030 lengths count bytes. `sensitive`: ``mask`` keeps the last
    characters, ``name`` the last one of a personal name, ``hide`` nothing.
    """

    name: str
    format: Annotated[str, AfterValidator(_check_format)]
    charset: Literal["ascii", "gb18030"] = "ascii"
    sensitive: Sensitivity = "none"

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    @property
    def form(self) -> FieldFormat:
        """The format, taken apart."""
        return parse_format(self.format)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How bytes look on one kind of link; data elements not in `fields` do not occur.

    `numeric` is the form of ``n`` and ``z`` fields and of the MTI, `lengths` that of LL and LLL.
    """

    name: str
    title: str
    numeric: Literal["ascii", "bcd"]
    lengths: Literal["ascii", "bcd"]
    bitmap: Literal["binary"]
    mac: MacRule
    framing: Framing
    fields: Mapping[int, FieldSpecification]
    odd_digits_pad: Literal["left", "right"] | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    def pyiso8583_specification(self) -> dict[str, dict[str, Any]]:
        """Compile to the specification format of pyiso8583, which has no names for our rules."""
        fields = {str(de): self._pyiso8583_field(de) for de in sorted(self.fields)}
        return {
            "h": _pyiso8583_fixed("ascii", 0, "Header"),
            "t": self._pyiso8583_mti(),
            "p": _pyiso8583_fixed("b", 8, "Primary bitmap"),
            "1": _pyiso8583_fixed("b", 8, "Secondary bitmap"),
            **fields,
        }

    def _pyiso8583_mti(self) -> dict[str, Any]:
        if self.numeric == "bcd":
            return _pyiso8583_fixed("b", 2, "Message type indicator")
        return _pyiso8583_fixed("ascii", 4, "Message type indicator")

    def _pyiso8583_field(self, data_element: int) -> dict[str, Any]:
        specification = self.fields[data_element]
        kind, digits, length = specification.form
        packed = kind in {"n", "z"} and self.numeric == "bcd"
        compiled: dict[str, Any] = {
            "data_enc": "b" if packed or kind == "b" else specification.charset,
            "len_enc": "bcd" if self.lengths == "bcd" else "ascii",
            "len_type": (digits + 1) // 2 if self.lengths == "bcd" else digits,
            "max_len": length,
            "desc": specification.name,
        }
        if packed:
            compiled |= {"len_count": "nibbles", f"{self.odd_digits_pad}_pad": "0"}
        return compiled


def _pyiso8583_fixed(data: str, length: int, name: str) -> dict[str, Any]:
    return {"data_enc": data, "len_enc": "ascii", "len_type": 0, "max_len": length, "desc": name}


def parse_dialect(text: str, file: str) -> Dialect:
    """Read a dialect file; raises `SpecificationError` naming file, key and rule."""
    dialect = structure(Dialect, parse_toml(text, file), file)
    for data_element, specification in dialect.fields.items():
        _check_field(data_element, specification, f"fields.{data_element}", file)
    for data_element in sorted(MAC_DATA_ELEMENTS):
        _check_mac_field(dialect, data_element, file)
    if list(dialect.mac.data_elements) != sorted(set(dialect.mac.data_elements)):
        raise SpecificationError(file, "mac.data_elements", "in ascending order, each once")
    if (dialect.numeric == "bcd") != (dialect.odd_digits_pad is not None):
        raise SpecificationError(file, "odd_digits_pad", "needed for bcd digits, and only there")
    return dialect


def _check_field(data_element: int, specification: FieldSpecification, key: str, file: str) -> None:
    # Bit 1 announces the secondary bitmap, bit 65 a tertiary one (ISO 8583:1987, 4.2).
    if not 1 < data_element <= 2 * BITMAP_BITS or data_element == BITMAP_BITS + 1:
        raise SpecificationError(file, key, "data elements are 2 to 64 and 66 to 128")
    kind, digits, _ = specification.form
    if specification.charset == "gb18030" and (kind != "ans" or not digits):
        raise SpecificationError(file, f"{key}.charset", "GB18030 text is ans of variable length")


def _check_mac_field(dialect: Dialect, data_element: int, file: str) -> None:
    specification = dialect.fields.get(data_element)
    wanted = ("b", 0, MAC_BYTES) if data_element in dialect.mac.data_elements else None
    if (specification.form if specification else None) != wanted:
        rule = "b 8 where mac.data_elements names it, absent where it does not"
        raise SpecificationError(file, f"fields.{data_element}", rule)
