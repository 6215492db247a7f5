"""The manual of dialects says what the code says, and its example works."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect, parse_dialect
from gateway.iso8583.field_specification import FieldSpecification, Subfields
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.framing import Framing
from gateway.iso8583.institution_header import HeaderPart
from gateway.iso8583.mac import MacRule
from gateway.iso8583.message import Message

MANUAL = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text("utf-8")
TABLES = [
    ("### Dialect", Dialect),
    ("### `[mac]`", MacRule),
    ("### `[framing]`", Framing),
    ("### `[framing.header]`", HeaderPart),
    ("### `[fields]`", FieldSpecification),
    ("### `[fields.N.subfields]`", Subfields),
]


def table(heading):
    """Give the rows of the table under a heading: key and what stands in the row."""
    section = MANUAL.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    return dict(re.findall(r"^\| `([a-z_]+)` \|(.*)$", section, re.MULTILINE))


def choices(hint: Any):
    """Give every text that a type allows, however deep it stands in the hint."""
    if isinstance(hint, str):
        return {hint}
    return set().union(*(choices(argument) for argument in get_args(hint)), set())


@pytest.mark.parametrize(("heading", "declared"), TABLES)
def test_every_key_is_in_the_manual(heading, declared):
    """Neither does the code know a key that the manual does not, nor the other way."""
    assert set(table(heading)) == {field.name for field in fields(declared)}


@pytest.mark.parametrize(("heading", "declared"), TABLES)
def test_every_choice_is_in_the_manual(heading, declared):
    """Where a key has a closed list of values, the manual names each."""
    rows = table(heading)

    for key, hint in get_type_hints(declared).items():
        if key.startswith("_") or key not in rows:
            continue
        assert all(f"`{choice}`" in rows[key] for choice in choices(hint)), key


def test_every_shipped_dialect_is_in_the_manual(dialects):
    """Whoever writes a dialect finds the nearest one."""
    assert all(f"| `{name}` |" in MANUAL for name in dialects)


def test_worked_example_is_read_and_written(base_text):
    """The file of the example loads; its bytes are its message, frame and all."""
    (text,) = re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    (recipe,) = re.findall(r"```text\n(.*?)```", MANUAL, re.DOTALL)
    dialect = parse_dialect(text, "example.toml", base_text)
    codec = Codec(dialect)
    data = b"".join(
        part.strip("'").encode() if "'" in part else bytes.fromhex(part) for part in recipe.split()
    )

    (frame,) = FrameReader(dialect.framing).feed(data)
    message = codec.decode(frame.payload)

    assert message == Message("0800", {7: "1121193658", 11: "000123", 60: "010207"})
    assert codec.unpack(message, 60) == {"01": "07"}
    assert dialect.framing.frame(codec.encode(message)) == data
    assert dialect.extends == ("bureau",)
