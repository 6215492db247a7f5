"""A dialect that extends another."""

import pytest

from gateway.iso8583.dialect_base import merged, no_base_text
from gateway.terms.errors import SpecificationError

FILES = {
    "base": """
name = "base"
kind = 1
[framing]
tpdu = "60"
max = 9
[fields]
2 = { a = 1, b = 2 }
""",
    "middle": 'extends = "base"\nwithout = ["kind"]\n[fields]\n3 = { a = 3 }',
    "loop": 'extends = "loop"',
    "odd": "extends = 1",
    "up": 'extends = "../secret"',
}


def base_text(name):
    """Give the text of a base."""
    return FILES[name], f"{name}.toml"


def test_tables_are_merged_and_all_else_replaced():
    """A file says only what differs, one level or many levels down."""
    text = """
extends = "middle"
name = "top"
without = ["framing.tpdu", "fields.3"]
[fields]
2 = { b = 5 }
"""

    values = merged(text, "top.toml", base_text)

    assert values == {
        "name": "top",
        "framing": {"max": 9},
        "fields": {"2": {"a": 1, "b": 5}},
        "extends": ["middle", "base"],
    }


def test_dialect_that_extends_none_is_as_it_stands():
    """Nothing is added but the empty row of bases."""
    assert merged("kind = 1", "x.toml", no_base_text) == {"kind": 1, "extends": []}


@pytest.mark.parametrize(
    ("text", "file", "key", "rule"),
    [
        (FILES["loop"], "loop.toml", "extends", "circle"),
        (FILES["odd"], "x.toml", "extends", "name of a dialect"),
        (FILES["up"], "x.toml", "extends", "name of a dialect"),
        ('extends = "odd"', "odd.toml", "extends", "name of a dialect"),
        ('extends = "base"\nwithout = "kind"', "x.toml", "without", "list"),
        (
            'extends = "base"\nwithout = ["speed"]',
            "x.toml",
            "without",
            "which the base does not have",
        ),
        (
            'extends = "base"\nwithout = ["kind.x"]',
            "x.toml",
            "without",
            "which the base does not have",
        ),
        ('without = ["kind"]\nkind = 1', "x.toml", "without", "which the base does not have"),
    ],
)
def test_wrong_base_is_refused(text, file, key, rule):
    """File and key are those of the file that is wrong."""
    with pytest.raises(SpecificationError, match=rule) as caught:
        merged(text, "x.toml", base_text)

    assert (caught.value.file, caught.value.key) == (file, key)


def test_alone_a_file_cannot_extend_anything():
    """Without a directory of dialects there is no base."""
    with pytest.raises(SpecificationError, match="no dialect can be extended here"):
        merged('extends = "base"', "x.toml", no_base_text)
