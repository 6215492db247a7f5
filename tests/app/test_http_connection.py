"""An HTTP connection that is one too many, too slow or too long is ended, with a reason."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.responses import PlainTextResponse

from gateway.app import http_connection
from gateway.app.http_server import HttpServer, listen

REQUEST = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving() -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    """Serve an application that says yes; gives what connects to it."""
    listening = listen("127.0.0.1:0")
    port = listening.getsockname()[1]
    server = HttpServer(PlainTextResponse("yes"))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    writers = []

    async def connect() -> Streams:
        streams = await asyncio.open_connection("127.0.0.1", port)
        writers.append(streams[1])
        return streams

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        server.should_exit = True
        await running


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    """Read to the end of the connection: the status and the problem of the answer."""
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)


def test_header_that_never_ends_is_answered_408(monkeypatch):
    """A request whose header does not arrive in time is answered 408, and its connection ends."""
    monkeypatch.setattr(http_connection, "HEADER_SECONDS_MAX", 0.05)

    async def act():
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(REQUEST[:-2])
            return await answer_of(reader)

    status, problem = asyncio.run(act())
    assert (status, problem["code"]) == (408, "BODY_TOO_SLOW")


def test_connection_that_says_nothing_is_closed(monkeypatch):
    """Who connects and says nothing is let go without an answer."""
    monkeypatch.setattr(http_connection, "HEADER_SECONDS_MAX", 0.05)

    async def act():
        async with serving() as connect:
            reader, _ = await connect()
            return await reader.read()

    assert asyncio.run(act()) == b""


def test_header_that_is_too_long_is_answered_413():
    """A header longer than the limit is answered 413 while it still comes."""

    async def act():
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(REQUEST[:-2] + b"X-Filler: ")
            answer = asyncio.create_task(answer_of(reader))
            while not answer.done():
                writer.write(b"x" * 4096)
                await asyncio.wait([answer], timeout=0.001)
            return answer.result()

    status, problem = asyncio.run(act())
    assert (status, problem["code"]) == (413, "BODY_TOO_LARGE")


def test_connection_beyond_the_limit_is_answered_503(monkeypatch):
    """A connection beyond the limit is answered 503 at once; those before it are served on."""
    monkeypatch.setattr(http_connection, "CONNECTIONS_MAX", 1)

    async def act():
        async with serving() as connect:
            first, writer = await connect()
            writer.write(REQUEST)
            await first.readuntil(b"yes")
            second, _ = await connect()
            turned_away = await answer_of(second)
            writer.write(REQUEST)
            return turned_away, await first.readuntil(b"yes")

    (status, problem), served = asyncio.run(act())
    assert (status, problem["code"], problem["retryable"]) == (503, "OVERLOADED", True)
    assert served.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
def test_header_in_two_pieces_is_a_header(cut):
    """A request is served wherever its header is cut, and one after the other."""

    async def act():
        async with serving() as connect:
            reader, writer = await connect()
            for _ in range(2):
                writer.write(REQUEST[:cut])
                await asyncio.sleep(0)
                writer.write(REQUEST[cut:])
                answer = await reader.readuntil(b"yes")
            return answer

    assert asyncio.run(act()).startswith(b"HTTP/1.1 200")
