"""What is recorded of an operation, and the JSON form of it in the journal.

A fact holds references, trace numbers and codes only: no PIN, no PIN block and no card, account,
citizen or mobile number, so that the journal needs no encipherment and no purge of its own.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from gateway.operations.exchange import ExchangeEvent, Move, Trace
from gateway.terms import instants
from gateway.terms.errors import LocalError
from gateway.terms.numbers import LinkId, OperationId, Rrn, Stan
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.values import value


class OperationKind(StrEnum):
    """What is to be done."""

    LINK = "link"
    UNLINK = "unlink"
    SET_SS_PIN = "set-ss-pin"
    ACTIVATE = "activate"
    SS_ACCOUNT = "ss-account"  # the SS side follows a financial activation
    # The life of the card; each has the name that the regions' profiles give the business.
    SS_PIN_STATE = "ss-pin-state"
    SS_PIN_CHANGE = "ss-pin-change"
    SS_PIN_RESET = "ss-pin-reset"
    SS_PIN_UNLOCK = "ss-pin-unlock"
    SS_PIN_ENABLE = "ss-pin-enable"
    SS_PIN_OPT_OUT = "ss-pin-opt-out"
    BIND_MOBILE = "bind-mobile"
    CHANGE_MOBILE = "change-mobile"
    FINANCIAL_PIN_RESET = "financial-pin-reset"
    FINANCIAL_SERVICES = "financial-services"
    SS_LOSS_TEMPORARY = "ss-loss-temporary"
    SS_LOSS_FORMAL = "ss-loss-formal"
    SS_LOSS_CANCEL = "ss-loss-cancel"
    FINANCIAL_LOSS_TEMPORARY = "financial-loss-temporary"
    FINANCIAL_LOSS_FORMAL = "financial-loss-formal"
    FINANCIAL_LOSS_CANCEL = "financial-loss-cancel"
    CARD_APPLY = "card-apply"
    CARD_REPLACE = "card-replace"
    CARD_TEMPORARY = "card-temporary"
    CARD_COLLECT = "card-collect"
    CARD_CANCEL = "card-cancel"
    CARD_PROGRESS = "card-progress"
    ECARD_ISSUE = "ecard-issue"
    ECARD_PIN_SET = "ecard-pin-set"
    ECARD_PIN_CHANGE = "ecard-pin-change"
    ECARD_PIN_RESET = "ecard-pin-reset"
    ECARD_PAYMENT_ENABLE = "ecard-payment-enable"
    ECARD_CODE = "ecard-code"
    ECARD_SCAN = "ecard-scan"
    ECARD_REVOKE = "ecard-revoke"


class OperationState(StrEnum):
    """How far an operation is, as a caller is told.

    `pending`: under way. `unknown`: the far side may or may not have carried it out, and a late
    answer may still tell. `manual`: the bank's staff has to find out, and says so in the end.
    """

    PENDING = "pending"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # certainly nothing was changed
    MANUAL = "manual"

    @property
    def is_final(self) -> bool:
        """Tell whether the state never changes again."""
        return self in _FINAL

    @property
    def is_left_alone(self) -> bool:
        """Tell whether the gateway does no more by itself: it is over, or a person must look."""
        return self in _LEFT_ALONE


_FINAL = frozenset({OperationState.SUCCEEDED, OperationState.FAILED})
_LEFT_ALONE = _FINAL | {OperationState.MANUAL}


@value(frozen=True, slots=True)
class Opened:
    """The operation exists; `details` are open words of its kind, such as added services."""

    kind: OperationKind
    link: LinkId
    at: datetime
    wake_at: datetime | None = None
    cause: OperationId | None = None
    details: Mapping[str, str] | None = None


@value(frozen=True, slots=True)
class Moved:
    """One exchange of the operation moved."""

    exchange: str
    move: Move

    @property
    def at(self) -> datetime:
        """When it moved."""
        return self.move.at


@value(frozen=True, slots=True)
class AnswerSetAside:
    """An answer came that decides nothing: late, repeated, or leaving the outcome open."""

    exchange: str
    at: datetime
    response_code: ResponseCode


@value(frozen=True, slots=True)
class Settled:
    """The operation reached a state that a caller is told.

    `told` are open words of the far side; no number of a person, card or account is among them.
    """

    state: OperationState
    at: datetime
    refusal: Refusal | None = None
    response_code: ResponseCode | None = None
    follow_up: OperationId | None = None
    told: Mapping[str, str] | None = None


@value(frozen=True, slots=True)
class ResolutionProposed:
    """Somebody of the bank's staff says what became of an operation that is manual, and why."""

    outcome: OperationState
    by: str
    reason: str
    at: datetime


@value(frozen=True, slots=True)
class ResolutionApproved:
    """Somebody else agrees with what was proposed."""

    by: str
    at: datetime


@value(frozen=True, slots=True)
class Withdrawn:
    """Whoever asked for the operation has it taken back, whatever became of it."""

    at: datetime


Fact = (
    Opened | Moved | AnswerSetAside | Settled | ResolutionProposed | ResolutionApproved | Withdrawn
)


def to_json(facts: Iterable[Fact]) -> str:
    """Write facts as one JSON array, each as an object without empty members.

    By hand, for every operation is written so twice: the library takes four times as long.
    """
    return (
        f"[{','.join([_WRITERS[type(fact)](fact, instants.written(fact.at)) for fact in facts])}]"
    )


def _opened_json(fact: Opened, at: str) -> str:
    kind, link = _quoted(fact.kind), _quoted(fact.link.value)
    wake_at = f',"wake_at":"{instants.written(fact.wake_at)}"' if fact.wake_at else ""
    cause = _member("cause", fact.cause.value) if fact.cause else ""
    details = "" if fact.details is None else f',"details":{_words(fact.details)}'
    return f'{{"fact":"opened","kind":{kind},"link":{link}{wake_at}{cause}{details},"at":"{at}"}}'


def _moved_json(fact: Moved, at: str) -> str:
    step, exchange = fact.move, _quoted(fact.exchange)
    code = _member("response_code", step.response_code)
    reason = _member("reason", step.reason)
    trace = f',"trace":{_trace(step.trace)}' if step.trace else ""
    said = f'"event":{_quoted(step.event)}{code}{reason}{trace}'
    return f'{{"fact":"moved","exchange":{exchange},{said},"at":"{at}"}}'


def _set_aside_json(fact: AnswerSetAside, at: str) -> str:
    said = f'"exchange":{_quoted(fact.exchange)},"response_code":{_quoted(fact.response_code)}'
    return f'{{"fact":"answer-set-aside",{said},"at":"{at}"}}'


def _settled_json(fact: Settled, at: str) -> str:
    refusal = _member("refusal", fact.refusal.value) if fact.refusal else ""
    code = _member("response_code", fact.response_code)
    follow_up = _member("follow_up", fact.follow_up.value) if fact.follow_up else ""
    told = f',"told":{_words(fact.told)}' if fact.told else ""
    said = f'"state":{_quoted(fact.state)}{refusal}{code}{follow_up}{told}'
    return f'{{"fact":"settled",{said},"at":"{at}"}}'


def _proposed_json(fact: ResolutionProposed, at: str) -> str:
    said = f'"outcome":{_quoted(fact.outcome)},"by":{_quoted(fact.by)}'
    return f'{{"fact":"resolution-proposed",{said},"reason":{_quoted(fact.reason)},"at":"{at}"}}'


def _approved_json(fact: ResolutionApproved, at: str) -> str:
    return f'{{"fact":"resolution-approved","by":{_quoted(fact.by)},"at":"{at}"}}'


def _withdrawn_json(_fact: Withdrawn, at: str) -> str:
    return f'{{"fact":"withdrawn","at":"{at}"}}'


_WRITERS: Mapping[type[Fact], Callable[[Any, str], str]] = {
    Opened: _opened_json,
    Moved: _moved_json,
    AnswerSetAside: _set_aside_json,
    Settled: _settled_json,
    ResolutionProposed: _proposed_json,
    ResolutionApproved: _approved_json,
    Withdrawn: _withdrawn_json,
}


def _member(name: str, value: str | None) -> str:
    return "" if value is None else f',"{name}":{_quoted(value)}'


def _words(words: Mapping[str, str]) -> str:
    return f"{{{','.join([f'{_quoted(name)}:{_quoted(words[name])}' for name in words])}}}"


def _trace(trace: Trace) -> str:
    terminal = f",{_quoted(trace.terminal)}" if trace.terminal else ""
    at = instants.written(trace.transmitted_at)
    return f'["{trace.stan.value}","{trace.rrn.value}","{at}"{terminal}]'


def from_json(body: Mapping[str, Any]) -> Fact:
    """Read a fact that `to_json` wrote; raises `LocalError` for what this version cannot read."""
    try:
        return _read(body)
    except (KeyError, TypeError, ValueError):
        raise LocalError("the journal holds a fact that this version cannot read") from None


def _read(body: Mapping[str, Any]) -> Fact:
    at = datetime.fromisoformat(body["at"])
    match body["fact"]:
        case "opened":
            return _opened(body, at)
        case "moved":
            return _moved(body, at)
        case "answer-set-aside":
            return AnswerSetAside(body["exchange"], at, ResponseCode(body["response_code"]))
        case "settled":
            return _settled(body, at)
        case said:
            return _read_said(said, body, at)


def _read_said(
    said: str, body: Mapping[str, Any], at: datetime
) -> ResolutionProposed | ResolutionApproved | Withdrawn:
    match said:
        case "resolution-proposed":
            outcome = OperationState(body["outcome"])
            return ResolutionProposed(outcome, body["by"], body["reason"], at)
        case "resolution-approved":
            return ResolutionApproved(body["by"], at)
        case "withdrawn":
            return Withdrawn(at)
        case _:
            raise ValueError("a kind of fact")


def _opened(body: Mapping[str, Any], at: datetime) -> Opened:
    wake_at, cause = body.get("wake_at"), body.get("cause")
    return Opened(
        OperationKind(body["kind"]),
        LinkId(body["link"]),
        at,
        datetime.fromisoformat(wake_at) if wake_at else None,
        OperationId(cause) if cause else None,
        body.get("details"),
    )


def _moved(body: Mapping[str, Any], at: datetime) -> Moved:
    trace, code = body.get("trace"), body.get("response_code")
    return Moved(
        body["exchange"],
        Move(
            ExchangeEvent(body["event"]),
            at,
            Trace(Stan(trace[0]), Rrn(trace[1]), datetime.fromisoformat(trace[2]), *trace[3:])
            if trace
            else None,
            ResponseCode(code) if code else None,
            body.get("reason"),
        ),
    )


def _settled(body: Mapping[str, Any], at: datetime) -> Settled:
    refusal, code, follow_up = body.get("refusal"), body.get("response_code"), body.get("follow_up")
    return Settled(
        OperationState(body["state"]),
        at,
        Refusal(refusal) if refusal else None,
        ResponseCode(code) if code else None,
        OperationId(follow_up) if follow_up else None,
        body.get("told"),
    )
