"""What went over a link, counted since the process started."""

from bisect import bisect_left
from dataclasses import dataclass, field

from gateway.terms.response_codes import ResponseCode

# From a far side in the same room to the longest time that an answer is waited for.
ROUND_TRIP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
OTHER_CODE = "other"  # what a decline is counted under when its DE 39 is none of ours
_CODES = frozenset(ResponseCode)


@dataclass(slots=True)
class RoundTrips:
    """How long matched answers took: one count for each bound of `ROUND_TRIP_SECONDS`, one above.

    `seconds` is their sum.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(ROUND_TRIP_SECONDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one answer."""
        self.counts[bisect_left(ROUND_TRIP_SECONDS, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class Tally:
    """What went over a link since the process started."""

    sent: int = 0
    received: int = 0
    malformed: int = 0
    mac_failures: int = 0
    refused: int = 0
    unmatched: int = 0
    duplicates: int = 0
    late: int = 0
    reconnects: int = 0
    declines: dict[str, int] = field(default_factory=dict)
    round_trips: RoundTrips = field(default_factory=RoundTrips)

    def decline(self, code: str) -> None:
        """Count an answer that does not approve by its DE 39."""
        code = code if code in _CODES else OTHER_CODE
        self.declines[code] = self.declines.get(code, 0) + 1
