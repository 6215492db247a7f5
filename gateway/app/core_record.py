"""What the key of a core's request stands for: an operation, a refusal, or a request barred."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from gateway.api.service import Caller, IdempotencyKey
from gateway.app.intake import Intake
from gateway.app.rendering import result_of
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.operation import Operation
from gateway.store import questions
from gateway.store.errors import Conflict
from gateway.store.found import StoredKey
from gateway.store.unit import Unit
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import LinkId, OperationId
from gateway.terms.refusals import Refusal

REFUSED = "refused/"  # what a key stands for whose request was refused before anything began
TOMBSTONE = "tombstone"  # … and one whose request was reversed, or asked after, before it came


class Barred(Exception):
    """The request was reversed or asked after before it came: nothing of it is done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a business: as an operation says, or as its view does."""

    kind: OperationKind
    link: LinkId | None
    state: OperationState
    refusal: Refusal | None
    response_code: str | None
    told: Mapping[str, str]

    @classmethod
    def of(cls, operation: Operation) -> Self:
        """Read an operation; what is being taken back is open until that is done."""
        is_undoing = operation.is_withdrawn and not operation.is_at_rest
        return cls(
            operation.kind,
            operation.link,
            OperationState.PENDING if is_undoing else operation.state,
            operation.refusal,
            operation.response_code,
            result_of(operation) or {},
        )


class CoreRecord:
    """Reads and writes the keys of a core's requests; every repeat gets the same answer."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def find(self, caller: Caller, key: IdempotencyKey) -> StoredKey | None:
        """Read what a key stands for."""
        return await self._intake.read(questions.key(caller.channel, key.key))

    async def operation(self, resource: str) -> Operation:
        """Follow the operation that a key stands for; raises the refusal that it stands for."""
        if resource.startswith(REFUSED):
            raise RequestRefused(Refusal(resource.removeprefix(REFUSED)))
        return await self._intake.outcomes.follow(OperationId(resource))

    async def keep(self, caller: Caller, key: IdempotencyKey, resource: str) -> None:
        """Make durable what a key stands for; raises `Conflict` when it stands for something."""
        used = self._intake.used(caller, key, resource)
        await self._intake.outcomes.keep(Unit(records=(used,), may_be_refused=True))

    async def keep_refusal(self, caller: Caller, key: IdempotencyKey, refusal: Refusal) -> None:
        """Give the same answer to every repeat, unless asking again may help."""
        if not refusal.retryable:
            await self.keep(caller, key, REFUSED + refusal.value)

    async def bar(self, caller: Caller, original: IdempotencyKey) -> None:
        """See to it that a request that did not come is never done.

        Raises `RequestRefused` (IN_PROGRESS) when it came meanwhile: asked again, its outcome is
        looked at.
        """
        try:
            await self.keep(caller, original, TOMBSTONE)
        except Conflict:
            raise RequestRefused(Refusal.IN_PROGRESS) from None

    async def must_not_be_barred(self, caller: Caller, key: IdempotencyKey) -> None:
        """See that a request was neither reversed nor asked after; raises `Barred`."""
        stored = await self.find(caller, key)
        if stored is not None and stored.resource == TOMBSTONE:
            raise Barred
