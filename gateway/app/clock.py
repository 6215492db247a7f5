"""The wall clock, and timers, which use the event loop's monotonic one."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:  # security modules read the clock too, and load nothing of the database
    from gateway.app.ports import Cancel

LOCAL_ZONE = ZoneInfo("Asia/Shanghai")  # data elements 12 and 13 are local to the acquirer


def utc_now() -> datetime:
    """Give the present instant in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the wall clock


class LoopTimers:
    """Timers of the event loop, on its monotonic clock, beside the wall clock's time of day."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Give the present instant in UTC."""
        return utc_now()

    def call_later(self, delay_s: float, call: Callable[[], None]) -> "Cancel":
        """Call once after a delay; gives the means to cancel it."""
        return self._loop.call_later(delay_s, call).cancel
