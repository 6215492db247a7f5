"""One HTTP connection, with the limits that uvicorn leaves to a proxy.

They say how many there are at a time, how long a request may take to come, how long its header may
be, how long an answer may stay unread, and that a request waits for the answer to the one before.

Bodies have limits of their own in ``gateway.api.request_reading``.
"""

import asyncio
from heapq import nsmallest
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from gateway.api.problems import problem, problem_response
from gateway.api.request_reading import BODY_SECONDS_MAX
from gateway.terms.refusals import Refusal

if TYPE_CHECKING:
    from uvicorn._types import (
        ASGISendEvent,
        HTTPResponseBodyEvent,
        HTTPResponseStartEvent,
    )

log = structlog.get_logger()

CONNECTIONS_MAX = 512  # half of the 1,024 descriptors that a process has as a rule
_ROOM = 16  # made at a time: to look for the slowest takes some 0.4 ms
HEADER_SECONDS_MAX = 10.0  # a backend on the bank's own network needs milliseconds
HEADER_BYTES_MAX = 32_768  # and one read more; ours and a proxy's headers take 1 or 2 KiB
UNREAD_SECONDS_MAX = 10.0  # for what the sockets at both ends hold no more of
_REST_SECONDS_MAX = BODY_SECONDS_MAX + 1.0  # who waits for the body has answered by then


class HttpConnection(HttpToolsProtocol):
    """Ends a connection whose request does not come, or whose answer is not read.

    It is answered 408, 413 or 400 where that can still be told (RFC 9110, 15.5), with problem
    details. One beyond `CONNECTIONS_MAX` takes the place of those that keep us waiting for their
    requests for the longest; it is answered 503 where all have requests under way.
    """

    _has_begun = False  # a request, of which not all is here
    _is_deaf = False  # what is said besides the request under way is not heard
    _header_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------ the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX and not self._make_room():
            self._end("too many connections", _TOO_MANY)
        else:
            self._expect(HEADER_SECONDS_MAX)

    def data_received(self, data: bytes) -> None:
        """Take what was read; a request that is not whole has so long, and so much room."""
        if self._is_deaf or self.transport.is_closing():
            return
        had_header = self._has_begun and "method" in self.scope
        super().data_received(data)
        if self._has_begun:
            self._watch_rest(len(data), had_header=had_header)
        elif not (self._deadline or self.timeout_keep_alive_task or self._is_under_way):
            self._expect(HEADER_SECONDS_MAX)  # it was no request, such as an empty line

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_nothing()
        self._is_read()
        super().connection_lost(exc)

    # ------------------------------------------------------------------ requests

    def on_message_begin(self) -> None:
        """Hear that a request begins; another one that is under way has to be answered first."""
        if self._is_under_way:
            raise _Pipelined
        super().on_message_begin()
        self._has_begun, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Hear what is asked for."""
        super().on_headers_complete()
        self.cycle.send = _Answer(self.cycle)  # type: ignore[method-assign]  # and no other way in

    def on_message_complete(self) -> None:
        """Hear that a request is whole."""
        super().on_message_complete()
        self._has_begun = False
        self._expect_nothing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; behind a request that is under way it is not heard.

        Whoever pipelines asks again for what was not answered (RFC 9112, 9.3.2).
        """
        del msg
        if self._is_under_way and not self._has_begun:
            # What we said now would be taken for the answer to the request. What comes is read on
            # all the same: a close with bytes unread resets the connection, and loses the answer.
            self._is_deaf, self.cycle.keep_alive = True, False
            self._log_end("not HTTP behind a request")
        else:
            self._end("not HTTP", _NOT_HTTP)

    # ------------------------------------------------------------------ answers

    def on_response_complete(self) -> None:
        """Hear that an answer is written."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._must_be_read()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection without requests."""
        super().timeout_keep_alive_handler()
        self._must_be_read()

    def pause_writing(self) -> None:
        """Hear that so much is written that is not read."""
        super().pause_writing()
        self._must_be_read()

    def resume_writing(self) -> None:
        """Hear that it is read."""
        self._is_read()
        super().resume_writing()

    # ------------------------------------------------------------------ limits

    @property
    def _is_under_way(self) -> bool:
        cycle: Any = self.cycle  # none before the first request, despite its type
        return cycle is not None and not cycle.response_complete

    @property
    def _is_header_due(self) -> bool:
        return self._has_begun and "method" not in self.scope  # set when the header is whole

    def _watch_rest(self, bytes_read: int, *, had_header: bool) -> None:
        if not self._is_header_due:
            if self._deadline is None or not had_header:
                self._expect(_REST_SECONDS_MAX)
        elif self._deadline is None:
            self._expect(HEADER_SECONDS_MAX)
        else:
            self._header_bytes += bytes_read
            if self._header_bytes > HEADER_BYTES_MAX:
                self._end("header too long", _TOO_LONG)

    def _expect(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        # Who has said nothing is told nothing: it may have connected early, for later.
        self._end("request too slow", _TOO_LATE if self._is_header_due else b"")

    def _make_room(self) -> bool:
        """End those that kept us waiting for the longest; tell whether there was one."""
        connections = cast("set[HttpConnection]", self.connections)
        waiting = ((each.waits_since, each) for each in connections)
        since = {each: until for until, each in waiting if until is not None}
        for slowest in nsmallest(_ROOM, since, since.__getitem__):
            slowest.give_way()
        return bool(since)

    @property
    def waits_since(self) -> tuple[bool, float] | None:
        """Since when it keeps us waiting: those that were never answered first; none if it doesn't.

        Nothing is lost with it: what is not whole is not carried out.
        """
        if self.transport.is_closing():
            return None
        if self._deadline is not None:
            return False, self._deadline.when()
        idle = self.timeout_keep_alive_task
        return (True, idle.when()) if idle is not None else None

    def give_way(self) -> None:
        """End for another's sake."""
        self._end("made room", _TOO_MANY if self._is_header_due else b"")

    def _must_be_read(self) -> None:
        if self._unread is None and self.transport.get_write_buffer_size():
            self._unread = self.loop.call_later(UNREAD_SECONDS_MAX, self._give_up)

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        self._log_end("not read")
        self.transport.abort()

    def _end(self, why: str, answer: bytes) -> None:
        self._log_end(why)
        self._expect_nothing()
        self.transport.write(answer)
        self.transport.close()
        self._must_be_read()

    def _log_end(self, why: str) -> None:
        log.info("http-connection-ended", why=why, connections=len(self.connections))


class _Answer:
    """Writes an answer that comes as head and body in one piece, with one system call.

    Any other answer is left to uvicorn's own way, which this takes the place of.
    """

    __slots__ = ("_cycle", "_start", "_uvicorns_way")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._start: HTTPResponseStartEvent | None = None
        self._uvicorns_way = cycle.send

    async def __call__(self, message: "ASGISendEvent") -> None:
        """Take what the application says of its answer (ASGI, HTTP, 2.4)."""
        if message["type"] == "http.response.start" and self._start is None:
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            if message["type"] == "http.response.body" and self._wrote(start, message):
                return
            await self._uvicorns_way(start)
        await self._uvicorns_way(message)

    def _wrote(self, start: "HTTPResponseStartEvent", event: "HTTPResponseBodyEvent") -> bool:
        """Write an answer if it is a plain one, and tell whether it was."""
        cycle, body = self._cycle, event.get("body", b"")
        is_whole = not (cycle.response_started or event.get("more_body"))
        if cycle.disconnected or cycle.flow.write_paused or not is_whole:
            return False
        if len(body) > _COPIED_BYTES_MAX:
            return False
        head = _head([*cycle.default_headers, *start.get("headers", ())], len(body))
        is_plain = cycle.keep_alive and start["status"] not in _BODILESS
        if not head or not is_plain or cycle.scope["method"] == "HEAD":
            return False
        cycle.transport.write(b"".join((STATUS_LINE[start["status"]], head, body)))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        del cycle.send  # which leads to us and back: it would be kept until it is collected
        cycle.on_response()
        return True


_BODILESS = {204, 304}
# To write head and body as one copies the body, and whoever does not read makes us keep the copy.
# Pages have hundreds of kilobytes and are kept once for all; what businesses are answered is short.
_COPIED_BYTES_MAX = 16_384


def _head(headers: list[tuple[bytes, bytes]], body_bytes: int) -> bytes:
    """Write the headers of a body of this length that leave the connection as it is, or nothing."""
    if (b"content-length", b"%d" % body_bytes) not in headers:
        return b""
    head = b"".join([b"%b: %b\r\n" % header for header in headers]) + b"\r\n"
    # Each is one line, whatever stands in it.
    are_lines = head.count(b"\r") == head.count(b"\n") == len(headers) + 1
    is_said_of_body_alone = b"connection:" not in head and b"transfer-encoding:" not in head
    return head if are_lines and is_said_of_body_alone else b""


class _Pipelined(Exception):
    """A request begins before the one before it is answered."""


def _answer(refusal: Refusal) -> bytes:
    """Write an answer by hand: there is no request yet, nor an application that heard of one."""
    response = problem_response(problem(refusal, request_id=""))
    response.headers["Connection"] = "close"
    first = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}"
    headers = (name + b": " + value for name, value in response.raw_headers)
    return b"\r\n".join([first.encode(), *headers, b"", bytes(response.body)])


_TOO_MANY = _answer(Refusal.OVERLOADED)
_TOO_LATE = _answer(Refusal.BODY_TOO_SLOW)
_TOO_LONG = _answer(Refusal.BODY_TOO_LARGE)
_NOT_HTTP = _answer(Refusal.INVALID_REQUEST)
