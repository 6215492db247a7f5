"""The subfields of data element 48: two letters, three digits counting GB18030 bytes, the value.

The layout is that of usage subfields on Chinese institution links (``reference/domain.md`` 4.4)
with an explicit length.
"""

import re
from collections.abc import Mapping
from itertools import product
from string import ascii_uppercase
from typing import NamedTuple

from gateway.iso8583.errors import MalformedMessage, UnencodableMessage

PLACE = "DE 48"
_HEAD = re.compile(rb"([A-Z]{2})([0-9]{3})")
HEAD_BYTES = 5
_VALUE_BYTES_MAX = 999  # three digits
USAGE = re.compile("[A-Z]{2}")
_USAGES = frozenset(map("".join, product(ascii_uppercase, repeat=2)))
_LENGTHS = {count: f"{count:03d}" for count in range(1, _VALUE_BYTES_MAX + 1)}
COUNTS = {digits: count for count, digits in _LENGTHS.items()}


class Subfield(NamedTuple):
    """One subfield where it stands in DE 48; `offset` and `length` in bytes, head included."""

    usage: str
    offset: int
    length: int
    value: str


def pack(subfields: Mapping[str, str]) -> str:
    """Write subfields in the order given; raises `UnencodableMessage` naming the subfield."""
    text = ""
    for usage, value in subfields.items():
        digits = _LENGTHS.get(len(value)) if value.isascii() else None
        if digits is None or usage not in _USAGES:
            text += _pack(usage, value)
        else:
            text += usage + digits + value
    return text


def _pack(usage: str, value: str) -> str:
    if usage not in _USAGES:
        raise UnencodableMessage(PLACE, "a usage is two capital letters")
    try:
        count = len(value) if value.isascii() else len(value.encode("gb18030"))
    except UnicodeEncodeError:
        rule = "a character is not in GB18030"
        raise UnencodableMessage(f"{PLACE} {usage}", rule) from None
    digits = _LENGTHS.get(count)
    if digits is None:
        rule = f"a value has 1 to {_VALUE_BYTES_MAX} bytes"
        raise UnencodableMessage(f"{PLACE} {usage}", rule)
    return usage + digits + value


def unpack(text: str) -> dict[str, str]:
    """Read the subfields of a decoded DE 48; raises `MalformedMessage`."""
    subfields = _unpack_ascii(text) if text.isascii() else None
    if subfields is None:
        return {subfield.usage: subfield.value for subfield in subfields_of(text)}
    return subfields


def _unpack_ascii(text: str) -> dict[str, str] | None:
    """Read subfields in which bytes are characters; None where anything is wrong."""
    subfields: dict[str, str] = {}
    start, end = 0, len(text)
    while start < end:
        begin = start + HEAD_BYTES
        usage, count = text[start : start + 2], COUNTS.get(text[start + 2 : begin])
        if count is None or usage not in _USAGES or usage in subfields:
            return None
        start = begin + count
        subfields[usage] = text[begin:start]
    return subfields if start == end else None


def subfields_of(text: str) -> list[Subfield]:
    """Read the subfields with their places; raises `MalformedMessage`.

    Every usage occurs once, and the last value ends with the field.
    """
    try:
        data = text.encode("gb18030")
    except UnicodeEncodeError:
        raise MalformedMessage(PLACE, 0, "a character is not in GB18030") from None
    subfields: list[Subfield] = []
    start = 0
    while start < len(data):
        subfield = _unpack(data, start)
        if any(subfield.usage == earlier.usage for earlier in subfields):
            raise MalformedMessage(f"{PLACE} {subfield.usage}", start, "this usage came before")
        subfields.append(subfield)
        start += subfield.length
    return subfields


def _unpack(data: bytes, start: int) -> Subfield:
    head = _HEAD.match(data, start)
    if not head:
        rule = "a subfield begins with two capital letters and three digits"
        raise MalformedMessage(PLACE, start, rule)
    usage, count = head[1].decode("ascii"), int(head[2])
    place = f"{PLACE} {usage}"
    value = data[head.end() : head.end() + count]
    if not count or len(value) < count:
        raise MalformedMessage(place, start, "the length is 1 to what is left of the field")
    try:
        return Subfield(usage, start, HEAD_BYTES + count, value.decode("gb18030"))
    except UnicodeDecodeError as error:
        rule = "a GB18030 character is cut (lengths count bytes)"
        raise MalformedMessage(place, head.end() + error.start, rule) from None
