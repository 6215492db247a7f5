"""Decide, record, act: in this order, whatever fails."""

import json
from datetime import timedelta

import pytest

from gateway.app import conductor as module
from gateway.app.cargo import Errand
from gateway.app.conductor import LATE_ANSWER_WINDOW_S, RUNNING_MAX, SS_FOLLOWS_AFTER_S
from gateway.operations.exchange import ExchangeState, Form
from gateway.operations.facts import AnswerSetAside, Opened, OperationKind, OperationState
from gateway.operations.notice import Notice
from gateway.store.journal import Broken, Conflict
from gateway.store.unit import LetGo, Unit
from gateway.terms.errors import LocalError, Unavailable
from gateway.terms.refusals import Refusal
from gateway.terms.sides import Side

K, S = OperationKind, OperationState
SET_PIN, ACTIVATE, REGISTER = "bureau-pin-set", "core-activate", "bureau-register"
FOLLOW = "bureau-account-activated"


def settle_inquiries(stage, identity):
    """Answer both inquiries of a link operation so that it goes on to register."""
    stage.answer(identity, "account-inquiry", finding=stage.account_found)
    stage.answer(identity, "card-inquiry", finding=stage.card_found)


def play(stage, kind):
    """Play an operation to its end with approvals, and with one repeat and one follow-up."""
    identity = stage.open(kind, details={SS_FOLLOWS_AFTER_S: "0"})
    stage.timers.step(20)
    for _ in range(8):
        for errand in tuple(stage.dialogues.errands):
            finding = {
                "card-inquiry": stage.card_found,
                "account-inquiry": stage.account_found,
            }.get(errand.exchange.name)
            stage.answer(errand.operation.id, errand.exchange.name, finding=finding)
    return identity


# ------------------------------------------------------------------ order


@pytest.mark.parametrize("kind", [K.LINK, K.UNLINK, K.SET_SS_PIN, K.ACTIVATE])
def test_nothing_is_sent_before_its_fact_is_recorded(stage, kind):
    """Every message stands in the journal before it leaves; no byte leaves unrecorded."""
    identity = play(stage, kind)

    recorded = set()
    for what, word, name in stage.events:
        if what == "recorded":
            recorded.add((word, name))
        else:
            assert ("send", name) in recorded
    assert stage.operation(identity).state is S.SUCCEEDED
    assert stage.conductor.running_count == 0
    assert stage.failures == []


def test_nothing_is_sent_while_the_journal_writes(stage):
    """What is decided waits until it is durable, and so does whoever opened it."""
    stage.journal.is_held = True
    stage.open()
    before = (stage.sent(), list(stage.outcomes))

    stage.journal.release()

    assert before == ([], [])
    assert stage.sent() == [("original", SET_PIN)]
    assert [operation.state for operation in stage.outcomes] == [S.PENDING]


def test_events_stand_in_line_while_the_journal_writes(stage):
    """Two answers that come while a decision is being recorded are taken after it, in order."""
    identity = stage.open(K.LINK)
    stage.journal.is_held = True
    stage.answer(identity, "account-inquiry", finding=stage.account_found)
    stage.answer(identity, "card-inquiry", finding=stage.card_found)
    stage.answer(identity, "card-inquiry", "14")
    held_at_once = stage.journal.held

    for _ in range(3):
        stage.journal.release()

    assert held_at_once == 1
    assert stage.recorded()[3:] == [
        ("approve", "account-inquiry"),
        ("approve", "card-inquiry"),
        ("send", "core-register"),
        ("AnswerSetAside", ""),
    ]


CRASHES = {
    K.LINK: 8,
    K.UNLINK: 4,
    K.SET_SS_PIN: 3,
    K.ACTIVATE: 4,
}


@pytest.mark.parametrize(
    ("kind", "submit"), [(kind, n) for kind, last in CRASHES.items() for n in range(1, last)]
)
def test_crash_at_any_record_leaves_nothing_unrecorded_behind(stage, kind, submit):
    """When a record fails nothing of it was sent, and the process is told to stop."""
    stage.journal.failing = {submit: Broken("no disk")}
    stage.open(kind, details={SS_FOLLOWS_AFTER_S: "0"})
    stage.timers.step(20)
    sent_at_failure = None
    for _ in range(8):
        for errand in tuple(stage.dialogues.errands):
            if stage.failures and sent_at_failure is None:
                sent_at_failure = stage.sent()
            name = errand.exchange.name
            finding = {
                "card-inquiry": stage.card_found,
                "account-inquiry": stage.account_found,
            }.get(name)
            if not stage.failures:
                stage.answer(errand.operation.id, name, finding=finding)

    assert [type(error) for error in stage.failures] == [Broken]
    if submit == 1:
        assert stage.sent() == []
        assert isinstance(stage.outcomes[0], Broken)
        assert stage.conductor.running_count == 0
    else:
        sends = stage.recorded().count
        for form, name in stage.sent():
            assert form != "original" or sends(("send", name)) == 1


def test_conflict_tells_the_opener_and_leaves_nothing(stage):
    """A card that is linked already refuses the opening: no message, no timer, no lock."""
    stage.journal.failing = {1: Conflict("held")}
    stage.open(K.LINK)

    assert isinstance(stage.outcomes[0], Conflict)
    assert (stage.sent(), stage.timers.waiting) == ([], [])
    assert not stage.conductor.is_busy(stage.link)


# ------------------------------------------------------------------ what is not there now


def test_full_journal_refuses_an_opening(stage):
    """Beyond the journal's room nothing is opened, and the caller may try again."""
    stage.journal.full = {1}

    with pytest.raises(Unavailable, match="full"):
        stage.open()

    assert (stage.sent(), stage.conductor.running_count) == ([], 0)
    assert not stage.conductor.is_busy(stage.link)


def test_full_journal_keeps_an_event_for_later(stage):
    """An answer that cannot be recorded now is taken again after a second."""
    identity = stage.open()
    stage.journal.full = {2, 3}

    stage.answer(identity, SET_PIN)
    at_once = stage.operation(identity).state
    stage.timers.step(2)

    assert at_once is S.PENDING
    assert stage.operation(identity).state is S.SUCCEEDED
    assert stage.failures == []


def test_no_trace_number_refuses_an_opening(stage):
    """Without trace numbers nothing is admitted."""
    stage.dialogues.traces_left = 0

    with pytest.raises(Unavailable, match="no trace number"):
        stage.open()

    assert stage.conductor.running_count == 0


def test_event_that_needs_a_trace_number_waits_for_one(stage):
    """A running operation tries again each second, keeps its order, and loses no event."""
    identity = stage.open(K.LINK)
    stage.answer(identity, "account-inquiry", finding=stage.account_found)
    stage.dialogues.traces_left = 0
    stage.answer(identity, "card-inquiry", finding=stage.card_found)
    stage.answer(identity, "card-inquiry", "14")
    stage.timers.step(3)
    without = stage.sent()

    stage.dialogues.traces_left = 10
    stage.timers.step(1)

    assert without == [("original", "account-inquiry"), ("original", "card-inquiry")]
    assert stage.sent()[-1] == ("original", "core-register")
    assert stage.recorded()[-1] == ("AnswerSetAside", "")


def test_running_operations_are_bounded(stage, monkeypatch):
    """Beyond the most that memory is meant for, a new operation is refused and none is lost."""
    monkeypatch.setattr(module, "RUNNING_MAX", 1)
    had_room = stage.conductor.has_room
    stage.open()

    with pytest.raises(Unavailable, match="1 operations are running"):
        stage.open(number=2)

    assert (had_room, stage.conductor.has_room) == (True, False)
    assert stage.conductor.running_count == 1
    assert RUNNING_MAX >= 1_000


# ------------------------------------------------------------------ our own mistakes


def test_impossible_decision_stops_the_process(stage, monkeypatch):
    """A decision that the tables do not have is a defect: what is on disk is right."""
    identity = stage.open()

    def impossible(*_arguments):
        raise LocalError("impossible")

    monkeypatch.setattr(module.life, "decide", impossible)
    stage.answer(identity, SET_PIN)

    assert [str(error) for error in stage.failures] == ["impossible"]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_message_that_cannot_be_written_stops_the_process(stage, monkeypatch, is_recorded):
    """Neither the journal's thread nor a timer is left with an exception."""

    def unwritable(_errand):
        raise LocalError("unwritable")

    monkeypatch.setattr(stage.dialogues, "transmit", unwritable)
    if is_recorded:
        stage.open()
    else:
        waiting = waiting_follow_up(type(stage)())
        monkeypatch.setattr(stage.conductor, "_perform", lambda *_: unwritable(None))
        stage.conductor.resume(waiting, stage.cargo)

    assert [str(error) for error in stage.failures] == ["unwritable"]
    assert stage.outcomes == []


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


# ------------------------------------------------------------------ follow-ups and waking


def follow_up(stage):
    """Give the operation that followed, as it was opened."""
    return stage.operation(stage.operation_id(100))


def waiting_follow_up(stage, after_s=3600):
    """Give a follow-up operation that waits for its time."""
    identity = stage.open(K.ACTIVATE, details={SS_FOLLOWS_AFTER_S: str(after_s)})
    stage.answer(identity, ACTIVATE)
    return follow_up(stage)


def test_follow_up_is_opened_in_the_same_unit(stage):
    """The SS account follows in the transaction that ends the activation, or not at all."""
    waiting = waiting_follow_up(stage)

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
    waiting_follow_up(stage)
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
    waiting = waiting_follow_up(stage)
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
    waiting_follow_up(stage, after_s=0)
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
    settle_inquiries(stage, identity)
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
    waiting = waiting_follow_up(stage)

    after = resumed(stage, waiting)
    after.timers.step(3599)
    before = after.sent()
    after.timers.step(1)

    assert before == []
    assert after.sent() == [("original", FOLLOW)]


# ------------------------------------------------------------------ watching and refusing


def test_watchers_hear_of_durable_changes_only(stage):
    """Whoever waits for an outcome hears of it after it is on disk, and not of nothing."""
    identity = stage.open()
    heard = []
    now = stage.conductor.watch(identity, heard.append)
    stage.journal.is_held = True

    stage.answer(identity, SET_PIN)
    before = list(heard)
    stage.journal.release()

    assert (now.state, before) == (S.PENDING, [])
    assert [operation.state for operation in heard] == [S.SUCCEEDED]
    assert stage.conductor.watch(identity, heard.append) is None


def test_answer_that_leaves_it_open_is_recorded_and_waited_on(stage):
    """A middleman's 91 says nothing of the outcome."""
    identity = stage.open()

    stage.answer(identity, SET_PIN, "91")

    assert isinstance(stage.operation(identity).facts[-1], AnswerSetAside)
    assert stage.conductor.is_busy(stage.link)


@pytest.mark.parametrize("error", [None, Conflict("key used")])
def test_refused_operation_is_recorded_without_a_message(stage, error):
    """A weak PIN's operation exists, has failed, and is counted once it is on disk."""
    stage.journal.failing = {1: error}
    opened = Opened(K.SET_SS_PIN, stage.link, stage.timers.now())

    stage.conductor.refuse(
        stage.operation_id(1), opened, Refusal.PIN_TRIVIAL, ("a record",), stage.outcomes.append
    )

    if error:
        assert stage.outcomes == [error]
        assert stage.conductor.settled_total == {}
    else:
        assert stage.outcomes[0].refusal is Refusal.PIN_TRIVIAL
        assert stage.journal.units[0].records == ("a record",)
        assert stage.conductor.settled_total == {(K.SET_SS_PIN, S.FAILED): 1}
    assert stage.sent() == []


def test_what_the_far_sides_told_goes_into_the_messages_that_follow(stage):
    """Holder and owner that are kept with the link are known to its running operation."""
    identity = stage.open(K.LINK)

    settle_inquiries(stage, identity)

    cargo = stage.dialogues.errands[-1].cargo
    assert (cargo.card.holder, cargo.account.owner) == (
        stage.card_found.holder,
        stage.account_found.owner,
    )


# ------------------------------------------------------------------ what channels are told


def told(stage):
    """Give what was recorded for channels: states, in order."""
    records = [record for unit in stage.journal.units for record in unit.records]
    return [json.loads(each.body)["data"]["state"] for each in records if isinstance(each, Notice)]


def test_outcome_that_somebody_waits_for_is_no_notice(stage):
    """Whoever opened the operation hears it in the answer."""
    identity = stage.open()
    stage.answer(identity, SET_PIN)

    assert stage.operation(identity).state is S.SUCCEEDED
    assert told(stage) == []


def test_outcome_that_nobody_waits_for_is_told_with_its_record(stage):
    """The notice stands in the unit of the outcome, and the courier hears when it is durable."""
    identity = stage.open()
    still_awaited = stage.conductor.leave(identity)
    stage.journal.is_held = True
    stage.answer(identity, SET_PIN)
    before = list(stage.notices.heard)

    stage.journal.release()

    assert (still_awaited, before, stage.notices.heard) == (False, [], ["online-bank"])
    assert told(stage) == ["succeeded"]


def test_outcome_that_is_being_recorded_is_waited_for(stage):
    """Who gives up in that moment is told to wait, for the channel will not be told."""
    identity = stage.open()
    stage.journal.is_held = True
    stage.answer(identity, SET_PIN)

    assert stage.conductor.leave(identity)
    stage.journal.release()
    assert (told(stage), stage.conductor.leave(identity)) == ([], False)


def test_late_answer_and_restart_are_told(stage):
    """Unknown, then settled after all; an operation of an earlier process; the SS account."""
    identity = stage.open()
    stage.timers.step(70)
    stage.conductor.leave(identity)
    stage.answer(identity, SET_PIN)
    other = stage.open(K.ACTIVATE, 2, details={SS_FOLLOWS_AFTER_S: "0"})
    pending = stage.operation(other)
    resumed = type(stage)()
    resumed.conductor.resume(pending, resumed.cargo)
    resumed.answer(other, "core-activate", form=Form.INQUIRY)
    resumed.answer(resumed.dialogues.errands[-1].operation.id, FOLLOW)

    assert told(stage) == ["succeeded"]
    assert told(resumed) == ["succeeded", "succeeded"]


def test_channel_that_is_not_told_costs_nothing(stage):
    """Without a callback no notice is recorded."""
    stage.notices.channels = set()
    identity = stage.open()
    stage.conductor.leave(identity)
    stage.answer(identity, SET_PIN)

    assert (told(stage), stage.notices.heard) == ([], [])
