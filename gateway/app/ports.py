"""What the conductor needs of others: links, journal, time, notices."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from gateway.app.cargo import Errand
from gateway.operations.exchange import Trace
from gateway.operations.recovery import Limits
from gateway.store.unit import Unit
from gateway.terms.numbers import AgencyCode
from gateway.terms.sides import Side

Cancel = Callable[[], None]


class Dialogues(Protocol):
    """The links of both sides, as the conductor needs them."""

    def is_ready(self, side: Side, agency: AgencyCode) -> bool:
        """Tell whether a message could leave now."""

    def allocate(self, side: Side, agency: AgencyCode, at: datetime) -> Trace:
        """Give fresh trace numbers of the link; raises `Unavailable`."""

    def limits(self, side: Side) -> Limits:
        """Give the time limits of a side."""

    def transmit(self, errand: Errand) -> None:
        """Write a message to the link, or leave it to the next repeat when the link is down."""


class Recorder(Protocol):
    """The journal, as the conductor needs it."""

    def submit(self, unit: Unit, done: Callable[[Exception | None], None]) -> None:
        """Make a unit durable, then call back; raises `Unavailable` when there is no room."""


class Timers(Protocol):
    """Time, as the conductor needs it; stepped in tests and in the simulator.

    `stride_s` is how late an instant may be noticed after the wall clock was set.
    """

    stride_s: float

    def now(self) -> datetime:
        """Give the present instant in UTC."""

    def seconds(self) -> float:
        """Give the monotonic clock, which goes on while the process is held."""

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Cancel:
        """Call once after a delay on the monotonic clock; gives the means to cancel it."""


class Notices(Protocol):
    """What channels are told of outcomes for which nobody waits, as the conductor needs it."""

    def wants(self, channel: str) -> bool:
        """Tell whether the channel is told."""

    def recorded(self, channel: str) -> None:
        """Hear that a notice to the channel is durable."""
