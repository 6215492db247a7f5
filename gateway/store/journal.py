"""The journal's writer thread: units that wait together become one transaction."""

import queue
import threading
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from gateway.store.sealing import Sealer
from gateway.store.unit import Batch, Unit
from gateway.terms.errors import LocalError, Unavailable

WAITING_MAX = 4_096  # units; about two seconds of work, beyond which refusing is kinder
BATCH_MAX = 256  # units a transaction: bounds how long the first of them waits for the last

Done = Callable[[Exception | None], None]


class Conflict(LocalError):
    """A unit breaks a uniqueness rule, such as one active link per card; nothing of it stands."""


class Broken(LocalError):
    """The database did not take a transaction: what is on disk is uncertain until a restart."""


class Journal:
    """Makes units durable in the order given and tells each when it is on disk.

    `deliver` carries a finished batch's calls to the event loop's thread. A unit that conflicts
    fails alone with `Conflict`. Any other error fails its batch, and everything after it, with
    `Broken`: the process must stop and recover from what is on disk.
    """

    def __init__(
        self, engine: Engine, sealer: Sealer, deliver: Callable[[Callable[[], None]], None]
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._deliver = deliver
        self._waiting: queue.Queue[tuple[Unit, Done] | None] = queue.Queue(WAITING_MAX)
        self._is_closed = False
        self._is_broken = False
        self._cause = ""
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit, done: Done) -> None:
        """Queue a unit; `done` is called on the loop with None, `Conflict` or `Broken`.

        Raises `Unavailable` when the queue is full or closed: nothing was recorded.
        """
        if self._is_closed:
            raise Unavailable("the journal is closed")
        try:
            self._waiting.put_nowait((unit, done))
        except queue.Full:
            raise Unavailable("the journal has as much to write as it can take") from None

    def close(self) -> None:
        """Write what was submitted, then end the thread."""
        self._is_closed = True
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch, is_last = self._take()
            if batch:
                outcomes = self._write(batch)
                self._deliver(lambda finished=outcomes: _tell(finished))  # type: ignore[misc]
            if is_last:
                return

    def _take(self) -> tuple[list[tuple[Unit, Done]], bool]:
        """Wait for one unit, then take along whatever else already waits."""
        first = self._waiting.get()
        if first is None:
            return [], True
        batch = [first]
        while len(batch) < BATCH_MAX:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    def _write(self, batch: list[tuple[Unit, Done]]) -> list[tuple[Done, Exception | None]]:
        if self._is_broken:
            return self._break(batch, None)
        try:
            self._commit([unit for unit, _ in batch])
        except IntegrityError:
            return [self._write_alone(unit, done) for unit, done in batch]
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller must be told
            return self._break(batch, error)
        return [(done, None) for _, done in batch]

    def _write_alone(self, unit: Unit, done: Done) -> tuple[Done, Exception | None]:
        if self._is_broken:
            return self._break([(unit, done)], None)[0]
        try:
            self._commit([unit])
        except IntegrityError:
            # The database's own text would repeat the row.
            return done, Conflict("the unit breaks a uniqueness rule of the store")
        except Exception as error:  # noqa: BLE001 - as above
            return self._break([(unit, done)], error)[0]
        return done, None

    def _commit(self, units: list[Unit]) -> None:
        rows = Batch(self._sealer)
        for unit in units:
            rows.add(unit)
        with self._engine.begin() as connection:
            rows.write(connection)

    def _break(
        self, batch: list[tuple[Unit, Done]], error: Exception | None
    ) -> list[tuple[Done, Exception | None]]:
        if not self._is_broken:
            # The kind of error only: its text may repeat the row.
            self._cause = type(getattr(error, "orig", None) or error).__name__
            self._is_broken = True
        broken = Broken(f"the database refused a transaction ({self._cause})")
        return [(done, broken) for _, done in batch]


def _tell(outcomes: list[tuple[Done, Exception | None]]) -> None:
    failures = []
    for done, error in outcomes:
        try:
            done(error)
        except Exception as failure:  # noqa: BLE001 - one caller's mistake is not the others'
            failures.append(failure)
    if failures:
        raise ExceptionGroup("callers failed when they were told of their units", failures)
