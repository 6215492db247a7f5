"""A message field by field, as a person reads it; sensitive values masked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.iso8583 import private_data
from gateway.iso8583.codec import Codec, Reading
from gateway.iso8583.errors import MalformedMessage
from gateway.iso8583.field_specification import Sensitivity
from gateway.iso8583.message_kind import PrivateSubfield
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
    """Describe the bytes of one message; never raises for what is in them."""
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
    name, place = specification.name, f"DE {data_element}"
    if isinstance(value, bytes):
        yield Row(place, name, offset, length, _HIDDEN)
    elif data_element == _PRIVATE:
        yield Row(place, name, offset, length, "")
        # The value ends where the field ends; what is before it is the length indicator.
        begin = offset + length - len(value.encode("gb18030"))
        yield from _private_rows(value, begin, private_subfields)
    else:
        yield Row(place, name, offset, length, shown(value, specification.sensitive))


def _private_rows(
    text: str, begin: int, private_subfields: Mapping[str, PrivateSubfield]
) -> Iterator[Row]:
    for usage, offset, length, value in private_data.subfields_of(text):
        known = private_subfields.get(usage)
        title, sensitive = (known.title, known.sensitive) if known else ("Unknown", "hide")
        place = f"{private_data.PLACE} {usage}"
        yield Row(place, title, begin + offset, length, shown(value, sensitive))


def shown(value: str, sensitive: Sensitivity) -> str:
    """Give a value as it may be printed."""
    return _SHOWN[sensitive](value)


_SHOWN: dict[Sensitivity, Callable[[str], str]] = {
    "none": str,
    "mask": mask,
    "name": mask_name,
    "hide": lambda _: _HIDDEN,
}
