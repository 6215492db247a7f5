"""What the module remembers so that nothing can be tried too often: bounded, and failing closed.

All kinds keep two generations, the present one and the one before, and drop the older when its
time is over: no entry is looked for by age, and memory has a bound. Refused attempts of cards are
on disk as well; the rest is the process's own, and a new process begins empty, which is why the
gateway burns its sessions durably.
"""

import hashlib
from collections.abc import Iterable

from gateway.hsm.attempts import AttemptFile, Attempts

_DIGEST_BYTES = 16
_ID_CHARACTERS_MAX = 32  # of an id that is kept as it is; ours have some thirty


class BurntIds:
    """Ids that were used once and may not be used again for at least `seconds`."""

    __slots__ = ("_before", "_ends", "_now", "_seconds", "_size_max")

    def __init__(self, seconds: float, size_max: int) -> None:
        self._seconds = seconds
        self._size_max = size_max
        self._now: set[str | bytes] = set()
        self._before: set[str | bytes] = set()
        self._ends = 0.0

    def burn(self, id_: str, now: float) -> bool:
        """Use an id up; `False` when it was used before, or when no more can be remembered."""
        self._turn(now)
        burnt = self._now
        # The digest of a long one is no text, so it is not taken for a short one.
        id_or_digest = id_ if len(id_) <= _ID_CHARACTERS_MAX else _digest(id_.encode())
        if id_or_digest in burnt or id_or_digest in self._before or len(burnt) >= self._size_max:
            return False
        burnt.add(id_or_digest)
        return True

    def _turn(self, now: float) -> None:
        if now < self._ends:
            return
        skipped_a_generation = now >= self._ends + self._seconds
        self._before = set() if skipped_a_generation else self._now
        self._now = set()
        self._ends = now + self._seconds


class RefusedAttempts:
    """Counts refused attempts of each card over one to two times `seconds`.

    With a `file` they outlive the process.
    """

    __slots__ = ("_before", "_cards_max", "_ends", "_file", "_now", "_refusals_max", "_seconds")

    def __init__(
        self, refusals_max: int, seconds: float, cards_max: int, file: AttemptFile | None = None
    ) -> None:
        self._refusals_max = refusals_max
        self._seconds = seconds
        self._cards_max = cards_max
        self._file = file
        kept = file.read() if file else Attempts(0.0, {}, {})
        self._ends, self._before, self._now = kept

    def allows(self, card: str, now: float) -> bool:
        """Tell whether the card may try once more."""
        self._turn(now)
        if card not in self._now and len(self._now) >= self._cards_max:
            return False  # its refusal could not be counted
        return self._now.get(card, 0) + self._before.get(card, 0) < self._refusals_max

    def count(self, card: str) -> None:
        """Count a refused attempt of a card that was allowed to try."""
        self._now[card] = self._now.get(card, 0) + 1
        if self._file:
            self._file.add(card)

    def take_back(self, card: str) -> None:
        """Count an attempt no longer that was counted before its outcome was known."""
        counted = self._now if self._now.get(card) else self._before
        if not counted.get(card):
            return
        counted[card] -= 1
        if not counted[card]:
            del counted[card]
        if self._file is None:
            return
        if counted is self._now and not self._file.is_full_of_nothing:
            self._file.take_back(card)
        else:
            self._file.write(Attempts(self._ends, self._before, self._now))

    def _turn(self, now: float) -> None:
        if now < self._ends:
            return
        skipped_a_generation = now >= self._ends + self._seconds
        self._before = {} if skipped_a_generation else self._now
        self._now = {}
        self._ends = now + self._seconds
        if self._file:
            self._file.write(Attempts(self._ends, self._before, self._now))


class TriedBlocks:
    """Remembers under which circumstances a PIN block was tried, for at least `seconds`.

    Whoever could try one block with data of his own choice, time and again, would find its PIN:
    with a table of 99 PINs in some ten thousand questions (``reference/pin-and-keys.md`` 5.3). So
    a block is tried in one way only. The same way again is allowed, for it tells nothing new, and
    a call that the line swallowed may be repeated. Memory has a bound of twice `blocks_max`.
    """

    __slots__ = ("_before", "_blocks_max", "_ends", "_now", "_seconds")

    def __init__(self, seconds: float, blocks_max: int) -> None:
        self._seconds = seconds
        self._blocks_max = blocks_max
        self._now: dict[bytes, bytes] = {}
        self._before: dict[bytes, bytes] = {}
        self._ends = 0.0

    def allows(self, block: bytes, circumstances: Iterable[str], now: float) -> bool:
        """Tell whether a block may be tried in this way, and remember that it was."""
        self._turn(now)
        key, way = _digest(block), _digest(" ".join(circumstances).encode("ascii"))
        known = self._now.get(key) or self._before.get(key)
        if known is None and len(self._now) >= self._blocks_max:
            return False  # it could not be remembered
        self._now[key] = known or way
        return known in {None, way}

    def _turn(self, now: float) -> None:
        if now < self._ends:
            return
        skipped_a_generation = now >= self._ends + self._seconds
        self._before = {} if skipped_a_generation else self._now
        self._now = {}
        self._ends = now + self._seconds


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST_BYTES).digest()
