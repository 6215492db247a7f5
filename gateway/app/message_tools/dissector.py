"""What `gateway message dissector` writes: a Wireshark dissector in Lua, made from a dialect."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.app.message_tools.fitting import Tongue
from gateway.app.message_tools.gb18030 import gb18030_table
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.ebcdic import table_of
from gateway.iso8583.field_specification import FieldSpecification, Subfields, parse_format
from gateway.iso8583.framing import Framing

_TEMPLATE = Path(__file__).with_name("dissector.lua")
_PLACE = 'require("dialect") -- the generator puts the table here'


def dissector(tongue: Tongue) -> str:
    """Write the dissector of a dialect, with the DE 48 of its message set."""
    template = _TEMPLATE.read_text("utf-8")
    head, tail = template.split(_PLACE)
    return head + lua(_table(tongue)) + tail


def protocol_name(dialect: Dialect) -> str:
    """Give the name that Wireshark knows the dialect by."""
    return f"iso8583_{dialect.name.replace('-', '_')}"


def _table(tongue: Tongue) -> dict[str, Any]:
    dialect, subfields = tongue.dialect, {}
    if tongue.message_set:
        subfields = {
            usage: {"title": subfield.title, "sensitive": subfield.sensitive}
            for usage, subfield in tongue.message_set.private_subfields.items()
        }
    return {
        "proto": protocol_name(dialect),
        "title": f"ISO 8583: {dialect.title}",
        "text": dialect.text,
        "numeric": dialect.numeric,
        "lengths": dialect.lengths,
        "bitmap": dialect.bitmap,
        "binary": dialect.binary,
        "pad_left": dialect.odd_digits_pad == "left",
        "filler": dialect.odd_digits_filler,
        "has_tertiary": dialect.has_tertiary,
        "ebcdic": _ebcdic(dialect),
        "gb18030": gb18030_table() if any(f.charset for f in dialect.fields.values()) else None,
        "framing": _framing(dialect.framing),
        "fields": {number: _field(field) for number, field in sorted(dialect.fields.items())},
        "private": subfields,
    }


def _ebcdic(dialect: Dialect) -> list[str] | None:
    """Give the character of each byte; numbers and bitmaps in EBCDIC are the same in all pages."""
    if dialect.text != "ascii":
        return list(table_of(dialect.text))
    if "ebcdic" in {dialect.numeric, dialect.lengths} or dialect.bitmap == "hex-ebcdic":
        return list(table_of("cp037"))
    return None


def _framing(framing: Framing) -> dict[str, Any]:
    kind, _, order = framing.length_prefix.partition("-")
    parts = framing.header.parts if framing.header else ()
    return {
        "prefix_bytes": framing.prefix_bytes,
        "form": kind if kind != "binary" else "little" if order.endswith("little") else "big",
        "counts_itself": framing.length_counts_itself,
        "tpdu_bytes": framing.tpdu_bytes,
        "header_bytes": framing.envelope_bytes - framing.tpdu_bytes,
        "header": [{"name": part.name, "bytes": part.length} for part in parts],
        "trailer_bytes": len(framing.trailer) // 2,
        "message_bytes_max": framing.message_bytes_max,
    }


def _field(specification: FieldSpecification) -> dict[str, Any]:
    kind, digits, count_max = specification.form
    return {
        "name": specification.name,
        "kind": kind,
        "digits": digits,
        "max": count_max + 1 if kind == "x+n" else count_max,  # the sign is counted
        "charset": specification.charset,
        "sensitive": specification.sensitive,
        "divided": _division(specification.subfields) if specification.subfields else None,
    }


def _division(subfields: Subfields) -> dict[str, Any]:
    """Give the subfields of a field; a usage is a tag of two letters with a length of three."""
    kind, _, count = parse_format(subfields.tag or "a 2")
    return {
        "layout": subfields.layout,
        "tag": {"kind": kind, "digits": 0, "max": count},
        "length_digits": subfields.length_digits or 3,
        "order": list(subfields.parts),
        "parts": {key: _field(part) for key, part in subfields.parts.items()},
    }


def lua(value: object) -> str:
    """Write a value as a Lua expression."""
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return '"' + "".join(map(_character, value)) + '"'
        case Mapping():
            pairs = (f"[{lua(key)}] = {lua(item)}" for key, item in value.items())
            return "{ " + ", ".join(pairs) + " }"
        case Sequence():
            return "{ " + ", ".join(map(lua, value)) + " }"
        case _:
            raise TypeError(type(value).__name__)


def _character(character: str) -> str:
    """Write one character of a Lua string; what is not plain as its UTF-8 bytes."""
    if character.isprintable() and character not in '"\\':
        return character
    return "".join(f"\\{byte:03d}" for byte in character.encode("utf-8"))
