"""Trace numbers of a link: data elements 11 and 37, never used twice across a crash."""

from collections.abc import Callable
from datetime import datetime

from gateway.operations.exchange import Trace
from gateway.store.unit import BlockReserved
from gateway.terms.errors import Unavailable
from gateway.terms.numbers import Rrn, Stan

BLOCK = 10_000  # numbers a reservation; lost at worst by a crash, 1 % of a STAN cycle
_REFILL = BLOCK // 2

Reserve = Callable[[BlockReserved, Callable[[Exception | None], None]], None]


class TraceNumbers:
    """Allocates from blocks that were reserved durably before their first number is used.

    `first` is the stored counter at start; `reserve` makes a reservation durable and calls back.
    """

    def __init__(self, counter: str, first: int, reserve: Reserve) -> None:
        self._counter = counter
        self._next = first
        self._reserved = first
        self._is_reserving = False
        self._reserve = reserve

    def refill(self, filled: Callable[[Exception | None], None] = lambda _error: None) -> None:
        """Reserve the next block unless one is being reserved; `filled` hears how that went."""
        if self._is_reserving:
            return
        self._is_reserving = True
        target = self._reserved + BLOCK

        def took(error: Exception | None) -> None:
            self._is_reserving = False
            if error is None:
                self._reserved = target
            filled(error)

        try:
            self._reserve(BlockReserved(self._counter, target), took)
        except Unavailable as error:  # the next allocation tries again
            took(error)

    def allocate(self, at: datetime) -> Trace:
        """Give the next trace; raises `Unavailable` when no reserved number is left.

        The retrieval reference number is the year's last digit, the day of the year and the hour
        followed by the STAN, the form that ISO 8583:1987 suggests.
        """
        if self._reserved - self._next < _REFILL:
            self.refill()
        if self._next >= self._reserved:
            raise Unavailable("no trace number is reserved; the journal is behind")
        stan = Stan.of(self._next)
        self._next += 1
        rrn = Rrn(f"{at:%Y}"[-1] + f"{at:%j%H}" + stan.value)
        # Data element 7 counts seconds, and so does every key built from it.
        return Trace(stan, rrn, at.replace(microsecond=0))
