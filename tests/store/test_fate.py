"""What became of a transaction: only what certainly left nothing behind may be tried again."""

import sqlite3

import psycopg.errors
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from gateway.store.errors import Away, Changed, Fenced
from gateway.store.fate import Fate, fate_of


def sqlite_error(name):
    error = sqlite3.OperationalError("no text of it is read")
    error.sqlite_errorcode = getattr(sqlite3, name)
    return OperationalError("statement", {}, error)


def postgresql_error(state, *, invalidated=False):
    return DBAPIError(
        "statement", {}, psycopg.errors.lookup(state)("text"), connection_invalidated=invalidated
    )


FATES = {
    "full": (sqlite_error("SQLITE_FULL"), Fate.REFUSED),
    "write failed": (sqlite_error("SQLITE_IOERR_WRITE"), Fate.REFUSED),
    "busy": (sqlite_error("SQLITE_BUSY"), Fate.REFUSED),
    "sync failed": (sqlite_error("SQLITE_IOERR_FSYNC"), Fate.BROKEN),
    "damaged": (sqlite_error("SQLITE_CORRUPT"), Fate.BROKEN),
    "server full": (postgresql_error("53100"), Fate.REFUSED),
    "read-only": (postgresql_error("25006"), Fate.REFUSED),
    "took too long": (postgresql_error("57014"), Fate.REFUSED),
    "server's disk fails": (postgresql_error("58030"), Fate.REFUSED),
    "deadlock": (postgresql_error("40P01"), Fate.REFUSED),
    "lost": (postgresql_error("57P01", invalidated=True), Fate.UNCERTAIN),
    "no such table": (postgresql_error("42P01"), Fate.BROKEN),
    "rule": (IntegrityError("statement", {}, Exception()), Fate.CONFLICT),
    "changed": (Changed("spent"), Fate.CONFLICT),
    "away": (Away("refused"), Fate.REFUSED),
    "fenced": (Fenced("taken over"), Fate.BROKEN),
    "our own": (ZeroDivisionError(), Fate.BROKEN),
}


@pytest.mark.parametrize(("error", "fate"), FATES.values(), ids=FATES)
def test_an_error_says_what_became_of_its_transaction(error, fate):
    """Where nobody knows, nothing is tried again in this process."""
    assert fate_of(error) is fate
