"""Decide, record, act: in this order, whatever fails."""

import json
from dataclasses import replace
from itertools import count

import pytest

from gateway.app import conductor as module
from gateway.app.conductor import RUNNING_MAX, SS_FOLLOWS_AFTER_S
from gateway.operations.exchange import Form
from gateway.operations.facts import AnswerSetAside, Opened, OperationKind, OperationState
from gateway.operations.notice import Notice
from gateway.store.errors import Broken, Conflict
from gateway.terms.errors import LocalError, Unavailable
from gateway.terms.numbers import AgencyCode
from gateway.terms.refusals import Refusal

K, S = OperationKind, OperationState
SET_PIN, ACTIVATE, REGISTER = "bureau-pin-set", "core-activate", "bureau-register"
FOLLOW = "bureau-account-activated"


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
    agency = stage.cargo.card.agency
    had_room = stage.conductor.has_room(agency)
    stage.open()

    with pytest.raises(Unavailable, match="1 operations are running"):
        stage.open(number=2)

    assert (had_room, stage.conductor.has_room(agency)) == (True, False)
    assert stage.conductor.running_count == 1
    assert RUNNING_MAX >= 1_000


def test_institutions_that_fall_silent_leave_room_for_the_others(stage, monkeypatch):
    """None has more than what is left; a loss is taken down while there is any."""
    monkeypatch.setattr(module, "RUNNING_MAX", 6)
    numbers = count(1)
    one, other = (
        replace(stage.cargo, card=replace(stage.cargo.card, agency=AgencyCode(code)))
        for code in ("99350201", "99350202")
    )

    def taken(cargo, kind=K.SET_SS_PIN):
        """Tell how many operations are taken before one is refused."""
        for number in range(6):
            opened = Opened(kind, stage.link, stage.timers.now())
            identity = stage.operation_id(next(numbers))
            try:
                stage.conductor.open(identity, opened, cargo, done=stage.outcomes.append)
            except Unavailable:
                return number
        return 6

    assert [taken(one), taken(other), taken(one, K.FINANCIAL_LOSS_FORMAL)] == [3, 2, 1]
    stage.timers.step(3_600)
    assert (taken(one), taken(other)) == (2, 2)


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
        waiting = type(stage)().waiting_follow_up()
        monkeypatch.setattr(stage.conductor, "_perform", lambda *_: unwritable(None))
        stage.conductor.resume(waiting, stage.cargo)

    assert [str(error) for error in stage.failures] == ["unwritable"]
    assert stage.outcomes == []


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


def test_who_waits_no_longer_is_forgotten_at_the_next_change(stage):
    """A core may ask again for days what became of a report that no far side takes."""
    identity = stage.open(K.FINANCIAL_LOSS_FORMAL)
    heard = []
    for waits in (False, True):
        stage.conductor.watch(identity, lambda now, waits=waits: heard.append(now) or waits)

    stage.timers.step(60)

    assert len(heard) == 3
    assert len(stage.conductor._running[identity].watchers) == 1


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

    stage.settle_inquiries(identity)

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
