"""The wall clock, and timers, which use the event loop's monotonic one."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.terms.errors import LocalError, SpecificationError

if TYPE_CHECKING:  # security modules read the clock too, and load nothing of the database
    from gateway.app.ports import Cancel
    from gateway.app.settings import Settings

# Far beyond any term of a region, and far from the last day that a date can hold.
AHEAD_MAX = timedelta(days=3_660)
LOCAL_ZONE = ZoneInfo("Asia/Shanghai")  # data elements 12 and 13 are local to the acquirer


def utc_now() -> datetime:
    """Give the present instant in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the wall clock


class GatewayClock:
    """The wall clock as a gateway reads it; that of an ensemble is `movable`."""

    def __init__(self, *, movable: bool) -> None:
        self.movable = movable
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Give the present instant in UTC."""
        here = datetime.now(UTC)  # noqa: TID251 - as above; every request asks ten times
        return here + self._ahead if self._ahead else here

    def outside(self, at: datetime) -> datetime:
        """Give an instant as other processes' clocks have it: those are not moved."""
        return at - self._ahead

    def advance(self, by: timedelta) -> None:
        """Let time pass at once, and never back; raises `LocalError`."""
        if by < timedelta() or self._ahead + by > AHEAD_MAX:
            raise LocalError(f"from 0 s on, and {AHEAD_MAX.days} days ahead at most")
        self._ahead += by


def clock_of(settings: "Settings", *, movable: bool) -> GatewayClock:
    """Give a gateway's clock; raises `SpecificationError` for one that would be moved in earnest.

    One that can be moved is for practice: nobody beyond this machine may reach its gateway.
    """
    if movable and not settings.http.is_on_loopback:
        rule = "must be on loopback where the clock may be moved: that is for practice"
        raise SpecificationError(settings.file, "http.listen", rule)
    return GatewayClock(movable=movable)


class LoopTimers:
    """Timers of the event loop, on its monotonic clock, beside the wall clock's time of day."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: GatewayClock) -> None:
        self._loop = loop
        self.now = clock.now
        self.stride_s = _MOVED_NOTICED_S if clock.movable else _SET_NOTICED_S

    def seconds(self) -> float:
        """Give the monotonic clock, now: the loop's own time is that of its latest turn."""
        return time.monotonic()

    def call_later(self, delay_s: float, call: Callable[[], None]) -> "Cancel":
        """Call once after a delay; gives the means to cancel it."""
        return self._loop.call_later(delay_s, call).cancel


_SET_NOTICED_S = 60.0  # nobody sets a clock and waits beside it
_MOVED_NOTICED_S = 0.2  # here somebody does
