"""Refusals as problem details (RFC 9457): status, next action and a message to show.

``ANSWERS`` is the one table that says what HTTP status each refusal has and what a caller does
next; ``docs/refusals.md``, ``/openapi.json`` and ``/docs`` are drawn from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Self

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from gateway.api.notices import NotGrantedView, UserMessageView, not_granted_view
from gateway.api.vocabulary import ADVICE, explained
from gateway.regions.matrix import NotGranted, Reason
from gateway.terms.advice import Advice
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import LinkId
from gateway.terms.refusals import Refusal

PROBLEM_MEDIA_TYPE = "application/problem+json"


class NextAction(StrEnum):
    """What the caller does about a problem; a stable word for programs."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        """Build a member from its word and the sentence that explains it."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    CORRECT_REQUEST = "correct-request", "The calling program is at fault; `errors` says where."
    AUTHENTICATE = "authenticate", "Send the channel's bearer token."
    CORRECT_DETAILS = "correct-details", "Let the customer check what was entered, and ask again."
    OPEN_PIN_SESSION = "open-pin-session", "Open a new PIN session and let the PIN be entered anew."
    REPEAT = "repeat", "Send the same request again with the same Idempotency-Key after a pause."
    START_AGAIN = (
        "start-again",
        "Nothing was changed. Ask again later with a new Idempotency-Key (and PIN session).",
    )
    FOLLOW_NOTICE = (
        "follow-notice",
        "`not_granted` says what is missing here and where else it is done; show its notice.",
    )
    CONTACT_BUREAU = "contact-bureau", "The customer turns to the social-security institution."
    CONTACT_BANK = "contact-bank", "The customer turns to the bank."
    NOTHING = "nothing", "What was asked for is the case already, or is not to be had here."


@dataclass(frozen=True, slots=True)
class Answer:
    """What HTTP says of a refusal; `retry_after_seconds` becomes the Retry-After header."""

    status: HTTPStatus
    next_action: NextAction
    retry_after_seconds: int | None = None


# The default of message_life_s: how long an old PIN message may still be delivered.
_MESSAGE_LIFE_SECONDS = 60
_PAUSE_SECONDS = 1  # an operation that is under way is over within a second, as a rule
_OUTAGE_SECONDS = 30  # a link that was lost is dialled again within this time
_PIN_LIMIT_SECONDS = 3600  # PIN attempts are counted by the hour

_CORRECT = NextAction.CORRECT_REQUEST
_DETAILS = NextAction.CORRECT_DETAILS
_PIN_AGAIN = NextAction.OPEN_PIN_SESSION
_OUTAGE = Answer(HTTPStatus.SERVICE_UNAVAILABLE, NextAction.START_AGAIN, _OUTAGE_SECONDS)
_BUSY = Answer(HTTPStatus.SERVICE_UNAVAILABLE, NextAction.REPEAT, _PAUSE_SECONDS)
# 409 is a conflict with the present state of card, account or key; 422 a well-formed request
# whose content is not accepted (RFC 9110, 15.5.10 and 15.5.21).
ANSWERS: Mapping[Refusal, Answer] = {
    Refusal.INVALID_REQUEST: Answer(HTTPStatus.BAD_REQUEST, _CORRECT),
    Refusal.BODY_TOO_LARGE: Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _CORRECT),
    Refusal.BODY_TOO_SLOW: Answer(HTTPStatus.REQUEST_TIMEOUT, NextAction.REPEAT),
    Refusal.UNSUPPORTED_MEDIA_TYPE: Answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _CORRECT),
    Refusal.METHOD_NOT_ALLOWED: Answer(HTTPStatus.METHOD_NOT_ALLOWED, _CORRECT),
    Refusal.UNAUTHENTICATED: Answer(HTTPStatus.UNAUTHORIZED, NextAction.AUTHENTICATE),
    Refusal.NOT_FOUND: Answer(HTTPStatus.NOT_FOUND, _CORRECT),
    Refusal.IDEMPOTENCY_KEY_MISSING: Answer(HTTPStatus.BAD_REQUEST, _CORRECT),
    Refusal.IDEMPOTENCY_KEY_REUSED: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _CORRECT),
    Refusal.IN_PROGRESS: Answer(HTTPStatus.CONFLICT, NextAction.REPEAT, _PAUSE_SECONDS),
    Refusal.EARLIER_PIN_OPEN: Answer(HTTPStatus.CONFLICT, NextAction.REPEAT, _MESSAGE_LIFE_SECONDS),
    Refusal.INTERNAL_ERROR: Answer(HTTPStatus.INTERNAL_SERVER_ERROR, NextAction.REPEAT),
    Refusal.OVERLOADED: _BUSY,
    Refusal.BUREAU_UNAVAILABLE: _OUTAGE,
    Refusal.CORE_UNAVAILABLE: _OUTAGE,
    Refusal.SECURITY_MODULE_UNAVAILABLE: _OUTAGE,
    Refusal.UNKNOWN_AGENCY: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _DETAILS),
    Refusal.NOT_CONFIRMED: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _DETAILS),
    Refusal.ACCOUNT_NOT_USABLE: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BANK),
    Refusal.CARD_NOT_USABLE: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BUREAU),
    Refusal.ALREADY_LINKED: Answer(HTTPStatus.CONFLICT, NextAction.NOTHING),
    Refusal.UNLINKING_OPEN: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BANK),
    Refusal.PIN_SESSION_UNUSABLE: Answer(HTTPStatus.CONFLICT, _PIN_AGAIN),
    Refusal.PIN_ENVELOPE: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _PIN_AGAIN),
    Refusal.PIN_FORMAT: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _PIN_AGAIN),
    Refusal.PIN_TRIVIAL: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _PIN_AGAIN),
    Refusal.PIN_PERSONAL: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _PIN_AGAIN),
    Refusal.PIN_RATE_LIMITED: Answer(
        HTTPStatus.TOO_MANY_REQUESTS, NextAction.START_AGAIN, _PIN_LIMIT_SECONDS
    ),
    Refusal.WRONG_PIN: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _PIN_AGAIN),
    Refusal.ALREADY_SO: Answer(HTTPStatus.CONFLICT, NextAction.NOTHING),
    Refusal.ACCOUNT_LOST: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BANK),
    Refusal.LOSS_FORMAL: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BUREAU),
    Refusal.LOSS_NOT_FORMAL: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BUREAU),
    Refusal.LOSS_UNCONFIRMED: Answer(HTTPStatus.CONFLICT, NextAction.REPEAT, _PAUSE_SECONDS),
    Refusal.NO_CARD_WAITING: Answer(HTTPStatus.CONFLICT, NextAction.NOTHING),
    Refusal.NO_ECARD: Answer(HTTPStatus.CONFLICT, NextAction.NOTHING),
    Refusal.PIN_AS_CARD_PIN: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _PIN_AGAIN),
    Refusal.CODE_SPENT: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _DETAILS),
    Refusal.REPLACEMENT_BEGUN: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BUREAU),
    Refusal.MONEY_NEVER_MOVES: Answer(HTTPStatus.FORBIDDEN, NextAction.NOTHING),
    Refusal.PIN_LOCKED: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BUREAU),
    Refusal.CARD_LOST: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BUREAU),
    Refusal.NOT_ACTIVATED: Answer(HTTPStatus.CONFLICT, NextAction.CONTACT_BANK),
    Refusal.ALREADY_ACTIVE: Answer(HTTPStatus.CONFLICT, NextAction.NOTHING),
    Refusal.NOT_OFFERED: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, NextAction.NOTHING),
    Refusal.NOT_GRANTED: Answer(HTTPStatus.FORBIDDEN, NextAction.FOLLOW_NOTICE),
    Refusal.PROOF_MISSING: Answer(HTTPStatus.FORBIDDEN, NextAction.FOLLOW_NOTICE),
    Refusal.DECLINED: Answer(HTTPStatus.UNPROCESSABLE_ENTITY, NextAction.CONTACT_BANK),
    Refusal.REGISTRATION_UNDONE: Answer(HTTPStatus.CONFLICT, NextAction.START_AGAIN),
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One place that broke a rule: a JSON pointer (RFC 6901) into the body, or a header."""

    rule: Annotated[str, Field(description="The rule that was broken; never the value.")]
    pointer: Annotated[str | None, Field(description="JSON pointer into the body.")] = None
    header: Annotated[str | None, Field(description="Name of the header.")] = None


class InvalidRequest(RequestRefused):
    """The request breaks rules of form in one or more places; `errors` lists all of them."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__(Refusal.INVALID_REQUEST)
        self.errors = errors


class NotPermitted(RequestRefused):
    """The region's matrix does not grant what is asked for, on this channel and these proofs."""

    def __init__(self, decision: NotGranted) -> None:
        is_proof = decision.reason is Reason.PROOF_MISSING
        super().__init__(Refusal.PROOF_MISSING if is_proof else Refusal.NOT_GRANTED)
        self.decision = decision


class AlreadyLinked(RequestRefused):
    """The card is linked to the customer's own account, by whichever channel of the bank."""

    def __init__(self, link: LinkId) -> None:
        super().__init__(Refusal.ALREADY_LINKED)
        self.link = link


@dataclass(frozen=True, slots=True)
class RefusalView:
    """Why an operation failed."""

    code: Annotated[str, Field(description="Stable code, see the catalogue at /docs.")]
    retryable: Annotated[bool, Field(description="Whether asking again may succeed.")]
    user_message: UserMessageView
    next_action: NextAction


@dataclass(frozen=True, slots=True)
class AdviceView:
    """What the customer had better do, though the request is carried out."""

    code: Annotated[
        str,
        Field(
            description=explained("Stable code:", ADVICE), json_schema_extra={"enum": list(ADVICE)}
        ),
    ]
    user_message: UserMessageView


@dataclass(frozen=True, slots=True)
class Problem:
    """Problem details, RFC 9457, with this gateway's extension members."""

    type: Annotated[str, Field(description="Where the problem is explained, a URI reference.")]
    title: Annotated[str, Field(description="The problem in a few words.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What was wrong this time, for developers.")]
    instance: Annotated[str, Field(description="The Request-Id, to quote to operations.")]
    code: Annotated[str, Field(description="Stable code for programs.")]
    retryable: Annotated[bool, Field(description="Whether asking again may succeed.")]
    user_message: UserMessageView
    next_action: NextAction
    response_code: Annotated[
        str | None, Field(description="ISO 8583 response code (DE 39) of the far side, if any.")
    ] = None
    operation: Annotated[
        str | None, Field(description="The operation that failed, if one was begun.")
    ] = None
    errors: Annotated[
        tuple[FieldError, ...] | None, Field(description="Places that broke a rule of form.")
    ] = None
    not_granted: Annotated[
        NotGrantedView | None, Field(description="Why the region does not grant it, and what does.")
    ] = None
    link: Annotated[
        str | None, Field(description="The link that there is already: the customer's own.")
    ] = None


PROBLEM = TypeAdapter(Problem)


def refusal_view(refusal: Refusal) -> RefusalView:
    """Describe a refusal as an operation's record shows it."""
    return RefusalView(
        code=refusal.value,
        retryable=refusal.retryable,
        user_message=UserMessageView(*refusal.user_message),
        next_action=ANSWERS[refusal].next_action,
    )


def advice_view(advice: Advice) -> AdviceView:
    """Describe an advice as an answer shows it."""
    return AdviceView(advice.value, UserMessageView(*advice.user_message))


def problem(
    refusal: Refusal,
    request_id: str,
    errors: tuple[FieldError, ...] = (),
    operation: str | None = None,
    response_code: str | None = None,
) -> Problem:
    """Describe a refusal as problem details."""
    places = [": ".join(filter(None, (e.header or e.pointer, e.rule))) for e in errors]
    return Problem(
        type=f"/docs#{refusal.value}",
        title=title(refusal),
        status=ANSWERS[refusal].status.value,
        detail="; ".join(places) or refusal.user_message.en,
        instance=request_id,
        code=refusal.value,
        retryable=refusal.retryable,
        user_message=UserMessageView(*refusal.user_message),
        next_action=ANSWERS[refusal].next_action,
        response_code=response_code,
        operation=operation,
        errors=errors or None,
    )


def title(refusal: Refusal) -> str:
    """Say a refusal's code in words: the same for every occurrence (RFC 9457, 3.1.4)."""
    code: str = refusal.value
    return code.replace("_", " ").capitalize().replace("Pin", "PIN")


def problem_response(described: Problem) -> Response:
    """Render problem details with the headers that their status asks for."""
    answer = ANSWERS[Refusal(described.code)]
    response = Response(
        PROBLEM.dump_json(described, exclude_none=True),
        status_code=described.status,
        media_type=PROBLEM_MEDIA_TYPE,
    )
    if answer.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(answer.retry_after_seconds)
    if answer.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"  # demanded by RFC 9110, 11.6.1
    if answer.status is HTTPStatus.REQUEST_TIMEOUT:
        response.headers["Connection"] = "close"  # RFC 9110, 15.5.9; the rest is not waited for
    return response


def refused(error: RequestRefused, request_id: str) -> Response:
    """Answer a refused request: every broken place of an invalid one, one place of another."""
    if isinstance(error, NotPermitted):
        return problem_response(not_permitted(error, request_id))
    if isinstance(error, AlreadyLinked):
        described = problem(error.refusal, request_id)
        return problem_response(replace(described, link=error.link.value))
    if isinstance(error, InvalidRequest):
        errors = error.errors
    elif error.rule:
        errors = (FieldError(error.rule, pointer=error.pointer),)
    else:
        errors = ()
    return problem_response(problem(error.refusal, request_id, errors))


def not_permitted(error: NotPermitted, request_id: str) -> Problem:
    """Describe what a region does not grant, with the one-time notice."""
    notice = error.decision.notice
    return replace(
        problem(error.refusal, request_id),
        detail=notice.reason.en,
        user_message=UserMessageView(notice.reason.zh, notice.reason.en),
        not_granted=not_granted_view(error.decision),
    )
