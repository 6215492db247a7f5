"""What a power cut leaves on a disk: everything synced, and of the rest whatever chance keeps.

`disk_fault.c` keeps what was not synced. Each such change is on the disk, or not, or in part, in
sectors, whatever was changed before or after it. SQLite promises a commit to survive just that
(its WAL frames have checksums); of a sector it is assumed that it is written whole or not at all.
"""

import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: what is lost repeats
from typing import BinaryIO

SECTOR = 512
_HEADER = struct.Struct("=IIQQQII")  # as `struct change` has it


class Kind(IntEnum):
    """What was done to a file, as `disk_fault.c` has it."""

    WRITE = 1
    TRUNCATE = 2
    SYNCED = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a file, 0 for the database and 1 for its log, with what it replaced."""

    kind: Kind
    file: int
    number: int
    at: int
    size_before: int
    old: bytes
    new: bytes

    def undo(self, file: BinaryIO) -> None:
        """Have the file as it was before."""
        _put(file, self.at, self.old)
        file.truncate(self.size_before)

    def redo(self, file: BinaryIO, chance: Random) -> None:
        """Have it on the disk, or not, or its first sectors only."""
        kept = chance.randrange(3)
        if kept and self.kind is Kind.TRUNCATE:
            file.truncate(self.at)
        elif kept:
            sectors = len(self.new) // SECTOR
            size = len(self.new) if kept == 1 else SECTOR * chance.randint(0, sectors)
            _put(file, self.at, self.new[:size])


def _put(file: BinaryIO, at: int, content: bytes) -> None:
    file.seek(at)
    file.write(content)


def changes_in(log: bytes) -> Iterator[Change]:
    """Read whole changes; the last one is cut off where the process died in the midst of it."""
    at = 0
    while at + _HEADER.size <= len(log):
        kind, file, number, place, size, old, new = _HEADER.unpack_from(log, at)
        at += _HEADER.size
        content = log[at : at + old + new]
        at += old + new
        if at <= len(log):
            yield Change(Kind(kind), file, number, place, size, content[:old], content[old:])


def files_of(database: Path) -> list[Path]:
    """Give what a power cut leaves of a database: the file and its log; the index is made anew."""
    files = (database, database.with_name(f"{database.name}-wal"))
    return [file for file in files if file.exists()]


@dataclass(frozen=True, slots=True)
class DiskCopy:
    """A database as it was at one moment, and what of it was not synced."""

    database: Path
    log: bytes

    @property
    def changes(self) -> int:
        """How many changes a power cut may take."""
        return sum(map(len, unsynced_in(self.log)))

    def after_loss(self, chance: Random, directory: Path) -> Path:
        """Copy it into an empty directory, to lose power there; gives the path of what is left."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for file in files_of(self.database):
            shutil.copy(file, directory)
        left = directory / self.database.name
        lose_power(left, self.log, chance)
        return left


def unsynced_in(log: bytes) -> tuple[list[Change], list[Change]]:
    """Give the changes of the database, and those of its log, that no sync came after."""
    unsynced: tuple[list[Change], list[Change]] = ([], [])
    for change in changes_in(log):
        changes = unsynced[change.file]
        if change.kind is Kind.SYNCED:
            changes[:] = [each for each in changes if each.number > change.number]
        else:
            changes.append(change)
    return unsynced


def lose_power(database: Path, log: bytes, chance: Random) -> None:
    """Leave of a database what a power cut leaves; nobody may have it open."""
    for suffix, changes in zip(("", "-wal"), unsynced_in(log), strict=True):
        if changes:
            with database.with_name(database.name + suffix).open("r+b") as file:
                for change in reversed(changes):
                    change.undo(file)
                for change in changes:
                    change.redo(file, chance)
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)  # was never synced
