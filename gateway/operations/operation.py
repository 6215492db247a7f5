"""An operation as folded from its facts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, assert_never

from gateway.operations.copies import copier
from gateway.operations.exchange import AWAITING, Exchange, move
from gateway.operations.facts import (
    AnswerSetAside,
    Fact,
    Moved,
    Opened,
    OperationKind,
    OperationState,
    ResolutionApproved,
    ResolutionProposed,
    Settled,
    Withdrawn,
)
from gateway.terms.errors import LocalError
from gateway.terms.numbers import LinkId, OperationId
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.values import value


@value(frozen=True, slots=True)
class Operation:
    """One durable operation.

    `findings` are what far sides told of persons: they live in memory only and are gone after a
    restart, so a plan must do without them once anything took effect.
    """

    id: OperationId
    kind: OperationKind
    link: LinkId
    opened_at: datetime
    updated_at: datetime
    exchanges: Mapping[str, Exchange]
    wake_at: datetime | None = None
    cause: OperationId | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    state: OperationState = OperationState.PENDING
    refusal: Refusal | None = None
    response_code: ResponseCode | None = None
    follow_up: OperationId | None = None
    proposal: ResolutionProposed | None = None
    is_withdrawn: bool = False
    told: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    findings: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_at_rest(self) -> bool:
        """Tell whether nothing is out and nothing is planned for it any more."""
        return self.state.is_left_alone and AWAITING.isdisjoint(
            [exchange.state for exchange in self.exchanges.values()]
        )


def open_operation(
    operation: OperationId, opened: Opened, exchanges: Iterable[Exchange]
) -> Operation:
    """Begin an operation from its first fact and the exchanges that its kind may need."""
    return Operation(
        operation,
        opened.kind,
        opened.link,
        opened.at,
        opened.at,
        {exchange.name: exchange for exchange in exchanges},
        opened.wake_at,
        opened.cause,
        opened.details or {},
        facts=(opened,),
    )


def evolve(operation: Operation, fact: Fact) -> Operation:
    """Fold one more fact into the operation; raises `LocalError` for an impossible one."""
    changes = _changes(operation, fact)
    changes["updated_at"], changes["facts"] = fact.at, (*operation.facts, fact)
    return _copy(operation, changes)


def with_told(
    operation: Operation, exchange: str, finding: object, told: Mapping[str, str]
) -> Operation:
    """Keep what an answer told: of persons while the process lives, and open words for good."""
    if finding is None and not told and exchange not in operation.findings:
        return operation  # most answers tell nothing
    findings = {**operation.findings, exchange: finding}
    return _copy(operation, {"findings": findings, "told": {**operation.told, **told}})


_copy = copier(Operation)


def _changes(operation: Operation, fact: Fact) -> dict[str, Any]:
    match fact:
        case Opened():
            raise LocalError("an operation is opened once")
        case Moved(exchange=name, move=step):
            if name not in operation.exchanges:
                raise LocalError(f"a {operation.kind} operation has no exchange {name}")
            moved = move(operation.exchanges[name], step)
            return {"exchanges": {**operation.exchanges, name: moved}}
        case AnswerSetAside():
            return {}
        case ResolutionProposed() | ResolutionApproved():
            return {"proposal": fact if isinstance(fact, ResolutionProposed) else None}
        case Withdrawn():
            return {"is_withdrawn": True}
        case Settled():
            return {
                "state": fact.state,
                "refusal": fact.refusal,
                "response_code": fact.response_code,
                "follow_up": fact.follow_up or operation.follow_up,
                "told": fact.told or operation.told,
            }
        case _:
            assert_never(fact)


def replay(
    operation: OperationId,
    facts: Iterable[Fact],
    exchanges_of: Callable[[OperationKind], Iterable[Exchange]],
) -> Operation:
    """Fold a whole history; raises `LocalError` when it does not begin with its opening."""
    history = iter(facts)
    opened = next(history, None)
    if not isinstance(opened, Opened):
        raise LocalError(f"the history of {operation} does not begin with its opening")
    folded = open_operation(operation, opened, exchanges_of(opened.kind))
    for fact in history:
        folded = evolve(folded, fact)
    return folded
