"""One HTTP connection, with the limits that uvicorn leaves to a proxy.

They say how many there are at a time, how long a header may take, and how long it may be.

Bodies have limits of their own in ``gateway.api.request_reading``.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.api.problems import problem, problem_response
from gateway.terms.refusals import Refusal

log = structlog.get_logger()

CONNECTIONS_MAX = 512  # half of the 1,024 descriptors that a process has as a rule
HEADER_SECONDS_MAX = 10.0  # a backend on the bank's own network needs milliseconds
HEADER_BYTES_MAX = 32_768  # and one read more; ours and a proxy's headers take 1 or 2 KiB


class HttpConnection(HttpToolsProtocol):
    """Ends a connection that is one too many, or whose header is too slow or too long.

    It is answered 503, 408 or 413 (RFC 9110, 15.6.4, 15.5.9, 15.5.14) with problem details.
    """

    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self._end("too many connections", _TOO_MANY)
            return
        self._expect_header()

    def data_received(self, data: bytes) -> None:
        """Take what was read; a header that is not whole has so long, and so much room."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        scope = self._scope()
        if scope and "method" in scope:  # uvicorn sets it when the header is whole
            self._header_is_here()
        elif self._deadline is None:
            self._expect_header()
        else:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES_MAX:
                self._end("header too long", _TOO_LONG)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._header_is_here()
        super().connection_lost(exc)

    def _scope(self) -> Mapping[str, object] | None:
        """Give the request under way; before its first byte there is none, despite its type."""
        return self.scope

    def _expect_header(self) -> None:
        self._header_bytes = 0
        self._deadline = self.loop.call_later(HEADER_SECONDS_MAX, self._too_late)

    def _header_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        # Who has said nothing is told nothing: it may have connected early, for later.
        self._end("header too slow", _TOO_LATE if self._scope() else b"")

    def _end(self, why: str, answer: bytes) -> None:
        log.info("http-connection-ended", why=why, connections=len(self.connections))
        self.transport.write(answer)
        self.transport.close()


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
