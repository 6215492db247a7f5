"""Due dates in working days, by China's calendar of holidays and make-up working weekends.

The State Council publishes the days of a year in the November before; a released library knows
the years published until then. A later year is the operator's to add, as a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Final, Self

import chinese_calendar
from pydantic import AfterValidator, ConfigDict, StringConstraints, with_config

from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


def _weekend(day: date) -> date:
    if day.weekday() < _SATURDAY:
        raise ValueError("must be a Saturday or Sunday")
    return day


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class YearOfDays:
    """One year: days off beyond weekends, and weekend days that are worked."""

    source: str
    holidays: frozenset[date]
    working_weekends: frozenset[Annotated[date, AfterValidator(_weekend)]]


@dataclass(frozen=True, slots=True)
class Due:
    """The last day of a term; `is_provisional` when it lies in a year that is not known yet."""

    day: date
    is_provisional: bool


_Year = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}$")]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _File:
    """The operator's file: a table `years` by year."""

    years: dict[_Year, YearOfDays]


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """China's working days: the published years, and those that the operator has added."""

    added: Mapping[int, YearOfDays] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, file: str) -> Self:
        """Read the operator's file; raises `SpecificationError` naming file, key and rule."""
        years = structure(_File, parse_toml(text, file), file).years
        for year, days in years.items():
            if any(day.year != int(year) for day in days.holidays | days.working_weekends):
                raise SpecificationError(file, f"years.{year}", "every day must be of that year")
        return cls({int(year): days for year, days in years.items()})

    def knows(self, year: int) -> bool:
        """Tell whether the days of a year are known."""
        try:
            self.is_working(date(year, 1, 1))
        except SpecificationError:
            return False
        return True

    def is_working(self, day: date) -> bool:
        """Tell whether people work on a day; raises `SpecificationError` for a year not known."""
        added = self.added.get(day.year)
        if added is not None:
            return day in added.working_weekends or (
                day.weekday() < _SATURDAY and day not in added.holidays
            )
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:
            raise SpecificationError(
                "calendar",
                f"years.{day.year}",
                "is not known: add its holidays and working weekends to the operator's file, "
                "as the State Council publishes them",
            ) from None

    def due(self, accepted: date, days: int) -> Due:
        """Give the last day of a term of working days; the day of acceptance does not count.

        0 days are at once: the day of acceptance itself. The first day is the next one, as for
        every term that runs from an event (Civil Code 民法典, article 201). In a year that is not
        known every weekday is taken for worked, and the day is an estimate.
        """
        day, is_provisional = accepted, False
        for _ in range(days):
            day += _DAY
            while not self._is_taken_for_working(day):
                day += _DAY
            is_provisional = not self.knows(day.year)
        return Due(day, is_provisional)

    def _is_taken_for_working(self, day: date) -> bool:
        return self.is_working(day) if self.knows(day.year) else day.weekday() < _SATURDAY
