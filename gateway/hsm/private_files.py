"""Files that nobody but their owner may read: they are made so, or they are refused.

Every write is on disk when it returns: the data by fsync of the file, its name by fsync of the
directory. A file is replaced by a rename, so that a crash leaves the old one or the new one whole.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.terms.errors import LocalError, SpecificationError

SUCCESSOR_SECONDS_MAX = 5.0  # a module whose parent died ends within milliseconds
_LOOK_SECONDS = 0.05
FILE_BYTES_MAX = 16 << 20  # a year of daily key changes is some 100 KiB of audit
_NEW_SUFFIX = ".new"
_GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# systemd gives its credentials to root and to the unit's user by an ACL, whose mask shows as the
# group's permissions; nobody else is let in, and nobody may write.
_CREDENTIAL_OTHERS = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO


def read_private(file: Path, bytes_max: int = FILE_BYTES_MAX) -> str:
    """Read a text file that is ours alone; raises `SpecificationError` with the remedy."""
    return _read(file, bytes_max, is_credential=False)


def read_credential(file: Path) -> str:
    """Read a systemd credential (systemd.exec(5), `LoadCredential=`); raises as `read_private`."""
    return _read(file, FILE_BYTES_MAX, is_credential=True)


def write_private(file: Path, text: str) -> None:
    """Make a new file of mode 0600 and put it on disk; raises `SpecificationError`."""
    _write(file, text, os.O_CREAT | os.O_EXCL)
    _sync_directory(file.parent)


def replace_private(file: Path, text: str) -> None:
    """Put a text in the place of a file, whole or not at all; raises `SpecificationError`."""
    new = file.with_name(file.name + _NEW_SUFFIX)
    new.unlink(missing_ok=True)  # of a process that died before the rename: it never counted
    _write(new, text, os.O_CREAT | os.O_EXCL)
    new.replace(file)
    _sync_directory(file.parent)


def append_private(file: Path, text: str) -> None:
    """Add to the end of an existing file and put it on disk; raises `SpecificationError`."""
    _write(file, text, os.O_APPEND | os.O_NOFOLLOW)


@contextmanager
def locked(directory: Path, *, for_writing: bool) -> Iterator[None]:
    """Hold a directory against writers, or against everybody; waits for who holds it.

    Raises `SpecificationError` when there is no such directory, or when it is not ours alone.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SpecificationError(str(directory), "", f"cannot be read: {error.strerror}") from None
    try:
        _check_owner(os.fstat(descriptor), directory, "700")
        fcntl.flock(descriptor, fcntl.LOCK_EX if for_writing else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held_alone(
    file: Path, remedy: str, seconds_max: float = SUCCESSOR_SECONDS_MAX
) -> Iterator[None]:
    """Be the only process that holds a file, made for this alone; a predecessor may be ending.

    Raises `SpecificationError` with the remedy where another process still holds it after
    `seconds_max`. The kernel lets go of it when the process ends, however that happens.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpecificationError(str(file), "", f"cannot be made: {error.strerror}") from None
    try:
        _check_owner(os.fstat(descriptor), file, "600")
        ends = time.monotonic() + seconds_max
        while not _is_locked(descriptor):
            if time.monotonic() >= ends:
                raise SpecificationError(str(file), "", remedy)
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: Path, bytes_max: int, *, is_credential: bool) -> str:
    try:
        # Without O_NONBLOCK a named pipe in the file's place would hold us here.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SpecificationError(str(file), "", f"cannot be read: {error.strerror}") from None
    try:
        # What is checked is what was opened, not what the name may mean a moment later.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SpecificationError(str(file), "", "must be a regular file")
        if is_credential:
            _check_credential(status, file)
        else:
            _check_owner(status, file, "600")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            data = opened.read(bytes_max + 1)
    finally:
        os.close(descriptor)
    if len(data) > bytes_max:
        raise SpecificationError(str(file), "", f"is larger than {bytes_max} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise SpecificationError(str(file), "", "is not UTF-8 text") from None


def _write(file: Path, text: str, flags: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        verb = "made" if flags & os.O_CREAT else "written"
        raise SpecificationError(str(file), "", f"cannot be {verb}: {error.strerror}") from None
    data = text.encode("utf-8")
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError as error:
        raise LocalError(f"{file}: cannot be put on disk: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_owner(status: os.stat_result, file: Path, mode: str) -> None:
    if status.st_uid != os.geteuid():
        raise SpecificationError(
            str(file), "", f"must belong to the user of this process: chown {os.geteuid()} {file}"
        )
    if status.st_mode & _GROUP_AND_OTHERS:
        raise SpecificationError(
            str(file), "", f"must be readable by its owner only: chmod {mode} {file}"
        )


def _check_credential(status: os.stat_result, file: Path) -> None:
    if status.st_uid == os.geteuid() or status.st_uid != 0:
        _check_owner(status, file, "400")
    elif status.st_mode & _CREDENTIAL_OTHERS:
        raise SpecificationError(str(file), "", "must be readable by the unit's user only")
