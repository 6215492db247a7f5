"""A wall clock under a real gateway that is stepped when told to."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path

from torture.preloaded import build

_STEP = struct.Struct("=q")


class SteppedClock:
    """The wall clock of a gateway and of its store; nobody else's, as when a host's is wrong."""

    def __init__(self, directory: Path) -> None:
        self.library = build("clock_step.c", directory)
        step = directory / "clock.step"
        self.settings = {"CLOCK_STEP": step}
        step.write_bytes(bytes(_STEP.size))
        with step.open("r+b") as file:
            self._shared = mmap(file.fileno(), 0)

    @contextmanager
    def wrong(self, seconds: int) -> Iterator[None]:
        """Be wrong by so many seconds for as long as the context lasts."""
        _STEP.pack_into(self._shared, 0, seconds)
        try:
            yield
        finally:
            _STEP.pack_into(self._shared, 0, 0)
