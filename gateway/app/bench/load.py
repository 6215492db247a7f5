"""An HTTP client that asks as fast as it is answered: keep-alive connections, one request each."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple, cast

from gateway.terms.errors import Unavailable

_END_OF_HEAD = b"\r\n\r\n"
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


async def run(url: str, requests: Iterable[bytes], connections: int, seconds: float) -> Bout:
    """Send requests over `connections` until they or `seconds` are over.

    What was sent is waited for. Raises `Unavailable` when a connection ends.
    """
    host, _, port = url.removeprefix("http://").rpartition(":")
    loop = asyncio.get_running_loop()
    bout = Bout()
    numbered = enumerate(requests)
    opened = [
        await loop.create_connection(lambda: _Connection(bout), host, int(port))
        for _ in range(connections)
    ]
    begun = perf_counter()
    waiting = [connection.begin(numbered, begun + seconds) for _, connection in opened]
    try:
        await asyncio.gather(*waiting)
    finally:
        for transport, _ in opened:
            transport.abort()
    bout.seconds = perf_counter() - begun
    return bout


class _Connection(asyncio.Protocol):
    """One connection: the next request leaves when the last one is answered."""

    _transport: asyncio.Transport
    _done: asyncio.Future[None]
    _requests: Iterator[tuple[int, bytes]]

    def __init__(self, bout: Bout) -> None:
        self._bout = bout
        self._buffer = b""
        self._number = 0
        self._sent_at = 0.0
        self._until = 0.0

    def begin(self, requests: Iterator[tuple[int, bytes]], until: float) -> asyncio.Future[None]:
        self._requests, self._until = requests, until
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they behave as they do.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._done.done():
            self._done.set_exception(Unavailable("the server ended a connection of the load"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, _, body = self._buffer.partition(_END_OF_HEAD)
        length = head.partition(_LENGTH)[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            return
        self._buffer = b""
        taken = perf_counter() - self._sent_at
        self._bout.answers.append(Answer(self._number, int(head[9:12]), body, taken))
        self._next()

    def _next(self) -> None:
        following = next(self._requests, None) if perf_counter() < self._until else None
        if following is None:
            self._done.set_result(None)
            return
        self._number, data = following
        self._sent_at = perf_counter()
        self._transport.write(data)
