"""Reads headers and body of one request within limits, or refuses it by place and rule."""

import asyncio
import re
from collections import Counter
from collections.abc import Coroutine, Generator
from functools import cache, lru_cache, partial
from hashlib import blake2b
from types import coroutine
from typing import Any, TypeVar, cast

from starlette.types import Receive, Scope

from gateway.api.bodies import Body, validate
from gateway.api.problems import FieldError, InvalidRequest
from gateway.api.service import Caller, IdempotencyKey
from gateway.api.strict_json import canonical, parse
from gateway.regions.vocabulary import PIN_PROOFS, Channel, Proof
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import CustomerNumber, LinkId, OperationId
from gateway.terms.refusals import Refusal
from gateway.terms.values import value

BODY_BYTES_MAX = 64 * 1024  # twenty times the largest body that can be right
BODY_SECONDS_MAX = 10  # a backend on the bank's own network needs milliseconds

_REQUEST_ID = re.compile(rb"[0-9A-Za-z_-]{1,64}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_CONTENT_LENGTH = re.compile(r"[0-9]{1,19}")  # what fits 64 bits
_ATTESTED_UNTOLD = {Channel.ONLINE_BANK: frozenset({Proof.SESSION})}
_ATTESTABLE = ", ".join(proof for proof in Proof if proof not in PIN_PROOFS)
_PROOFS_RULE = f"proofs that a channel can attest, separated by commas: {_ATTESTABLE}"
_CUSTOMER_MISSING = f"required: {CustomerNumber.rule}"
_MEDIA_TYPES_KEPT = 16  # callers write theirs in one way each
_IDEMPOTENCY_KEY_RULE = "1 to 255 visible ASCII characters, sent once"

PathId = TypeVar("PathId", LinkId, OperationId)
BodyT = TypeVar("BodyT", bound=Body)


class Disconnected(Exception):
    """The caller went away before its request had arrived."""


@value(frozen=True, slots=True)
class Call:
    """One request, read and checked: the caller, its body and key where the endpoint has them."""

    caller: Caller
    scope: Scope
    body: Body | None
    key: IdempotencyKey | None

    def body_as(self, body_type: type[BodyT]) -> BodyT:
        """Give the body, which the contract says is of this type."""
        assert isinstance(self.body, body_type)
        return self.body

    @property
    def idempotency_key(self) -> IdempotencyKey:
        """The key, on an endpoint whose contract demands one."""
        assert self.key is not None
        return self.key

    def path_id(self, name: str, id_type: type[PathId]) -> PathId:
        """Read an id from the path; one of the wrong form is an id that does not exist."""
        try:
            return id_type(self.scope["path_params"][name])
        except ValueError:
            raise RequestRefused(Refusal.NOT_FOUND) from None


def presented_request_id(scope: Scope) -> str | None:
    """Give the caller's Request-Id if it has the form of one, else nothing."""
    for name, sent in scope["headers"]:
        if name == b"request-id" and _REQUEST_ID.fullmatch(sent):
            return str(sent, "ascii")
    return None


class Headers:
    """The headers of one request, each of which is sent once or asked for in vain."""

    __slots__ = ("_repeated", "_values")

    def __init__(self, scope: Scope) -> None:
        pairs = scope["headers"]
        self._values: dict[bytes, bytes] = dict(pairs)
        self._repeated: set[bytes] = set()
        if len(self._values) != len(pairs):
            times = Counter(name for name, _ in pairs)
            self._repeated = {name for name, count in times.items() if count > 1}

    def get(self, name: str) -> str | None:
        """Read a header; raises `InvalidRequest` when it is sent twice or is not ASCII."""
        key = _sent_as(name)
        value = self._values.get(key)
        if value is None:
            return None
        if key in self._repeated or not value.isascii():
            raise InvalidRequest(FieldError("ASCII characters, sent once", header=name))
        return str(value, "ascii")


@cache
def _sent_as(name: str) -> bytes:
    return name.lower().encode("ascii")


def customer_number(headers: Headers) -> CustomerNumber:
    """Read the Customer-Number header; raises `InvalidRequest`."""
    sent = headers.get("Customer-Number")
    if sent is None:
        raise InvalidRequest(FieldError(_CUSTOMER_MISSING, header="Customer-Number"))
    try:
        return CustomerNumber(sent)
    except ValueError:
        raise InvalidRequest(FieldError(CustomerNumber.rule, header="Customer-Number")) from None


def attested_proofs(headers: Headers, kind: Channel) -> frozenset[Proof]:
    """Read the Proofs header; raises `InvalidRequest`.

    Online banking attests a session by asking for a customer at all; other channels say what they
    have seen. No channel attests a PIN: it is proved by its enciphered form, in the body.
    """
    text = headers.get("Proofs")
    if text is None:
        return _ATTESTED_UNTOLD.get(kind, frozenset())
    try:
        proofs = frozenset(Proof(word.strip()) for word in text.split(","))  # type: ignore[call-arg]
    except ValueError:
        proofs = PIN_PROOFS
    if not proofs.isdisjoint(PIN_PROOFS):
        raise InvalidRequest(FieldError(_PROOFS_RULE, header="Proofs"))
    return proofs


def idempotency_key_text(headers: Headers) -> str:
    """Read the Idempotency-Key header; raises `RequestRefused`, with a code of its own if absent.

    draft-ietf-httpapi-idempotency-key-header, with plain characters instead of a quoted string.
    """
    value = headers.get("Idempotency-Key")
    if value is None:
        raise RequestRefused(Refusal.IDEMPOTENCY_KEY_MISSING)
    if not _IDEMPOTENCY_KEY.fullmatch(value):
        raise InvalidRequest(FieldError(_IDEMPOTENCY_KEY_RULE, header="Idempotency-Key"))
    return value


def fingerprint(key: bytes, scope: Scope, customer: str, content: object) -> bytes:
    """Digest what an Idempotency-Key was used for, 32 bytes of keyed BLAKE2b (RFC 7693).

    `key` has up to 64 bytes.
    """
    # No part but the last can hold a line feed: the path has matched a route and its ids are
    # checked, the customer number has its pattern.
    parts = (scope["method"].encode(), scope["path"].encode(), customer.encode())
    return blake2b(b"\n".join((*parts, canonical(content))), key=key, digest_size=32).digest()


def refuse_query(scope: Scope) -> None:
    """Refuse a query string: no endpoint has one, and URLs end up in other people's logs."""
    if scope["query_string"]:
        raise InvalidRequest(FieldError("no query parameters", pointer=""))


def refuse_body(headers: Headers) -> None:
    """Refuse a body where the endpoint has none, so that nothing unread changes a meaning."""
    if headers.get("Transfer-Encoding") or headers.get("Content-Length") not in {None, "0"}:
        raise InvalidRequest(FieldError("no body", pointer=""))


async def read_json(
    headers: Headers, receive: Receive, body_type: type[Body]
) -> tuple[object, Body]:
    """Read, parse and check a body; gives the JSON value and the typed body.

    Raises `RequestRefused` (`UNSUPPORTED_MEDIA_TYPE`, `BODY_TOO_LARGE`, `BODY_TOO_SLOW`,
    `INVALID_REQUEST`) and `Disconnected`.
    """
    _demand_json(headers)
    value = parse(await _in_time(_read(headers, receive)), body_type.model_fields)
    return value, validate(body_type, value)


async def _in_time(reading: Coroutine[Any, Any, bytes]) -> bytes:
    try:
        waits_for = reading.send(None)
    except StopIteration as read:
        return cast("bytes", read.value)  # most bodies come along with their head: no timer then
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await _go_on(reading, waits_for)
    except TimeoutError:
        raise RequestRefused(Refusal.BODY_TOO_SLOW) from None


@coroutine
def _go_on(reading: Coroutine[Any, Any, bytes], waits_for: object) -> Generator[Any, Any, bytes]:
    """Wait for a coroutine that has begun already."""
    while True:
        try:
            come = yield waits_for
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's
            go_on = partial(reading.throw, error)
        else:
            go_on = partial(reading.send, come)
        try:
            waits_for = go_on()
        except StopIteration as read:
            return cast("bytes", read.value)


def _demand_json(headers: Headers) -> None:
    if not _is_json(headers.get("Content-Type") or ""):
        rule = "the header Content-Type is application/json, in UTF-8"
        raise RequestRefused(Refusal.UNSUPPORTED_MEDIA_TYPE, rule=rule)
    if headers.get("Content-Encoding") is not None:
        rule = "a body is not compressed: leave the header Content-Encoding out"
        raise RequestRefused(Refusal.UNSUPPORTED_MEDIA_TYPE, rule=rule)


@lru_cache(_MEDIA_TYPES_KEPT)
def _is_json(content_type: str) -> bool:
    media_type, _, parameters = content_type.partition(";")
    is_json = media_type.strip().lower() == "application/json"
    return is_json and parameters.strip().lower().replace('"', "") in {"", "charset=utf-8"}


async def _read(headers: Headers, receive: Receive) -> bytes:
    # Most bodies that are too large say so, and are refused before a byte of them is read.
    if _declared_bytes(headers) > BODY_BYTES_MAX:
        raise RequestRefused(Refusal.BODY_TOO_LARGE)
    content = bytearray()
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        content += event.get("body", b"")
        if len(content) > BODY_BYTES_MAX:
            raise RequestRefused(Refusal.BODY_TOO_LARGE)
        more = event.get("more_body", False)
    return bytes(content)


def _declared_bytes(headers: Headers) -> int:
    declared = headers.get("Content-Length") or "0"
    if not _CONTENT_LENGTH.fullmatch(declared):
        raise InvalidRequest(FieldError("a number of bytes", header="Content-Length"))
    return int(declared)
