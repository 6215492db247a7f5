"""One function per endpoint: a checked call in, a response out.

Each takes the service and the call; what the call has (body, key, customer) is said by the table
in `gateway.api.contract`.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, Self

from pydantic import TypeAdapter
from starlette.responses import Response

from gateway.api.agency_views import AgencyView
from gateway.api.bodies import (
    ActivateBody,
    ApplicationBody,
    LinkBody,
    PinSessionBody,
    SetPinBody,
    VoucherBody,
)
from gateway.api.businesses import Resource
from gateway.api.card_bodies import BusinessBody
from gateway.api.problems import problem, problem_response
from gateway.api.request_reading import Call
from gateway.api.service import (
    BusinessCommand,
    GatewayService,
    LinkView,
    OperationView,
    PinSessionView,
    PublicKey,
    ReadinessCheck,
    Reply,
)
from gateway.api.vouchers import (
    VOUCHER_SECURITY_POLICY,
    VerificationView,
    VoucherView,
    voucher_page,
)
from gateway.operations.facts import OperationKind, OperationState
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import LinkId, OperationId
from gateway.terms.refusals import Refusal


class Handler(Protocol):
    """What answers the calls of one endpoint; its name is the operation's in the document."""

    __name__: str

    def __call__(self, service: GatewayService, call: Call, /) -> Awaitable[Response]:
        """Answer a call that is as the contract wants it."""


JSON_MEDIA_TYPE = "application/json"
HTML_MEDIA_TYPE = "text/html"
METRICS_MEDIA_TYPE = "text/plain; version=0.0.4"
POLL_SECONDS = 1  # an operation that is under way is over within a second, as a rule


@dataclass(frozen=True, slots=True)
class Agencies:
    """The institutions served."""

    agencies: tuple[AgencyView, ...]


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """A JWK set (RFC 7517, 5)."""

    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether the process turns its loop."""

    alive: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests should be sent here; `degraded` names what is away all the same.

    All that is required must be there, and one at least of the rest: a balancer must not take a
    gateway away because one far side of many is.
    """

    ready: bool
    degraded: tuple[str, ...]
    checks: Mapping[str, ReadinessCheck]

    @classmethod
    def of(cls, checks: Mapping[str, ReadinessCheck]) -> Self:
        """Judge by the checks."""
        required = [check.ready for check in checks.values() if check.required]
        others = [check.ready for check in checks.values() if not check.required]
        away = tuple(name for name, check in checks.items() if not check.ready)
        return cls(all(required) and (any(others) or not others), away, checks)


_AGENCIES = TypeAdapter(Agencies)
_PUBLIC_KEYS = TypeAdapter(PublicKeys)
_OPERATION = TypeAdapter(OperationView)
_LINK = TypeAdapter(LinkView)
_PIN_SESSION = TypeAdapter(PinSessionView)
_VOUCHER = TypeAdapter(VoucherView)
_VERIFICATION = TypeAdapter(VerificationView)
_READINESS = TypeAdapter(Readiness)


def _json(content: bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(content, status_code=status, media_type=JSON_MEDIA_TYPE)


async def agencies(service: GatewayService, _call: Call) -> Response:
    """List the institutions served, what each offers and its PIN rules."""
    return _json(_AGENCIES.dump_json(Agencies(service.agencies()), exclude_none=True))


async def public_keys(service: GatewayService, _call: Call) -> Response:
    """Give the public keys under which PINs are encrypted."""
    return _json(_PUBLIC_KEYS.dump_json(PublicKeys(await service.public_keys())))


async def link(service: GatewayService, call: Call) -> Response:
    """Link a social-security card to an account."""
    command = call.body_as(LinkBody).command()
    return _reply(await service.link(call.caller, call.idempotency_key, command), call)


async def apply(service: GatewayService, call: Call) -> Response:
    """Apply for a first card."""
    command = call.body_as(ApplicationBody).command()
    return _reply(await service.card_life.apply(call.caller, call.idempotency_key, command), call)


async def read_link(service: GatewayService, call: Call) -> Response:
    """Read a link."""
    view = await service.read_link(call.caller, call.path_id("link", LinkId))
    return _json(_LINK.dump_json(view, exclude_none=True))


async def unlink(service: GatewayService, call: Call) -> Response:
    """Remove a link."""
    link_id = call.path_id("link", LinkId)
    return _reply(await service.unlink(call.caller, call.idempotency_key, link_id), call)


async def open_pin_session(service: GatewayService, call: Call) -> Response:
    """Open a one-time PIN session."""
    link_id = call.path_id("link", LinkId)
    purpose = call.body_as(PinSessionBody).purpose
    reply = await service.open_pin_session(call.caller, call.idempotency_key, link_id, purpose)
    content = _PIN_SESSION.dump_json(reply.session, exclude_none=True)
    return _marked(_json(content, HTTPStatus.CREATED), replayed=reply.replayed)


async def set_ss_pin(service: GatewayService, call: Call) -> Response:
    """Set the SS PIN without the old one."""
    link_id = call.path_id("link", LinkId)
    command = call.body_as(SetPinBody).command()
    key = call.idempotency_key
    return _reply(await service.set_ss_pin(call.caller, key, link_id, command), call)


async def activate(service: GatewayService, call: Call) -> Response:
    """Activate the account of a link."""
    command = call.body_as(ActivateBody).command()
    return _reply(await service.activate(call.caller, call.idempotency_key, command), call)


def asking(resource: Resource) -> Handler:
    """Make the function of a business that only asks."""

    async def ask(service: GatewayService, call: Call) -> Response:
        link_id = call.path_id("link", LinkId)
        return _reply(await service.card_life.ask(call.caller, link_id, resource.kind), call)

    return _named(ask, resource)


def carrying_out(resource: Resource) -> Handler:
    """Make the function of a business that changes something."""

    async def carry_out(service: GatewayService, call: Call) -> Response:
        link_id, key = call.path_id("link", LinkId), call.idempotency_key
        plain = BusinessCommand(words=resource.words)
        command = call.body.command() if isinstance(call.body, BusinessBody) else plain
        kind = resource.kind
        return _reply(
            await service.card_life.carry_out(call.caller, key, link_id, kind, command), call
        )

    return _named(carry_out, resource)


def _named(handler: Handler, resource: Resource) -> Handler:
    handler.__name__ = resource.operation_id
    return handler


async def transfer(_service: GatewayService, _call: Call) -> Response:
    """Refuse: the two accounts are independent, and nothing here moves money between them."""
    raise RequestRefused(Refusal.MONEY_NEVER_MOVES)


async def read_operation(service: GatewayService, call: Call) -> Response:
    """Read an operation, whatever its state."""
    view = await service.read_operation(call.caller, call.path_id("operation", OperationId))
    return _json(_OPERATION.dump_json(view, exclude_none=True))


async def voucher(service: GatewayService, call: Call) -> Response:
    """Give the voucher of a business that was done."""
    view = await service.card_life.voucher(call.caller, call.path_id("operation", OperationId))
    return _json(_VOUCHER.dump_json(view, exclude_none=True))


async def voucher_to_print(service: GatewayService, call: Call) -> Response:
    """Give the voucher as a page to print."""
    view = await service.card_life.voucher(call.caller, call.path_id("operation", OperationId))
    headers = {"Content-Security-Policy": VOUCHER_SECURITY_POLICY}
    return Response(voucher_page(view), headers=headers, media_type=HTML_MEDIA_TYPE)


async def verify_voucher(service: GatewayService, call: Call) -> Response:
    """Tell whether a voucher is genuine."""
    body = call.body_as(VoucherBody)
    genuine = service.card_life.is_genuine(body.operation, body.verification_code)
    return _json(_VERIFICATION.dump_json(VerificationView(genuine)))


async def liveness(_service: GatewayService, _call: Call) -> Response:
    """Answer, which is all there is to say."""
    return _json(b'{"alive":true}')


async def readiness(service: GatewayService, _call: Call) -> Response:
    """Say whether requests should be sent here, and if not, what is missing."""
    readiness = Readiness.of(service.readiness())
    status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return _json(_READINESS.dump_json(readiness), status)


async def metrics(service: GatewayService, _call: Call) -> Response:
    """Give the metrics in the Prometheus text format."""
    return Response(service.metrics(), media_type=METRICS_MEDIA_TYPE)


def _reply(reply: Reply, call: Call) -> Response:
    operation = reply.operation
    match operation.state:
        case OperationState.SUCCEEDED:
            response = _succeeded(operation)
        case OperationState.FAILED:
            response = _failed(operation, call.caller.request_id)
        case _:
            response = _open(operation)
    return _marked(response, replayed=reply.replayed)


def _succeeded(operation: OperationView) -> Response:
    content = _OPERATION.dump_json(operation, exclude_none=True)
    if operation.kind is not OperationKind.LINK:
        return _json(content)
    response = _json(content, HTTPStatus.CREATED)
    response.headers["Location"] = f"/v1/links/{operation.link}"
    return response


def _open(operation: OperationView) -> Response:
    content = _OPERATION.dump_json(operation, exclude_none=True)
    response = _json(content, HTTPStatus.ACCEPTED)
    response.headers["Location"] = f"/v1/operations/{operation.operation}"
    response.headers["Retry-After"] = str(POLL_SECONDS)
    return response


def _failed(operation: OperationView, request_id: str) -> Response:
    refusal = operation.refusal or Refusal.DECLINED
    described = problem(
        refusal,
        request_id,
        operation=str(operation.operation),
        response_code=operation.response_code,
    )
    return problem_response(described)


def _marked(response: Response, *, replayed: bool) -> Response:
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
