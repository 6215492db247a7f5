"""Specification files are read whole or refused by file, key and rule."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import ConfigDict, StringConstraints

from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

UNKNOWN_KEY = "there is no such key here; see the documents for those there are"


@dataclass(frozen=True, slots=True)
class Inner:
    digits: int


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    pins: tuple[Inner, ...]


@dataclass(frozen=True, slots=True)
class Coded:
    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] = "310000"
    key: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{16,32}$")] = "0123456789ABCDEF"
    tag: Annotated[str, StringConstraints(pattern=r"^T[0-9]+$")] = "T1"


@dataclass(frozen=True, slots=True)
class Coding:
    codes: tuple[Coded, ...]


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Kinds:
    whole: int = 1
    fraction: float = 1.5
    is_so: bool = True
    text: str = "x"
    since: date = date.min
    path: Path = Path()
    colours: frozenset[Colour] = frozenset()
    by_colour: dict[Colour, int] = field(default_factory=dict)


def test_toml_is_parsed_into_values():
    """Tables and values come as Python has them."""
    assert parse_toml('name = "测试"\n[pin]\ndigits = 6', "x.toml") == {
        "name": "测试",
        "pin": {"digits": 6},
    }


@pytest.mark.parametrize("text", ["name = ", "a = 1\na = 2", "[a]\n[a]", "\x00"])
def test_text_that_is_not_toml_is_refused_by_file(text):
    """The error names the file and the place in it."""
    with pytest.raises(SpecificationError) as refused:
        parse_toml(text, "x.toml")

    assert refused.value.file == "x.toml"
    assert refused.value.rule.startswith("not valid TOML: ")
    assert refused.value.__cause__ is None


def test_values_become_the_type():
    """Nested tables become nested dataclasses."""
    values = {"name": "x", "pins": [{"digits": 6}]}

    assert structure(Outer, values, "x.toml") == Outer("x", (Inner(6),))


def test_what_toml_can_say_is_taken(tmp_path):
    """Words, dates, paths, sets and tables by word; a whole number is a number too."""
    text = f"""
        whole = 30
        fraction = 30
        is_so = false
        since = 2026-11-21
        path = "{tmp_path}"
        colours = ["red"]
        by_colour = {{ red = 1 }}
    """

    assert structure(Kinds, parse_toml(text, "x.toml"), "x.toml") == Kinds(
        30, 30.0, False, "x", date(2026, 11, 21), tmp_path, {Colour.RED}, {Colour.RED: 1}
    )


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('whole = "30"', "must be a whole number, without quotes"),
        ("whole = true", "must be a whole number, without quotes"),
        ("whole = 30.0", "must be a whole number, without quotes"),
        ('fraction = "1.5"', "must be a number, without quotes"),
        ("fraction = true", "must be a number, without quotes"),
        ('is_so = "yes"', "must be true or false, without quotes"),
        ("is_so = 1", "must be true or false, without quotes"),
        ("text = 1", "must be text, in quotes"),
        ("since = 20261121", "must be a date, such as 2026-11-21"),
        ("since = 2026-11-21T00:00:00Z", "must be a date, such as 2026-11-21"),
        ("path = 1", "must be text, in quotes"),
        ('by_colour = { red = "1" }', "must be a whole number, without quotes"),
    ],
)
def test_nothing_is_taken_for_what_it_is_not(line, rule):
    """One way to write each kind of value; the error says which, and where."""
    with pytest.raises(SpecificationError) as refused:
        structure(Kinds, parse_toml(line, "x.toml"), "x.toml")

    assert refused.value.key.split(".")[0] == line.split()[0]
    assert refused.value.rule == rule


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"pins": []}, "name"),
        ({"name": 1, "pins": []}, "name"),
        ({"name": "x", "pins": [{"digits": "six"}]}, "pins.0.digits"),
        ({"name": "x", "pins": [{"digits": 6}, {}]}, "pins.1.digits"),
    ],
)
def test_broken_value_is_named_by_its_key(values, key):
    """The error has file, dotted key and rule, and not the value."""
    with pytest.raises(SpecificationError) as refused:
        structure(Outer, values, "x.toml")

    assert (refused.value.file, refused.value.key) == ("x.toml", key)
    assert "six" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ({"name": "a", "code": "31000"}, "must be 6 digits (in a)"),
        (
            {"name": "a", "key": "0"},
            "must be 16 to 32 hexadecimal digits, the letters capital (in a)",
        ),
        ({"name": "a", "tag": "U1"}, "must have the form ^T[0-9]+$ (a regular expression) (in a)"),
        ({"name": 7}, "must be text, in quotes"),
        ({"nam": "a"}, f"{UNKNOWN_KEY} (missing here: name)"),
    ],
)
def test_rule_is_said_in_plain_words(entry, rule):
    """A pattern by its characters, a misspelt key with what it may have been, an entry by name."""
    with pytest.raises(SpecificationError) as refused:
        structure(Coding, {"codes": [entry]}, "x.toml")

    assert refused.value.rule == rule
