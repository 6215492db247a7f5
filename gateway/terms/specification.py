"""Reads a TOML specification into typed values, or names the file, the key and the rule.

A specification type is a frozen dataclass; pydantic checks it, so that unknown keys, wrong
types and values out of range are refused alike for dialects, message sets, regions and zones.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

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
        built: T = _checker(type_).validate_python(values)  # type: ignore[arg-type] # types can be hashed
    except ValidationError as error:
        raise broken_rule(error, file) from None
    return built


@cache
def _checker(type_: type[Any]) -> TypeAdapter[Any]:
    """Build once what checks a type: that takes longer than to check a whole file of its values."""
    return TypeAdapter(type_)


def broken_rule(error: ValidationError, file: str) -> SpecificationError:
    """Name the first rule that a file breaks, and where, in words of our own."""
    # The rule and the place only: pydantic would repeat the value in `input`.
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return SpecificationError(file, key, _WORDS.get(first["type"], said))


_WORDS = {
    "extra_forbidden": "there is no such key here; see the documents for those there are",
    "missing": "is missing; add it",
}
