"""A message field by field, as a person reads it; sensitive values masked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.iso8583 import private_data
from gateway.iso8583.codec import Codec, Reading
from gateway.iso8583.errors import MalformedMessage
from gateway.iso8583.field_content import Value
from gateway.iso8583.field_specification import FieldSpecification, Sensitivity
from gateway.iso8583.message_kind import PrivateSubfield
from gateway.iso8583.subfields import Structure
from gateway.terms.masking import mask, mask_name

_PRIVATE = 48
_HIDDEN = "****"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: ``MTI``, ``DE 39`` or ``DE 48 NM``; offset and length in bytes of the message.

    `value` is ready to print: text masked as dialect and message set say, never a PIN block or
    MAC.
    """

    place: str
    name: str
    offset: int
    length: int
    value: str


@dataclass(frozen=True, slots=True)
class Description:
    """The rows of a message as far as it could be read, and why it stopped, if it did."""

    rows: tuple[Row, ...]
    error: MalformedMessage | None = None


def describe(
    codec: Codec, data: bytes, private_subfields: Mapping[str, PrivateSubfield]
) -> Description:
    """Describe the bytes of one message; never raises for what is in them.

    Without `private_subfields` nobody knows what stands in DE 48, and nothing of it is shown.
    """
    rows: list[Row] = []
    try:
        for reading in codec.readings(data):
            rows.extend(_rows(codec, reading, private_subfields))
    except MalformedMessage as error:
        return Description(tuple(rows), error)
    return Description(tuple(rows))


def _rows(
    codec: Codec, reading: Reading, private_subfields: Mapping[str, PrivateSubfield]
) -> Iterator[Row]:
    data_element, offset, length, value = reading
    if data_element == 0:
        yield Row("MTI", "Message type indicator", offset, length, str(value))
        return
    specification = codec.dialect.fields[data_element]
    place, structure = f"DE {data_element}", codec.structures.get(data_element)
    if structure is None and data_element == _PRIVATE and not private_subfields:
        yield Row(place, specification.name, offset, length, _HIDDEN)
        return
    if structure or data_element == _PRIVATE:
        yield Row(place, specification.name, offset, length, "")
    begin = offset + codec.indicator_bytes(data_element)
    if structure:
        whole = Row(place, "", begin, offset + length - begin, "")
        yield from _part_rows(structure, specification, whole, value)
    elif data_element == _PRIVATE:
        yield from _private_rows(str(value), begin, private_subfields)
    else:
        yield _row(place, specification, offset, length, value)


def _row(
    place: str, specification: FieldSpecification, offset: int, length: int, value: Value
) -> Row:
    text = _HIDDEN if isinstance(value, bytes) else shown(value, specification.sensitive)
    return Row(place, specification.name, offset, length, text)


def _part_rows(
    structure: Structure, specification: FieldSpecification, whole: Row, value: Value
) -> Iterator[Row]:
    """Give the rows of declared subfields; `whole` is where the value stands that they divide."""
    assert specification.subfields
    charset = specification.charset
    units = len(value.encode(charset) if isinstance(value, str) and charset else value)
    for key, at, count, part in structure.readings(value):
        known = specification.subfields.parts[key]
        # Subfields count characters or bytes of the value, two of which may share a byte of the
        # message, or one take two.
        start, end = whole.length * at // units, -(-whole.length * (at + count) // units)
        row = _row(f"{whole.place} {key}", known, whole.offset + start, end - start, part)
        if specification.subfields.layout == "ber-tlv" and isinstance(part, bytes):
            row = replace(row, value=_chip_data(part, known.sensitive))
        inner = structure.inner.get(key)
        yield replace(row, value="") if inner else row
        if inner:
            yield from _part_rows(inner, known, row, part)


def _chip_data(value: bytes, sensitive: Sensitivity) -> str:
    """Give the bytes of a tag in hex; numbers that fill no byte end with F (EMV Book 3, cn)."""
    return shown(
        value.hex().upper().rstrip("F") if sensitive == "mask" else value.hex().upper(), sensitive
    )


def _private_rows(
    text: str, begin: int, private_subfields: Mapping[str, PrivateSubfield]
) -> Iterator[Row]:
    for usage, offset, length, value in _private(text, begin):
        known = private_subfields.get(usage)
        title, sensitive = (known.title, known.sensitive) if known else ("Unknown", "hide")
        place = f"{private_data.PLACE} {usage}"
        yield Row(place, title, begin + offset, length, shown(value, sensitive))


def _private(text: str, begin: int) -> list[private_data.Subfield]:
    try:
        return private_data.subfields_of(text)
    except MalformedMessage as error:  # its offset counts from the first subfield
        raise MalformedMessage(error.place, begin + error.offset, error.rule) from None


def shown(value: str, sensitive: Sensitivity) -> str:
    """Give a value as it may be printed."""
    return _SHOWN[sensitive](value)


_SHOWN: dict[Sensitivity, Callable[[str], str]] = {
    "none": str,
    "mask": mask,
    "name": mask_name,
    "hide": lambda _: _HIDDEN,
}
