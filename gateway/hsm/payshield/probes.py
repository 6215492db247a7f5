"""One probe for each ciphertext: what keeps a probe from becoming an oracle.

A table that the caller chooses tells with each answer whether the PIN is among 99 values; asked
often enough about one block, it finds any PIN (``reference/pin-and-keys.md`` 5.3). So a block is
probed with one table only. The same table again is allowed, for it tells nothing new, and a call
that the line swallowed may be repeated.
"""

import hashlib
from collections.abc import Iterable

_DIGEST_BYTES = 16


class ProbedBlocks:
    """Remembers with which table a block was probed, for at least `seconds`; fails closed.

    Two generations are kept and the older dropped when its time is over, so that memory has a
    bound of twice `blocks_max`.
    """

    __slots__ = ("_before", "_blocks_max", "_ends", "_now", "_seconds")

    def __init__(self, seconds: float, blocks_max: int) -> None:
        self._seconds = seconds
        self._blocks_max = blocks_max
        self._now: dict[bytes, bytes] = {}
        self._before: dict[bytes, bytes] = {}
        self._ends = 0.0

    def allows(self, block: bytes, excluded: Iterable[str], now: float) -> bool:
        """Tell whether a block may be probed with a table, and remember that it was."""
        self._turn(now)
        key, table = _digest(block), _digest(" ".join(excluded).encode("ascii"))
        known = self._now.get(key) or self._before.get(key)
        if known is None and len(self._now) >= self._blocks_max:
            return False  # it could not be remembered
        self._now[key] = known or table
        return known in {None, table}

    def _turn(self, now: float) -> None:
        if now < self._ends:
            return
        skipped_a_generation = now >= self._ends + self._seconds
        self._before = {} if skipped_a_generation else self._now
        self._now = {}
        self._ends = now + self._seconds


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST_BYTES).digest()
