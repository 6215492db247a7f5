"""Cut-over by network management, DE 70 = 201: the business day changes, and DE 15 is the new one.

Either end announces it. What is sent from then on belongs to the new day.
"""

from datetime import date

from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.message import Message

CUT_OVER = "cut-over"
BUSINESS_DAY = 15
# The longest public holiday has nine days, and the week-ends around it are no business days.
DAYS_MAX = 15
_TRANSMITTED = 7  # MMDDhhmmss in UTC; the business day is local, which is a day more at most
_YEAR = 2000  # a leap year has every day that there is
_YEAR_DAYS = 366


def business_day(announcement: Message) -> str:
    """Read the new business day, MMDD, of an 0800; raises `RefusedMessage`.

    It is at most fifteen days from the message's own date (DE 7), either way.
    """
    day = announcement.text(BUSINESS_DAY)
    try:
        apart = abs(_number(day) - _number(announcement.text(_TRANSMITTED)[:4]))
    except ValueError:
        raise RefusedMessage("DE 15", "a day, MMDD, in a message with its date") from None
    if min(apart, _YEAR_DAYS - apart) > DAYS_MAX:
        raise RefusedMessage("DE 15", f"within {DAYS_MAX} days of DE 7")
    return day


def _number(day: str) -> int:
    return date(_YEAR, int(day[:2]), int(day[2:])).timetuple().tm_yday
