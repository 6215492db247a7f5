"""The reader: queries that come together share one connection and one way back."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, SQLAlchemyError

from gateway.store.fate import cause_of
from gateway.store.queries import ExchangesOf, Queries
from gateway.store.sealing import Sealer
from gateway.terms.errors import Unavailable

Question = Callable[[Queries], Any]


class Reader:
    """Answers queries in the order given."""

    def __init__(self, engine: Engine, sealer: Sealer, exchanges_of: ExchangesOf) -> None:
        self._engine = engine
        self._sealer = sealer
        self._exchanges_of = exchanges_of
        self.why_failing = ""  # the last batch could not be read, by the database's own word

    def read(self, batch: Sequence[Question]) -> list[Any]:
        """Give what each query found, or the exception that says why it found nothing.

        When the database goes away it is tried once more over a new connection.
        """
        answers: list[Any] = []
        waiting = deque(batch)
        self.why_failing = ""
        for _attempt in range(_ATTEMPTS):
            try:
                with self._engine.connect() as connection:
                    self._answer(connection, waiting, answers)
            except SQLAlchemyError as error:
                self.why_failing = cause_of(error)
            if not waiting:
                return answers
        away = Unavailable("the database does not answer")
        return [*answers, *(away for _ in waiting)]

    def _answer(self, connection: Connection, waiting: deque[Question], answers: list[Any]) -> None:
        """Answer what waits, in order, until nothing does or the database has gone away."""
        queries = Queries(connection, self._sealer, self._exchanges_of)
        while waiting:
            try:
                found = waiting[0](queries)
                connection.rollback()  # the next query sees what was committed meanwhile
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
                if self._has_gone(connection, error):
                    connection.invalidate()
                    self.why_failing = cause_of(error)
                    return
                connection.rollback()
                answers.append(self._told(connection, error))
            else:
                answers.append(found)
            waiting.popleft()

    def _told(self, connection: Connection, error: Exception) -> Exception:
        """Say that the database cannot be read, where that is so; its own text may repeat a row."""
        driver = connection.dialect.loaded_dbapi
        # Their plain parent is what SQLite says of pages that make no sense; its other children
        # are mistakes of ours.
        of_itself = type(error) in {DatabaseError, driver.DatabaseError}
        if not of_itself and not isinstance(error, OperationalError | driver.OperationalError):
            return error
        self.why_failing = cause_of(error)
        return Unavailable(f"the database cannot be read ({self.why_failing})")

    def _has_gone(self, connection: Connection, error: Exception) -> bool:
        if isinstance(error, DBAPIError):
            return error.connection_invalidated
        dialect = connection.dialect
        # A look-up speaks to the driver itself.
        return isinstance(error, dialect.loaded_dbapi.Error) and dialect.is_disconnect(
            error, connection.connection.dbapi_connection, None
        )


_ATTEMPTS = 2
