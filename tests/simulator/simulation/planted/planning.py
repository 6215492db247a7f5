"""Mistakes in plans: what comes next, and what is told."""

from dataclasses import replace

from gateway.app.conductor import Conductor
from gateway.linking import plans
from gateway.linking.kinds import PLANS
from gateway.operations.exchange import ExchangeEvent, ExchangeState
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.life import Settle, Undo, Wait
from simulation.planted.mistake import mistake

E, S, K = ExchangeEvent, ExchangeState, OperationKind


def _planned(wrong, *kinds):
    return [(PLANS, kind, wrong(PLANS[kind])) for kind in kinds]


@mistake("settle what is pending as failed")
def _pending_is_failed():
    def wrong(plan):
        def planned(operation, now):
            step = plan(operation, now)
            doubtful = any(e.state is S.REVERSING for e in operation.exchanges.values())
            return Settle(OperationState.FAILED) if doubtful and isinstance(step, Wait) else step

        return planned

    return _planned(wrong, K.LINK, K.UNLINK)


@mistake("tell an unknown PIN as failed")
def _unknown_is_failed():
    def wrong(plan):
        def planned(operation, now):
            step = plan(operation, now)
            lost = isinstance(step, Settle) and step.state is OperationState.UNKNOWN
            return Settle(OperationState.FAILED) if lost else step

        return planned

    return _planned(wrong, K.SET_SS_PIN)


@mistake(
    "leave the first side as it is when the second declines",
    weather={"decline": 0.4},
    habit="links",
)
def _no_undo():
    def wrong(plan):
        def planned(operation, now):
            step = plan(operation, now)
            return Settle(OperationState.FAILED) if isinstance(step, Undo) else step

        return planned

    return _planned(wrong, K.LINK, K.UNLINK)


@mistake("be content with the first side")
def _one_side():
    def wrong(plan):
        def planned(operation, now):
            first = operation.exchanges["core-register"]
            done = first.state is S.APPROVED
            return Settle(OperationState.SUCCEEDED) if done else plan(operation, now)

        return planned

    return _planned(wrong, K.LINK)


@mistake("do not change the link when its removal succeeds")
def _link_stays():
    return [(plans, "_with_link", lambda step, _operation, _state, _now: step)]


@mistake("let the SS account follow before its time")
def _follows_early():
    def wrong(plan):
        return lambda operation, now: plan(replace(operation, wake_at=None), now)

    return _planned(wrong, K.SS_ACCOUNT)


@mistake("forget that the SS account follows")
def _no_follow_up():
    return [(Conductor, "_open_follow_up", lambda *_: None)]
