"""Opens the database, and refuses a second process on the same file."""

import fcntl
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from gateway.store.tables import metadata
from gateway.terms.errors import SpecificationError

READERS_MAX = 4  # connections of the reading pool; two cores keep no more of them busy
_BUSY_TIMEOUT_MS = 5_000  # a checkpoint may hold the file for this long


class Database:
    """An SQLite database in WAL mode with `synchronous=FULL`, owned by this process alone.

    FULL because WAL with NORMAL may lose acknowledged commits at power loss (``reference/
    reliability-security.md`` 2). Raises `SpecificationError` when another process has the file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (path.parent / f"{path.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SpecificationError(
                str(path), "store.path", "another gateway has this database open; stop it first"
            ) from None
        self.engine: Engine = create_engine(
            f"sqlite:///{path}",
            poolclass=QueuePool,
            pool_size=READERS_MAX + 1,
            max_overflow=0,
            connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000},
        )
        event.listen(self.engine, "connect", _prepare)
        metadata.create_all(self.engine)
        path.chmod(0o600)

    def close(self) -> None:
        """Close every connection and let another process have the file."""
        self.engine.dispose()
        self._lock.close()


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DB-API connection
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
