"""PostgreSQL as the store that several nodes share."""

from collections.abc import Callable
from pathlib import Path
from stat import S_IRWXG, S_IRWXO
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from gateway.store import schema
from gateway.terms.errors import SpecificationError

_WHY_CHARACTERS_MAX = 500  # several hosts, a line each
_CONNECTIONS = 2  # the journal's and the reader's
_DEFAULTS: dict[str, Any] = {
    "application_name": "sscard-gateway",
    "connect_timeout": 5,  # seconds, for each host of several
    # Of several hosts only the one that may be written to is ours, whichever it is by now.
    "target_session_attrs": "read-write",
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms: a database that is gone without a word is found in this time
}
# A commit is acknowledged when it is on disk, here and at every synchronous standby that there is.
# No statement of ours takes long; one that does waits for something that will not come. A process
# that stopped inside a transaction must not hold its rows for longer than a lease.
_SESSION = (
    "-c synchronous_commit=on -c lock_timeout=5s -c statement_timeout=60s "
    "-c idle_in_transaction_session_timeout=10s -c timezone=UTC"
)


class SharedDatabase:
    """A PostgreSQL database that this process is one of several to work on.

    `url` is what libpq takes, several hosts among it, without a password: that stands in
    `password_file`, which has the form of a ``.pgpass`` file. Raises `SpecificationError` when the
    database cannot be reached or is of another release. `take` makes or checks its schema.
    """

    def __init__(
        self,
        url: str,
        password_file: Path | None = None,
        take: Callable[[Engine, str], object] = schema.ensure,
    ) -> None:
        conninfo, place = _conninfo(url, password_file)
        self.engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(conninfo),
            poolclass=QueuePool,
            pool_size=_CONNECTIONS,
            max_overflow=0,
        )
        # Each statement of a reader is a transaction of its own, which costs one trip, not three.
        self.readers = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            take(self.engine, place)
        except SQLAlchemyError as error:
            self.close()
            rule = f"cannot be reached as a database of this gateway: {_why(error)}"
            raise SpecificationError(place, "store.url", rule) from None
        except SpecificationError:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _conninfo(url: str, password_file: Path | None) -> tuple[str, str]:
    """Give what libpq connects by, and how errors name the place."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        rule = "must be such as postgresql://user@host:5432/database"
        raise SpecificationError("store", "store.url", rule) from None
    if "password" in given:
        rule = "must hold no password; keep it in store.password_file"
        raise SpecificationError("store", "store.url", rule)
    options = f"{_SESSION} {given.pop('options', '')}"
    if password_file is not None:
        _check_password_file(password_file)
        given["passfile"] = str(password_file)
    place = f"{given.get('host', 'local')}/{given.get('dbname', '')}"
    return make_conninfo(**{**_DEFAULTS, **given, "options": options}), place


def _why(error: SQLAlchemyError) -> str:
    """Say what libpq or the server says, in one line; the URL, which it may repeat, has no secret.

    The text of any other error holds a statement with its values, so that its kind is all.
    """
    cause = getattr(error, "orig", None)
    if not isinstance(cause, psycopg.OperationalError):
        return type(cause or error).__name__
    lines = filter(None, (line.strip() for line in str(cause).splitlines()))
    return "; ".join(lines)[:_WHY_CHARACTERS_MAX] or type(cause).__name__


def _check_password_file(file: Path) -> None:
    """Refuse what libpq would pass over, with a word on standard error or none."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        rule = f"{file} cannot be read: {error.strerror}"
        raise SpecificationError("store", "store.password_file", rule) from None
    if mode & (S_IRWXG | S_IRWXO):
        rule = f"{file} must be readable by its owner only: chmod 600 {file}"
        raise SpecificationError("store", "store.password_file", rule)
