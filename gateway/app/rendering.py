"""Operations, links and agencies as a caller sees them."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import assert_never

from gateway.api import service as api
from gateway.api.notices import UserMessageView
from gateway.api.vouchers import Paper, ReceiptView
from gateway.app.conductor import SS_FOLLOWS_AFTER_S
from gateway.linking.link import PinSession
from gateway.linking.procedures import BY_KIND
from gateway.operations.exchange import TRANSITIONS, Exchange, ExchangeEvent, ExchangeState
from gateway.operations.facts import (
    AnswerSetAside,
    Fact,
    Moved,
    Opened,
    OperationState,
    ResolutionApproved,
    ResolutionProposed,
    Settled,
    Withdrawn,
)
from gateway.operations.operation import Operation
from gateway.social.card import OneTimeCode
from gateway.store.found import Linked

FEE = "fee"
"""Detail of a card that is ordered: `free`, `tariff` as the authority sets it, or fen."""


WORKING_DAYS = "working_days"
"""Detail of a card that is ordered: how many working days it may take."""

DUE_IS_PROVISIONAL = "due_is_provisional"
"""Detail of a card that is ordered: the day is an estimate, for its year is not published yet."""

PAPERS = "papers"
"""Detail of a business: what the region had printed of it when it was opened."""

ENQUIRIES_ZH, ENQUIRIES_EN = "enquiries_zh", "enquiries_en"
"""Details of a card that is ordered: whom its receipt says to ask."""

_OWN_WORDS = (FEE, WORKING_DAYS, DUE_IS_PROVISIONAL)


def operation_view(
    operation: Operation, exchanges: tuple[Exchange, ...], followed: Operation | None = None
) -> api.OperationView:
    """Show an operation with its timeline; `exchanges` are those of its kind, as planned.

    `followed` is the operation by which the SS account follows an activation, once it is read.
    """
    return api.OperationView(
        operation=operation.id,
        kind=operation.kind,
        state=operation.state,
        created_at=operation.opened_at,
        updated_at=operation.updated_at,
        link=operation.link,
        refusal=operation.refusal,
        response_code=operation.response_code,
        result=result_of(operation),
        one_time_code=_one_time_code(operation),
        ss_account=_ss_account(operation, followed),
        papers=_papers(operation),
        timeline=tuple(_timeline(operation, exchanges)),
    )


def result_of(operation: Operation) -> Mapping[str, str] | None:
    """Give what the far side told of a business, with fee and term by the region."""
    if operation.kind not in BY_KIND:
        return None
    own = {word: operation.details[word] for word in _OWN_WORDS if word in operation.details}
    return {**operation.told, **own} or None


def _papers(operation: Operation) -> tuple[Paper, ...]:
    if operation.state is not OperationState.SUCCEEDED:
        return ()
    return tuple(map(Paper, operation.details.get(PAPERS, "").split()))


def receipt_of(operation: Operation) -> ReceiptView | None:
    """Write the collection receipt of a business that has one, from its own record."""
    if Paper.COLLECTION_RECEIPT not in _papers(operation):
        return None
    details = operation.details
    return ReceiptView(
        int(details[WORKING_DAYS]),
        date.fromisoformat(details["DU"]),
        DUE_IS_PROVISIONAL in details,
        UserMessageView(details[ENQUIRIES_ZH], details[ENQUIRIES_EN]),
    )


def done_at(operation: Operation) -> datetime:
    """Give the instant at which a business was done, whatever came of it later."""
    return next(
        fact.at
        for fact in operation.facts
        if isinstance(fact, Settled) and fact.state is OperationState.SUCCEEDED
    )


def _one_time_code(operation: Operation) -> api.OneTimeCodeView | None:
    """Show a code that is in memory still: one that is read back is told no more."""
    for found in operation.findings.values():
        if isinstance(found, OneTimeCode):
            return api.OneTimeCodeView(found.code, found.expires_at)
    return None


def _ss_account(operation: Operation, followed: Operation | None) -> api.SsAccountView | None:
    if operation.follow_up is None:
        return None
    settled = next(fact.at for fact in operation.facts if isinstance(fact, Settled))
    due_at = settled + timedelta(seconds=int(operation.details.get(SS_FOLLOWS_AFTER_S, "0")))
    return api.SsAccountView(followed.state if followed else OperationState.PENDING, due_at)


def _timeline(operation: Operation, planned: tuple[Exchange, ...]) -> Iterator[api.TimelineEntry]:
    exchanges = {exchange.name: exchange for exchange in planned}
    states: dict[str, ExchangeState] = {}
    attempts: dict[str, int] = {}  # by exchange: messages sent in its state, as `move` counts them
    for fact in operation.facts:
        if isinstance(fact, Moved):
            name, event = fact.exchange, fact.move.event
            before = states.get(name, ExchangeState.PLANNED)
            state = states[name] = TRANSITIONS[before][event]
            if event in _SENDING:
                attempts[name] = attempts[name] + 1 if state is before else 1
        yield _entry(fact, exchanges, attempts)


_SENDING = {ExchangeEvent.SEND, ExchangeEvent.REPEAT, ExchangeEvent.INQUIRE, ExchangeEvent.REVERSE}


_SAID: Mapping[type[Fact], str] = {
    ResolutionProposed: "resolution-proposed",
    ResolutionApproved: "resolution-approved",
    Withdrawn: "withdrawn",
}


def _entry(
    fact: Fact, exchanges: dict[str, Exchange], attempts: dict[str, int]
) -> api.TimelineEntry:
    match fact:
        case Opened():
            return api.TimelineEntry(fact.at, "opened")
        case Moved(move=step):
            exchange = exchanges[fact.exchange]
            attempt = attempts[fact.exchange] if step.event in _SENDING else None
            return api.TimelineEntry(
                fact.at,
                step.event.value,
                exchange.side,
                exchange.message,
                attempt,
                step.response_code,
            )
        case AnswerSetAside():
            exchange = exchanges[fact.exchange]
            return api.TimelineEntry(
                fact.at,
                "answer-set-aside",
                exchange.side,
                exchange.message,
                response_code=fact.response_code,
            )
        case Settled():
            return api.TimelineEntry(fact.at, fact.state.value, response_code=fact.response_code)
        # Who it was and why is for the bank's own staff.
        case ResolutionProposed() | ResolutionApproved() | Withdrawn():
            return api.TimelineEntry(fact.at, _SAID[type(fact)])
        case _:
            assert_never(fact)


def link_view(linked: Linked) -> api.LinkView:
    """Show a link; the numbers are masked when the HTTP room writes them."""
    return api.LinkView(
        linked.link.id,
        linked.link.state,
        linked.link.agency,
        linked.card.number,
        linked.account.pan,
        linked.link.created_at,
        linked.card.ecard,
    )


def session_view(session: PinSession) -> api.PinSessionView:
    """Show a PIN session to the one who opened it."""
    return api.PinSessionView(
        session.id, session.purpose, session.nonce, session.kid, session.expires_at
    )
