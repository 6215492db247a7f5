"""Opens operations and waits for their outcomes as long as is decent, whoever asked for them."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypedDict, TypeVar, Unpack

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
from gateway.store import questions
from gateway.store.unit import KeyUsed, Unit
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.numbers import OperationId
from gateway.terms.refusals import Refusal

T = TypeVar("T")


class Brought(TypedDict, total=False):
    """What some operations are begun with.

    `findings` are what the caller said, `pins` are by exchange, `operation` is its reference where
    that was made before.
    """

    findings: dict[str, object]
    pins: Mapping[str, EncipheredPin]
    operation: OperationId


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
        **brought: Unpack[Brought],
    ) -> Operation:
        """Begin an operation and give it as it is when it is settled, or when the wait is over."""
        operation = brought.get("operation") or self.identifiers.operation()
        settled: asyncio.Future[Operation | None] = asyncio.get_running_loop().create_future()
        self.conductor.open(
            operation,
            opened,
            cargo,
            pins=brought.get("pins"),
            findings=brought.get("findings"),
            records=_for_operation(records, operation),
            done=self._begun(operation, settled, OperationState.PENDING),
        )
        return await self._wait(operation, settled)

    async def begin(self, opened: Opened, cargo: Cargo, records: tuple[object, ...]) -> Operation:
        """Begin an operation for whose outcome nobody waits; gives it once it is durable."""
        operation = self.identifiers.operation()
        begun: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
        records = _for_operation(records, operation)
        self.conductor.open(operation, opened, cargo, records=records, done=resolve(begun))
        try:
            return await self._in_time(begun)
        finally:
            self.conductor.leave(operation)

    async def follow(self, operation: OperationId) -> Operation:
        """Wait for an operation that was begun before, as long as for one's own."""
        settled: asyncio.Future[Operation | None] = asyncio.get_running_loop().create_future()
        running = self.conductor.watch(operation, _progressed(settled, OperationState.PENDING))
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
        records = _for_operation(records, operation.id)
        done = self._begun(operation.id, settled, operation.state)
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
        return await self._in_time(recorded)

    async def keep(self, unit: Unit) -> None:
        """Make a unit durable that belongs to no operation."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.conductor.keep(unit, resolve(written))
        await self._in_time(written)

    async def _in_time(self, durable: asyncio.Future[T]) -> T:
        """Wait until something is durable, as long as for anything; raises `RequestRefused`."""
        try:
            async with asyncio.timeout(self.wait_s):
                return await durable
        except TimeoutError:
            raise RequestRefused(_NOT_KNOWN) from None

    def _begun(
        self,
        operation: OperationId,
        settled: asyncio.Future[Operation | None],
        before: OperationState,
    ) -> Callable[[Operation | Exception], None]:
        """Make what hears that an operation has begun, and from then on how it goes."""
        progressed = _progressed(settled, before)

        def done(outcome: Operation | Exception) -> None:
            if not isinstance(outcome, Exception):
                if progressed(outcome):
                    self.conductor.watch(operation, progressed)
            elif not settled.done():
                settled.set_exception(outcome)

        return done

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
        if known is None:
            with suppress(Unavailable):
                known = await self.read(questions.operation(operation))
        if known is None:
            raise RequestRefused(_NOT_KNOWN)
        return known


# What is not on disk is not promised, and may come to be there all the same: whoever asks again
# under the same key is told what became of it.
_NOT_KNOWN = Refusal.IN_PROGRESS


def _progressed(
    settled: asyncio.Future[Operation | None], before: OperationState
) -> Callable[[Operation], bool]:
    """Make what settles a future once an operation is no more as it was before.

    It tells whether somebody waits still.
    """

    def progressed(now: Operation) -> bool:
        if now.state is not before and not settled.done():
            settled.set_result(now)
        return not settled.done()

    return progressed


def _for_operation(records: tuple[object, ...], operation: OperationId) -> tuple[object, ...]:
    """Let a key that stands for nothing yet stand for the operation that it began."""
    return tuple(
        KeyUsed(record.channel, record.key, record.request_digest, operation.value, record.at)
        if isinstance(record, KeyUsed) and not record.resource
        else record
        for record in records
    )
