"""Fresh references: a prefix and 26 characters that sort by the time they were made."""

import secrets
from collections.abc import Callable
from datetime import datetime

from gateway.terms.numbers import LinkId, OperationId, PinSessionId

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_RANDOM_BITS = 80  # as in ULID: 48 bits of milliseconds, 80 of chance
_CHARACTERS = 26


class Identifiers:
    """Makes references that strictly increase within this process, even within a millisecond."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0

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
        number = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        self._last = max(number, self._last + 1)
        return "".join(
            _ALPHABET[self._last >> shift & 31] for shift in range(5 * (_CHARACTERS - 1), -1, -5)
        )
