"""The conductor wakes: at its time, when a link is back, and after a crash."""

from datetime import timedelta

import pytest

from gateway.operations.exchange import ExchangeState, Form
from gateway.operations.facts import OperationKind, OperationState
from gateway.store.errors import Broken
from gateway.store.unit import Unit
from gateway.terms.sides import Side

K, S = OperationKind, OperationState
SET_PIN, ACTIVATE, REGISTER = "bureau-pin-set", "core-activate", "bureau-register"
FOLLOW = "bureau-account-activated"


def lose_track(stage):
    """Set a PIN whose answer never comes."""
    identity = stage.open()
    stage.timers.step(40)
    return identity


# ------------------------------------------------------------------ follow-ups and waking


def test_follow_up_is_opened_in_the_same_unit(stage):
    """The SS account follows in the transaction that ends the activation, or not at all."""
    waiting = stage.waiting_follow_up()

    (unit,) = [unit for unit in stage.journal.units if len(unit.progress) > 1]
    kinds = [progress.operation.kind for progress in unit.progress]
    assert kinds == [K.ACTIVATE, K.SS_ACCOUNT]
    assert waiting.cause == stage.operation_id(1)
    assert waiting.wake_at == waiting.opened_at + timedelta(hours=1)
    assert not stage.conductor.is_busy(stage.link)


def test_follow_up_is_not_opened_when_its_cause_is_not_recorded(stage):
    """A record that fails opens nothing."""
    stage.journal.failing = {2: Broken("no disk")}
    identity = stage.open(K.ACTIVATE)

    stage.answer(identity, ACTIVATE)

    assert [type(error) for error in stage.failures] == [Broken]
    assert stage.conductor.running_count == 1


def test_follow_up_is_sent_when_its_time_has_come(stage):
    """Not a second early; long waits are cut into strides of a minute."""
    stage.waiting_follow_up()
    longest = max(stage.timers.waiting)

    stage.timers.step(3599)
    before = stage.sent()[1:]
    stage.timers.step(1)

    assert longest == 60
    assert before == []
    assert stage.sent()[1:] == [("original", FOLLOW)]


@pytest.mark.parametrize(("wall_step", "after_s"), [(-1800, 4800), (1800, 1200)])
def test_wall_clock_step_moves_a_long_timer_by_a_minute_at_most(stage, wall_step, after_s):
    """The time of day is looked at each minute, so the timer follows the corrected clock."""
    waiting = stage.waiting_follow_up()
    stage.timers.step(600)
    stage.timers.wall += timedelta(seconds=wall_step)

    stage.timers.step(after_s - 60)
    before = stage.sent()[1:]
    stage.timers.step(120)

    assert before == []
    assert stage.sent()[1] == ("original", FOLLOW)
    sent_at = stage.dialogues.errands[1].exchange.sent_at
    assert waiting.wake_at <= sent_at <= waiting.wake_at + timedelta(seconds=60)


def test_wall_clock_step_moves_no_short_timer(stage):
    """An answer's time runs on the monotonic clock alone."""
    stage.open()
    stage.timers.wall += timedelta(hours=1)
    at_once = len(stage.sent())

    stage.timers.step(19)
    stage.timers.wall -= timedelta(hours=2)
    before = len(stage.sent())
    stage.timers.step(1)

    assert (at_once, before) == (1, 1)
    assert stage.recorded()[-1][0] in {"repeat", "lose-track"}


def test_timeout_counts_from_the_message_not_from_the_decision(stage):
    """While a slow journal records the decision, neither time nor a set clock shortens the wait."""
    stage.journal.is_held = True
    stage.open()
    stage.timers.step(15)
    stage.timers.wall -= timedelta(hours=1)
    stage.journal.release()
    stage.journal.is_held = False

    stage.timers.step(19)
    before = stage.sent()
    stage.timers.step(1)

    assert len(before) == 1
    assert len(stage.sent()) == 2


@pytest.mark.parametrize("wall_step", [-86_400, -3_600, 3_600])
def test_wall_clock_step_delays_no_stored_message(stage, wall_step):
    """The next reversal goes out when its pause is over, whatever time of day it has become."""
    identity = stage.open(K.UNLINK)
    stage.answer(identity, "bureau-remove")
    stage.timers.step(40)  # the core stays silent through its repeat, then is reversed
    assert stage.sent()[-1] == ("reversal", "core-remove")
    reversals = len(stage.sent())

    stage.timers.wall += timedelta(seconds=wall_step)
    stage.timers.step(26)

    assert len(stage.sent()) == reversals + 1


def test_broken_journal_stops_the_process_whoever_was_writing(stage):
    """What belongs to no running operation is told, and the process stops as for any other."""
    told = []
    stage.journal.failing = {1: Broken("no disk")}

    stage.conductor.keep(Unit(), told.append)

    assert [type(error) for error in stage.failures] == [Broken]
    assert [type(error) for error in told] == [Broken]


# ------------------------------------------------------------------ the link is back


def test_returning_link_sends_only_what_is_stored_and_forwarded(stage):
    """A reversal goes out at once; an original that waits for its answer is left in peace."""
    stage.waiting_follow_up(after_s=0)
    stage.open(number=2)
    before = len(stage.sent())

    stage.conductor.link_is_back(Side.FINANCIAL)
    after_other_side = len(stage.sent())
    stage.conductor.link_is_back(Side.SOCIAL)

    assert after_other_side == before
    assert stage.sent()[before:] == [("original", FOLLOW)]
    assert stage.dialogues.errands[-1].is_repeat


def test_returning_link_repeats_a_reversal(stage):
    """What must be undone is sent again as soon as somebody listens."""
    identity = reversing(stage)
    before = len(stage.sent())

    stage.conductor.link_is_back(Side.SOCIAL)

    assert stage.sent()[before:] == [("reversal", REGISTER)]
    assert stage.conductor.watch(identity, print).exchanges[REGISTER].attempts == 2


def reversing(stage):
    """Give a link operation whose registration at the bureau is being undone."""
    identity = stage.open(K.LINK)
    stage.settle_inquiries(identity)
    stage.answer(identity, "core-register")
    stage.timers.step(40)
    return identity


# ------------------------------------------------------------------ resuming


def resumed(stage, operation):
    """Take an operation over in a process that knows nothing; give that process's stage."""
    fresh = type(stage)()
    fresh.timers.wall = stage.timers.wall
    fresh.conductor.resume(operation, stage.cargo)
    return fresh


@pytest.mark.parametrize(
    ("kind", "exchange", "sent", "state"),
    [
        (K.SET_SS_PIN, SET_PIN, [], ExchangeState.UNKNOWN),
        (K.ACTIVATE, ACTIVATE, [("inquiry", ACTIVATE)], ExchangeState.INQUIRING),
        (K.UNLINK, "bureau-remove", [("reversal", "bureau-remove")], ExchangeState.REVERSING),
        (K.LINK, "card-inquiry", [], ExchangeState.UNANSWERED),
    ],
)
def test_resuming_sends_nothing_with_effect_as_new(stage, kind, exchange, sent, state):
    """A process that finds a message out asks, undoes or says that it does not know."""
    identity = stage.open(kind)

    after = resumed(stage, stage.operation(identity))

    assert after.sent() == sent
    assert after.operation(identity).exchanges[exchange].state is state


def test_resumed_reversal_goes_on(stage):
    """A reversal is repeated until it is confirmed, by whichever process."""
    identity = reversing(stage)

    after = resumed(stage, stage.operation(identity))
    after.answer(identity, REGISTER, "25", Form.REVERSAL)

    assert after.sent()[0] == ("reversal", REGISTER)
    assert after.operation(identity).exchanges[REGISTER].state is ExchangeState.REVERSED


def test_resumed_unknown_outcome_is_held_and_not_touched(stage):
    """An outcome that was unknown before the restart keeps newer attempts waiting."""
    identity = lose_track(stage)

    after = resumed(stage, stage.operation(identity))
    held = after.conductor.is_busy(stage.link)
    after.timers.step(60)

    assert (held, after.conductor.is_busy(stage.link)) == (True, False)
    assert (after.sent(), after.recorded()) == ([], [])


def test_resumed_follow_up_waits_for_its_time(stage):
    """A durable timer survives the process that set it."""
    waiting = stage.waiting_follow_up()

    after = resumed(stage, waiting)
    after.timers.step(3599)
    before = after.sent()
    after.timers.step(1)

    assert before == []
    assert after.sent() == [("original", FOLLOW)]
