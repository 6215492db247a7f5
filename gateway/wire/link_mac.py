"""The MAC of a link whose key can change while messages are in flight."""

from collections.abc import Callable

from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS
from gateway.iso8583.mac import Mac


class LinkMac:
    """One MAC to send and verify with and, for a while after a change, the one before to verify.

    `current` is the MAC under the current key; `seconds` is a monotonic clock.
    """

    __slots__ = ("_previous", "_previous_ends", "_seconds", "current")

    def __init__(self, current: Mac, seconds: Callable[[], float]) -> None:
        self.current = current
        self._seconds = seconds
        self._previous: Mac | None = None
        self._previous_ends = 0.0

    def __call__(self, data: bytes, /) -> bytes:
        """Compute the MAC under the current key, 8 bytes."""
        return self.current(data)

    @property
    def previous(self) -> Mac | None:
        """The MAC before, while what comes in may still have it."""
        if self._previous is not None and self._seconds() >= self._previous_ends:
            self._previous = None
        return self._previous

    def change(self, new: Mac, overlap_seconds: float = PREVIOUS_MAC_KEY_SECONDS) -> None:
        """Send under a new key from now on; the one before verifies for `overlap_seconds`."""
        self._previous, self.current = self.current, new
        self._previous_ends = self._seconds() + overlap_seconds
