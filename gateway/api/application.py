"""The ASGI application: routes by the contract, and answers whatever goes wrong.

Plain ASGI throughout: the guard costs one closure for each request, and no
task or stream of its own.
"""

import asyncio
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.authentication import Channels
from gateway.api.contract import Endpoint, by_path
from gateway.api.problems import FieldError, problem, problem_response, refused
from gateway.api.request_reading import (
    Call,
    Disconnected,
    Headers,
    attested_proofs,
    customer_number,
    fingerprint,
    idempotency_key_text,
    presented_request_id,
    read_json,
    refuse_body,
    refuse_query,
)
from gateway.api.routes import ROUTE, Routes
from gateway.api.service import Caller, GatewayService, IdempotencyKey
from gateway.regions.vocabulary import Channel
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.refusals import Refusal

if TYPE_CHECKING:
    from gateway.api.pages import Page

log = structlog.get_logger(__name__)

_REQUEST_ID = "gateway.request_id"
_HEADERS_OF_ALL = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


def create_application(
    service: GatewayService,
    channels: Channels,
    request_ids: Callable[[], str],
    fingerprint_key: bytes,
) -> ASGIApp:
    """Build the application.

    `request_ids` makes a new request id, 1 to 64 of ``[0-9A-Za-z_-]``; `fingerprint_key` is 32
    secret bytes that outlive the process, since fingerprints are compared across restarts.
    """
    reader = _CallReader(channels, fingerprint_key)
    endpoints: dict[str, ASGIApp] = {
        path: _PathEndpoint({endpoint.method: endpoint for endpoint in of_path}, service, reader)
        for path, of_path in by_path().items()
    }
    return _Guard(Routes({**endpoints, **_PAGES}), request_ids)


@dataclass(frozen=True, slots=True)
class _CallReader:
    """Checks what an endpoint demands of a request, cheapest and most secret first."""

    channels: Channels
    fingerprint_key: bytes

    async def read(self, endpoint: Endpoint, scope: Scope, receive: Receive) -> Call:
        """Give the call; raises `RequestRefused` or `Disconnected`."""
        headers = Headers(scope)
        channel, kind = "", Channel.ONLINE_BANK
        if endpoint.authenticated:
            channel, kind = self.channels.authenticate(headers.get("Authorization"))
        refuse_query(scope)
        customer = customer_number(headers) if endpoint.for_customer else None
        proofs = attested_proofs(headers, kind) if endpoint.for_customer else frozenset()
        caller = Caller(channel, customer, scope[_REQUEST_ID], kind, proofs)
        key_text = idempotency_key_text(headers) if endpoint.changes_state else ""
        content, body = None, None
        if endpoint.body is None:
            if not endpoint.ignores_body:
                refuse_body(headers)
        else:
            content, body = await read_json(headers, receive, endpoint.body)
        key = None
        if customer is not None and key_text:
            digest = fingerprint(self.fingerprint_key, scope, customer.value, content)
            key = IdempotencyKey(key_text, digest)
        return Call(caller, scope, body, key)


@dataclass(frozen=True, slots=True)
class _PathEndpoint:
    """All methods of one path, as an ASGI application."""

    methods: Mapping[str, Endpoint]
    service: GatewayService
    reader: _CallReader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        endpoint = self.methods.get(method)
        if endpoint is None:
            response = _method_not_allowed(tuple(self.methods), scope)
        else:
            call = await self.reader.read(endpoint, scope, receive)
            response = await endpoint.handler(self.service, call)
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that never changes while the process lives, but for the address it is asked at."""

    draw: Callable[[str], "Page"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in {"GET", "HEAD"}:
            # In a thread, because the first request has it drawn.
            page = await asyncio.to_thread(self.draw, _address(scope))
            response = Response(page.content, 200, page.headers, page.media_type)
        else:
            response = _method_not_allowed(("GET",), scope)
        await response(scope, receive, send)


def _openapi_page(_address: str) -> "Page":
    from gateway.api.pages import openapi_page  # noqa: PLC0415 - a gateway starts without it

    return openapi_page()


def _docs_page(address: str) -> "Page":
    from gateway.api.pages import docs_page  # noqa: PLC0415 - a gateway starts without it

    return docs_page(address)


@dataclass(frozen=True, slots=True)
class _Redirect:
    """Leads whoever opens one path to another."""

    path: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response = RedirectResponse(self.path, HTTPStatus.TEMPORARY_REDIRECT)
        if scope["method"] not in {"GET", "HEAD"}:
            response = _method_not_allowed(("GET",), scope)
        await response(scope, receive, send)


_PAGES: Mapping[str, ASGIApp] = {
    "/": _Redirect("/docs"),
    "/openapi.json": _Page(_openapi_page),
    "/docs": _Page(_docs_page),
}

# A registered name, an IPv4 or an IPv6 address, with or without a port (RFC 3986, 3.2.2): nothing
# that means anything to a shell or to HTML.
_HOST = re.compile(r"([0-9A-Za-z.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_ADDRESS_UNTOLD = "http://127.0.0.1:8080"  # where docs/configuration.md has it listen


def _address(scope: Scope) -> str:
    """Give the address under which the caller knows the gateway."""
    hosts = [str(value, "latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return _ADDRESS_UNTOLD
    return f"{scope.get('scheme', 'http')}://{hosts[0]}"


def _method_not_allowed(allowed: Sequence[str], scope: Scope) -> Response:
    offered = ", ".join((*allowed, *(("HEAD",) if "GET" in allowed else ())))
    errors = (FieldError(f"this path is asked by {offered}"),)
    described = problem(Refusal.METHOD_NOT_ALLOWED, scope[_REQUEST_ID], errors)
    response = problem_response(described)
    response.headers["Allow"] = offered
    return response


@dataclass(frozen=True, slots=True)
class _Guard:
    """Gives every request an id and every failure an answer; nothing is raised to the server.

    The server would print a traceback whose texts may hold what a caller sent.
    """

    application: ASGIApp
    request_ids: Callable[[], str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        request_id = presented_request_id(scope) or self.request_ids()
        scope[_REQUEST_ID] = request_id
        own_headers = (*_HEADERS_OF_ALL, (b"request-id", request_id.encode("ascii")))
        started = False

        async def send_marked(event: Message) -> None:
            nonlocal started
            if event["type"] == "http.response.start":
                started = True
                event["headers"] = [*event["headers"], *own_headers]
            await send(event)

        try:
            await self.application(scope, receive, send_marked)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the last resort (ASVS 5.0, 16.5.4)
            response = _answer_to(error, scope)
            if not started:
                await response(scope, receive, send_marked)


def _answer_to(error: Exception, scope: Scope) -> Response:
    request_id: str = scope[_REQUEST_ID]
    place = {"request_id": request_id, "method": _method(scope), "route": _route(scope)}
    if isinstance(error, RequestRefused):
        log.info("request refused", code=error.refusal.value, **place)
        return refused(error, request_id)
    if isinstance(error, Unavailable):
        log.warning("dependency unavailable", **place)
        return problem_response(problem(Refusal.OVERLOADED, request_id))
    log.error("unhandled exception", exception=_kinds(error), frames=_frames(error), **place)
    return problem_response(problem(Refusal.INTERNAL_ERROR, request_id))


def _method(scope: Scope) -> str:
    # A method is any token the caller likes; only those that HTTP registers are repeated.
    known = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "other"


def _route(scope: Scope) -> str:
    """Give the path as the table has it, never as the caller sent it."""
    return str(scope.get(ROUTE, "none"))


def _kinds(error: BaseException) -> list[str]:
    """List the classes of an exception and its causes; their texts may hold a caller's values."""
    kinds = []
    cause: BaseException | None = error
    while cause is not None:
        kinds.append(type(cause).__qualname__)
        cause = cause.__cause__
    return kinds


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
