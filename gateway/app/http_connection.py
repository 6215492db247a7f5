"""One HTTP connection, with the limits that uvicorn leaves to a proxy.

They say how many there are at a time, how long a request may take to come, how long its header may
be, how long an answer may stay unread, and that a request waits for the answer to the one before.

Bodies have limits of their own in ``gateway.api.request_reading``.
"""

import asyncio
from heapq import nsmallest
from http import HTTPStatus
from typing import Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.api.problems import problem, problem_response
from gateway.api.request_reading import BODY_SECONDS_MAX
from gateway.terms.refusals import Refusal

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
    _answers: "_Answers"

    # ------------------------------------------------------------------ the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        self._answers = _Answers(transport)
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
        """Hear what is asked for; who answers writes head and body at once."""
        super().on_headers_complete()
        self.cycle.transport = cast("asyncio.Transport", self._answers)

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
        self._answers.flush()
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


class _Answers:
    """Writes the head of an answer along with its body, which is one system call less.

    Of a transport it has what uvicorn's cycle of request and answer uses.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Keep a head until its body comes; an interim answer (RFC 9110, 15.2) goes at once."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that has no body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close the connection once all is written."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing more can be written."""
        return self._transport.is_closing()


_HEAD, _INTERIM = b"HTTP/1.1 ", b"HTTP/1.1 1"


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
