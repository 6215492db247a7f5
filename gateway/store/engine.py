"""Opens the embedded database, and refuses a second process on the same file."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from gateway.store import schema
from gateway.store.statements import execute
from gateway.terms.errors import SpecificationError

_CONNECTIONS = 2  # the journal's and the reader's
_PREDECESSOR_S = 2.0  # a store whose gateway was killed may be in a transaction for this long
_LOOK_S = 0.02
_BUSY_TIMEOUT_MS = 5_000  # a checkpoint may hold the file for this long


class Database:
    """An SQLite database in WAL mode with `synchronous=FULL`, owned by this process alone.

    FULL because WAL with NORMAL may lose acknowledged commits at power loss (``reference/
    reliability-security.md`` 2). Raises `SpecificationError` when another process has the file, and
    when it cannot be opened as a database.
    """

    def __init__(self, path: Path, take: Callable[[Engine, str], object] = schema.ensure) -> None:
        self._lock = _lock(path)
        try:
            self.engine = self.readers = _opened(path)
            take(self.engine, str(path))
        except (OSError, SQLAlchemyError):
            self._lock.close()
            rule = "cannot be opened as a database of this gateway; name a writable file"
            raise SpecificationError(str(path), "store.path", rule) from None
        except SpecificationError:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection and let another process have the file."""
        self.engine.dispose()
        self._lock.close()


def _lock(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (path.parent / f"{path.name}.lock").open("w")
    except OSError:
        rule = "its directory cannot be written to; make it writable or name another"
        raise SpecificationError(str(path), "store.path", rule) from None
    ends = monotonic() + _PREDECESSOR_S
    while not _is_ours(lock):
        if monotonic() >= ends:
            lock.close()
            rule = "another gateway has this database open; stop it first"
            raise SpecificationError(str(path), "store.path", rule)
        sleep(_LOOK_S)
    return lock


def _is_ours(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path) -> Engine:
    # SQLite gives its WAL the permissions of the file: they are set before there is one.
    path.touch(mode=0o600)
    path.chmod(0o600)
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DB-API connection
    # The driver would begin a transaction at the first change of a row only, so that a change of
    # the schema would stand outside of it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    execute(connection, "BEGIN")
