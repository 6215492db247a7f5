"""The promises of each operation, over many worlds of drops, delays, declines and crashes.

Walks the plans of `gateway.linking.plans` through `gateway.operations.life` against two far
sides that know duplicates, undo, and refuse what was undone before it came.
"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.linking.kinds import PLANS
from gateway.operations import life, recovery
from gateway.operations.exchange import ExchangeEvent, ExchangeState
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.life import Settle, Undo

K, E, S = OperationKind, ExchangeEvent, ExchangeState
CALLED = (
    K.LINK,
    K.UNLINK,
    K.SET_SS_PIN,
    K.ACTIVATE,
    K.SS_PIN_CHANGE,
    K.SS_PIN_UNLOCK,
    K.ECARD_ISSUE,
)
PINS = {K.SET_SS_PIN, K.SS_PIN_CHANGE}
WORLDS = 300
SEARCH = 5_000  # worlds at most until a planted mistake shows; most show within ten


@pytest.mark.parametrize("kind", CALLED)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_the_promises_hold_in_any_world(kind, world):
    """At most one net effect a side, both or neither, no lie, no request sent as new again."""

    @settings(max_examples=WORLDS, deadline=None)
    @given(st.integers(0, 2**63))
    def walk(seed):
        world(kind, seed).play()

    walk()


@pytest.mark.parametrize("kind", CALLED)
def test_the_worlds_are_bad_enough(kind, world):
    """Every end that a kind can have is met, so that the promises are put to the test."""
    ends = Counter(
        state for seed in range(WORLDS) for told in world(kind, seed).play().told.values()
        for state in told
    )  # fmt: skip

    wanted = {OperationState.SUCCEEDED, OperationState.FAILED, OperationState.MANUAL}
    if kind in PINS:
        wanted = wanted - {OperationState.MANUAL} | {OperationState.UNKNOWN}
    assert set(ends) == wanted


def without_undo(plan):
    """Leave the first side as it is when the second declines."""

    def planned(operation, now):
        step = plan(operation, now)
        return Settle(OperationState.FAILED) if isinstance(step, Undo) else step

    return planned


def unknown_is_failure(plan):
    """Tell a caller that a lost answer is a failure."""

    def planned(operation, now):
        step = plan(operation, now)
        lost = isinstance(step, Settle) and step.state is OperationState.UNKNOWN
        return Settle(OperationState.FAILED) if lost else step

    return planned


def doubt_is_failure(exchange, now, limits, *, resumed):
    """Give up what may have had an effect, instead of undoing it or asking after it."""
    right = recovery.overdue(exchange, now, limits, resumed=resumed)
    return E.GIVE_UP if right in {E.REVERSE, E.INQUIRE} else right


def resume_as_new(exchange, now, limits, *, resumed):  # noqa: ARG001 - the mistake itself
    """Go on after a restart as if nothing had happened."""
    return recovery.overdue(exchange, now, limits, resumed=False)


def any_answer_confirms(exchange, code):
    """Take any answer to a reversal or an inquiry for a definite one."""
    right = recovery.answered(exchange, code)
    if exchange.state is S.REVERSING:
        return E.CONFIRM_REVERSAL
    return E.DECLINE if exchange.state is S.INQUIRING and right is None else right


MISTAKES = [
    (K.LINK, "plan", without_undo),
    (K.UNLINK, "plan", without_undo),
    (K.SET_SS_PIN, "plan", unknown_is_failure),
    (K.LINK, "overdue", doubt_is_failure),
    (K.UNLINK, "overdue", doubt_is_failure),
    (K.ACTIVATE, "overdue", doubt_is_failure),
    *((kind, "overdue", resume_as_new) for kind in CALLED),
    (K.LINK, "answered", any_answer_confirms),
    (K.ACTIVATE, "answered", any_answer_confirms),
]


@pytest.mark.parametrize(("kind", "part", "mistake"), MISTAKES)
def test_a_mistake_is_found(kind, part, mistake, world, violation, monkeypatch):
    """The walk bites: each planted mistake breaks a promise in some world."""
    plans = PLANS
    if part == "plan":
        plans = PLANS | {kind: mistake(PLANS[kind])}
    else:
        monkeypatch.setattr(life, part, mistake)

    def search():
        for seed in range(SEARCH):
            world(kind, seed, plans).play()

    with pytest.raises(violation):
        search()
