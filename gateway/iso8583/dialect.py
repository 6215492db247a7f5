"""How bytes look on one kind of link, read from a file in ``specs/dialects``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from gateway.iso8583 import bitmap, dialect_base
from gateway.iso8583.bitmap import BITMAP_BITS, SECONDARY, TERTIARY
from gateway.iso8583.dialect_base import BaseText
from gateway.iso8583.ebcdic import Characters
from gateway.iso8583.field_form import Digits, FieldForm, Lengths, Writing
from gateway.iso8583.field_specification import FieldSpecification, Sensitivity
from gateway.iso8583.framing import Framing
from gateway.iso8583.mac import MAC_BYTES, MAC_DATA_ELEMENTS, MacRule
from gateway.iso8583.subfields import Structure, divided_form_of
from gateway.terms.errors import SpecificationError
from gateway.terms.specification import structure

# A dialect is met together with what it is made of.
__all__ = ["BaseText", "Dialect", "FieldSpecification", "Sensitivity", "parse_dialect"]

_DATA_ELEMENTS_MAX = 3 * BITMAP_BITS


@dataclass(frozen=True, slots=True)
class Dialect:
    """How bytes look on one kind of link; data elements not in `fields` do not occur.

    `text` is the character set of text fields, `numeric` the form of ``n`` and ``z`` fields and
    of the MTI, `lengths` that of LL and LLL, `binary` that of ``b`` fields. `odd_digits_pad` says
    on which side of an odd number of BCD digits `odd_digits_filler` stands. `extends` names the
    dialects that this one is made from, the nearest first.
    """

    name: str
    title: str
    numeric: Digits
    lengths: Lengths
    bitmap: bitmap.Form
    mac: MacRule
    framing: Framing
    fields: Mapping[int, FieldSpecification]
    text: Characters = "ascii"
    binary: Literal["raw", "hex"] = "raw"
    odd_digits_pad: Literal["left", "right"] | None = None
    odd_digits_filler: Literal["0", "F"] = "0"
    extends: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def has_tertiary(self) -> bool:
        """Tell whether there are data elements above 128."""
        return max(self.fields) > 2 * BITMAP_BITS

    @property
    def writing(self) -> Writing:
        """How values are written."""
        return Writing(
            self.text,
            self.numeric,
            self.lengths,
            is_hex=self.binary == "hex",
            pad_left=self.odd_digits_pad == "left",
            filler=self.odd_digits_filler,
        )

    def field_forms(self) -> dict[int, FieldForm]:
        """Compile every data element."""
        writing = self.writing
        return {
            de: divided_form_of(f"DE {de}", specification, writing)
            for de, specification in self.fields.items()
        }

    def structures(self) -> dict[int, Structure]:
        """Compile the subfields of the data elements that have them."""
        return {de: Structure(f, self.writing) for de, f in self.fields.items() if f.subfields}

    def pyiso8583_specification(self) -> dict[str, dict[str, Any]]:
        """Compile to the specification format of pyiso8583, which has no names for our rules.

        IBM-1047 needs a codec of the name ``ibm1047``, which Python does not have.
        """
        fields = {str(de): self._pyiso8583_field(de) for de in sorted(self.fields)}
        bitmaps = {"binary": ("b", 8), "hex": ("ascii", 16), "hex-ebcdic": ("cp037", 16)}
        return {
            "h": _pyiso8583_fixed("ascii", 0, "Header"),
            "t": self._pyiso8583_mti(),
            "p": _pyiso8583_fixed(*bitmaps[self.bitmap], "Primary bitmap"),
            "1": _pyiso8583_fixed(*bitmaps[self.bitmap], "Secondary bitmap"),
            **fields,
        }

    def _pyiso8583_mti(self) -> dict[str, Any]:
        forms = {"bcd": ("b", 2), "ascii": ("ascii", 4), "ebcdic": ("cp037", 4)}
        return _pyiso8583_fixed(*forms[self.numeric], "Message type indicator")

    def _pyiso8583_field(self, data_element: int) -> dict[str, Any]:
        specification = self.fields[data_element]
        kind, digits, length = specification.form
        packed = kind in {"n", "z"} and self.numeric == "bcd"
        is_bytes = packed or kind == "b" or (kind == "x+n" and self.numeric == "bcd")
        is_hex = kind == "b" and self.binary == "hex"
        lengths = {"ascii": "ascii", "ebcdic": "cp037", "bcd": "bcd", "binary": "b"}[self.lengths]
        form = self.writing.content(kind, specification.charset)
        compiled: dict[str, Any] = {
            "data_enc": "b" if is_bytes and not is_hex else specification.charset or self.text,
            "len_enc": lengths,
            "len_type": len(self.writing.indicators(digits, 1)[1]) if digits else 0,
            "max_len": form.size(length + 1) if kind == "x+n" else length * (1 + is_hex),
            "desc": specification.name,
        }
        if packed:
            pad = {f"{self.odd_digits_pad}_pad": self.odd_digits_filler}
            compiled |= {"len_count": "nibbles", **pad}
        return compiled


def _pyiso8583_fixed(data: str, length: int, name: str) -> dict[str, Any]:
    return {"data_enc": data, "len_enc": "ascii", "len_type": 0, "max_len": length, "desc": name}


# ---------------------------------------------------------------- loading


def parse_dialect(text: str, file: str, base_text: BaseText = dialect_base.no_base_text) -> Dialect:
    """Read a dialect file; raises `SpecificationError` naming file, key and rule.

    `base_text` gives text and file of a dialect by its name, for one that extends another.
    """
    dialect = structure(Dialect, dialect_base.merged(text, file, base_text), file)
    for check in _CHECKS:
        check(dialect, file)
    return dialect


def _check_forms(dialect: Dialect, file: str) -> None:
    if (dialect.numeric == "bcd") != (dialect.odd_digits_pad is not None):
        raise SpecificationError(file, "odd_digits_pad", "needed for bcd digits, and only there")
    if dialect.odd_digits_filler != "0" and dialect.numeric != "bcd":
        raise SpecificationError(file, "odd_digits_filler", "for bcd digits only")
    characters = "ascii" if dialect.text == "ascii" else "ebcdic"
    if dialect.binary == "hex" and characters != "ascii":
        raise SpecificationError(file, "binary", "hex digits are ASCII, and so is the text then")
    for key in ("numeric", "lengths"):
        if getattr(dialect, key) in {"ascii", "ebcdic"} - {characters}:
            raise SpecificationError(file, key, f"the text of this dialect is {characters}")


def _check_fields(dialect: Dialect, file: str) -> None:
    for data_element, specification in dialect.fields.items():
        key = f"fields.{data_element}"
        # Bits 1 and 65 announce the secondary and the tertiary bitmap (ISO 8583:1987, 4.2).
        if not 1 < data_element <= _DATA_ELEMENTS_MAX or data_element in {SECONDARY, TERTIARY}:
            raise SpecificationError(file, key, "data elements are 2 to 64 and 66 to 192")
        _check_field(dialect, specification, key, file)


def _check_field(dialect: Dialect, field: FieldSpecification, key: str, file: str) -> None:
    kind, digits, _ = field.form
    if field.charset and (kind != "ans" or not digits):
        raise SpecificationError(file, f"{key}.charset", "multibyte text is ans of variable length")
    if kind == "b" and digits and dialect.binary == "hex":
        raise SpecificationError(file, f"{key}.format", "a field written in hex has a fixed length")
    try:
        divided_form_of(key, field, dialect.writing)
    except ValueError as error:
        raise SpecificationError(file, f"{key}.subfields", str(error)) from None


def _check_mac(dialect: Dialect, file: str) -> None:
    flaw = dialect.mac.flaw()
    if flaw:
        raise SpecificationError(file, f"mac.{flaw[0]}", flaw[1])
    for data_element in sorted(MAC_DATA_ELEMENTS):
        specification = dialect.fields.get(data_element)
        wanted = ("b", 0, MAC_BYTES) if data_element in dialect.mac.data_elements else None
        if (specification.form if specification else None) != wanted:
            rule = "b 8 where mac.data_elements names it, absent where it does not"
            raise SpecificationError(file, f"fields.{data_element}", rule)
    if not set(dialect.mac.covers) <= {0, *dialect.fields}:
        raise SpecificationError(file, "mac.covers", "data elements of the dialect")


def _check_header(dialect: Dialect, file: str) -> None:
    flaw = dialect.framing.header.flaw() if dialect.framing.header else None
    if flaw:
        raise SpecificationError(file, f"framing.header.{flaw[0]}", flaw[1])


_CHECKS: tuple[Callable[[Dialect, str], None], ...] = (
    _check_forms,
    _check_fields,
    _check_mac,
    _check_header,
)
