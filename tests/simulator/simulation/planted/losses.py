"""Mistakes about losses, and about a card in place of another."""

from dataclasses import replace

from gateway.app import card_life, intake
from gateway.financial.account import AccountLossLifted
from gateway.linking.kinds import PLANS
from gateway.operations import life, recovery
from gateway.operations.exchange import TRANSITIONS, ExchangeEvent, ExchangeState, Recovery
from gateway.operations.facts import OperationKind
from gateway.operations.life import Settle
from gateway.social.card import SsLossLifted
from gateway.terms.numbers import OperationId
from gateway.terms.sides import Side
from simulation.planted.mistake import mistake

E, S, K = ExchangeEvent, ExchangeState, OperationKind
_CANCELS = {K.SS_LOSS_CANCEL, K.FINANCIAL_LOSS_CANCEL}


@mistake("let a loss bar nothing", habit="businesses")
def _bars_nothing():
    return [(intake, "why_blocked", lambda *_: None)]


@mistake("lift a loss as soon as its cancellation is asked for", habit="businesses")
def _lifted_at_once():
    right = card_life._blocks

    def blocks(procedure, linked, loss):
        if procedure.kind not in _CANCELS:
            return right(procedure, linked, loss)
        is_card = procedure.side is Side.SOCIAL
        known = linked.card.loss if is_card else linked.account.loss
        lifted = SsLossLifted if is_card else AccountLossLifted
        return (lifted(linked.link.id, known.reference),) if known else ()

    return [(card_life, "_blocks", blocks)]


@mistake("give a report of loss up when no answer comes", habit="businesses")
def _loss_given_up():
    right = recovery.overdue

    def overdue(exchange, now, limits, *, resumed):
        is_report = exchange.recovery is Recovery.AT_LEAST_ONCE and exchange.state is S.SENT
        if is_report and exchange.attempts > limits.repeats_max:
            return E.GIVE_UP
        return right(exchange, now, limits, resumed=resumed)

    assert E.GIVE_UP in TRANSITIONS[S.SENT]
    return [(life, "overdue", overdue)]


@mistake(
    "keep a loss without the far side that refused it",
    weather={"decline": 0.6},
    habit="businesses",
)
def _refused_loss_stays():
    return [(PLANS, kind, _without_records(PLANS[kind])) for kind in (K.SS_LOSS_FORMAL,)]


@mistake("keep the old card when the new one is handed over", habit="businesses")
def _old_card():
    return [(PLANS, K.CARD_COLLECT, _without_records(PLANS[K.CARD_COLLECT]))]


@mistake("cancel another loss than the one in force", habit="businesses")
def _another_loss():
    right = card_life._named_loss

    def named_loss(procedure, linked, loss):
        words = right(procedure, linked, loss)
        if procedure.kind in _CANCELS and "LN" in words:
            return {**words, "LN": OperationId("op_" + "0" * 26).value}
        return words

    return [(card_life, "_named_loss", named_loss)]


def _without_records(plan):
    def planned(operation, now):
        step = plan(operation, now)
        return replace(step, records=()) if isinstance(step, Settle) else step

    return planned
