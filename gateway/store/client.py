"""The gateway's end of the store: what it has the store's process do, and hears of it.

All of it runs on the event loop. What one turn of the loop asks for leaves as one frame.
"""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any, TypeVar, cast

from gateway.store.errors import Broken
from gateway.store.found import Plain, asked_of
from gateway.store.frames import (
    ANSWER,
    BEAT,
    CHORE,
    CLOSE,
    FAILED,
    LOST,
    QUERY,
    STANDS,
    STATE,
    UNIT,
    Frames,
    Item,
    error_of,
    frame,
)
from gateway.store.lease import Lease
from gateway.store.questions import Chore, Query
from gateway.store.silence import LOOK_S, Silence
from gateway.store.unit import Unit, pack
from gateway.terms.errors import Unavailable

T = TypeVar("T")

WAITING_MAX = 4_096  # units, and as many queries; about two seconds of work: refusing is kinder

Done = Callable[[Exception | None], None]
Given = Callable[[Any], None]


class StoreClient(asyncio.Protocol):
    """Has units made durable in the order given, chores done and queries answered.

    Each is answered by itself: a unit that conflicts fails alone with `Conflict`. While the
    database has no room, or is away, what may be refused fails with `Unavailable`, and the rest
    waits. `lost` hears of whatever ends the store: then the gateway must stop, and recover from
    what is on disk. `refusing` hears why the database takes nothing, and of the empty word when it
    takes again; `silent` likewise, whether the store does not answer although it lives.
    """

    def __init__(
        self,
        lease: Lease,
        lost: Callable[[Exception], None],
        refusing: Callable[[str], None] = lambda _why: None,
        silent: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lease = lease
        self._lost = lost
        self._refusing = refusing
        self._silent = silent
        self.connection: asyncio.WriteTransport | None = None
        self._frames = Frames()
        self._to_say: list[Item] = []
        self._number = 0
        self._units: dict[int, Done] = {}
        self._chores: dict[int, Given] = {}
        self._queries: dict[int, asyncio.Future[Any]] = {}
        self._is_closing = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._silences = Silence(), Silence()  # of units, and of queries
        self.silent_s = 0.0  # for how long it has not answered what was asked first
        self.is_stalled = False  # what must not be refused waits
        self.why_refusing = ""  # the last transaction was refused, by the database's own word
        self.why_failing = ""  # what was asked last could not be read, by the database's own word

    # ------------------------------------------------------------------ what is asked for

    def submit(self, unit: Unit, done: Done) -> None:
        """Have a unit made durable; `done` hears None, or the reason why nothing of it stands.

        Raises `Unavailable` when as much waits as may or the store is closed, or when the database
        takes nothing now, or the store is silent, and the unit may be refused: nothing was
        recorded.
        """
        if unit.may_be_refused and (self.is_stalled or self.silent_s):
            raise Unavailable("the database takes nothing now")
        self._must_have_room(self._units, "write")
        self._number = number = self._number + 1
        self._units[number] = done
        self._say((UNIT, number, *pack(unit)))

    def run(self, chore: Chore[T], done: Callable[[T | Exception], None]) -> None:
        """Have a chore done; `done` hears what it gave or why it did not.

        Raises `Unavailable` as `submit` does.
        """
        self._must_answer()
        self._must_have_room(self._chores, "do")
        self._number = number = self._number + 1
        self._chores[number] = done
        self._say((CHORE, number, pickle.dumps(chore)))

    async def read(self, query: Query[T]) -> T:
        """Give what a query finds; raises `Unavailable` while the database is away or silent."""
        self._must_answer()
        self._must_have_room(self._queries, "read")
        if query.name == "asked":
            channel, key, link, session = query.arguments
            about = channel, key, link.value if link else "", session.value if session else ""
            return cast("T", await self._asked(about))
        return cast("T", await self._asked(pickle.dumps(query)))

    async def beat(self, every_s: float) -> None:
        """Show that the gateway's process goes on, for ever: without that no lease is renewed."""
        while True:
            self._say((BEAT,))
            await asyncio.sleep(every_s)

    async def watch(self) -> None:
        """Look whether the store answers, for ever; where nobody asks, ask."""
        while True:
            await asyncio.sleep(LOOK_S)
            units, queries = self._silences
            units.look(() if self.is_stalled else self._units)  # why those wait is known
            queries.look(self._queries)
            self._hear(max(units.seconds, queries.seconds))
            if not self._queries:
                self._asked(_ANYTHING).add_done_callback(asyncio.Future.exception)

    def _hear(self, silent_s: float) -> None:
        """Know for how long it is silent; whoever waits for a query need not wait any longer."""
        is_another = bool(silent_s) is not bool(self.silent_s)
        self.silent_s = silent_s
        if is_another:
            self._silent(silent_s)
        if silent_s:
            for read in self._queries.values():
                if not read.done():
                    read.set_exception(Unavailable(_SILENT))

    async def close(self) -> None:
        """Have written and answered what was asked for, and wait until the store has ended."""
        self._is_closing = True
        self._say((CLOSE,))
        await self._ended

    def _must_answer(self) -> None:
        if self.silent_s:
            raise Unavailable(_SILENT)

    def _must_have_room(self, waiting: dict[int, Any], what: str) -> None:
        if self._is_closing:
            raise Unavailable("the store is closed")
        if len(waiting) >= WAITING_MAX:
            raise Unavailable(f"the store has as much to {what} as it can take")

    def _asked(self, about: object) -> asyncio.Future[Any]:
        self._number = number = self._number + 1
        self._queries[number] = read = self._loop.create_future()
        self._say((QUERY, number, about))
        return read

    def _say(self, item: Item) -> None:
        if not self._to_say:
            self._loop.call_soon(self._speak)
        self._to_say.append(item)

    def _speak(self) -> None:
        said, self._to_say = self._to_say, []
        if self.connection is not None:
            self.connection.write(frame(said))

    # ------------------------------------------------------------------ what is heard

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Know by what to speak."""
        self.connection = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Know that the store has ended; the gateway ends with it, unless it was to be so."""
        del exc
        self._ended.set_result(None)
        if not self._is_closing:
            self._lost(Broken("the store's process has ended"))

    def data_received(self, data: bytes) -> None:
        """Tell everybody what became of what they asked for."""
        for item in self._frames.take(data):
            match item:
                case (code, numbers) if code == STANDS:
                    for number in numbers:
                        self._tell(self._units.pop(number), None)
                case (code, number, answer) if code == ANSWER:
                    self._give(number, _found(answer))
                case (code, number, kind, text) if code == FAILED:
                    self._give(number, error_of(kind, text))
                case (code, *state) if code == STATE:
                    self._know(*state)
                case (code, kind, text) if code == LOST:
                    self._lost(error_of(kind, text))

    def _give(self, number: int, outcome: object) -> None:
        read = self._queries.pop(number, None)
        if read is None:
            waiting = self._units if number in self._units else self._chores
            self._tell(waiting.pop(number), outcome)
        elif read.done():
            pass  # whoever asked has gone
        elif isinstance(outcome, Exception):
            read.set_exception(outcome)
        else:
            read.set_result(outcome)

    def _tell(self, told: Callable[[Any], None], outcome: object) -> None:
        try:
            told(outcome)
        except Exception as error:  # noqa: BLE001 - one caller's mistake is not the others'
            failed = {"message": "who was told by the store failed", "exception": error}
            self._loop.call_exception_handler(failed)

    def _know(
        self,
        is_stalled: bool,  # noqa: FBT001 - one of the values that came
        why_refusing: str,
        why_failing: str,
        span: tuple[float, float],
    ) -> None:
        self.is_stalled, self.why_failing = is_stalled, why_failing
        self._lease.span = span
        if why_refusing != self.why_refusing:
            self.why_refusing = why_refusing
            self._refusing(why_refusing)


def _found(answer: object) -> object:
    if isinstance(answer, bytes):
        return pickle.loads(answer)  # noqa: S301 - our own child's
    return asked_of(cast("Plain", answer))


_SILENT = "the store does not answer"
_ANYTHING = ("", "", "", "")  # the query that costs the least
