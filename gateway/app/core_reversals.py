"""What a core's 0420 takes back, and what its inquiry tells of a request that was answered late.

A removal of a link is taken back; so is the cancellation of a loss, which fails closed: the loss is
reported anew (DESIGN, section 6). A question leaves nothing to take back. All else stands.
"""

from contextlib import suppress
from dataclasses import dataclass

from gateway.api.service import Caller, IdempotencyKey
from gateway.app.card_life import CardLife
from gateway.app.cargo import Cargo
from gateway.app.core_record import REFUSED, TOMBSTONE, CoreRecord, Outcome
from gateway.app.intake import Intake
from gateway.linking.link import LinkChanged, LinkState
from gateway.linking.procedures import BY_KIND
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.operation import Operation
from gateway.store import questions
from gateway.store.errors import Conflict
from gateway.store.found import Linked
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import LinkId, OperationId, Pan
from gateway.terms.refusals import Refusal
from gateway.terms.sides import Side

LOST_AGAIN = {
    OperationKind.SS_LOSS_CANCEL: OperationKind.SS_LOSS_TEMPORARY,
    OperationKind.FINANCIAL_LOSS_CANCEL: OperationKind.FINANCIAL_LOSS_TEMPORARY,
}
"""The report that takes a cancellation back where the report that it cancelled is not known."""


@dataclass(frozen=True, slots=True)
class Named:
    """The original of a reversal or an inquiry: its key, its DE 2 and its link where one is named.

    An application for a card has no link before it is answered, so that none need be named.
    """

    key: IdempotencyKey
    account: Pan
    link: LinkId | None


class AnotherRequest(Exception):
    """DE 90 names a request of another account or of another link; that one stands."""


class OriginalRefused(Exception):
    """The original was refused, before anything began: nothing of it stands."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class CoreReversals:
    """Takes back what may be taken back, once, and tells what became of the rest."""

    def __init__(self, intake: Intake, card_life: CardLife) -> None:
        self._intake = intake
        self._card_life = card_life
        self._record = CoreRecord(intake)

    async def undo(self, caller: Caller, key: IdempotencyKey, original: Named) -> bool:
        """Take a request back, or see to it that one not known here is never done.

        Tells whether it is taken back; if not yet, asking again will tell. Raises `AnotherRequest`,
        and `RequestRefused`: NOT_FOUND once the original is barred, NOT_OFFERED for what is never
        taken back, ALREADY_SO when nothing of it stands, IN_PROGRESS while it is under way.
        """
        async with self._intake.turns.once(caller, key) as (stored, _):
            if stored is not None:
                return _is_taken_back(await self._record.operation(stored))
            try:
                operation, linked = await self._original(caller, original)
                return await self._undo(caller, key, operation, linked)
            except OriginalRefused:
                await self._record.keep_refusal(caller, key, Refusal.ALREADY_SO)
                raise RequestRefused(Refusal.ALREADY_SO) from None
            except RequestRefused as refused:
                with suppress(Conflict):  # it stands for what was begun
                    await self._record.keep_refusal(caller, key, refused.refusal)
                raise

    async def inquire(self, caller: Caller, original: Named) -> Outcome:
        """Tell what became of a request as far as it is known now.

        Raises `AnotherRequest`, `OriginalRefused`, and `RequestRefused` (NOT_FOUND) for one not
        known here, which is never done from then on.
        """
        operation, _ = await self._original(caller, original)
        return Outcome.of(operation)

    # ------------------------------------------------------------------ the original

    async def _original(self, caller: Caller, original: Named) -> tuple[Operation, Linked]:
        stored = await self._record.find(caller, original.key)
        if stored is None:
            await self._record.bar(caller, original.key)
        if stored is None or stored.resource == TOMBSTONE:
            raise RequestRefused(Refusal.NOT_FOUND)
        if stored.resource.startswith(REFUSED):
            raise OriginalRefused(Refusal(stored.resource.removeprefix(REFUSED)))
        identity = OperationId(stored.resource)
        operation = await self._intake.read(questions.operation(identity))
        if operation is None:
            raise RequestRefused(Refusal.NOT_FOUND)
        linked = await self._intake.read(questions.linked(operation.link))
        return operation, _must_be_the_same(original, operation, linked)

    # ------------------------------------------------------------------ taking back

    async def _undo(
        self, caller: Caller, key: IdempotencyKey, operation: Operation, linked: Linked
    ) -> bool:
        procedure = BY_KIND.get(operation.kind)
        if procedure is not None and procedure.is_question:
            raise RequestRefused(Refusal.ALREADY_SO)
        if operation.kind in LOST_AGAIN and operation.state is not OperationState.FAILED:
            return await self._lose_again(caller, key, operation, linked)
        if operation.kind is OperationKind.UNLINK:
            return await self._undo_unlinking(caller, key, operation)
        operation = await self._intake.outcomes.follow(operation.id)
        is_over = operation.state is OperationState.FAILED
        raise RequestRefused(Refusal.ALREADY_SO if is_over else Refusal.NOT_OFFERED)

    async def _undo_unlinking(
        self, caller: Caller, key: IdempotencyKey, operation: Operation
    ) -> bool:
        if operation.state is OperationState.PENDING:
            # From now on it is taken back, whoever asks again and whatever happens to the process.
            self._intake.conductor.withdraw(operation.id)
        operation = await self._intake.outcomes.follow(operation.id)
        if operation.state is OperationState.FAILED:
            raise RequestRefused(Refusal.ALREADY_SO)
        if operation.is_withdrawn:
            # Where one side had nothing to give back, the removal stands.
            if operation.state is OperationState.SUCCEEDED and operation.is_at_rest:
                raise RequestRefused(Refusal.NOT_OFFERED)
            return False
        if operation.state is not OperationState.SUCCEEDED:
            raise RequestRefused(Refusal.IN_PROGRESS)  # at another node, or a person must look
        return await self._link_again(caller, key, operation)

    async def _link_again(self, caller: Caller, key: IdempotencyKey, operation: Operation) -> bool:
        """Have both sides undo an unlinking, unless the card was linked otherwise since."""
        linked = await self._intake.read(questions.linked(operation.link))
        if linked is None or linked.link.state is not LinkState.REMOVED:
            raise RequestRefused(Refusal.ALREADY_SO)
        for side in Side:
            self._intake.must_be_ready(side, linked.link.agency)
        held = LinkChanged(operation.link, LinkState.PENDING, self._intake.now())
        with self._intake.turns.alone(operation.link):
            cargo = Cargo.of(linked, None, caller.channel)
            records = (held, self._intake.used(caller, key))
            try:
                withdraw = self._intake.outcomes.withdraw
                return _is_taken_back(await withdraw(operation, cargo, records))
            except Conflict:
                raise RequestRefused(Refusal.ALREADY_LINKED) from None

    async def _lose_again(
        self, caller: Caller, key: IdempotencyKey, operation: Operation, linked: Linked
    ) -> bool:
        """Report the loss anew whose cancellation is taken back: at once, and once for all 0420.

        The report is newer than the cancellation, which therefore lifts nothing any more.
        """
        once = IdempotencyKey(f"undo/{operation.id}", bytes(len(key.fingerprint)))
        stored = await self._record.find(caller, once)
        if stored is not None:
            return _is_taken_back(await self._record.operation(stored.resource))
        used = (self._intake.used(caller, once), self._intake.used(caller, key))
        kind = await self._report_cancelled_by(operation)
        report = await self._card_life.report_again(linked, kind, used, caller.channel)
        return _is_taken_back(await self._record.operation(report.operation.operation.value))

    async def _report_cancelled_by(self, operation: Operation) -> OperationKind:
        """Tell whether the loss was a formal one, by the report that the cancellation names."""
        reference = operation.details.get("LN")
        reported = None
        if reference is not None:
            identity = OperationId(reference)
            reported = await self._intake.read(questions.operation(identity))
        return reported.kind if reported is not None else LOST_AGAIN[operation.kind]


def _must_be_the_same(original: Named, operation: Operation, linked: Linked | None) -> Linked:
    """See that what a reversal says of its original is what the original said."""
    is_applied_for = operation.kind is OperationKind.CARD_APPLY
    named = operation.link if original.link is None and is_applied_for else original.link
    if linked is None or linked.account.pan != original.account or named != operation.link:
        raise AnotherRequest
    return linked


def _is_taken_back(operation: Operation) -> bool:
    """Tell it of an unlinking that was withdrawn, or of a loss that is reported again."""
    if operation.kind is OperationKind.UNLINK:
        return operation.state is OperationState.FAILED
    if operation.state is OperationState.FAILED and operation.refusal is not None:
        if operation.refusal is Refusal.ALREADY_SO:
            return True
        raise RequestRefused(operation.refusal)
    return operation.state is OperationState.SUCCEEDED
