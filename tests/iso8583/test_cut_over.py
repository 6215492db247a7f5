"""The business day of a cut-over."""

import pytest

from gateway.iso8583.cut_over import business_day
from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.message import Message


def announced(day, sent="1121160000"):
    return Message("0800", {7: sent, 11: "000001", 15: day, 70: "201"})


@pytest.mark.parametrize(
    ("day", "sent"),
    [
        ("1122", "1121160000"),
        ("1121", "1121160000"),  # said again
        ("1123", "1121160000"),  # after a Sunday
        ("0101", "1231155900"),
        ("0229", "0228160000"),
        ("0301", "0228160000"),
        ("1206", "1121160000"),
        ("1231", "0101000000"),  # it is the new year in UTC only later
    ],
)
def test_business_day_is_near_the_day_of_its_message(day, sent):
    """The next day, the day after a holiday, the turn of the year, a leap day."""
    assert business_day(announced(day, sent)) == day


@pytest.mark.parametrize(
    ("day", "sent"),
    [
        ("1207", "1121160000"),
        ("0521", "1121160000"),
        ("0230", "0228160000"),
        ("1301", "1231160000"),
        ("0000", "0101160000"),
        ("1122", ""),
    ],
)
def test_business_day_that_cannot_be_is_refused(day, sent):
    """No day of the calendar, or one that no holiday explains."""
    with pytest.raises(RefusedMessage, match="DE 15") as caught:
        business_day(announced(day, sent))

    assert day not in str(caught.value)
