"""An HTTP client over keep-alive connections, one request each at a time.

It asks as fast as it is answered (a closed loop), or at a pace of its own (an open one).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from typing import NamedTuple, cast

from gateway.terms.errors import Unavailable

_END_OF_HEAD = b"\r\n\r\n"
_LOOK_SECONDS = 0.001  # between looks whether a connection has come free for what is due
_LENGTH = b"\r\ncontent-length: "  # as uvicorn writes it


class Answer(NamedTuple):
    """What came back for request number `request`, after how long."""

    request: int
    status: int
    body: bytes
    seconds: float


@dataclass(slots=True)
class Bout:
    """Requests answered between two instants."""

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers each second."""
        return len(self.answers) / self.seconds


def percentile(answers: Iterable[Answer], percent: int) -> float:
    """Give the latency in milliseconds that `percent` of the answers did not exceed."""
    ordered = sorted(answer.seconds for answer in answers)
    return 1000 * ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def request(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """Write one HTTP/1.1 request as it goes over the connection."""
    described = {
        "Host": "bench",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in described.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def run(
    url: str | Sequence[str], requests: Iterable[bytes], connections: int, seconds: float
) -> Bout:
    """Send requests over `connections` until they or `seconds` are over.

    Several places have as many connections each. What was sent is waited for. Raises `Unavailable`
    when a connection ends.
    """
    numbered = enumerate(requests)
    async with _opened(url, connections) as callers:
        begun = perf_counter()

        def following(caller: "_Caller") -> None:
            asked = next(numbered, None) if perf_counter() < begun + seconds else None
            if asked is None:
                callers.leave(caller)
            else:
                caller.ask(*asked, perf_counter())

        await callers.serve(following)
        return Bout(callers.answers, perf_counter() - begun)


async def offer(url: str, requests: Sequence[bytes], connections: int, per_second: float) -> Bout:
    """Send so many requests a second, whatever became of those before (an open loop).

    Each counts from the instant at which it was due, also while all connections are busy: nobody
    who is slow is asked less often. Raises `Unavailable` when a connection ends.
    """
    async with _opened(url, connections) as callers:
        begun = perf_counter()
        due = deque(
            (number, data, begun + number / per_second) for number, data in enumerate(requests)
        )
        free: list[_Caller] = []

        def following(caller: "_Caller") -> None:
            if not due:
                callers.leave(caller)
            elif due[0][2] <= perf_counter():
                caller.ask(*due.popleft())
            else:
                free.append(caller)

        serving = asyncio.ensure_future(callers.serve(following))
        while due and not serving.done():
            await asyncio.sleep(max(_LOOK_SECONDS, due[0][2] - perf_counter()))
            while due and free and due[0][2] <= perf_counter():
                free.pop().ask(*due.popleft())
        for caller in free:
            callers.leave(caller)
        await serving
        return Bout(callers.answers, perf_counter() - begun)


class _Callers:
    """Connections that ask one request each; `answers` are what all of them were told."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.open: list[_Caller] = []
        self.free: Callable[[_Caller], None] = self.leave
        self._busy: set[_Caller] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(self, free: "Callable[[_Caller], None]") -> None:
        """Call `free` with each connection that has nothing to do, until all were left."""
        self.free, self._busy = free, set(self.open)
        for caller in self.open:
            free(caller)
        await self._over

    def leave(self, caller: "_Caller") -> None:
        """Ask nothing more over a connection."""
        self._busy.discard(caller)
        if not self._busy and not self._over.done():
            self._over.set_result(None)

    def lost(self) -> None:
        """Hear that a connection ended."""
        if not self._over.done():
            self._over.set_exception(Unavailable("the server ended a connection of the load"))


@asynccontextmanager
async def _opened(url: str | Sequence[str], connections: int) -> AsyncIterator[_Callers]:
    places = cycle([url] if isinstance(url, str) else url)
    loop, callers = asyncio.get_running_loop(), _Callers()
    for _ in range(connections):
        host, _, port = next(places).removeprefix("http://").rpartition(":")
        _, caller = await loop.create_connection(lambda: _Caller(callers), host, int(port))
        callers.open.append(caller)
    try:
        yield callers
    finally:
        for caller in callers.open:
            caller.end()


class _Caller(asyncio.Protocol):
    """One connection, over which one request is asked at a time."""

    _transport: asyncio.Transport

    def __init__(self, callers: _Callers) -> None:
        self._callers = callers
        self._buffer = b""
        self._number = 0
        self._since = 0.0

    def ask(self, number: int, data: bytes, since: float) -> None:
        self._number, self._since = number, since
        self._transport.write(data)

    def end(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they behave as they do.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._callers.lost()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, _, body = self._buffer.partition(_END_OF_HEAD)
        length = head.partition(_LENGTH)[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            return
        self._buffer = b""
        taken = perf_counter() - self._since
        self._callers.answers.append(Answer(self._number, int(head[9:12]), body, taken))
        self._callers.free(self)
