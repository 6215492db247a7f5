"""What comes next in each operation, told from the states of its exchanges alone.

The promises behind each plan are those of the table in DESIGN, section 6.
"""

from datetime import datetime

from gateway.financial import answers as core_answers
from gateway.financial import exchanges as core
from gateway.financial.account import OwnerKept
from gateway.financial.answers import AccountFinding
from gateway.linking.link import LinkChanged, LinkRequest, LinkState, is_one_person
from gateway.linking.refusals import meaning, never_arrived, unavailable
from gateway.operations.exchange import AWAITING, WITHOUT_EFFECT, Exchange, ExchangeState
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.life import Begin, Settle, Step, Undo, Wait
from gateway.operations.operation import Operation
from gateway.social import answers as bureau_answers
from gateway.social import exchanges as bureau
from gateway.social.answers import CardFinding
from gateway.social.card import HolderKept
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode

_S = ExchangeState
REQUEST = "request"
"""Under this name an operation's findings hold what the caller said: gone after a restart."""

STANDS_ALONE = "stands_alone"
"""Detail of an activation that the bureau is not told: there the accounts are independent."""


def link(operation: Operation, now: datetime) -> Step:
    """Ask both sides whose card and account it is, compare, then register at both or neither."""
    registering = operation.exchanges[core.REGISTER.name].state is not _S.PLANNED
    if not registering:
        step = _confirm(operation)
        if isinstance(step, Settle):
            return _with_link(step, operation, LinkState.FAILED, now)
        return step
    return _both_or_neither(operation, core.REGISTER.name, bureau.REGISTER.name, now)


def unlink(operation: Operation, now: datetime) -> Step:
    """Remove the link at the bureau, then at the core: both or neither, or take both back."""
    if operation.is_withdrawn:
        return _taken_back(operation, now)
    return _both_or_neither(operation, bureau.REMOVE.name, core.REMOVE.name, now)


def may_be_taken_back(operation: Operation) -> bool:
    """Tell whether a link that was removed can stand again: at both sides or at neither.

    A removal that one side approved is undone there. A side that had no record of the link has
    nothing to give back, and the reference is used up: the removal stands, at both.
    """
    removals = (operation.exchanges[each.name] for each in (bureau.REMOVE, core.REMOVE))
    return all(removal.state is _S.APPROVED for removal in removals)


def set_ss_pin(operation: Operation, _now: datetime) -> Step:
    """Set the SS PIN at most once; when its answer is lost, say that we do not know."""
    exchange = operation.exchanges[bureau.SET_PIN.name]
    match exchange.state:
        case _S.PLANNED:
            return Begin((exchange.name,))
        case _S.APPROVED:
            return Settle(OperationState.SUCCEEDED, response_code=exchange.response_code)
        case _S.UNKNOWN:
            return Settle(OperationState.UNKNOWN)
        case _:
            return _without_effect(exchange)


def activate(operation: Operation, _now: datetime) -> Step:
    """Activate the financial account; once it is active the SS account follows by itself.

    Where the two are independent nothing follows.
    """
    exchange = operation.exchanges[core.ACTIVATE.name]
    match exchange.state:
        case _S.PLANNED:
            return Begin((exchange.name,))
        case _S.APPROVED:
            return Settle(
                OperationState.SUCCEEDED,
                response_code=exchange.response_code,
                follow_up=None if STANDS_ALONE in operation.details else OperationKind.SS_ACCOUNT,
            )
        case _:
            return _without_effect(exchange)


def ss_account(operation: Operation, now: datetime) -> Step:
    """Advise the bureau of the activation when the region's delay is over."""
    exchange = operation.exchanges[bureau.ACCOUNT_ACTIVATED.name]
    match exchange.state:
        case _S.PLANNED:
            return Begin((exchange.name,)) if _is_due(operation, now) else Wait()
        case _S.APPROVED:
            return Settle(OperationState.SUCCEEDED, response_code=exchange.response_code)
        case _:
            return _without_effect(exchange)


# ------------------------------------------------------------------ parts of plans


def _confirm(operation: Operation) -> Step:
    asked = [
        operation.exchanges[name] for name in (core.ACCOUNT_INQUIRY.name, bureau.CARD_INQUIRY.name)
    ]
    for exchange in asked:
        if exchange.state in {_S.NOT_SENT, _S.UNANSWERED}:
            return Settle(OperationState.FAILED, unavailable(exchange.side))
    if all(exchange.state is _S.PLANNED for exchange in asked):
        return Begin(tuple(exchange.name for exchange in asked))
    if any(exchange.state is _S.SENT for exchange in asked):
        return Wait()  # for both: an unknown card and a mismatch take the same time
    return _compare(operation)


def _is_due(operation: Operation, now: datetime) -> bool:
    """Tell whether an operation has waited; what was due at once asks no clock that may be set."""
    due = operation.wake_at
    return due is None or due <= operation.opened_at or now >= due


def _compare(operation: Operation) -> Step:
    owner = operation.findings.get(core.ACCOUNT_INQUIRY.name)
    holder = operation.findings.get(bureau.CARD_INQUIRY.name)
    request = operation.findings.get(REQUEST)
    declined = any(exchange.state is _S.DECLINED for exchange in operation.exchanges.values())
    if not declined and request is None:
        # The process that asked is gone and what it learnt with it; nothing was registered.
        return Settle(OperationState.FAILED, Refusal.REGISTRATION_UNDONE)
    confirmed = (
        isinstance(owner, AccountFinding)
        and isinstance(holder, CardFinding)
        and isinstance(request, LinkRequest)
        and is_one_person(owner.owner, holder.holder, request)
    )
    if (
        not confirmed
        or not isinstance(owner, AccountFinding)
        or not isinstance(holder, CardFinding)
    ):
        # Unknown card, unknown account and somebody else's are one answer: nothing to enumerate.
        return Settle(OperationState.FAILED, Refusal.NOT_CONFIRMED)
    unusable = core_answers.why_unusable(owner.account_state) or bureau_answers.why_unusable(
        holder.card_state
    )
    if unusable is not None:
        return Settle(OperationState.FAILED, unusable)
    kept = (HolderKept(operation.link, holder.holder), OwnerKept(operation.link, owner.owner))
    return Begin((core.REGISTER.name,), records=kept)


def _both_or_neither(operation: Operation, first: str, second: str, now: datetime) -> Step:
    one, two = operation.exchanges[first], operation.exchanges[second]
    if ExchangeState.MANUAL in {one.state, two.state}:
        return Settle(OperationState.MANUAL)
    match _standing(one), _standing(two):
        case _ if not AWAITING.isdisjoint({one.state, two.state}):
            return Wait()
        case _S.PLANNED, _:
            return Begin((first,))
        case _S.APPROVED, _S.PLANNED:
            return Begin((second,))
        case _S.APPROVED, second_state:
            done = second_state is _S.APPROVED
            return _done(operation, two, now) if done else _back_out(operation, one, two, now)
        case _:
            return _neither(operation, two if two.state in WITHOUT_EFFECT else one, now)


def _taken_back(operation: Operation, now: datetime) -> Step:
    """Undo what was done of an unlinking, under way or done; gone from both sides it may stand."""
    exchanges = operation.exchanges.values()
    if any(exchange.state is _S.MANUAL for exchange in exchanges):
        return Settle(OperationState.MANUAL)
    if any(exchange.state in AWAITING for exchange in exchanges):
        return Wait()
    is_gone = all(_standing(exchange) is _S.APPROVED for exchange in exchanges)
    if is_gone and not may_be_taken_back(operation):
        removed = Settle(OperationState.SUCCEEDED, response_code=ResponseCode.APPROVED)
        return _with_link(removed, operation, LinkState.REMOVED, now)
    for exchange in exchanges:
        if exchange.state is _S.APPROVED:
            return Undo(exchange.name)
    undone = Settle(OperationState.FAILED, Refusal.REGISTRATION_UNDONE)
    return _with_link(undone, operation, LinkState.ACTIVE, now)


def _back_out(operation: Operation, one: Exchange, two: Exchange, now: datetime) -> Step:
    return Undo(one.name) if one.state is _S.APPROVED else _neither(operation, two, now)


def _standing(exchange: Exchange) -> ExchangeState:
    """Take a removal of what the far side does not have for done: it is as it should be."""
    absent = exchange.response_code is ResponseCode.ORIGINAL_NOT_FOUND
    if exchange.message == "link-remove" and exchange.state is _S.DECLINED and absent:
        return _S.APPROVED
    return exchange.state


def _neither(operation: Operation, culprit: Exchange, now: datetime) -> Step:
    """Neither side holds anything: tell the reason of the leg that failed."""
    failed = _without_effect(culprit)
    assert isinstance(failed, Settle)  # nothing is out any more, and nothing stands
    if operation.kind is OperationKind.LINK:
        return _with_link(failed, operation, LinkState.FAILED, now)
    if culprit.state is _S.REVERSED:
        # What was undone is the removal: to the customer nothing was changed.
        return Settle(failed.state, unavailable(culprit.side))
    return failed


def _done(operation: Operation, last: Exchange, now: datetime) -> Settle:
    state = LinkState.ACTIVE if operation.kind is OperationKind.LINK else LinkState.REMOVED
    done = Settle(OperationState.SUCCEEDED, response_code=last.response_code)
    return _with_link(done, operation, state, now)


def _with_link(step: Settle, operation: Operation, state: LinkState, now: datetime) -> Settle:
    changed = LinkChanged(operation.link, state, now)
    return Settle(step.state, step.refusal, step.response_code, (changed,), step.follow_up)


def _without_effect(exchange: Exchange) -> Step:
    """Tell why nothing was changed, or wait while that is not certain."""
    match exchange.state:
        case _S.NOT_SENT | _S.UNANSWERED:
            return Settle(OperationState.FAILED, unavailable(exchange.side))
        case _S.DECLINED if never_arrived(exchange):
            return Settle(OperationState.FAILED, unavailable(exchange.side))
        case _S.DECLINED:
            return Settle(OperationState.FAILED, meaning(exchange), exchange.response_code)
        case _S.REVERSED:
            return Settle(OperationState.FAILED, Refusal.REGISTRATION_UNDONE)
        case _S.MANUAL:
            return Settle(OperationState.MANUAL)
        case _:
            return Wait()
