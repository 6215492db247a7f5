"""Trace numbers of a link: data elements 11 and 37, never used twice across a crash."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.operations.exchange import Trace
from gateway.terms.errors import Unavailable
from gateway.terms.numbers import TWO_DIGITS, Rrn, Stan

BLOCK = 10_000  # numbers a reservation; lost at worst by a crash, 1 % of a STAN cycle
_REFILL = BLOCK // 2
_NOTHING, _SECOND = timedelta(), timedelta(seconds=1)

Reserve = Callable[[str, int, Callable[[int | Exception], None]], None]


def _hour(at: datetime) -> str:
    return f"{at.year % 10}{at.timetuple().tm_yday:03}{TWO_DIGITS[at.hour]}"


class TraceNumbers:
    """Allocates from blocks that were reserved durably before their first number is used.

    `reserve` takes so many numbers of a counter durably and calls back with the first of them;
    other nodes reserve from the same counter. `terminal` is DE 41 of this node.
    """

    def __init__(self, counter: str, reserve: Reserve, terminal: str = "") -> None:
        self._counter = counter
        self._numbers: deque[range] = deque()
        self._second, self._hour = datetime.min.replace(tzinfo=UTC), ""  # of the last trace
        self._is_reserving = False
        self._reserve = reserve
        self._terminal = terminal

    def refill(self, filled: Callable[[Exception | None], None] = lambda _error: None) -> None:
        """Reserve the next block unless one is being reserved; `filled` hears how that went."""
        if self._is_reserving:
            return
        self._is_reserving = True

        def took(first: int | Exception) -> None:
            self._is_reserving = False
            if isinstance(first, Exception):
                filled(first)
                return
            self._numbers.append(range(first, first + BLOCK))
            filled(None)

        try:
            self._reserve(self._counter, BLOCK, took)
        except Unavailable as error:  # the next allocation tries again
            took(error)

    def allocate(self, at: datetime) -> Trace:
        """Give the next trace; raises `Unavailable` when no reserved number is left.

        The retrieval reference number is the year's last digit, the day of the year and the hour
        followed by the STAN, the form that ISO 8583:1987 suggests.
        """
        if sum(map(len, self._numbers)) < _REFILL:
            self.refill()
        if not self._numbers:
            raise Unavailable("no trace number is reserved; the journal is behind")
        stan = Stan.of(self._take())
        # Data element 7 counts seconds, and so does every key built from it.
        if not _NOTHING <= at - self._second < _SECOND:
            self._second, self._hour = at.replace(microsecond=0), _hour(at)
        return Trace(stan, Rrn(self._hour + stan.value), self._second, self._terminal)

    def _take(self) -> int:
        block = self._numbers[0]
        if len(block) > 1:
            self._numbers[0] = block[1:]
        else:
            self._numbers.popleft()
        return block[0]
