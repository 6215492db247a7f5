"""Files that nobody but their owner may read: they are made so, or they are refused."""

import os
import stat
from pathlib import Path

from gateway.terms.errors import SpecificationError

_FILE_BYTES_MAX = 1 << 20  # a key file has some hundred bytes for each zone
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private(file: Path) -> str:
    """Read a text file that is ours alone; raises `SpecificationError` with the remedy."""
    try:
        # Without O_NONBLOCK a named pipe in the file's place would hold us here.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SpecificationError(str(file), "", f"cannot be read: {error.strerror}") from None
    try:
        # What is checked is what was opened, not what the name may mean a moment later.
        _check(os.fstat(descriptor), file)
        data = os.read(descriptor, _FILE_BYTES_MAX)
    finally:
        os.close(descriptor)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SpecificationError(str(file), "", "is not UTF-8 text") from None


def write_private(file: Path, text: str) -> None:
    """Make a new file of mode 0600 and put it on disk; raises `SpecificationError`."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpecificationError(str(file), "", f"cannot be made: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)


def _check(status: os.stat_result, file: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SpecificationError(str(file), "", "must be a regular file")
    if status.st_uid != os.geteuid():
        raise SpecificationError(
            str(file), "", f"must belong to the user of this process: chown {os.geteuid()} {file}"
        )
    if status.st_mode & _OTHERS:
        raise SpecificationError(
            str(file), "", f"must be readable by its owner only: chmod 600 {file}"
        )
