"""Values that hold from a date on, each with its source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Annotated, Final, Generic, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, with_config

from gateway.terms.errors import SpecificationError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# A value without a traceable source is an invention: a seed's file number or another document's
# name, and the phrase; or what was assumed where they leave something open.
_SOURCE: Final = r"^(seeds/00[0-9]|documents/[0-9A-Za-z._-]+|default): .+$"

Source = Annotated[str, StringConstraints(pattern=_SOURCE)]
Since = Annotated[date, Field(alias="from")]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Dated(Generic[T_co]):
    """A value that holds from a date on, until a later one replaces it."""

    value: T_co
    source: Source
    since: Since = date.min


def in_force(values: Sequence[Dated[T]], on: date) -> Dated[T]:
    """Give the latest value that has begun; `must_begin` made sure that there is one."""
    return [dated for dated in values if dated.since <= on][-1]


def must_begin(key: str, values: Sequence[Dated[object]], file: str) -> None:
    """Refuse values that leave a day without one; raises `SpecificationError`."""
    if not values or values[0].since != date.min:
        raise SpecificationError(file, key, "the first value must have no `from`")


def must_ascend(key: str, days: Iterable[date], file: str) -> None:
    """Refuse days that do not ascend, for the later line must be the later rule."""
    if any(later <= earlier for earlier, later in pairwise(days)):
        raise SpecificationError(file, key, "`from` must ascend, each day once")
