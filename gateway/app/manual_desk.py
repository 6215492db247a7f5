"""Operations that wait for a person: listed, and resolved by two persons, for the operator."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from gateway.app.cargo import Cargo
from gateway.app.conductor import Conductor
from gateway.app.control import Answer, Question
from gateway.app.futures import resolve
from gateway.app.ports import Recorder
from gateway.app.turns import Reader
from gateway.linking.kinds import PLANS
from gateway.operations import life
from gateway.operations.facts import OperationState, ResolutionProposed, to_json
from gateway.operations.operation import Operation, evolve
from gateway.operations.resolution import check_approval, check_proposal
from gateway.store import questions
from gateway.store.found import Linked
from gateway.store.unit import Progress, Unit
from gateway.terms.errors import LocalError
from gateway.terms.numbers import OperationId

PAGE_MAX = 50  # operations an answer: a few facts each, well below the answer's limit


class ManualDesk:
    """Lists what is manual, and takes proposals and approvals down in the operation's facts."""

    def __init__(
        self,
        conductor: Conductor,
        journal: Recorder,
        read: Reader,
        now: Callable[[], datetime],
    ) -> None:
        self._conductor = conductor
        self._journal = journal
        self._read = read
        self._now = now
        self._in_hand: set[OperationId] = set()

    async def answer(self, question: Question) -> Answer:
        """Answer one question of the operator; raises `LocalError` and `Unavailable`."""
        match question.get("do"):
            case "list":
                return await self._list(question)
            case "propose":
                return await self._change(question, self._propose)
            case "approve":
                return await self._change(question, self._approve)
            case _:
                raise LocalError("list, propose or approve")

    async def _list(self, question: Question) -> Answer:
        after = _operation_id(question["after"]) if question.get("after") else None
        page = await self._read(questions.manual(after, PAGE_MAX))
        return {"operations": [_shown(operation) for operation in page]}

    async def _change(self, question: Question, change: "_Change") -> Answer:
        """Have one person at a time say something of an operation."""
        identity = _operation_id(question.get("operation"))
        if identity in self._in_hand:
            raise LocalError("somebody else is resolving this operation just now")
        self._in_hand.add(identity)
        try:
            operation, linked = await self._read(questions.with_link(identity))
            if operation is None or linked is None:
                raise LocalError("there is no such operation")
            return _shown(await change(operation, linked, question))
        finally:
            self._in_hand.discard(identity)

    async def _propose(self, operation: Operation, _: Linked, question: Question) -> Operation:
        said = (_outcome(question), str(question.get("by", "")), str(question.get("reason", "")))
        proposal = ResolutionProposed(*said, self._now())
        check_proposal(operation, proposal, life.outcome_by(PLANS[operation.kind]))
        proposed = evolve(operation, proposal)
        recorded: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
        unit = Unit((Progress(proposed, len(operation.facts)),))
        self._journal.submit(unit, lambda error: resolve(recorded)(error or proposed))
        return await recorded

    async def _approve(self, operation: Operation, linked: Linked, question: Question) -> Operation:
        by = str(question.get("by", ""))
        check_approval(operation, _outcome(question), by)
        if self._conductor.is_busy(operation.link):
            raise LocalError("another operation on this link is under way; try again")
        recorded: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
        cargo = Cargo.resumed(linked, operation)
        self._conductor.resolve(operation, cargo, life.Resolved(by), resolve(recorded))
        return await recorded


_Change = Callable[[Operation, Linked, Question], Awaitable[Operation]]


def _outcome(question: Question) -> OperationState:
    outcomes = {state.value: state for state in (OperationState.SUCCEEDED, OperationState.FAILED)}
    outcome = outcomes.get(str(question.get("as")))
    if outcome is None:
        raise LocalError("an outcome is succeeded or failed")
    return outcome


def _operation_id(value: object) -> OperationId:
    try:
        return OperationId(str(value))
    except ValueError:
        raise LocalError("there is no such operation") from None


def _shown(operation: Operation) -> Mapping[str, object]:
    """Show an operation with every fact; facts hold no number of a person, card or account."""
    return {
        "operation": operation.id.value,
        "kind": operation.kind.value,
        "state": operation.state.value,
        "facts": json.loads(to_json(operation.facts)),
    }
