"""The table of endpoints: what each demands, takes and answers.

Routing, reading and the OpenAPI document all follow this table, so that none can say otherwise
than another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from gateway.api import endpoints
from gateway.api.bodies import (
    ActivateBody,
    ApplicationBody,
    Body,
    LinkBody,
    PinSessionBody,
    SetPinBody,
    VoucherBody,
)
from gateway.api.businesses import RESOURCES, Resource
from gateway.api.endpoints import (
    HTML_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    METRICS_MEDIA_TYPE,
    Agencies,
    Handler,
    Liveness,
    PublicKeys,
    Readiness,
)
from gateway.api.problems import ANSWERS
from gateway.api.service import LinkView, OperationView, PinSessionView
from gateway.api.vouchers import VerificationView, VoucherView
from gateway.operations.facts import OperationKind
from gateway.terms.refusals import Refusal
from gateway.terms.sides import Side


@dataclass(frozen=True, slots=True)
class Success:
    """One answer that is not a problem."""

    status: HTTPStatus
    description: str
    view: type | None
    media_type: str = JSON_MEDIA_TYPE
    location: str = ""  # what the Location header leads to, where there is one


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    `for_customer` demands the Customer-Number header, `changes_state` the Idempotency-Key.
    `own_refusals` are those beyond the ones that follow from these demands. With `ignores_body`
    whatever is sent is answered without being read.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    successes: tuple[Success, ...]
    authenticated: bool = True
    for_customer: bool = False
    changes_state: bool = False
    body: type[Body] | None = None
    own_refusals: tuple[Refusal, ...] = field(default=())
    ignores_body: bool = False

    @property
    def operation_id(self) -> str:
        """The name of the operation in the OpenAPI document: the handler's."""
        return self.handler.__name__

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Every refusal the endpoint may answer, in the order of their statuses."""
        codes = {Refusal.INVALID_REQUEST, Refusal.METHOD_NOT_ALLOWED, Refusal.INTERNAL_ERROR}
        if self.authenticated:
            codes |= {Refusal.UNAUTHENTICATED, Refusal.OVERLOADED}
        if self.changes_state:
            codes |= _KEY_REFUSALS | _GRANT_REFUSALS
        if self.body is not None:
            codes |= _BODY_REFUSALS
        codes.update(self.own_refusals)
        return tuple(sorted(codes, key=lambda code: (ANSWERS[code].status, code.value)))


_KEY_REFUSALS = {
    Refusal.IDEMPOTENCY_KEY_MISSING,
    Refusal.IDEMPOTENCY_KEY_REUSED,
    Refusal.IN_PROGRESS,
}
_GRANT_REFUSALS = {Refusal.NOT_GRANTED, Refusal.PROOF_MISSING}
_BODY_REFUSALS = {
    Refusal.BODY_TOO_LARGE,
    Refusal.BODY_TOO_SLOW,
    Refusal.UNSUPPORTED_MEDIA_TYPE,
}
_BUREAU_REFUSALS = (
    Refusal.BUREAU_UNAVAILABLE,
    Refusal.CARD_NOT_USABLE,
    Refusal.CARD_LOST,
    Refusal.NOT_OFFERED,
    Refusal.DECLINED,
)
_CORE_REFUSALS = (
    Refusal.CORE_UNAVAILABLE,
    Refusal.ACCOUNT_NOT_USABLE,
    Refusal.ACCOUNT_LOST,
)
_TURN_REFUSALS = (Refusal.EARLIER_PIN_OPEN, Refusal.UNLINKING_OPEN)
_PIN_REFUSALS = (
    *_TURN_REFUSALS,
    Refusal.SECURITY_MODULE_UNAVAILABLE,
    Refusal.PIN_SESSION_UNUSABLE,
    Refusal.PIN_ENVELOPE,
    Refusal.PIN_FORMAT,
    Refusal.PIN_TRIVIAL,
    Refusal.PIN_PERSONAL,
    Refusal.PIN_RATE_LIMITED,
    Refusal.PIN_LOCKED,
)

_OWN_REFUSALS = {
    OperationKind.SS_LOSS_CANCEL: (Refusal.LOSS_FORMAL, Refusal.REPLACEMENT_BEGUN),
    OperationKind.FINANCIAL_LOSS_CANCEL: (Refusal.LOSS_FORMAL,),
    OperationKind.CARD_REPLACE: (Refusal.LOSS_NOT_FORMAL, Refusal.REPLACEMENT_BEGUN),
    OperationKind.CARD_COLLECT: (Refusal.NO_CARD_WAITING,),
    OperationKind.ECARD_ISSUE: (Refusal.PIN_AS_CARD_PIN,),
    OperationKind.ECARD_PIN_SET: (Refusal.NO_ECARD, Refusal.PIN_AS_CARD_PIN),
    OperationKind.ECARD_PIN_CHANGE: (Refusal.NO_ECARD, Refusal.PIN_AS_CARD_PIN),
    OperationKind.ECARD_PIN_RESET: (Refusal.NO_ECARD, Refusal.PIN_AS_CARD_PIN),
    OperationKind.ECARD_PAYMENT_ENABLE: (Refusal.NO_ECARD,),
    OperationKind.ECARD_CODE: (Refusal.NO_ECARD,),
    OperationKind.ECARD_SCAN: (Refusal.NO_ECARD, Refusal.CODE_SPENT),
    OperationKind.ECARD_REVOKE: (Refusal.NO_ECARD,),
}

_DONE = Success(HTTPStatus.OK, "Done on both sides, for good.", OperationView)
_OPEN = Success(
    HTTPStatus.ACCEPTED,
    "Taken on, not settled: `pending`, `unknown` or `manual`; see [Outcomes](/docs#outcomes).",
    OperationView,
    location="the operation",
)


def _business(resource: Resource) -> Endpoint:
    """Draw an endpoint up from the tables of resources and procedures."""
    procedure = resource.procedure
    sides = {exchange.side for exchange in procedure.exchanges}
    refusals = {Refusal.NOT_FOUND, Refusal.ALREADY_SO, Refusal.NOT_ACTIVATED, *_GRANT_REFUSALS}
    refusals.update(_BUREAU_REFUSALS if Side.SOCIAL in sides else ())
    refusals.update(_CORE_REFUSALS if Side.FINANCIAL in sides else ())
    refusals.update(_PIN_REFUSALS if procedure.pins else _TURN_REFUSALS)
    refusals.update(_OWN_REFUSALS.get(resource.kind, ()))
    refusals.update({Refusal.WRONG_PIN} if procedure.has_proof else ())
    refusals.add(Refusal.IN_PROGRESS)  # of what is not on disk when the wait is over
    is_question = resource.method == "GET"
    make = endpoints.asking if is_question else endpoints.carrying_out
    done = _ok("Told in `result`." if is_question else "Done, for good.", OperationView)
    return Endpoint(
        resource.method,
        resource.full_path,
        make(resource),
        resource.summary,
        (done,) if is_question else (done, _OPEN),
        for_customer=True,
        changes_state=not is_question,
        body=resource.body,
        own_refusals=tuple(sorted(refusals, key=lambda each: each.value)),
    )


def _ok(description: str, view: type) -> Success:
    return Success(HTTPStatus.OK, description, view)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "PUT",
        "/v1/links/{link}/ss-pin",
        endpoints.set_ss_pin,
        "Set the SS PIN without the old one",
        (Success(HTTPStatus.OK, "The bureau has the new PIN.", OperationView), _OPEN),
        for_customer=True,
        changes_state=True,
        body=SetPinBody,
        own_refusals=(Refusal.NOT_FOUND, *_BUREAU_REFUSALS, *_PIN_REFUSALS),
    ),
    Endpoint(
        "POST",
        "/v1/links/{link}/pin-sessions",
        endpoints.open_pin_session,
        "Open a one-time PIN session; the newest wins, for five minutes at most",
        (Success(HTTPStatus.CREATED, "The session is open.", PinSessionView),),
        for_customer=True,
        changes_state=True,
        body=PinSessionBody,
        own_refusals=(
            Refusal.NOT_FOUND,
            Refusal.PIN_RATE_LIMITED,
            Refusal.SECURITY_MODULE_UNAVAILABLE,
        ),
    ),
    Endpoint(
        "POST",
        "/v1/links",
        endpoints.link,
        "Link a social-security card to an account of the customer",
        (
            Success(
                HTTPStatus.CREATED,
                "Linked on both sides; `link` names the link from now on.",
                OperationView,
                location="the link",
            ),
            _OPEN,
        ),
        for_customer=True,
        changes_state=True,
        body=LinkBody,
        own_refusals=(
            Refusal.UNKNOWN_AGENCY,
            Refusal.NOT_CONFIRMED,
            Refusal.ALREADY_LINKED,
            Refusal.REGISTRATION_UNDONE,
            *_BUREAU_REFUSALS,
            *_CORE_REFUSALS,
        ),
    ),
    Endpoint(
        "GET",
        "/v1/links/{link}",
        endpoints.read_link,
        "Read a link",
        (_ok("The link, its numbers masked.", LinkView),),
        for_customer=True,
        own_refusals=(Refusal.NOT_FOUND, *_GRANT_REFUSALS),
    ),
    Endpoint(
        "DELETE",
        "/v1/links/{link}",
        endpoints.unlink,
        "Remove a link on both sides",
        (_DONE, _OPEN),
        for_customer=True,
        changes_state=True,
        own_refusals=(
            Refusal.NOT_FOUND,
            *_TURN_REFUSALS,
            Refusal.LOSS_UNCONFIRMED,
            Refusal.REGISTRATION_UNDONE,
            *_BUREAU_REFUSALS,
            *_CORE_REFUSALS,
        ),
    ),
    Endpoint(
        "POST",
        "/v1/activations",
        endpoints.activate,
        "Activate the account of a link under a new financial PIN",
        (
            Success(
                HTTPStatus.OK,
                "The account is active; `ss_account` says when the SS account follows.",
                OperationView,
            ),
            _OPEN,
        ),
        for_customer=True,
        changes_state=True,
        body=ActivateBody,
        own_refusals=(
            Refusal.NOT_FOUND,
            Refusal.ALREADY_ACTIVE,
            Refusal.NOT_ACTIVATED,
            Refusal.NOT_OFFERED,
            Refusal.CARD_LOST,
            Refusal.DECLINED,
            *_CORE_REFUSALS,
            *_PIN_REFUSALS,
        ),
    ),
    *map(_business, RESOURCES),
    Endpoint(
        "POST",
        "/v1/card-applications",
        endpoints.apply,
        "Apply for a first card; `link` names the application until the card is collected",
        (_ok("Taken down; `result` says when the card is due.", OperationView), _OPEN),
        for_customer=True,
        changes_state=True,
        body=ApplicationBody,
        own_refusals=(
            Refusal.UNKNOWN_AGENCY,
            Refusal.NOT_CONFIRMED,
            *_BUREAU_REFUSALS,
            *_CORE_REFUSALS,
        ),
    ),
    Endpoint(
        "POST",
        "/v1/transfers",
        endpoints.transfer,
        "Refused by name: no money moves between the SS account and the financial account",
        (),
        own_refusals=(Refusal.MONEY_NEVER_MOVES,),
        ignores_body=True,
    ),
    Endpoint(
        "GET",
        "/v1/operations/{operation}",
        endpoints.read_operation,
        "Read an operation: state, outcome, timeline",
        (_ok("The operation; a failed one has its `refusal` here.", OperationView),),
        for_customer=True,
        own_refusals=(Refusal.NOT_FOUND,),
    ),
    Endpoint(
        "GET",
        "/v1/operations/{operation}/voucher",
        endpoints.voucher,
        "Give the voucher of a business that was done",
        (_ok("The voucher, its numbers masked.", VoucherView),),
        for_customer=True,
        own_refusals=(Refusal.NOT_FOUND, Refusal.IN_PROGRESS),
    ),
    Endpoint(
        "GET",
        "/v1/operations/{operation}/voucher.html",
        endpoints.voucher_to_print,
        "Give the voucher as a page to print and to sign",
        (Success(HTTPStatus.OK, "The page.", None, HTML_MEDIA_TYPE),),
        for_customer=True,
        own_refusals=(Refusal.NOT_FOUND, Refusal.IN_PROGRESS),
    ),
    Endpoint(
        "POST",
        "/v1/voucher-verifications",
        endpoints.verify_voucher,
        "Tell whether a voucher is genuine",
        (_ok("Whether it is.", VerificationView),),
        body=VoucherBody,
    ),
    Endpoint(
        "GET",
        "/v1/agencies",
        endpoints.agencies,
        "List the institutions served, what each offers and its PIN rules",
        (_ok("The institutions.", Agencies),),
    ),
    Endpoint(
        "GET",
        "/v1/jwks.json",
        endpoints.public_keys,
        "List the public keys under which PINs are encrypted",
        (_ok("A JWK set.", PublicKeys),),
        own_refusals=(Refusal.SECURITY_MODULE_UNAVAILABLE,),
    ),
    Endpoint(
        "GET",
        "/livez",
        endpoints.liveness,
        "Tell whether the process is alive",
        (_ok("It is.", Liveness),),
        authenticated=False,
    ),
    Endpoint(
        "GET",
        "/readyz",
        endpoints.readiness,
        "Tell whether requests should be sent here",
        (
            _ok("They should, even while some far sides are away: see `degraded`.", Readiness),
            Success(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The store or a security module is unusable, or no link is up.",
                Readiness,
            ),
        ),
        authenticated=False,
    ),
    Endpoint(
        "GET",
        "/metrics",
        endpoints.metrics,
        "Give the metrics in the Prometheus text format",
        (Success(HTTPStatus.OK, "The metrics.", None, METRICS_MEDIA_TYPE),),
        authenticated=False,
    ),
)


def by_path() -> Mapping[str, tuple[Endpoint, ...]]:
    """Group the table by path, in its order."""
    grouped: dict[str, tuple[Endpoint, ...]] = {}
    for endpoint in ENDPOINTS:
        grouped[endpoint.path] = (*grouped.get(endpoint.path, ()), endpoint)
    return grouped
