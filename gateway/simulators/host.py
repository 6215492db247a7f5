"""One far side put together: its rules behind a desk, its faults and journal, its wire."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

from gateway.iso8583.codec import Codec
from gateway.iso8583.mac import Mac
from gateway.iso8583.message_set import MessageSet
from gateway.simulators.desk import Desk, Rules
from gateway.simulators.faults import Faults
from gateway.simulators.journal import Journal
from gateway.simulators.zone_ring import ZoneRing
from gateway.terms.errors import SpecificationError

RulesT = TypeVar("RulesT", bound=Rules)

# As the gateway's own: domain.md 4.9 proposes an echo after 60 s of silence, dead after 3 misses.
ECHO_INTERVAL_SECONDS: Final = 60.0
# Far beyond any term of a region, and far from the last day that a date can hold.
AHEAD_MAX: Final = timedelta(days=3_660)


@dataclass(slots=True)
class Wire:
    """How the far side speaks: codec, message set, MAC, and its own institution code (DE 33).

    With a `ring` its keys can change; `mac` is that ring then.
    """

    codec: Codec
    message_set: MessageSet
    mac: Mac
    institution: str
    echo_interval_seconds: float = ECHO_INTERVAL_SECONDS
    ring: ZoneRing | None = None

    def verify(self, payload: bytes) -> None:
        """Check the MAC of a message; raises `MacMismatch`."""
        if self.ring is None:
            self.codec.verify_mac(payload, self.mac)
        else:
            self.ring.verify(self.codec, payload)


@dataclass(slots=True)
class Host(Generic[RulesT]):
    """A bureau or a core; `make_rules` gives its state at the beginning and after a reset."""

    wire: Wire
    clock: IReactorTime
    make_rules: Callable[[], RulesT]
    rules: RulesT = field(init=False)
    desk: Desk = field(init=False)
    faults: Faults = field(init=False)
    journal: Journal = field(init=False)
    ahead: timedelta = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults()
        self.journal = Journal(self.wire.codec, self.wire.message_set.private_subfields)
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened; connections stay."""
        self.rules = self.make_rules()
        self.desk = Desk(self.rules)
        self.faults.clear()
        self.journal.clear()
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Give the time by the far side's own clock, which may have been advanced."""
        now = datetime.fromtimestamp(self.clock.seconds(), UTC)
        return now + self.ahead if self.ahead else now

    def advance(self, seconds: int) -> None:
        """Let time pass at once; timers of the connections keep the real clock's pace.

        Raises `SpecificationError` beyond 3,660 days ahead.
        """
        ahead = self.ahead + timedelta(seconds=seconds)
        if ahead > AHEAD_MAX:
            rule = f"at most {AHEAD_MAX.days} days ahead of the real clock"
            raise SpecificationError("request", "advance_seconds", rule)
        self.ahead = ahead
