"""An HTTP connection that is one too many, too slow or too long is ended, with a reason."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from threading import Semaphore

import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from gateway.app import http_connection
from gateway.app.http_server import HttpServer, listen

REQUEST = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"
YES = PlainTextResponse("yes")
ASKED, GO_ON = Semaphore(0), Semaphore(0)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(application: ASGIApp = YES) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    """Serve an application; gives what connects to it."""
    listening = listen("127.0.0.1:0")
    port = listening.getsockname()[1]
    server = HttpServer(application)
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


async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
    """Say yes when the test goes on."""
    ASKED.release()
    await asyncio.to_thread(GO_ON.acquire, timeout=10)
    await YES(scope, receive, send)


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    """Read to the end of the connection: the status and the problem of the answer."""
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)


async def in_parts(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Say yes in two parts, without a length."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"y", "more_body": True})
    await send({"type": "http.response.body", "body": b"es"})


async def of_two_lines(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Say yes with a header that would be two."""
    headers = [(b"content-length", b"3"), (b"x-said", b"one\r\nx-other: two")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"yes"})


async def lines_of(streams: Streams, request: bytes) -> list[bytes]:
    """Ask twice over one connection, the second time for the last; gives lines but the dates."""
    reader, writer = streams
    writer.write(request)
    try:
        first = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        return [ended.partial]
    writer.write(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    lines = (first + await reader.read()).split(b"\r\n")
    return [line for line in lines if not line.startswith(b"date:")]


@pytest.mark.parametrize(
    ("application", "request_", "is_at_once"),
    [
        (YES, REQUEST, True),
        (PlainTextResponse("yes", headers={"Location": "/there"}), REQUEST, True),
        (YES, REQUEST.replace(b"GET", b"HEAD"), False),
        (YES, REQUEST.replace(b"1.1", b"1.0"), False),
        (PlainTextResponse("yes", headers={"Connection": "close"}), REQUEST, False),
        (Response(status_code=204), REQUEST, False),
        (in_parts, REQUEST, False),
        (of_two_lines, REQUEST, False),
        (PlainTextResponse("x" * 16_385), REQUEST, False),
    ],
)
def test_an_answer_at_once_is_the_same_as_one_in_parts(
    monkeypatch, application, request_, is_at_once
):
    """A plain answer does without uvicorn's two writes; whoever asked sees no difference."""
    ways = []
    wrote = http_connection._Answer._wrote
    monkeypatch.setattr(
        http_connection._Answer,
        "_wrote",
        lambda *said: ways.append(wrote(*said)) or ways[-1],
    )

    async def act():
        async with serving(application) as connect:
            ours = await lines_of(await connect(), request_)
            monkeypatch.setattr(http_connection, "_head", lambda *_: b"")
            return ours, await lines_of(await connect(), request_)

    ours, uvicorns = asyncio.run(act())
    assert ours == uvicorns
    assert ways[0] == is_at_once


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


def test_connection_beyond_the_limit_takes_the_place_of_the_slowest(monkeypatch):
    """Who never asked anything makes room first, the oldest of them; then who asks nothing more."""
    monkeypatch.setattr(http_connection, "CONNECTIONS_MAX", 3)
    monkeypatch.setattr(http_connection, "_ROOM", 1)

    async def act():
        async with serving() as connect:
            idle, writer = await connect()
            writer.write(REQUEST)
            await idle.readuntil(b"yes")
            slow, writer = await connect()
            writer.write(REQUEST[:-2])
            silent, _ = await connect()
            ends = []
            for waiting in (slow, silent, idle):
                newcomer, writer = await connect()
                ends.append(await waiting.read())
                writer.write(REQUEST)
                assert await newcomer.readuntil(b"yes")
            return ends

    of_slow, of_silent, of_idle = asyncio.run(act())
    assert of_slow.startswith(b"HTTP/1.1 503")
    assert (of_silent, of_idle) == (b"", b"")


def test_connection_is_answered_503_where_all_have_requests_under_way(monkeypatch):
    """A newcomer is told to try again; what is under way is answered."""
    monkeypatch.setattr(http_connection, "CONNECTIONS_MAX", 1)

    async def act():
        async with serving(slowly) as connect:
            first, writer = await connect()
            writer.write(REQUEST)
            await asyncio.to_thread(ASKED.acquire, timeout=10)
            second, _ = await connect()
            turned_away = await answer_of(second)
            GO_ON.release()
            return turned_away, await first.readuntil(b"yes")

    (status, problem), served = asyncio.run(act())
    assert (status, problem["code"], problem["retryable"]) == (503, "OVERLOADED", True)
    assert served.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("behind", [REQUEST, b"\x00garbage", b"\r\nGET"])
def test_what_comes_behind_a_request_under_way_is_not_answered_before_it(behind):
    """The request is answered as if it were alone; then the connection ends."""

    async def act():
        async with serving(slowly) as connect:
            reader, writer = await connect()
            writer.write(REQUEST + behind)
            await asyncio.to_thread(ASKED.acquire, timeout=10)
            GO_ON.release()
            return await reader.read()

    said = asyncio.run(act())
    assert said.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in said
    assert said.endswith(b"yes")
    assert said.count(b"HTTP/1.1") == 1


def test_what_is_no_http_is_answered_400():
    """Garbage gets problem details as everything else does."""

    async def act():
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(b"\x16\x03\x01\x02\x00")  # as TLS begins
            return await answer_of(reader)

    status, problem = asyncio.run(act())
    assert (status, problem["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"\x16\x03\x01\x02\x00", ["not HTTP"]),
        (REQUEST + b"\x00garbage", ["not HTTP behind a request"]),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n", []),
    ],
)
def test_what_callers_say_wrong_is_one_line_of_ours(caplog, said, why):
    """The library's own words about it, which are no structured line, are left out."""

    async def act():
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(said)
            await reader.read()

    with capture_logs() as lines:
        asyncio.run(act())
    assert [line["why"] for line in lines] == why
    assert caplog.records == []


@pytest.mark.parametrize("noise", [b"\r\n", b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"])
def test_what_goes_on_after_an_answer_does_not_hold_the_connection(monkeypatch, noise):
    """Neither empty lines nor a body that nobody reads any more put off the end."""
    monkeypatch.setattr(http_connection, "HEADER_SECONDS_MAX", 0.1)
    monkeypatch.setattr(http_connection, "_REST_SECONDS_MAX", 0.1)

    async def act():
        async with serving() as connect:
            reader, writer = await connect()
            writer.write(REQUEST)
            await reader.readuntil(b"yes")
            writer.write(noise)
            ended = asyncio.create_task(reader.read())
            while not ended.done():
                writer.write(noise[-1:] if noise[-1:] == b"1" else noise)
                await asyncio.wait([ended], timeout=0.03)
            return await asyncio.gather(ended, return_exceptions=True)

    asyncio.run(asyncio.wait_for(act(), 5))


def test_answers_that_are_not_read_end_the_connection(monkeypatch):
    """Who asks on and never reads is cut off, when it would hold our memory."""
    monkeypatch.setattr(http_connection, "UNREAD_SECONDS_MAX", 0.05)
    page = PlainTextResponse("x" * (1 << 20))

    async def act():
        async with serving(page) as connect:
            _, writer = await connect()
            writer.transport.pause_reading()
            while not writer.transport.is_closing():
                writer.write(REQUEST)
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(act(), 10))


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
