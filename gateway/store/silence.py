"""A store that lives and does not answer: stopped, or at a disk or a server that hangs.

Looks are counted and not seconds: a gateway that stood still itself looks once when it goes on.
"""

from collections.abc import Iterable

LOOK_S = 1.0  # between two looks
LOOKS_MAX = 5  # five seconds: answers take milliseconds, and callers wait for half a minute


class Silence:
    """At how many looks running the oldest of what waits for an answer was the same."""

    def __init__(self) -> None:
        self._oldest: int | None = None
        self._looks = 0

    def look(self, waiting: Iterable[int]) -> None:
        """Look at what waits, in the order in which it was asked."""
        oldest = next(iter(waiting), None)
        is_same = oldest is not None and oldest == self._oldest
        self._looks = self._looks + 1 if is_same else 0
        self._oldest = oldest

    @property
    def seconds(self) -> float:
        """For how long the store has been silent at least; nothing within the bound."""
        return self._looks * LOOK_S if self._looks >= LOOKS_MAX else 0.0
