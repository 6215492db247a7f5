"""The wall clock; timers use the event loop's monotonic one and never this."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Asia/Shanghai")  # data elements 12 and 13 are local to the acquirer


def utc_now() -> datetime:
    """Give the present instant in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the wall clock
