"""Copies of values with some members changed: `dataclasses.replace` in less than half the time.

An operation is copied for every fact, which made `replace` the most expensive function of the
gateway.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def copier(kind: type[T]) -> Callable[[T, Mapping[str, Any]], T]:
    """Make the function that copies a dataclass of this kind, each field of which is given.

    It raises `KeyError` for a field that there is not.
    """
    names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]  # a dataclass
    values_of = attrgetter(*names)
    places = {name: place for place, name in enumerate(names)}

    def copy(value: T, changes: Mapping[str, Any]) -> T:
        members = list(values_of(value))
        for name, changed in changes.items():
            members[places[name]] = changed
        return kind(*members)

    return copy
