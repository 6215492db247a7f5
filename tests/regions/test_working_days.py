"""Due dates by China's calendar."""

from datetime import date

import pytest

from gateway.regions.working_days import Due, WorkingDays
from gateway.terms.errors import SpecificationError

# A year that no calendar knows yet, made up for the test.
OPERATORS = """
[years.2050]
source = "test"
holidays = [2050-01-03, 2050-01-04]
working_weekends = [2050-01-08]
"""


@pytest.mark.parametrize(
    ("accepted", "days", "due"),
    [
        (date(2026, 11, 2), 0, date(2026, 11, 2)),
        (date(2026, 11, 2), 1, date(2026, 11, 3)),
        (date(2026, 11, 6), 1, date(2026, 11, 9)),
        (date(2026, 11, 2), 7, date(2026, 11, 11)),
        (date(2026, 11, 2), 20, date(2026, 11, 30)),
        (date(2026, 11, 2), 30, date(2026, 12, 14)),
        # Spring Festival 2026: off from 15 to 23 February; the 14th and the 28th are worked.
        (date(2026, 2, 13), 1, date(2026, 2, 14)),
        (date(2026, 2, 13), 2, date(2026, 2, 24)),
        (date(2026, 2, 13), 7, date(2026, 3, 2)),
        # National Day 2026: off from 1 to 7 October; the 10th is worked.
        (date(2026, 9, 30), 3, date(2026, 10, 10)),
    ],
)
def test_term_counts_working_days_after_the_day_of_acceptance(accepted, days, due):
    """Weekends and holidays do not count, make-up weekends do; no days are the same day."""
    assert WorkingDays().due(accepted, days) == Due(due, is_provisional=False)


@pytest.mark.parametrize(
    ("accepted", "days", "due", "is_provisional"),
    [
        # In 2026 all is known; 2027 is taken to have no day off but its weekends.
        (date(2026, 12, 24), 5, date(2026, 12, 31), False),
        (date(2026, 12, 24), 6, date(2027, 1, 1), True),
        (date(2026, 12, 24), 30, date(2027, 2, 4), True),
        (date(2049, 12, 31), 0, date(2049, 12, 31), False),
        (date(2049, 12, 30), 1, date(2049, 12, 31), True),
    ],
)
def test_day_in_a_year_that_is_not_published_is_an_estimate(accepted, days, due, is_provisional):
    """The holder gets a day by weekdays, and is told that it is provisional."""
    assert WorkingDays().due(accepted, days) == Due(due, is_provisional)


def test_operator_is_told_what_to_add():
    """Whoever asks for a certain answer about such a day hears which year is missing."""
    with pytest.raises(SpecificationError, match=r"calendar: years\.2050: is not known: add"):
        WorkingDays().is_working(date(2050, 1, 4))


def test_operators_file_adds_a_year():
    """Its days off are off, its working weekends are worked."""
    calendar = WorkingDays.parse(OPERATORS, "days.toml")

    assert (WorkingDays().knows(2050), calendar.knows(2050)) == (False, True)
    assert not calendar.is_working(date(2050, 1, 1))
    assert not calendar.is_working(date(2050, 1, 3))
    assert calendar.is_working(date(2050, 1, 5))
    assert calendar.due(date(2050, 1, 2), 4) == Due(date(2050, 1, 8), is_provisional=False)


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ("2050-01-04", "2051-01-04", "years.2050", "of that year"),
        ("2050-01-08", "2050-01-07", "years.2050.working_weekends.0", "Saturday or Sunday"),
        ("years.2050", "years.next", "years.next.[key]", "must have the form"),
        ('source = "test"', "", "years.2050.source", "missing"),
    ],
)
def test_wrong_file_is_refused_by_file_key_and_rule(old, new, key, rule):
    """What cannot be a calendar is found when it is read."""
    with pytest.raises(SpecificationError) as refused:
        WorkingDays.parse(OPERATORS.replace(old, new), "days.toml")

    assert (refused.value.file, refused.value.key) == ("days.toml", key)
    assert rule in refused.value.rule
