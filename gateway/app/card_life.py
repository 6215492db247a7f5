"""The businesses in the life of a card: checked, opened and waited for by one rule for all."""

import hmac
from base64 import b32encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date

import structlog

from gateway.api import service as api
from gateway.api.notices import UserMessageView
from gateway.api.service import Caller, IdempotencyKey, Reply
from gateway.api.vouchers import VoucherView
from gateway.app.cargo import Cargo, asked_by
from gateway.app.intake import Intake, customer_of
from gateway.app.pins import AcceptedPin
from gateway.app.rendering import (
    DUE_IS_PROVISIONAL,
    FEE,
    WORKING_DAYS,
    done_at,
    receipt_of,
    result_of,
)
from gateway.financial.account import AccountLossKept, FinancialAccount
from gateway.linking.link import Applicant, Link, LinkState, SessionUsed
from gateway.linking.plans import REQUEST
from gateway.linking.procedures import (
    BY_KIND,
    LINKS_AT_REPLACEMENT,
    PAYS_UNACTIVATED,
    UNPROVED,
    Procedure,
)
from gateway.linking.refusals import unavailable
from gateway.operations.draft import EncipheredPin
from gateway.operations.facts import Opened, OperationKind, OperationState
from gateway.regions.vocabulary import Business, CarryOver, CodeMode, FeeItem, Proof
from gateway.regions.working_days import WorkingDays
from gateway.social.card import SocialCard, SsLossKept, application_reference
from gateway.store import questions
from gateway.store.found import Linked
from gateway.terms.errors import RequestRefused
from gateway.terms.losses import Loss
from gateway.terms.numbers import LinkId, OperationId
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

_CODE_BYTES = 10  # 80 bits: not to be guessed by asking, and 16 letters to copy

log = structlog.get_logger()

_PROVED = {PinPurpose.SS_PIN_PROOF: Proof.SS_PIN, PinPurpose.ECARD_PIN_PROOF: Proof.ECARD_PIN}
_FEES = {
    Business.CARD_APPLY: FeeItem.FIRST_CARD,
    Business.CARD_REPLACE: FeeItem.REPLACEMENT,
    Business.CARD_TEMPORARY: FeeItem.TEMPORARY_CARD,
    Business.FINANCIAL_PIN_RESET: FeeItem.PIN_RESET,
}
_MODES = {
    OperationKind.ECARD_CODE: CodeMode.PASSIVE_SCAN,
    OperationKind.ECARD_SCAN: CodeMode.ACTIVE_SCAN,
}
_NOTHING = api.BusinessCommand()


@dataclass(frozen=True, slots=True)
class Judged:
    """PINs by the exchange that carries each, or why one is refused; `records` are used up."""

    pins: Mapping[str, AcceptedPin] | Refusal
    records: tuple[object, ...] = ()


class CardLife:
    """Implements `gateway.api.service.CardLifeService`: every business of the table of procedures.

    `sign` is a keyed hash, from which verification codes are cut.
    """

    def __init__(
        self,
        intake: Intake,
        working_days: WorkingDays,
        sign: Callable[[bytes], bytes],
    ) -> None:
        self._intake = intake
        self._working_days = working_days
        self._sign = sign

    async def ask(self, caller: Caller, link: LinkId, kind: OperationKind) -> Reply:
        """Ask a far side what nobody changes by asking."""
        procedure = BY_KIND[kind]
        found = await self._intake.read(questions.linked(link))
        linked = self._intake.active(caller, found)
        self._must_be_granted_to(caller, linked, procedure, _NOTHING)
        self._must_have_links(procedure, linked)
        details = asked_by(caller.channel, linked)
        opened = Opened(kind, link, self._intake.now(), details=details)
        reply = await self._intake.run(opened, Cargo.of(linked, None, caller.channel), ())
        if reply.operation.state is OperationState.PENDING:
            raise RequestRefused(unavailable(procedure.exchanges[-1].side))
        return reply

    async def carry_out(
        self,
        caller: Caller,
        key: IdempotencyKey,
        link: LinkId,
        kind: OperationKind,
        command: api.BusinessCommand,
    ) -> Reply:
        """Carry out a business through an active link of the caller's customer."""
        procedure = BY_KIND[kind]
        async with self._intake.turns.once(caller, key, link) as (replayed, found):
            if replayed is not None:
                return await self._intake.replay(caller, replayed)

            async def judge(linked: Linked) -> Judged:
                return await self._open_pins(caller, linked, procedure, command)

            linked = self._intake.active(caller, found)
            return await self.do(caller, key, linked, procedure, command, judge)

    async def do(
        self,
        caller: Caller,
        key: IdempotencyKey,
        linked: Linked,
        procedure: Procedure,
        command: api.BusinessCommand,
        judge: Callable[[Linked], Awaitable[Judged]],
    ) -> Reply:
        """Carry out a business through a link, once its PINs are judged."""
        self._must_be_granted_to(caller, linked, procedure, command)
        with self._turn(procedure, linked.link.id):
            # A loss is reported whether or not anybody can be reached, but for its proof.
            self._must_have_links(procedure.with_pins(command.pins), linked)
            judged = await judge(linked)
            used = (*judged.records, self._intake.used(caller, key))
            return await self._open(linked, procedure, command, judged.pins, used, caller.channel)

    async def report_again(
        self, linked: Linked, kind: OperationKind, used: tuple[object, ...], channel: str
    ) -> Reply:
        """Report a loss anew whose cancellation is taken back; nobody is asked for a proof."""
        with self._intake.turns.losing(linked.link.id):
            return await self._open(linked, BY_KIND[kind], _NOTHING, {}, used, channel)

    async def apply(self, caller: Caller, key: IdempotencyKey, command: api.ApplyCommand) -> Reply:
        """Apply for a first card; the core says whose account it is, the bureau hears the rest."""
        async with self._intake.turns.once(caller, key) as (replayed, _):
            if replayed is not None:
                return await self._intake.replay(caller, replayed)
            return await self.apply_once(caller, key, command)

    async def apply_once(
        self, caller: Caller, key: IdempotencyKey, command: api.ApplyCommand
    ) -> Reply:
        """Apply for a first card under a key that nobody else uses now."""
        self._intake.must_be_granted(caller, command.institution, Business.CARD_APPLY)
        for side in Side:
            self._intake.must_be_ready(side, command.institution)
        link, now = self._intake.identifiers.link(), self._intake.now()
        fresh = Link(link, command.institution, caller.channel, LinkState.PENDING, now)
        card = SocialCard(
            link,
            application_reference(link),
            command.institution,
            command.mobile,
            command.contact_address,
        )
        applicant = Applicant(customer_of(caller), command.name, command.citizen_id)
        account = FinancialAccount(link, command.account, applicant.customer)
        procedure = BY_KIND[OperationKind.CARD_APPLY]
        details = self._terms(procedure, card)
        opened = Opened(procedure.kind, link, now, details=details)
        said = {"NM": command.name.value, "ID": command.citizen_id.value}
        said |= {"MB": command.mobile.value}
        if command.contact_address is not None:
            said["AD"] = command.contact_address.value
        records = (fresh, card, account, self._intake.used(caller, key))
        cargo = Cargo(card, account, said)
        return await self._intake.run(opened, cargo, records, findings={REQUEST: applicant})

    # ------------------------------------------------------------------ vouchers

    async def voucher(self, caller: Caller, operation: OperationId) -> VoucherView:
        """Draw the voucher of a business that was done from its operation."""
        found = await self._intake.read(questions.operation(operation))
        if found is None or found.kind is OperationKind.SS_ACCOUNT:
            raise RequestRefused(Refusal.NOT_FOUND)
        linked = await self._intake.own(caller, found.link)
        if found.state is not OperationState.SUCCEEDED:
            is_over = found.state.is_final
            raise RequestRefused(Refusal.NOT_FOUND if is_over else Refusal.IN_PROGRESS)
        business, at = _named(found.kind), done_at(found)
        return VoucherView(
            found.id,
            UserMessageView(business.zh, business.en),
            linked.link.agency,
            found.link,
            linked.card.number_at(at),
            linked.account.pan,
            at,
            self._verification_code(operation),
            result_of(found),
            receipt_of(found),
        )

    def is_genuine(self, operation: OperationId, verification_code: str) -> bool:
        """Compare a verification code in constant time."""
        return hmac.compare_digest(
            self._verification_code(operation).encode(), verification_code.encode()
        )

    def _verification_code(self, operation: OperationId) -> str:
        digest = self._sign(f"voucher {operation.value}".encode())
        code = b32encode(digest[:_CODE_BYTES]).decode("ascii")
        return "-".join(code[at : at + 4] for at in range(0, len(code), 4))

    # ------------------------------------------------------------------ checks

    def _must_be_granted_to(
        self, caller: Caller, linked: Linked, procedure: Procedure, command: api.BusinessCommand
    ) -> None:
        """Ask the region; a PIN that is shown counts as proved, for the bureau compares it."""
        business = _business(procedure)
        shown = frozenset(_PROVED[each] for each in command.pins if each in _PROVED)
        self._intake.must_be_allowed(caller, linked, business, shown)
        mode, ecard = _MODES.get(procedure.kind), self._intake.rules(linked.link.agency).ecard
        if mode is not None and (ecard is None or mode not in ecard.code_modes):
            raise RequestRefused(Refusal.NOT_OFFERED)

    def _must_have_links(self, procedure: Procedure, linked: Linked) -> None:
        for exchange in procedure.exchanges:
            if not exchange.recovery.needs_no_link:
                self._intake.must_be_ready(exchange.side, linked.link.agency)

    def _turn(self, procedure: Procedure, link: LinkId) -> AbstractContextManager[None]:
        if procedure.loses:
            return self._intake.turns.losing(link)
        return nullcontext() if procedure.is_beside_others else self._intake.turns.alone(link)

    # ------------------------------------------------------------------ opening

    async def _open(
        self,
        linked: Linked,
        procedure: Procedure,
        command: api.BusinessCommand,
        accepted: Mapping[str, AcceptedPin] | Refusal,
        used: tuple[object, ...],
        channel: str,
    ) -> Reply:
        """Open a business whose PINs have been judged, in the transaction that spends its key."""
        has_proof = procedure.with_pins(command.pins).has_proof
        operation, now = self._intake.identifiers.operation(), self._intake.now()
        loss = None
        if procedure.loses:
            loss = Loss(procedure.loses, operation, now, link=linked.link.id)
        details = {
            **command.words,
            **_named_loss(procedure, linked, loss),
            **self._terms(procedure, linked.card),
            **asked_by(channel, linked),
        }
        if not has_proof and procedure.has_proof:
            details[UNPROVED] = "yes"
        opened = Opened(procedure.kind, linked.link.id, now, details=details)
        if isinstance(accepted, Refusal):
            return await self._intake.refuse(opened, accepted, used)
        cargo = Cargo.of(linked, command.private, channel)
        pins: Mapping[str, EncipheredPin] = {
            name: each.enciphered for name, each in accepted.items()
        }
        records = (*used, *_blocks(procedure, linked, loss))
        said: dict[str, object] = {REQUEST: procedure.kind}
        reply = await self._intake.run(
            opened, cargo, records, findings=said, pins=pins, operation=operation
        )
        return next((each.beside(reply) for each in accepted.values() if each.advice), reply)

    def _terms(self, procedure: Procedure, card: SocialCard) -> Mapping[str, str]:
        """Say until when by the region's term, at which fee, and what becomes of the link."""
        today = self._intake.today()
        rules = self._intake.rules(card.agency)
        business = _business(procedure)
        terms: dict[str, str] = {}
        if business in rules.working_days:
            terms |= self._due(today, rules.working_days[business])
        if business in _FEES:
            terms[FEE] = str(rules.fee(_FEES[business]))
        if business is Business.CARD_COLLECT:
            # An application ends with the card's collection: the card is linked by its number.
            ends = card.is_applied_for
            rule = CarryOver.DROPPED if ends else rules.replacement.links
            terms[LINKS_AT_REPLACEMENT] = rule.value
        pays = business is Business.ECARD_PAYMENT_ENABLE and rules.ecard is not None
        if pays and rules.ecard and not rules.ecard.payment_needs_active_account:
            terms[PAYS_UNACTIVATED] = "yes"
        return terms

    def _due(self, today: date, days: int) -> Mapping[str, str]:
        """Say the term and its last day, and whether that is an estimate."""
        due = self._working_days.due(today, days)
        term = {WORKING_DAYS: str(days), "DU": f"{due.day:%Y%m%d}"}
        return term | ({DUE_IS_PROVISIONAL: "yes"} if due.is_provisional else {})

    async def _open_pins(
        self, caller: Caller, linked: Linked, procedure: Procedure, command: api.BusinessCommand
    ) -> Judged:
        """Have each PIN made into a block; the first that is refused refuses the whole."""
        sessions = {
            purpose: await self._intake.session(entry.pin_session, linked, purpose)
            for purpose, entry in command.pins.items()
        }
        spent = tuple(SessionUsed(each.id) for each in sessions.values())
        accepted: dict[str, AcceptedPin] = {}
        for name, purpose in procedure.with_pins(command.pins).pins.items():
            order = self._intake.pin_order(linked, purpose)
            entry = command.pins[purpose]
            filled = order.with_entry(sessions[purpose], caller.channel, entry)
            outcome = await self._intake.pins.encipher(filled)
            if isinstance(outcome, Refusal):
                return Judged(outcome, spent)
            accepted[name] = outcome
        return Judged(accepted, spent)


def _business(procedure: Procedure) -> Business:
    return _named(procedure.kind)


def _named(kind: OperationKind) -> Business:
    """Name the business in the words of the profiles: both ways of scanning are one there."""
    if kind in _NAMED_OTHERWISE:
        return _NAMED_OTHERWISE[kind]
    return Business(kind.value)  # type: ignore[call-arg]  # by its value


_NAMED_OTHERWISE = {
    OperationKind.ECARD_SCAN: Business.ECARD_CODE,
    OperationKind.SET_SS_PIN: Business.SS_PIN_SET,
}


def _named_loss(procedure: Procedure, linked: Linked, loss: Loss | None) -> Mapping[str, str]:
    """Name in DE 48 the loss that is reported, or the one here that is to be cancelled."""
    if loss is not None:
        return loss.words
    if procedure.kind not in _CANCELS:
        return {}
    known = linked.card.loss if procedure.side is Side.SOCIAL else linked.account.loss
    return {"LN": known.reference.value} if known else {}


_CANCELS = {OperationKind.SS_LOSS_CANCEL, OperationKind.FINANCIAL_LOSS_CANCEL}


def _blocks(procedure: Procedure, linked: Linked, loss: Loss | None) -> tuple[object, ...]:
    """Record a loss with the opening itself: it holds here before the far side hears of it."""
    if loss is None:
        return ()
    kept = SsLossKept if procedure.side is Side.SOCIAL else AccountLossKept
    return (kept(linked.link.id, loss),)
