"""PIN blocks and unknown outcomes in the conductor: what memory holds, and for how long."""

import pytest

from gateway.app.cargo import Errand
from gateway.app.conductor import LATE_ANSWER_WINDOW_S
from gateway.operations.exchange import Form
from gateway.operations.facts import OperationKind, OperationState
from gateway.store.unit import LetGo

K, S = OperationKind, OperationState
SET_PIN, ACTIVATE, REGISTER = "bureau-pin-set", "core-activate", "bureau-register"


# ------------------------------------------------------------------ PIN blocks


def pins_sent(stage):
    return [(errand.exchange.form, errand.pin) for errand in stage.dialogues.errands]


def test_pin_block_is_repeated_from_memory_only(stage):
    """The first message and its repeat carry the block; the record never does."""
    stage.open()
    stage.timers.step(20)

    assert pins_sent(stage) == [(Form.ORIGINAL, stage.pin), (Form.ORIGINAL, stage.pin)]
    assert stage.pin.block.hex() not in repr(stage.journal.units)
    assert stage.pin.block.hex() not in repr(stage.dialogues.errands[0])


@pytest.mark.parametrize(
    ("kind", "exchange", "code", "after_s"),
    [
        (K.SET_SS_PIN, SET_PIN, "00", 0),
        (K.SET_SS_PIN, SET_PIN, "14", 0),
        (K.SET_SS_PIN, SET_PIN, None, 40),
        (K.ACTIVATE, ACTIVATE, None, 40),
    ],
)
def test_pin_block_is_forgotten(stage, kind, exchange, code, after_s):
    """After an answer, an inquiry or an unknown outcome no memory holds the block."""
    identity = stage.open(kind)
    running = stage.conductor._running[identity]
    before = dict(running.pins)

    stage.timers.step(after_s)
    if code:
        stage.answer(identity, exchange, code)

    assert before == {exchange: stage.pin}
    assert running.pins == {}
    forms = [form for form, pin in pins_sent(stage) if pin is None]
    assert forms == ([Form.INQUIRY] if kind is K.ACTIVATE else [])


@pytest.mark.parametrize("kind", [K.SET_SS_PIN, K.ACTIVATE])
@pytest.mark.parametrize("sent_before", [0, 1])
def test_pin_block_that_has_become_old_is_not_sent(stage, kind, sent_before):
    """A journal that stalls, or a process that is held, sends no PIN a minute after it came."""
    stage.journal.is_held = not sent_before
    identity = stage.open(kind)
    stage.journal.is_held = True
    stage.timers.step(20 * sent_before)

    stage.timers.hold(61)
    stage.journal.release()
    kept = stage.conductor._running[identity].pins
    stage.journal.is_held = False
    stage.journal.release()

    assert [pin for _, pin in pins_sent(stage) if pin] == [stage.pin] * sent_before
    assert kept == {}
    assert stage.operation(identity).state is (S.UNKNOWN if kind is K.SET_SS_PIN else S.PENDING)
    inquiries = [form for form, pin in pins_sent(stage) if pin is None]
    assert inquiries == ([Form.INQUIRY] if kind is K.ACTIVATE else [])


def test_messages_carry_until_when_their_pin_may_be_sent(stage):
    """The wire looks once more: its repeats have the instant of the first, and an inquiry none."""
    stage.open(K.ACTIVATE)
    stage.timers.step(40)

    assert [errand.until for errand in stage.dialogues.errands] == [60.0, 60.0, None]


def test_errand_prints_without_its_pin_block(stage):
    """A log line of an errand holds neither block nor numbers."""
    stage.open()
    (errand,) = stage.dialogues.errands

    assert isinstance(errand, Errand)
    for secret in (
        "T00000001",
        "6200000000000000018",
        stage.pin.block.hex(),
        repr(stage.pin.block),
    ):
        assert secret not in repr(errand)


# ------------------------------------------------------------------ unknown outcomes


def lose_track(stage):
    """Set a PIN whose answer never comes."""
    identity = stage.open()
    stage.timers.step(40)
    return identity


def test_unknown_outcome_holds_the_link_for_a_message_life(stage):
    """A newer attempt waits until the old message can no longer be delivered."""
    identity = lose_track(stage)
    state = stage.operation(identity).state

    stage.timers.step(59)
    before = stage.conductor.is_busy(stage.link), stage.conductor.is_held(stage.link)
    stage.timers.step(1)

    assert state is S.UNKNOWN
    assert before == (True, True)
    assert not stage.conductor.is_busy(stage.link)
    assert not stage.conductor.is_held(stage.link)
    assert stage.conductor.running_count == 1


def test_an_unknown_outcome_is_let_go_on_disk_before_its_link_is_free(stage):
    """A restart, or another node, holds the link for as long as this process does."""
    identity = lose_track(stage)
    stage.journal.is_held = True

    stage.timers.step(60)
    before = stage.conductor.is_busy(stage.link)
    stage.journal.release()

    assert before
    assert not stage.conductor.is_busy(stage.link)
    assert stage.journal.units[-1].records == (LetGo(identity),)


def test_an_answer_that_comes_while_an_outcome_is_let_go_does_not_take_it_back(stage):
    """A restart would hold the link anew, and the operation would never be purged."""
    identity = lose_track(stage)
    stage.journal.is_held = True
    stage.timers.step(60)

    stage.answer(identity, SET_PIN, "91")
    stage.journal.release()
    stage.journal.release()

    (progress,) = stage.journal.units[-1].progress
    assert (progress.operation.state, progress.is_let_go) == (S.UNKNOWN, True)


def test_hold_lets_a_newer_attempt_keep_the_link(stage):
    """The end of an old hold does not free what a newer operation has taken."""
    lose_track(stage)
    stage.timers.step(60)
    newer = stage.open(number=2)

    stage.timers.step(LATE_ANSWER_WINDOW_S - 60 - 1)
    stage.answer(newer, SET_PIN, "91")
    stage.timers.step(1)

    assert stage.conductor.watch(stage.operation_id(1), print) is None


def test_end_of_a_hold_frees_no_link_that_another_has_taken(stage):
    """After a restart a running operation keeps the link past the hold of an unknown one."""
    unknown = stage.operation(lose_track(stage))
    stage.timers.step(60)
    newer = stage.operation(stage.open(K.ACTIVATE, number=2))

    after = type(stage)()
    for operation in (unknown, newer):
        after.conductor.resume(operation, after.cargo)
    after.timers.step(60)

    assert after.conductor.is_busy(stage.link)


def test_late_answer_settles_an_unknown_outcome(stage):
    """Within ten minutes the answer that was lost still tells the outcome."""
    identity = lose_track(stage)
    stage.timers.step(300)

    stage.answer(identity, SET_PIN)

    assert stage.operation(identity).state is S.SUCCEEDED
    assert stage.conductor.running_count == 0
    assert stage.timers.waiting == []
    assert stage.conductor.settled_total == {
        (K.SET_SS_PIN, S.UNKNOWN): 1,
        (K.SET_SS_PIN, S.SUCCEEDED): 1,
    }


def test_unknown_outcome_leaves_memory_after_ten_minutes(stage):
    """Later answers find nobody, and are logged only."""
    identity = lose_track(stage)
    stage.timers.step(LATE_ANSWER_WINDOW_S)

    stage.answer(identity, SET_PIN)

    assert stage.conductor.running_count == 0
    assert stage.operation(identity).state is S.UNKNOWN
