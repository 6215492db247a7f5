"""The reader's thread: queries that wait together share one connection and one way back.

One thread rather than a pool: each look-up takes some 50 µs, and what costs more than the look-up
is handing the interpreter from thread to thread.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, SQLAlchemyError

from gateway.store.fate import cause_of
from gateway.store.queries import ExchangesOf, Queries
from gateway.store.sealing import Sealer
from gateway.terms.errors import Unavailable

T = TypeVar("T")

WAITING_MAX = 4_096  # queries; about half a second of work, beyond which refusing is kinder
BATCH_MAX = 64  # queries answered together: bounds how long the first waits for the last

Query = Callable[[Queries], T]
Answer = Callable[[T | None, Exception | None], None]
_Asked = tuple[Query[Any], Answer[Any]]


class Reader:
    """Runs queries in the order given; `deliver` carries their answers to the loop's thread."""

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        exchanges_of: ExchangesOf,
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._exchanges_of = exchanges_of
        self._deliver = deliver
        # Its own limit would cost more than the rest of it: `submit` counts instead.
        self._waiting: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._is_closed = False
        self.why_failing = ""  # the last batch could not be read, by the database's own word
        self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
        self._thread.start()

    def submit(self, query: Query[T], answer: Answer[T]) -> None:
        """Queue a query; `answer` is called on the loop with its result or its error.

        Raises `Unavailable` when the queue is full or closed.
        """
        if self._is_closed:
            raise Unavailable("the store is closed")
        if self._waiting.qsize() >= WAITING_MAX:
            raise Unavailable("the store has as much to read as it can take")
        self._waiting.put((query, answer))

    def close(self) -> None:
        """Answer what was submitted, then end the thread."""
        self._is_closed = True
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._take()
            answers = self._run(batch)
            self._deliver(lambda given=answers: _give(given))  # type: ignore[misc]

    def _take(self) -> tuple[list[_Asked], bool]:
        """Wait for one query, then take along whatever else already waits."""
        batch = []
        item = self._waiting.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH_MAX:
                return batch, False
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _run(self, batch: list[_Asked]) -> list[Callable[[], None]]:
        """Answer a batch; when the database goes away, once more over a new connection."""
        answers: list[Callable[[], None]] = []
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
        return [*answers, *(partial(answer, None, away) for _, answer in waiting)]

    def _answer(
        self, connection: Connection, waiting: deque[_Asked], answers: list[Callable[[], None]]
    ) -> None:
        """Answer what waits, in order, until nothing does or the database has gone away."""
        queries = Queries(connection, self._sealer, self._exchanges_of)
        while waiting:
            query, answer = waiting[0]
            try:
                found = query(queries)
                connection.rollback()  # the next query sees what was committed meanwhile
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be told
                if self._has_gone(connection, error):
                    connection.invalidate()
                    self.why_failing = cause_of(error)
                    return
                connection.rollback()
                answers.append(partial(answer, None, self._told(connection, error)))
            else:
                answers.append(partial(answer, found, None))
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


def _give(answers: list[Callable[[], None]]) -> None:
    for answer in answers:
        answer()
