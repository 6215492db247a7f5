"""Values that hold from a date on."""

from datetime import date

import pytest

from gateway.regions.dated import Dated, in_force, must_ascend, must_begin
from gateway.terms.errors import SpecificationError

VALUES = [Dated(1, "default: a"), Dated(2, "default: b", date(2015, 7, 1))]


def test_the_latest_value_that_has_begun_is_in_force():
    """A value begins at the start of its day."""
    assert in_force(VALUES, date(2015, 6, 30)).value == 1
    assert in_force(VALUES, date(2015, 7, 1)).value == 2


@pytest.mark.parametrize("values", [[], VALUES[1:]])
def test_a_day_without_a_value_is_refused(values):
    """The first value has no `from`, so that every day has one."""
    with pytest.raises(SpecificationError, match=r"x\.toml: pin\.length: the first value"):
        must_begin("pin.length", values, "x.toml")


@pytest.mark.parametrize("days", [[date(2015, 7, 1)] * 2, [date(2015, 7, 1), date(2014, 7, 1)]])
def test_days_that_do_not_ascend_are_refused(days):
    """The later line is the later rule, each day once."""
    with pytest.raises(SpecificationError, match="ascend"):
        must_ascend("fees.first-card", days, "x.toml")
