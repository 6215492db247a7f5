"""The store of one gateway process: its database, its node, its journal and its reader."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog

from gateway.app.futures import resolve
from gateway.app.settings import NodeSettings, RetentionSettings, Settings, StoreSettings
from gateway.app.traces import TraceNumbers
from gateway.linking.kinds import EXCHANGES
from gateway.operations.operation import Operation
from gateway.store.counters import reserve
from gateway.store.engine import Database
from gateway.store.journal import Chore, Conflict, Journal
from gateway.store.node import LeasedNode, Membership, Node
from gateway.store.queries import Linked, Queries
from gateway.store.reader import Reader
from gateway.store.retention import Horizon, purge
from gateway.store.schema import ensure, upgrade
from gateway.store.sealing import Sealer
from gateway.store.takeover import claim, fence_dead
from gateway.terms.errors import SpecificationError, Unavailable
from gateway.terms.numbers import LinkId, OperationId

if TYPE_CHECKING:
    from gateway.store.postgresql import SharedDatabase

log = structlog.get_logger()
T = TypeVar("T")

Resume = Callable[[list[Operation], dict[LinkId, Linked]], None]
"""Goes on with operations; a link that they name may be missing."""


class Storage:
    """What the event loop asks of the store; `fail` hears when the process must stop at once.

    Raises `SpecificationError` when the database is not this gateway's or cannot be reached.
    """

    def __init__(
        self, settings: Settings, sealer: Sealer, fail: Callable[[Exception], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._database = open_database(settings.store)
        engine = self._database.engine
        self.node = Node()
        if not isinstance(self._database, Database):
            self.node = _joined(self._database, settings.node, settings.station.terminal)
        self.journal = Journal(engine, sealer, self._deliver, self.node, fail, _tell_refusal)
        readers = self._database.readers
        self._reader = Reader(readers, sealer, EXCHANGES.__getitem__, self._deliver)

    def close_with(self, stack: AsyncExitStack) -> None:
        """Close it when `stack` ends: journal first, and the node's name is given back."""
        stack.callback(self._database.close)
        if isinstance(self.node, LeasedNode):
            stack.callback(partial(self._leave, self.node))
        stack.push_async_callback(asyncio.to_thread, self._reader.close)
        stack.push_async_callback(asyncio.to_thread, self.journal.close)

    @property
    def why_unusable(self) -> str:
        """Say why the database takes nothing or cannot be read now; nothing while it does."""
        journal = self.journal
        if journal.is_stalled or journal.why_refusing:
            return f"the database takes nothing now ({journal.why_refusing or 'it is waited for'})"
        failing = self._reader.why_failing
        return f"the database cannot be read now ({failing})" if failing else ""

    async def read(self, query: Callable[[Queries], T]) -> T:
        """Give what a query gives; raises `Unavailable` while the database is away."""
        read: asyncio.Future[T] = self._loop.create_future()

        def answer(found: T | None, error: Exception | None) -> None:
            if read.done():
                return  # whoever asked has gone
            if error is not None:
                read.set_exception(error)
            else:
                read.set_result(cast("T", found))

        self._reader.submit(query, answer)
        return await read

    async def run(self, chore: Chore[T]) -> T:
        """Give what a chore gives; raises as `Journal.run` and what it tells do."""
        ran: asyncio.Future[T] = self._loop.create_future()
        self.journal.run(chore, resolve(ran))
        return await ran

    async def traces(self, link: str, terminal: str) -> TraceNumbers:
        """Give a link's trace numbers with their first block reserved."""

        def reserved(name: str, size: int, done: Callable[[int | Exception], None]) -> None:
            self.journal.run(partial(reserve, name=name, size=size), done)

        traces = TraceNumbers(f"stan/{link}", reserved, terminal)
        filled: asyncio.Future[None] = self._loop.create_future()
        traces.refill(resolve(filled))
        await filled
        return traces

    async def left_behind(self) -> list[OperationId]:
        """Name what an earlier process of this node left unfinished, the oldest first.

        Asked before anything is begun here: from then on some of it would be this process's own.
        """
        return await self.read(partial(_unfinished, node=self.node.name))

    async def resume_own(self, left: list[OperationId], resume: Resume) -> None:
        """Go on with what was left behind, part by part: whoever asks meanwhile is answered."""
        for start in range(0, len(left), _RESUMED_AT_ONCE):
            part = left[start : start + _RESUMED_AT_ONCE]
            resume(*await self.read(partial(_with_operations, part)))

    async def take_over(self, resume: Resume, room: Callable[[], int]) -> None:
        """Find dead nodes and go on with what they left, as much as there is room for, for ever."""
        if self.node.renew_every_s is None:
            return
        while True:
            await asyncio.sleep(self.node.renew_every_s)
            with suppress(Unavailable, Conflict):  # there is a next time
                await self._look(resume, room)

    async def _look(self, resume: Resume, room: Callable[[], int]) -> None:
        name = self.node.name
        if self.node.may_judge and not self.journal.is_stalled:
            dead = await self.run(partial(fence_dead, node=name))
            if dead:
                log.warning("nodes-fenced", nodes=dead)
        while (most := room()) > 0:
            claimed = await self.run(partial(claim, node=name, count_max=most))
            if not claimed:
                return
            log.warning("taken-over", operations=len(claimed))
            resume(*await self._claimed(claimed))

    async def _claimed(
        self, operations: list[OperationId]
    ) -> tuple[list[Operation], dict[LinkId, Linked]]:
        """Read what is ours already; the database may go away meanwhile, and comes back."""
        while True:
            try:
                return await self.read(partial(_with_operations, operations))
            except Unavailable:
                await asyncio.sleep(_AGAIN_S)

    async def purge(self, retention: RetentionSettings, now: Callable[[], datetime]) -> None:
        """Delete what need not be kept any more, in small steps with pauses, for ever."""
        while True:
            await asyncio.sleep(_PURGE_EVERY_S)
            horizon = Horizon(
                now() - timedelta(days=retention.keys_days),
                now() - timedelta(days=retention.operations_days),
            )
            total = 0
            with suppress(Unavailable, Conflict):  # there is a next time
                while gone := await self.run(partial(purge, horizon=horizon)):
                    total += gone
                    await asyncio.sleep(_PURGE_PAUSE_S)
            if total:
                log.info("purged", rows=total)

    def _leave(self, node: LeasedNode) -> None:
        with suppress(Unavailable):  # others find the lease at its end
            node.leave(self._database.engine)

    def _deliver(self, call: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(call)


def _tell_refusal(why: str) -> None:
    if why:
        log.warning("store-refuses", why=why)
    else:
        log.info("store-takes-again")


_AGAIN_S = 1.0
_RESUMED_AT_ONCE = 200  # operations; some 50 ms of reading and of deciding
_NAMED_AT_ONCE = 10_000  # operations; some 10 ms of reading
_PURGE_EVERY_S = 60.0
# Between steps of some milliseconds: the journal has a tenth of its time for the purge at most,
# which deletes a thousand operations a second, faster than they come.
_PURGE_PAUSE_S = 0.1


def open_database(
    settings: StoreSettings, take: Callable[[Any, str], object] = ensure
) -> "Database | SharedDatabase":
    """Open the database that the settings name, of either kind; raises as these do."""
    if settings.path is not None:
        return Database(settings.path, take)
    # Imported here: who has the embedded database loads no driver of another.
    from gateway.store.postgresql import SharedDatabase  # noqa: PLC0415

    return SharedDatabase(settings.url or "", settings.password_file, take)


def upgrade_database(settings: StoreSettings) -> tuple[str | None, str]:
    """Bring a database up to this release; gives the revisions before and after.

    Raises `SpecificationError` as opening it does, and when it is of a newer release.
    """
    done: list[tuple[str | None, str]] = []

    open_database(settings, lambda engine, place: done.append(upgrade(engine, place))).close()
    return done[0]


def _joined(database: "SharedDatabase", settings: NodeSettings, terminal: str) -> LeasedNode:
    node = LeasedNode(Membership(settings.name, terminal, settings.lease_s))
    try:
        node.join(database.engine)
    except (SpecificationError, Unavailable):
        database.close()
        raise
    return node


def _unfinished(queries: Queries, node: str) -> list[OperationId]:
    found: list[OperationId] = []
    while part := queries.unfinished_after(found[-1] if found else None, _NAMED_AT_ONCE, node):
        found += part
    return found


def _with_operations(
    operations: list[OperationId], queries: Queries
) -> tuple[list[Operation], dict[LinkId, Linked]]:
    found = queries.operations(operations)
    return found, queries.all_linked(operation.link for operation in found)
