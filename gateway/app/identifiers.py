"""Fresh references: a prefix and 26 characters that sort by the time they were made."""

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime

from gateway.terms.numbers import LinkId, OperationId, PinSessionId

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_RANDOM_BYTES = 10  # as in ULID: 48 bits of milliseconds, 80 of chance
_DRAWN_AT_ONCE = 256  # numbers of chance a system call
_CHARACTERS = 26


class Identifiers:
    """Makes references that strictly increase within this process, even within a millisecond."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0
        self._early = -1  # the time in the last reference, and how it is written
        self._head = ""
        self._chance = _chance()

    def link(self) -> LinkId:
        """Make a link reference."""
        return LinkId(f"lnk_{self._next()}")

    def operation(self) -> OperationId:
        """Make an operation reference."""
        return OperationId(f"op_{self._next()}")

    def pin_session(self) -> PinSessionId:
        """Make a PIN session reference."""
        return PinSessionId(f"pse_{self._next()}")

    def request(self) -> str:
        """Make a request reference."""
        return f"req_{self._next()}"

    def _next(self) -> str:
        milliseconds = int(self._now().timestamp() * 1000)
        number = milliseconds << 8 * _RANDOM_BYTES | next(self._chance)
        last = self._last = max(number, self._last + 1)
        early, late = last >> _LATE_BITS, last & _LATE
        if early != self._early:
            self._early, self._head = early, _written(early, _EARLY_SHIFTS)
        return self._head + _written(late, _LATE_SHIFTS)


def _written(number: int, shifts: range) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in shifts])


# Two characters at a time: half as many steps, and references are made for every request.
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]
# The first ten characters are those of the time, which many references in a row have in common.
_LATE_BITS = 8 * _RANDOM_BYTES
_LATE = (1 << _LATE_BITS) - 1
_LATE_SHIFTS = range(_LATE_BITS - 10, -1, -10)
_EARLY_SHIFTS = range(5 * _CHARACTERS - _LATE_BITS - 10, -1, -10)


def _chance() -> Iterator[int]:
    """Give random numbers, drawn many at a time.

    A system call lets go of the interpreter, which other threads then hold for milliseconds.
    """
    while True:
        drawn = secrets.token_bytes(_DRAWN_AT_ONCE * _RANDOM_BYTES)
        for start in range(0, len(drawn), _RANDOM_BYTES):
            yield int.from_bytes(drawn[start : start + _RANDOM_BYTES])
