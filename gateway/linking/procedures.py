"""How each business in the life of a card is carried out: one row for each, one plan for all.

A row names the exchanges in the order in which they are made, the PINs that go into them, and
what is kept when it is done. What silence means is each exchange's own recovery. All but the last
exchange of a row have no effect, so that a row is done with its last exchange, or not at all.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.financial import exchanges as core
from gateway.financial.account import AccountLossConfirmed, AccountLossLifted, AccountState
from gateway.financial.answers import AccountFinding
from gateway.linking.link import Applicant, LinkChanged, LinkState
from gateway.linking.plans import REQUEST
from gateway.linking.refusals import meaning, never_arrived, unavailable
from gateway.operations.exchange import AWAITING, Exchange, ExchangeState, Recovery
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.life import Begin, Plan, Settle, Step, Wait
from gateway.operations.operation import Operation
from gateway.regions.vocabulary import CarryOver
from gateway.social import exchanges as bureau
from gateway.social.card import (
    CardReplaced,
    EcardKept,
    MobileBound,
    NewCard,
    ReplacementBegun,
    SsLossConfirmed,
    SsLossLifted,
)
from gateway.terms.losses import LossKind
from gateway.terms.numbers import EcardNumber, Mobile, OperationId
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

UNPROVED = "unproved"
"""Detail of an operation whose customer showed no PIN in force, where the region wants none."""

LINKS_AT_REPLACEMENT = "links"
"""Detail of a card handed over: what becomes of its link, in the word of the region's profile."""

PAYS_UNACTIVATED = "pays_unactivated"
"""Detail of an enabling of payment whose region does not ask for an active account."""

Keep = Callable[[Operation, datetime], tuple[object, ...]]


def _nothing(_operation: Operation, _now: datetime) -> tuple[object, ...]:
    return ()


def _named_loss(operation: Operation) -> OperationId | None:
    """Give the reference of the loss that the operation names (subfield LN)."""
    reference = operation.details.get("LN")
    return OperationId(reference) if reference else None


def _ss_found(operation: Operation, _now: datetime) -> tuple[object, ...]:
    """Lift the loss that the operation names and cancels."""
    named = _named_loss(operation)
    return (SsLossLifted(operation.link, named),) if named else ()


def _ss_refused(operation: Operation, _now: datetime) -> tuple[object, ...]:
    """Take back the operation's own loss; one that stood before it stands again."""
    own = _named_loss(operation)
    return (SsLossLifted(operation.link, own, was_refused=True),) if own else ()


def _ss_known(operation: Operation, now: datetime) -> tuple[object, ...]:
    own = _named_loss(operation)
    return (SsLossConfirmed(operation.link, own, now),) if own else ()


def _account_refused(operation: Operation, _now: datetime) -> tuple[object, ...]:
    own = _named_loss(operation)
    return (AccountLossLifted(operation.link, own, was_refused=True),) if own else ()


def _account_known(operation: Operation, now: datetime) -> tuple[object, ...]:
    own = _named_loss(operation)
    return (AccountLossConfirmed(operation.link, own, now),) if own else ()


def _account_found(operation: Operation, _now: datetime) -> tuple[object, ...]:
    named = _named_loss(operation)
    return (AccountLossLifted(operation.link, named),) if named else ()


def _mobile_bound(operation: Operation, _now: datetime) -> tuple[object, ...]:
    """Keep the number as the bureau named it, in its answer or to an inquiry."""
    mobile = operation.findings.get(bureau.BIND_MOBILE.name)
    return (MobileBound(operation.link, mobile),) if isinstance(mobile, Mobile) else ()


def _replacement_begun(operation: Operation, _now: datetime) -> tuple[object, ...]:
    return (ReplacementBegun(operation.link),)


def _card_replaced(operation: Operation, now: datetime) -> tuple[object, ...]:
    """Let the link lead to the new card, where the region or else the bureau says that it stays.

    A link that ends with the old card is removed here; the account stays registered at the core
    under a reference that leads nowhere. So it ends where a person found out that the card was
    handed over: the old number is void, and the new one is not a person's to tell.
    """
    card = operation.findings.get(bureau.COLLECT_CARD.name)
    rule = operation.details.get(LINKS_AT_REPLACEMENT)
    if isinstance(card, NewCard) and _stays(card, rule):
        return (CardReplaced(operation.link, card.number, now),)
    return (LinkChanged(operation.link, LinkState.REMOVED, now),)


def _stays(card: NewCard, rule: str | None) -> bool:
    return card.keeps_link if rule == CarryOver.ASK_BUREAU else rule == CarryOver.KEPT


def _ecard_kept(operation: Operation, _now: datetime) -> tuple[object, ...]:
    number = operation.findings.get(bureau.ISSUE_ECARD.name)
    return (EcardKept(operation.link, number),) if isinstance(number, EcardNumber) else ()


def _ecard_over(operation: Operation, _now: datetime) -> tuple[object, ...]:
    return (EcardKept(operation.link, None),)


def _account_does_not_pay(operation: Operation) -> Refusal | None:
    """Let the e-card pay from an active account, and from a new one where the region says so.

    One that is lost, frozen or closed never pays.
    """
    found = operation.findings.get(core.ACCOUNT_INQUIRY.name)
    state = found.account_state if isinstance(found, AccountFinding) else None
    is_new = state is AccountState.NOT_ACTIVATED and PAYS_UNACTIVATED in operation.details
    if state is AccountState.ACTIVE or is_new:
        return None
    return Refusal.ACCOUNT_LOST if state is AccountState.LOST else Refusal.NOT_ACTIVATED


def _not_the_applicants(operation: Operation) -> Refusal | None:
    """Stop an application that names somebody else's account, or whose applicant is forgotten."""
    found = operation.findings.get(core.ACCOUNT_INQUIRY.name)
    applicant = operation.findings.get(REQUEST)
    is_own = (
        isinstance(found, AccountFinding)
        and isinstance(applicant, Applicant)
        and applicant.owns(found.owner)
    )
    return None if is_own else Refusal.NOT_CONFIRMED


def _application_stands(operation: Operation, now: datetime) -> tuple[object, ...]:
    return (LinkChanged(operation.link, LinkState.ACTIVE, now),)


def _application_fails(operation: Operation, now: datetime) -> tuple[object, ...]:
    return (LinkChanged(operation.link, LinkState.FAILED, now),)


def _nothing_bars(_operation: Operation) -> Refusal | None:
    return None


@dataclass(frozen=True, slots=True)
class Procedure:
    """One business: what is said, with which PINs, and what changes here.

    `pins` maps the name of an exchange to the PIN that it carries. `kept` gives the records that
    become durable when the far side has done it, `undone` those when it certainly has not.
    `loses` is the kind of loss that takes effect here at once, before anybody is told. `barred`
    tells from what the questions found why the last exchange is not made.
    """

    kind: OperationKind
    exchanges: tuple[Exchange, ...]
    pins: Mapping[str, PinPurpose] = field(default_factory=dict)
    kept: Keep = _nothing
    undone: Keep = _nothing
    loses: LossKind | None = None
    barred: Callable[[Operation], Refusal | None] = _nothing_bars

    @property
    def has_proof(self) -> bool:
        """Tell whether a PIN in force is shown on the way."""
        return any(purpose.is_proof for purpose in self.pins.values())

    def with_pins(self, given: Collection[PinPurpose]) -> "Procedure":
        """Give the row as it is with these PINs: a PIN in force that is not shown is not compared.

        Whether it has to be shown is the region's to say.
        """
        if all(purpose in given for purpose in self.pins.values()):
            return self
        pins = {name: purpose for name, purpose in self.pins.items() if not purpose.is_proof}
        proofs = self.pins.keys() - pins.keys()
        rest = tuple(exchange for exchange in self.exchanges if exchange.name not in proofs)
        return replace(self, exchanges=rest, pins=pins)

    @property
    def side(self) -> Side:
        """The side whose business it is: that of its last exchange."""
        return self.exchanges[-1].side

    @property
    def is_question(self) -> bool:
        """Tell whether it changes nothing anywhere."""
        return all(exchange.recovery is Recovery.QUERY for exchange in self.exchanges)

    @property
    def is_beside_others(self) -> bool:
        """Tell whether it waits for no other operation on the card, nor lets one wait.

        A question has no effect; a loss report cannot wait for anything.
        """
        return self.is_question or self.exchanges[-1].recovery is Recovery.AT_LEAST_ONCE

    def plan(self, operation: Operation, now: datetime) -> Step:
        """Make the exchanges one after the other; the first that is not approved ends it."""
        is_proved = UNPROVED not in operation.details
        for planned in self.exchanges if is_proved else self.with_pins(()).exchanges:
            exchange = operation.exchanges[planned.name]
            if exchange.state is ExchangeState.PLANNED:
                bar = self._bar(operation, exchange)
                if bar is None:
                    return Begin((exchange.name,))
                return Settle(OperationState.FAILED, bar, None, self.undone(operation, now))
            if exchange.state is not ExchangeState.APPROVED:
                return self._unapproved(operation, exchange, now)
        code = operation.exchanges[self.exchanges[-1].name].response_code
        kept = self.kept(operation, now)
        return Settle(OperationState.SUCCEEDED, None, code, kept, told=operation.told)

    def _bar(self, operation: Operation, exchange: Exchange) -> Refusal | None:
        """Tell why an exchange is not made: a PIN went with the process, or what was found."""
        if exchange.name in self.pins and REQUEST not in operation.findings:
            return unavailable(exchange.side)
        return self.barred(operation) if exchange.name == self.exchanges[-1].name else None

    def _unapproved(self, operation: Operation, exchange: Exchange, now: datetime) -> Step:
        if exchange.state in AWAITING:
            return Wait()
        if exchange.state is ExchangeState.UNKNOWN:
            return Settle(OperationState.UNKNOWN)
        if exchange.state is ExchangeState.MANUAL:
            return Settle(OperationState.MANUAL)
        refusal, code = unavailable(exchange.side), None
        if exchange.state is ExchangeState.DECLINED and not never_arrived(exchange):
            refusal, code = meaning(exchange), exchange.response_code
        return Settle(OperationState.FAILED, refusal, code, self.undone(operation, now))


_K, _P = OperationKind, PinPurpose
_LOST = (bureau.VERIFY_PIN, bureau.REPORT_LOSS)
_ECARD_PIN = {bureau.SET_ECARD_PIN.name: _P.ECARD_PIN}
_ECARD_PROOF = {bureau.VERIFY_ECARD_PIN.name: _P.ECARD_PIN_PROOF}
_PROOF = {bureau.VERIFY_PIN.name: _P.SS_PIN_PROOF}

PROCEDURES: tuple[Procedure, ...] = (
    Procedure(_K.SS_PIN_STATE, (bureau.CARD_INQUIRY,)),
    Procedure(
        _K.SS_PIN_CHANGE,
        (bureau.VERIFY_PIN, bureau.SET_PIN),
        {**_PROOF, bureau.SET_PIN.name: _P.SS_PIN},
    ),
    Procedure(_K.SS_PIN_RESET, (bureau.RESET_PIN,), {bureau.RESET_PIN.name: _P.SS_PIN}),
    Procedure(_K.SS_PIN_UNLOCK, (bureau.UNLOCK_PIN,)),
    Procedure(_K.SS_PIN_ENABLE, (bureau.VERIFY_PIN, bureau.ENABLE_PIN), _PROOF),
    Procedure(_K.SS_PIN_OPT_OUT, (bureau.VERIFY_PIN, bureau.OPT_OUT_PIN), _PROOF),
    Procedure(_K.BIND_MOBILE, (bureau.BIND_MOBILE,), kept=_mobile_bound),
    Procedure(
        _K.CHANGE_MOBILE, (bureau.VERIFY_PIN, bureau.BIND_MOBILE), _PROOF, kept=_mobile_bound
    ),
    Procedure(_K.FINANCIAL_PIN_RESET, (core.RESET_PIN,), {core.RESET_PIN.name: _P.FINANCIAL_PIN}),
    Procedure(_K.FINANCIAL_SERVICES, (core.ADD_SERVICES,)),
    Procedure(
        _K.SS_LOSS_TEMPORARY,
        _LOST,
        _PROOF,
        kept=_ss_known,
        undone=_ss_refused,
        loses=LossKind.TEMPORARY,
    ),
    Procedure(
        _K.SS_LOSS_FORMAL,
        _LOST,
        _PROOF,
        kept=_ss_known,
        undone=_ss_refused,
        loses=LossKind.FORMAL,
    ),
    Procedure(_K.SS_LOSS_CANCEL, (bureau.VERIFY_PIN, bureau.CANCEL_LOSS), _PROOF, kept=_ss_found),
    Procedure(
        _K.FINANCIAL_LOSS_TEMPORARY,
        (core.REPORT_LOSS,),
        kept=_account_known,
        undone=_account_refused,
        loses=LossKind.TEMPORARY,
    ),
    Procedure(
        _K.FINANCIAL_LOSS_FORMAL,
        (core.REPORT_LOSS,),
        kept=_account_known,
        undone=_account_refused,
        loses=LossKind.FORMAL,
    ),
    Procedure(_K.FINANCIAL_LOSS_CANCEL, (core.CANCEL_LOSS,), kept=_account_found),
    Procedure(
        _K.CARD_APPLY,
        (core.ACCOUNT_INQUIRY, bureau.APPLY_CARD),
        kept=_application_stands,
        undone=_application_fails,
        barred=_not_the_applicants,
    ),
    Procedure(_K.CARD_REPLACE, (bureau.ORDER_CARD,), kept=_replacement_begun),
    Procedure(_K.CARD_TEMPORARY, (bureau.ORDER_CARD,)),
    Procedure(_K.CARD_COLLECT, (bureau.COLLECT_CARD,), kept=_card_replaced),
    Procedure(_K.CARD_CANCEL, (bureau.CANCEL_CARD,), kept=_ecard_over),
    Procedure(_K.CARD_PROGRESS, (bureau.CARD_PROGRESS,)),
    Procedure(
        _K.ECARD_ISSUE,
        (bureau.ISSUE_ECARD,),
        {bureau.ISSUE_ECARD.name: _P.ECARD_PIN},
        kept=_ecard_kept,
    ),
    Procedure(_K.ECARD_PIN_SET, (bureau.SET_ECARD_PIN,), _ECARD_PIN),
    Procedure(_K.ECARD_PIN_RESET, (bureau.SET_ECARD_PIN,), _ECARD_PIN),
    Procedure(
        _K.ECARD_PIN_CHANGE,
        (bureau.VERIFY_ECARD_PIN, bureau.SET_ECARD_PIN),
        {**_ECARD_PROOF, **_ECARD_PIN},
    ),
    Procedure(
        _K.ECARD_PAYMENT_ENABLE,
        (core.ACCOUNT_INQUIRY, bureau.ENABLE_PAYMENT),
        barred=_account_does_not_pay,
    ),
    Procedure(_K.ECARD_CODE, (bureau.VERIFY_ECARD_PIN, bureau.MAKE_CODE), _ECARD_PROOF),
    Procedure(_K.ECARD_SCAN, (bureau.VERIFY_ECARD_PIN, bureau.SCAN), _ECARD_PROOF),
    Procedure(
        _K.ECARD_REVOKE,
        (bureau.VERIFY_ECARD_PIN, bureau.REVOKE_ECARD),
        _ECARD_PROOF,
        kept=_ecard_over,
    ),
)
"""Every business in the life of a card; linking and activation have plans of their own."""

BY_KIND: Mapping[OperationKind, Procedure] = {each.kind: each for each in PROCEDURES}
PLANS: Mapping[OperationKind, Plan] = {each.kind: each.plan for each in PROCEDURES}
