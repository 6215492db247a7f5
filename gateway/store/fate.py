"""What became of a transaction that did not go through, by the database's own word."""

from enum import Enum, auto

from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.store.errors import Away, Changed


class Fate(Enum):
    """What is known of a transaction."""

    DONE = auto()
    CONFLICT = auto()  # it breaks a rule; nothing of it stands
    REFUSED = auto()  # nothing of it stands, and another attempt may go through
    UNCERTAIN = auto()  # the database went away; it stands or it does not
    BROKEN = auto()  # whatever it is, what is in memory may not be right any more


# https://www.sqlite.org/rescode.html: no room; a write that failed, before the frame that commits.
# After a failed sync nobody knows what is on disk (SQLITE_IOERR_FSYNC), so that breaks.
_SQLITE_REFUSALS = {
    5,  # SQLITE_BUSY: another process, such as a backup, holds the file
    13,  # SQLITE_FULL
    778,  # SQLITE_IOERR_WRITE: also a limit on the size of files
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL_REFUSALS = (
    "25006",  # read-only transaction: connected to a standby
    "40",  # serialization failure, deadlock
    "53",  # disk full, out of memory, too many connections
    "55P03",  # lock not available
    "57014",  # canceled: a statement's time was over, or an administrator ended it
    "57P03",  # cannot connect now
    "58030",  # the server's disk failed a read or a write; after a sync that failed it ends itself
)


def fate_of(error: Exception) -> Fate:
    """Tell what an error in a transaction, its commit included, says about it."""
    if isinstance(error, IntegrityError | Changed):
        return Fate.CONFLICT
    if isinstance(error, Away):
        return Fate.REFUSED
    if not isinstance(error, DBAPIError):
        return Fate.BROKEN
    if getattr(error.orig, "sqlite_errorcode", None) in _SQLITE_REFUSALS:
        return Fate.REFUSED
    if error.connection_invalidated:
        return Fate.UNCERTAIN
    state = getattr(error.orig, "sqlstate", None) or ""
    return Fate.REFUSED if state.startswith(_POSTGRESQL_REFUSALS) else Fate.BROKEN


def cause_of(error: Exception) -> str:
    """Name an error's kind, with the database's own code; its text may repeat the row."""
    if isinstance(error, Away):
        return f"no connection, {error}"
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    return f"{type(cause).__name__} {code}".rstrip()
