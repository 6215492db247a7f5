"""The journal's writer thread: units that wait together become one transaction."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine

from gateway.store.batch import Batch
from gateway.store.errors import Broken, Conflict
from gateway.store.fate import Fate, cause_of, fate_of
from gateway.store.node import Node
from gateway.store.sealing import Sealer
from gateway.store.tables import counters
from gateway.store.unit import Packed
from gateway.terms.errors import Unavailable

T = TypeVar("T")

WAITING_MAX = 4_096  # units; about two seconds of work, beyond which refusing is kinder
BATCH_MAX = 256  # units a transaction: bounds how long the first of them waits for the last
PAUSE_S = 0.25  # between attempts while the database has no room or is away
PROBE_S = 1.0  # between looks whether it has room again, while nobody asks for anything

Done = Callable[[Exception | None], None]
Chore = Callable[[Connection], T]
"""Something of the store's own that is done in a transaction by itself, such as a purge."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A unit or a chore, and who is told; what may be refused is told so when there is no room."""

    done: Done
    unit: Packed | None = None
    chore: Chore[object] | None = None

    @property
    def may_be_refused(self) -> bool:
        return self.unit is None or self.unit.may_be_refused


class Journal:
    """Makes units durable in the order given and tells each when it is on disk.

    `deliver` makes the calls about a finished batch, on the journal's thread. A unit that conflicts
    fails alone with `Conflict`. While the database has no room, or is away, a unit that may be
    refused fails with `Unavailable`, and the others wait. Any other error fails its batch, and
    everything after it, with `Broken`: the process must stop and recover from what is on disk.
    `node` is held by this process while its lease and epoch stand; `lost` hears when they do not,
    or the journal is broken, after everybody who waits was told. An idle lease is renewed while
    `is_followed` says that there is somebody whose it is. How the journal is may be looked at
    whenever it delivers.
    """

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        deliver: Callable[[Callable[[], None]], None],
        node: Node | None = None,
        lost: Callable[[Exception], None] = lambda _error: None,
        is_followed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._deliver = deliver
        self._node = node or Node()
        self._lost = lost
        self._is_followed = is_followed
        # Its own limit would cost more than the rest of it: `_queue` counts instead.
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._next: _Work | None = None
        self._closing = threading.Event()
        self._is_broken = False
        self._cause = ""
        self.is_stalled = False  # what must not be refused waits
        self.why_refusing = ""  # the last attempt was refused, by the database's own word
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def submit(self, unit: Packed, done: Done) -> None:
        """Queue a unit; `done` hears None or the reason why nothing stands.

        Raises `Unavailable` when the queue is full or closed, or the database takes nothing now
        and the unit may be refused: nothing was recorded.
        """
        if self.is_stalled and unit.may_be_refused:
            raise Unavailable("the database takes nothing now")
        self._queue(_Work(done, unit))

    def run(self, chore: Chore[T], done: Callable[[T | Exception], None]) -> None:
        """Queue a chore; `done` hears what it gave or why it did not.

        Raises `Unavailable` as `submit` does.
        """
        given: list[T] = []

        def keep(connection: Connection) -> None:
            given[:] = [chore(connection)]

        self._queue(_Work(lambda error: done(error or given[0]), chore=keep))

    def close(self) -> None:
        """Write what was submitted, then end the thread."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join()

    def _queue(self, work: _Work) -> None:
        if self._closing.is_set():
            raise Unavailable("the journal is closed")
        if self._waiting.qsize() >= WAITING_MAX:
            raise Unavailable("the journal has as much to write as it can take")
        self._waiting.put(work)

    # ------------------------------------------------------------------ the thread

    def _work(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._take()
            if batch:
                self._write(batch)
            elif not is_last:
                self._renew()

    def _take(self) -> tuple[list[_Work], bool]:
        """Wait for one unit, then take along whatever else already waits; a chore goes alone.

        Nothing comes when it is time to renew the node's lease, or to look for room.
        """
        first, self._next = self._next, None
        try:
            first = first or self._waiting.get(timeout=self._idle_s)
        except queue.Empty:
            return [], False
        if first is None:
            return [], True
        batch = [first]
        while first.chore is None and len(batch) < BATCH_MAX:
            try:
                work = self._waiting.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return batch, True
            if work.chore is not None:
                self._next = work
                break
            batch.append(work)
        return batch, False

    def _write(self, batch: list[_Work]) -> None:
        """Write a batch, in parts where it must be, and tell everybody what became of it."""
        while batch:
            fate = self._attempt(batch)
            if fate is Fate.CONFLICT and len(batch) > 1:
                for work in batch:
                    self._write([work])
                return
            if fate is not Fate.REFUSED:
                self._tell(batch, self._error(fate))
                if fate is Fate.BROKEN:
                    self._end()  # not everybody who is told can stop the process
                return
            self._tell([work for work in batch if work.may_be_refused], self._error(fate))
            batch = [work for work in batch if not work.may_be_refused]
            self._stall(is_stalled=bool(batch))
            if batch and not self._pause():
                self._tell(batch, self._error(Fate.BROKEN))
                return

    def _attempt(self, batch: list[_Work]) -> Fate:
        if self._is_broken:
            return Fate.BROKEN
        try:
            with self._node.transaction(self._engine) as connection:
                self._execute(batch, connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller must be told
            fate = fate_of(error)
            if fate is Fate.UNCERTAIN:
                fate = self._look_back()
            self._is_broken = fate is Fate.BROKEN
            self._cause = cause_of(error)
            self._refuse(self._cause if fate is Fate.REFUSED else "")
            return fate
        self._stall(is_stalled=False)
        self._refuse("")
        return Fate.DONE

    def _refuse(self, why: str) -> None:
        """Know, and have it seen, whether the last attempt was refused, and why."""
        if why != self.why_refusing:
            self.why_refusing = why
            self._deliver(_nothing)

    @property
    def _idle_s(self) -> float | None:
        return PROBE_S if self.why_refusing else self._node.lease.renew_every_s

    def _execute(self, batch: list[_Work], connection: Connection) -> None:
        rows = Batch(self._sealer, self._node.name)
        for work in batch:
            if work.chore is not None:
                work.chore(connection)
            elif work.unit is not None:
                rows.add(work.unit)
        rows.write(connection)
        if not batch and self.why_refusing:
            connection.execute(_PROBE)

    def _look_back(self) -> Fate:
        """Find out whether the transaction stands during whose commit the database went away."""
        self._stall(is_stalled=True)
        while self._pause():
            try:
                is_done = self._node.has_committed(self._engine)
            except Exception as error:  # noqa: BLE001 - as above
                if fate_of(error) is Fate.BROKEN:
                    break
            else:
                self._stall(is_stalled=False)
                return Fate.DONE if is_done else Fate.REFUSED
        return Fate.BROKEN

    def _pause(self) -> bool:
        """Wait before another attempt; tells whether there is to be one."""
        return not self._closing.wait(PAUSE_S)

    def _renew(self) -> None:
        if not self._is_followed():
            return
        if self._attempt([]) is Fate.BROKEN:
            self._end()
        self._deliver(_nothing)  # the lease is longer now

    def _stall(self, *, is_stalled: bool) -> None:
        if is_stalled != self.is_stalled:
            self.is_stalled = is_stalled
            self._deliver(_nothing)

    def _end(self) -> None:
        self._deliver(lambda: self._lost(self._error(Fate.BROKEN) or Broken("")))

    def _error(self, fate: Fate) -> Exception | None:
        match fate:
            case Fate.DONE:
                return None
            case Fate.CONFLICT:
                # The database's own text would repeat the row.
                return Conflict("the unit breaks a uniqueness rule of the store")
            case Fate.REFUSED:
                return Unavailable(f"the database takes nothing now ({self._cause})")
            case _:
                return Broken(f"the database refused a transaction ({self._cause})")

    def _tell(self, batch: list[_Work], error: Exception | None) -> None:
        if batch:
            self._deliver(lambda: _call(batch, error))


# Changes nothing, and needs the room of a change.
_PROBE = counters.update().values(next=counters.c.next)


def _nothing() -> None:
    pass


def _call(batch: list[_Work], error: Exception | None) -> None:
    failures = []
    for work in batch:
        try:
            work.done(error)
        except Exception as failure:  # noqa: BLE001 - one caller's mistake is not the others'
            failures.append(failure)
    if failures:
        raise ExceptionGroup("callers failed when they were told of their units", failures)
