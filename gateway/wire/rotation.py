"""Turns among the connections of a link, by their weights."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Rotation(Generic[T]):
    """Smooth weighted rotation: of `weights` (2, 1) the turns are 1, 2, 1, 1, 2, 1 and so on.

    Who is not available misses its turn and is owed nothing later.
    """

    def __init__(self, members: Sequence[T], weights: Sequence[int]) -> None:
        self._members = list(zip(members, weights, strict=True))
        self._credits = [0] * len(self._members)

    def next(self, is_available: Callable[[T], bool]) -> T | None:
        """Give whose turn it is among those available; None when nobody is."""
        if len(self._members) == 1:
            only = self._members[0][0]
            return only if is_available(only) else None
        chosen, total = -1, 0
        for index, (member, weight) in enumerate(self._members):
            if not is_available(member):
                self._credits[index] = 0
                continue
            total += weight
            self._credits[index] += weight
            if chosen < 0 or self._credits[index] > self._credits[chosen]:
                chosen = index
        if chosen < 0:
            return None
        self._credits[chosen] -= total
        return self._members[chosen][0]
