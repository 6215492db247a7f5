"""Reads a TOML specification into typed values, or names the file, the key and the rule.

A specification type is a frozen dataclass; pydantic checks it, so that unknown keys, wrong
types and values out of range are refused alike for dialects, message sets, regions and zones.
Nothing is taken for what it is not: neither "yes" for true, nor "30" for 30, nor 1 for true.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time
from functools import cache
from typing import Any, Final, TypeVar

# pydantic loads it with the first type: too late in a process that has become a user who may not
# read the program's files.
import pydantic.dataclasses  # noqa: F401 - see above
from pydantic import TypeAdapter, ValidationError

from gateway.terms.errors import SpecificationError

T = TypeVar("T")


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Parse TOML text; raises `SpecificationError` with the line when it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecificationError(file, "", f"not valid TOML: {error}") from None


def structure(type_: type[T], values: Mapping[str, Any], file: str) -> T:
    """Build `type_` from parsed values; raises `SpecificationError` for the first broken rule."""
    try:
        checker = _checker(type_)  # type: ignore[arg-type] # types can be hashed
        built: T = checker.validate_json(as_json(values), strict=True)
    except ValidationError as error:
        raise broken_rule(error, file, values) from None
    return built


def as_json(values: Mapping[str, Any]) -> str:
    """Write parsed values as JSON, to be checked strictly.

    There a word of a vocabulary, a path, a date or a set has one form, so that strictness asks for
    nothing that TOML cannot say: Python's own types would have to be built first.
    """
    return json.dumps(values, default=_instant)


def _instant(value: date | time) -> str:
    return value.isoformat()  # TOML has no other value that JSON has not


@cache
def _checker(type_: type[Any]) -> TypeAdapter[Any]:
    """Build once what checks a type: that takes longer than to check a whole file of its values."""
    return TypeAdapter(type_)


def broken_rule(error: ValidationError, file: str, values: Mapping[str, Any]) -> SpecificationError:
    """Name a rule that a file breaks, and where, in words of our own.

    A key that does not exist goes first, for it is often why another is missing: then both are
    named. An entry of a list that has a name is named by it as well.
    """
    # The rule and the place only: pydantic would repeat the value in `input`.
    found = error.errors(include_url=False, include_context=False, include_input=False)
    first = next((each for each in found if each["type"] in _UNKNOWN), found[0])
    said = _WORDS.get(first["type"]) or _in_words(first["msg"])
    if first["type"] in _UNKNOWN:
        said += _missing_beside(first["loc"], found)
    key = ".".join(str(part) for part in first["loc"])
    return SpecificationError(file, key, said + _entry(first["loc"], values))


def _missing_beside(place: Sequence[int | str], found: Sequence[Any]) -> str:
    """Name the keys that are missing in the table that has one too many."""
    missing = [
        str(each["loc"][-1])
        for each in found
        if each["type"] in _MISSING and each["loc"][:-1] == tuple(place)[:-1]
    ]
    return f" (missing here: {', '.join(missing)})" if missing else ""


def _entry(place: Sequence[int | str], values: object) -> str:
    """Name the innermost entry of a list that has a name: its number alone is hard to find."""
    named = ""
    for step in place:
        if isinstance(values, Mapping):
            values = values.get(step)
        elif isinstance(values, list) and isinstance(step, int):
            values = values[step] if step < len(values) else None
            name = values.get("name") if isinstance(values, Mapping) else None
            named = f" (in {name})" if isinstance(name, str) else named
    return named


def _in_words(said: str) -> str:
    """Say a broken rule in plain words; a simple pattern by its number of characters."""
    written = _PATTERN.search(said)
    if written is None:
        return said.removeprefix("Value error, ").replace("Input should", "must")
    simple = _SIMPLE.fullmatch(written[1])
    if simple is None or simple[1] not in _CHARACTERS:
        return f"must have the form {written[1]} (a regular expression)"
    number = f"{simple[2]} to {simple[3]}" if simple[3] else simple[2]
    return f"must be {number} {_CHARACTERS[simple[1]]}"


_PATTERN: Final = re.compile(r"String should match pattern '(.*)'")
_SIMPLE: Final = re.compile(r"\^\[([^\]]+)\]\{([0-9]+)(?:,([0-9]+))?\}\$")
_CHARACTERS: Final = {
    "0-9": "digits",
    "0-9A-Z": "digits or capital letters",
    "0-9a-f": "hexadecimal digits, the letters small",
    "0-9A-F": "hexadecimal digits, the letters capital",
    "0-9A-Fa-f": "hexadecimal digits",
}
_UNKNOWN: Final = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_MISSING: Final = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})
_WORDS: Final = {
    **dict.fromkeys(_UNKNOWN, "there is no such key here; see the documents for those there are"),
    **dict.fromkeys(_MISSING, "is missing; add it"),
    "string_type": "must be text, in quotes",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false, without quotes",
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing"),
        "must be a date, such as 2026-11-21",
    ),
}
