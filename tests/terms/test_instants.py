"""An instant is written as `datetime.isoformat` writes it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.terms.instants import written


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_in_utc_is_written_as_the_library_writes_it(at):
    """Whatever its year, with and without a part of a second."""
    assert written(at) == at.isoformat()
    assert written(at.replace(microsecond=0)) == at.replace(microsecond=0).isoformat()


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=8))])
def test_an_instant_of_another_zone_keeps_it(zone):
    """It is read as the same instant again."""
    at = datetime(2026, 3, 9, 8, 7, 6, 5, zone)
    assert written(at) == at.isoformat()
