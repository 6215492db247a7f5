"""What a person may say of an operation that the gateway gave up on, and what follows from it.

One person proposes what became of it, another approves. What they found out is true of every
exchange whose outcome was not known; the operation's plan then goes on from there, so that a link
that stands on one side only is taken back there before its caller hears that it failed.
"""

import re
from collections.abc import Callable
from datetime import datetime

from gateway.operations.exchange import ExchangeEvent, ExchangeState, Move
from gateway.operations.facts import Moved, OperationState, ResolutionProposed
from gateway.operations.operation import Operation, evolve
from gateway.terms.errors import LocalError

NAME_CHARACTERS_MAX = 64
REASON_CHARACTERS_MAX = 500

_EVENTS = {
    OperationState.SUCCEEDED: ExchangeEvent.FIND_DONE,
    OperationState.FAILED: ExchangeEvent.FIND_NOT_DONE,
}
# As long as an SS card number's digits, or groups as on a bank card; a ticket's number is shorter.
_LONG_NUMBER = re.compile(r"[0-9]{8}|[0-9]{4}[ -][0-9]{4}")

OutcomeOf = Callable[[Operation, datetime], OperationState | None]
"""Tells where the plan of an operation leads: its outcome, FAILED too where it takes back first."""


def check_proposal(
    operation: Operation, proposal: ResolutionProposed, outcome_of: OutcomeOf
) -> None:
    """See that a proposal may be recorded; raises `LocalError` with the reason why not."""
    _must_be_manual(operation)
    _must_be_a_name(proposal.by)
    reason = proposal.reason.strip()
    if not 0 < len(reason) <= REASON_CHARACTERS_MAX or not reason.isprintable():
        raise LocalError(f"a reason has 1 to {REASON_CHARACTERS_MAX} printable characters")
    if _LONG_NUMBER.search(reason):
        raise LocalError("a reason holds no number of a card, account or person: name the letter")
    found = operation
    for fact in findings_of(evolve(operation, proposal), proposal.at):
        found = evolve(found, fact)
    if outcome_of(found, proposal.at) is not proposal.outcome:
        raise LocalError(
            f"what is known of the other exchanges does not allow {proposal.outcome}; see its facts"
        )


def check_approval(operation: Operation, outcome: OperationState, by: str) -> None:
    """See that somebody may approve an outcome; raises `LocalError` with the reason why not."""
    _must_be_manual(operation)
    _must_be_a_name(by)
    proposal = operation.proposal
    if proposal is None or proposal.outcome is not outcome:
        raise LocalError(f"nobody proposed that it has {outcome}; propose it first")
    if _same_person(proposal.by, by):
        raise LocalError("who proposes an outcome does not approve it: another person must")


def findings_of(operation: Operation, at: datetime) -> list[Moved]:
    """Tell what the proposed outcome means for each exchange that was left to a person."""
    if operation.proposal is None:
        return []
    event = _EVENTS[operation.proposal.outcome]
    return [
        Moved(exchange.name, Move(event, at))
        for exchange in operation.exchanges.values()
        if exchange.state is ExchangeState.MANUAL
    ]


def _must_be_manual(operation: Operation) -> None:
    if operation.state is not OperationState.MANUAL:
        raise LocalError(f"the operation is {operation.state}, not manual")
    if not operation.is_at_rest:
        raise LocalError("the operation is being taken back at a far side; wait for the outcome")


def _must_be_a_name(name: str) -> None:
    if not 0 < len(name.strip()) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise LocalError(f"a name has 1 to {NAME_CHARACTERS_MAX} printable characters")


def _same_person(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
