"""Fresh references: a prefix and 26 characters that sort by the time they were made."""

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache

from gateway.terms.numbers import LinkId, OperationId, PinSessionId

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
# As in ULID: milliseconds in 48 bits, then 80 bits of chance.
_TIME_SHIFTS = range(45, -1, -5)
_CHANCE_CHARACTERS = 16
_DRAWN_AT_ONCE = 256  # references' chance a system call


class Identifiers:
    """Makes references that strictly increase within this process, even within a millisecond."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = ""
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
        made = _time(int(self._now().timestamp() * 1000)) + next(self._chance)
        if made <= self._last:
            made = _after(self._last)
        self._last = made
        return made


@lru_cache(1)
def _time(milliseconds: int) -> str:
    return "".join([_ALPHABET[milliseconds >> shift & 31] for shift in _TIME_SHIFTS])


def _after(text: str) -> str:
    """Give what follows in order, as one counts in base 32."""
    kept = text.rstrip(_ALPHABET[-1])
    raised = _ALPHABET[_ALPHABET.index(kept[-1]) + 1]
    return kept[:-1] + raised + _ALPHABET[0] * (len(text) - len(kept))


def _chance() -> Iterator[str]:
    """Give random characters, drawn for many references at a time.

    A system call lets go of the interpreter, which other threads then hold for milliseconds.
    """
    while True:
        drawn = secrets.token_bytes(_DRAWN_AT_ONCE * _CHANCE_CHARACTERS)
        written = drawn.translate(_CHARACTERS).decode("ascii")
        for start in range(0, len(written), _CHANCE_CHARACTERS):
            yield written[start : start + _CHANCE_CHARACTERS]


_CHARACTERS = _ALPHABET.encode("ascii") * 8  # of each byte, and each as often as any other
