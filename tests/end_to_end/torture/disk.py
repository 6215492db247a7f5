"""A disk that answers EIO when told to, under a real gateway."""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from mmap import mmap
from pathlib import Path

import pytest

ABOUT = "gateway.db"


class DiskFault(IntEnum):
    """What fails, as `disk_fault.c` has it."""

    NONE = 0
    WRITES = 1
    SYNCS = 2
    READS = 3


class FaultyDisk:
    """The switch of a disk whose faults concern the gateway's database only."""

    def __init__(self, directory: Path) -> None:
        self._library, self._flag = directory / "disk_fault.so", directory / "disk_fault.flag"
        source = Path(__file__).with_name("disk_fault.c")
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler for a disk that fails")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", self._library, source, "-ldl"], check=True
        )
        self._flag.write_bytes(struct.pack("i", DiskFault.NONE))
        with self._flag.open("r+b") as file:
            self._shared = mmap(file.fileno(), 0)

    @property
    def environment(self) -> dict[str, str]:
        """Give the environment of a process that has this disk."""
        faults = {"DISK_FAULT": str(self._flag), "DISK_FAULT_ON": ABOUT}
        return {**os.environ, **faults, "LD_PRELOAD": str(self._library)}

    @contextmanager
    def failing(self, what: DiskFault) -> Iterator[None]:
        """Fail for as long as the context lasts."""
        self._shared[:] = struct.pack("i", what)
        try:
            yield
        finally:
            self._shared[:] = struct.pack("i", DiskFault.NONE)
