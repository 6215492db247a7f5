"""The reader's thread: queries that wait together share one connection and one way back.

One thread rather than a pool: each look-up takes some 50 µs, and what costs more than the look-up
is handing the interpreter from thread to thread.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine

from gateway.store.queries import ExchangesOf, Queries
from gateway.store.sealing import Sealer
from gateway.terms.errors import Unavailable

T = TypeVar("T")

WAITING_MAX = 4_096  # queries; about half a second of work, beyond which refusing is kinder
BATCH_MAX = 64  # queries answered together: bounds how long the first waits for the last

Query = Callable[[Queries], T]
Answer = Callable[[T | None, Exception | None], None]


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
        self._waiting: queue.Queue[tuple[Query[Any], Answer[Any]] | None] = queue.Queue(WAITING_MAX)
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
        self._thread.start()

    def submit(self, query: Query[T], answer: Answer[T]) -> None:
        """Queue a query; `answer` is called on the loop with its result or its error.

        Raises `Unavailable` when the queue is full or closed.
        """
        if self._is_closed:
            raise Unavailable("the store is closed")
        try:
            self._waiting.put_nowait((query, answer))
        except queue.Full:
            raise Unavailable("the store has as much to read as it can take") from None

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

    def _take(self) -> tuple[list[tuple[Query[Any], Answer[Any]]], bool]:
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

    def _run(self, batch: list[tuple[Query[Any], Answer[Any]]]) -> list[Callable[[], None]]:
        answers: list[Callable[[], None]] = []
        with self._engine.connect() as connection:
            queries = Queries(connection, self._sealer, self._exchanges_of)
            for query, answer in batch:
                try:
                    found = query(queries)
                    connection.rollback()  # the next query sees what was committed meanwhile
                except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told
                    answers.append(lambda tell=answer, why=error: tell(None, why))  # type: ignore[misc]
                else:
                    answers.append(lambda tell=answer, what=found: tell(what, None))  # type: ignore[misc]
        return answers


def _give(answers: list[Callable[[], None]]) -> None:
    for answer in answers:
        answer()
