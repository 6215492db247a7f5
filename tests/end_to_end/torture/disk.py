"""A disk under a real gateway that answers EIO when told to, and that can lose its power."""

import os
import shutil
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from mmap import mmap
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: what is lost repeats
from time import monotonic

from torture.power import DiskCopy, files_of, lose_power
from torture.preloaded import build

ABOUT = "gateway.db"
CHANGE_S = 4.0  # a gateway under load writes many times a second
_FAULT = struct.Struct("=i")  # the flag, first in `struct disk`
_DISK = struct.Struct("=iiiIQQQ")


class DiskFault(IntEnum):
    """What fails, as `disk_fault.c` has it."""

    NONE = 0
    WRITES = 1
    SYNCS = 2
    READS = 3


class FaultyDisk:
    """The switch of a disk whose faults concern the gateway's database only."""

    def __init__(self, directory: Path) -> None:
        self.library = build("disk_fault.c", directory)
        state, self._log = directory / "disk.state", directory / "disk.unsynced"
        self.settings = {"DISK_FAULT": state, "DISK_FAULT_ON": ABOUT, "DISK_LOG": self._log}
        self._log.touch()
        state.write_bytes(bytes(_DISK.size))
        with state.open("r+b") as file:
            self._shared = mmap(file.fileno(), 0)

    @contextmanager
    def failing(self, what: DiskFault) -> Iterator[None]:
        """Fail for as long as the context lasts."""
        _FAULT.pack_into(self._shared, 0, what)
        try:
            yield
        finally:
            _FAULT.pack_into(self._shared, 0, DiskFault.NONE)

    def wait_for_change(self) -> None:
        """Return when something is changed and not synced yet, or after `CHANGE_S`."""
        until = monotonic() + CHANGE_S
        while not self._log.stat().st_size and monotonic() < until:
            pass  # it is so for less than a millisecond

    def lose_power(self, database: Path, chance: Random) -> None:
        """Leave of the database what a power cut leaves; nobody may have it open."""
        lose_power(database, self._log.read_bytes(), chance)
        os.truncate(self._log, 0)
        self._shared[:] = bytes(_DISK.size)

    def copied(self, pid: int, database: Path, directory: Path) -> DiskCopy:
        """Copy a database while the process that has it stands still in the midst of a change."""
        directory.mkdir(exist_ok=True)
        self.wait_for_change()
        os.kill(pid, signal.SIGSTOP)
        try:
            for file in files_of(database):
                shutil.copy(file, directory)
            return DiskCopy(directory / database.name, self._log.read_bytes())
        finally:
            os.kill(pid, signal.SIGCONT)
