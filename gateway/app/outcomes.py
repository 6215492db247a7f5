"""Opens operations and waits for their outcomes as long as is decent, whoever asked for them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.app.cargo import Cargo
from gateway.app.conductor import Conductor
from gateway.app.futures import resolve
from gateway.app.identifiers import Identifiers
from gateway.app.turns import Reader
from gateway.linking.plans import may_be_taken_back
from gateway.operations import life
from gateway.operations.draft import EncipheredPin
from gateway.operations.facts import Opened, OperationState
from gateway.operations.operation import Operation
from gateway.store.unit import KeyUsed, Unit
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import OperationId
from gateway.terms.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One operation at a time: begun, waited for, told; `wait_s` is how long a caller waits."""

    conductor: Conductor
    read: Reader
    identifiers: Identifiers
    wait_s: float

    async def run(
        self,
        opened: Opened,
        cargo: Cargo,
        records: tuple[object, ...],
        *,
        findings: dict[str, object] | None = None,
        pins: Mapping[str, EncipheredPin] | None = None,
        operation: OperationId | None = None,
    ) -> Operation:
        """Begin an operation and give it as it is when it is settled, or when the wait is over."""
        operation = operation or self.identifiers.operation()
        settled: asyncio.Future[Operation | None] = asyncio.get_running_loop().create_future()

        def progressed(now: Operation) -> None:
            if now.state is not OperationState.PENDING and not settled.done():
                settled.set_result(now)

        def done(outcome: Operation | Exception) -> None:
            if isinstance(outcome, Exception):
                if not settled.done():
                    settled.set_exception(outcome)
                return
            self.conductor.watch(operation, progressed)
            progressed(outcome)

        self.conductor.open(
            operation,
            opened,
            cargo,
            pins=pins,
            findings=findings,
            records=_for_operation(records, operation),
            done=done,
        )
        return await self._wait(operation, settled)

    async def begin(self, opened: Opened, cargo: Cargo, records: tuple[object, ...]) -> Operation:
        """Begin an operation for whose outcome nobody waits; gives it once it is durable."""
        operation = self.identifiers.operation()
        begun: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
        records = _for_operation(records, operation)
        self.conductor.open(operation, opened, cargo, records=records, done=resolve(begun))
        try:
            return await begun
        finally:
            self.conductor.leave(operation)

    async def follow(self, operation: OperationId) -> Operation:
        """Wait for an operation that was begun before, as long as for one's own."""
        settled: asyncio.Future[Operation | None] = asyncio.get_running_loop().create_future()

        def progressed(now: Operation) -> None:
            if now.state is not OperationState.PENDING and not settled.done():
                settled.set_result(now)

        running = self.conductor.watch(operation, progressed)
        if running is None or running.state is not OperationState.PENDING:
            settled.set_result(None)
        return await self._wait(operation, settled)

    async def withdraw(
        self, operation: Operation, cargo: Cargo, records: tuple[object, ...]
    ) -> Operation:
        """Have an unlinking taken back, and give it as it is then, or when the wait is over.

        Raises `RequestRefused` (NOT_OFFERED) where one side had nothing that it could give back.
        """
        if not may_be_taken_back(operation):
            raise RequestRefused(Refusal.NOT_OFFERED)
        settled: asyncio.Future[Operation | None] = asyncio.get_running_loop().create_future()

        def progressed(now: Operation) -> None:
            if now.state is not operation.state and not settled.done():
                settled.set_result(now)

        def done(outcome: Operation | Exception) -> None:
            if isinstance(outcome, Exception):
                if not settled.done():
                    settled.set_exception(outcome)
                return
            self.conductor.watch(operation.id, progressed)
            progressed(outcome)

        records = _for_operation(records, operation.id)
        self.conductor.resolve(operation, cargo, life.Withdrawn(), done, records)
        return await self._wait(operation.id, settled)

    async def refuse(
        self, opened: Opened, refusal: Refusal, records: tuple[object, ...]
    ) -> Operation:
        """Record an operation that is refused before anything is sent."""
        operation = self.identifiers.operation()
        recorded: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
        records = _for_operation(records, operation)
        self.conductor.refuse(operation, opened, refusal, records, resolve(recorded))
        return await recorded

    async def keep(self, unit: Unit) -> None:
        """Make a unit durable that belongs to no operation."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.conductor.keep(unit, resolve(written))
        await written

    async def _wait(
        self, operation: OperationId, settled: asyncio.Future[Operation | None]
    ) -> Operation:
        def give_up() -> None:
            # An outcome that is being recorded just now will be told here, and nowhere else.
            if not settled.done() and not self.conductor.leave(operation):
                settled.set_result(None)

        waiting = asyncio.get_running_loop().call_later(self.wait_s, give_up)
        try:
            known = await settled
        finally:
            waiting.cancel()
            self.conductor.leave(operation)
        known = known or await self.read(lambda queries: queries.operation(operation))
        if known is None:
            raise RequestRefused(Refusal.OVERLOADED)
        return known


def _for_operation(records: tuple[object, ...], operation: OperationId) -> tuple[object, ...]:
    """Let a key that stands for nothing yet stand for the operation that it began."""
    return tuple(
        KeyUsed(record.channel, record.key, record.request_digest, operation.value, record.at)
        if isinstance(record, KeyUsed) and not record.resource
        else record
        for record in records
    )
