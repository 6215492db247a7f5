"""The store as the event loop sees it: its process, its lease, what is asked of it for ever."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from gateway.app.futures import beside, resolve
from gateway.app.settings import RetentionSettings, Settings
from gateway.app.store_process import StoreProcess
from gateway.app.traces import TraceNumbers
from gateway.hsm.data_key import Fingerprints
from gateway.operations.operation import Operation
from gateway.store import questions
from gateway.store.client import StoreClient
from gateway.store.errors import Conflict
from gateway.store.found import Linked
from gateway.store.lease import ENDLESS, Lease
from gateway.store.questions import Chore, Horizon, Query
from gateway.terms.errors import Unavailable
from gateway.terms.numbers import LinkId, OperationId
from gateway.terms.sides import Side

log = structlog.get_logger()
T = TypeVar("T")

Resume = Callable[[list[Operation], dict[LinkId, Linked]], None]
"""Goes on with operations; a link that they name may be missing."""


class Storage:
    """What the event loop asks of the store, in whose process the database is; `open` it first.

    `fail` hears when this process must stop at once.
    """

    journal: StoreClient

    def __init__(
        self, settings: Settings, process: StoreProcess, fail: Callable[[Exception], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._process = process
        self._fail = fail
        self._fingerprint_keys: dict[Side, bytes] = {}
        is_shared = settings.store.path is None
        self.node = Lease(settings.node.name, settings.node.lease_s) if is_shared else ENDLESS

    async def open(self, stack: AsyncExitStack) -> None:
        """Have the database opened, and closed when `stack` ends, after all that was asked for.

        Raises `SpecificationError` when it is not this gateway's or cannot be reached.
        """
        stack.push_async_callback(self._process.end)
        stack.callback(self._process.line.close)
        self._fingerprint_keys = await self._process.greet(self._settings)
        _, self.journal = await self._loop.create_unix_connection(
            lambda: StoreClient(self.node, self._fail, _tell_refusal, _tell_silence),
            sock=self._process.line,
        )
        stack.push_async_callback(self.journal.close)
        watching = beside("store-watch", self.journal.watch())
        stack.callback(watching.cancel)
        if self.node.renew_every_s is not None:
            beat = self.journal.beat(self.node.renew_every_s / _BEATS)
            beating = beside("beat", beat)
            stack.callback(beating.cancel)

    def fingerprint(self, side: Side) -> Callable[[bytes], bytes]:
        """Give what fingerprints a value of a side as the store does.

        Its data key, which opens what is at rest, never leaves the store's process.
        """
        return Fingerprints(self._fingerprint_keys[side]).of

    @property
    def why_unusable(self) -> str:
        """Say why the store answers nothing, takes nothing or cannot read now; nothing else."""
        journal = self.journal
        if journal.silent_s:
            return f"the store has not answered for {journal.silent_s:.0f} s"
        if journal.is_stalled or journal.why_refusing:
            return f"the database takes nothing now ({journal.why_refusing or 'it is waited for'})"
        failing = journal.why_failing
        return f"the database cannot be read now ({failing})" if failing else ""

    async def read(self, query: Query[T]) -> T:
        """Give what a query finds; raises `Unavailable` while the database is away."""
        return await self.journal.read(query)

    async def run(self, chore: Chore[T]) -> T:
        """Give what a chore gives; raises as `StoreClient.run` and what it tells do."""
        ran: asyncio.Future[T] = self._loop.create_future()
        self.journal.run(chore, resolve(ran))
        return await ran

    async def traces(self, link: str, terminal: str) -> TraceNumbers:
        """Give a link's trace numbers with their first block reserved."""

        def reserved(name: str, size: int, done: Callable[[int | Exception], None]) -> None:
            self.journal.run(questions.reserve(name, size), done)

        traces = TraceNumbers(f"stan/{link}", reserved, terminal)
        filled: asyncio.Future[None] = self._loop.create_future()
        traces.refill(resolve(filled))
        await filled
        return traces

    async def left_behind(self) -> list[OperationId]:
        """Name what an earlier process of this node left unfinished, the oldest first.

        Asked before anything is begun here: from then on some of it would be this process's own.
        """
        return await self.read(questions.left_behind(self.node.name))

    async def resume_own(self, left: list[OperationId], resume: Resume) -> None:
        """Go on with what was left behind, part by part: whoever asks meanwhile is answered."""
        for start in range(0, len(left), _RESUMED_AT_ONCE):
            part = left[start : start + _RESUMED_AT_ONCE]
            resume(*await self.read(questions.with_links(part)))

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
            dead = await self.run(questions.fence_dead(name))
            if dead:
                log.warning("nodes-fenced", nodes=dead)
        while (most := room()) > 0:
            claimed = await self.run(questions.claim(name, most))
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
                return await self.read(questions.with_links(operations))
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
                while gone := await self.run(questions.purge(horizon)):
                    total += gone
                    await asyncio.sleep(_PURGE_PAUSE_S)
            if total:
                log.info("purged", rows=total)


def _tell_refusal(why: str) -> None:
    if why:
        log.warning("store-refuses", why=why)
    else:
        log.info("store-takes-again")


def _tell_silence(seconds: float) -> None:
    if seconds:
        log.error("store-silent", seconds=seconds)
    else:
        log.info("store-answers-again")


_BEATS = 2  # for each renewal of the lease
_AGAIN_S = 1.0
_RESUMED_AT_ONCE = 200  # operations; some 50 ms of reading and of deciding
_PURGE_EVERY_S = 60.0
# Between steps of some milliseconds: the journal has a tenth of its time for the purge at most,
# which deletes a thousand operations a second, faster than they come.
_PURGE_PAUSE_S = 0.1
