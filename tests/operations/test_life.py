"""Transcripts of decisions: event in, facts and effects out, with a plan of one exchange."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.operations.exchange import (
    AWAITING,
    Exchange,
    ExchangeEvent,
    ExchangeState,
    Form,
    Move,
    Recovery,
)
from gateway.operations.facts import AnswerSetAside, Moved, OperationKind, OperationState, Settled
from gateway.operations.life import (
    Alarm,
    Answered,
    Begin,
    Begun,
    Forget,
    OpenFollowUp,
    Overdue,
    Resumed,
    Settle,
    Transmit,
    Undo,
    Wait,
    WakeAt,
    Watch,
    Woken,
    decide,
)
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

S, E, R, C = ExchangeState, ExchangeEvent, Recovery, ResponseCode
SECOND = timedelta(seconds=1)


class Play:
    """Feeds events to an operation and keeps the last decision."""

    def __init__(self, operation, around, at):
        self.operation, self.around, self.at = operation, around, at
        self.decision = None

    def take(self, event, after=SECOND):
        self.at += after
        self.decision = decide(self.operation, event, self.at, self.around)
        self.operation = self.decision.operation
        return self.decision

    def answer(self, code, form=Form.ORIGINAL, **members):
        return self.take(Answered("leg", form, code, **members))

    @property
    def leg(self):
        return self.operation.exchanges["leg"]

    def events(self):
        """Give the exchange events of all facts so far."""
        return [fact.move.event for fact in self.operation.facts if isinstance(fact, Moved)]


@pytest.fixture
def make_play(make_operation, make_exchange, make_surroundings, now):
    def make(recovery=R.REVERSIBLE, **surroundings):
        operation = make_operation(make_exchange(recovery))
        return Play(operation, make_surroundings(**surroundings), now)

    return make


@pytest.fixture
def make_in(make_play):
    """Bring an exchange into a state by the events that lead there."""
    ways = {
        S.SENT: [Begun()],
        S.INQUIRING: [Begun(), Resumed()],
        S.REVERSING: [Begun(), Resumed()],
        S.UNKNOWN: [Begun(), Resumed()],
    }
    recoveries = {S.INQUIRING: R.FORWARD, S.REVERSING: R.REVERSIBLE, S.UNKNOWN: R.AT_MOST_ONCE}

    def make(state, recovery=None):
        play = make_play(recovery or recoveries.get(state, R.REVERSIBLE))
        for event in ways[state]:
            play.take(event)
        assert play.leg.state is state
        return play

    return make


def test_the_first_message_is_recorded_sent_and_watched(make_play, trace, limits):
    """Begun: one fact with the trace, then the message, then the time of its answer."""
    play = make_play()

    decision = play.take(Begun())

    assert decision.facts == (
        Moved("leg", Move(E.SEND, play.at, replace(trace, transmitted_at=play.at))),
    )
    assert decision.effects == (
        Transmit("leg", is_repeat=False),
        Watch("leg", play.at + limits.answer_timeout),
    )


def test_an_approval_settles_and_wipes_the_pin(make_in):
    """00: the exchange is approved, the PIN block forgotten, the caller told."""
    play = make_in(S.SENT)

    decision = play.answer(C.APPROVED)

    assert decision.facts == (
        Moved("leg", Move(E.APPROVE, play.at, response_code=C.APPROVED)),
        Settled(OperationState.SUCCEEDED, play.at, None, C.APPROVED),
    )
    assert decision.effects == (Forget("leg"),)


def test_a_decline_settles_with_its_code_and_reason(make_in):
    """A definite decline is told as it came."""
    play = make_in(S.SENT)

    play.answer(C.LOST, reason="CARD_LOST")

    assert (play.leg.state, play.leg.reason) == (S.DECLINED, "CARD_LOST")
    assert (play.operation.state, play.operation.response_code) == (OperationState.FAILED, C.LOST)


def test_an_answer_that_leaves_the_outcome_open_is_recorded_and_changes_nothing(make_in):
    """91 and its like are set aside; the message goes on being watched."""
    play = make_in(S.SENT)

    decision = play.answer(C.INOPERATIVE)

    assert decision.facts == (AnswerSetAside("leg", play.at, C.INOPERATIVE),)
    assert decision.effects == ()
    assert play.leg.state is S.SENT


def test_a_repeat_carries_the_repeat_digit_and_no_new_trace(make_in):
    """Overdue: the same message goes out as a repeat."""
    play = make_in(S.SENT)
    before = play.leg.trace

    decision = play.take(Overdue("leg"))

    assert decision.facts == (Moved("leg", Move(E.REPEAT, play.at)),)
    assert decision.effects[0] == Transmit("leg", is_repeat=True)
    assert play.leg.trace == before


@pytest.mark.parametrize(
    ("recovery", "event", "form"),
    [(R.REVERSIBLE, E.REVERSE, Form.REVERSAL), (R.FORWARD, E.INQUIRE, Form.INQUIRY)],
)
def test_doubt_is_followed_up_under_a_new_trace_and_without_the_pin(
    recovery, event, form, make_play
):
    """After the repeats the PIN is wiped first, then the follow-up goes out and is watched."""
    play = make_play(recovery)
    for step in (Begun(), Overdue("leg"), Overdue("leg")):
        play.take(step)

    decision = play.take(Overdue("leg"))

    assert [fact.move.event for fact in decision.facts] == [event]
    assert decision.effects[:2] == (Forget("leg"), Transmit("leg", is_repeat=False))
    assert isinstance(decision.effects[2], Watch)
    assert play.leg.form is form
    assert play.leg.current_trace != play.leg.trace


def test_a_question_without_an_answer_is_given_up(make_play):
    """QUERY: nothing took effect, so the caller is told that nothing was changed."""
    play = make_play(R.QUERY)

    for step in (Begun(), Overdue("leg"), Overdue("leg"), Overdue("leg")):
        play.take(step)

    assert play.events() == [E.SEND, E.REPEAT, E.REPEAT, E.GIVE_UP]
    assert play.operation.state is OperationState.FAILED


def test_what_may_happen_once_only_becomes_unknown(make_play):
    """AT_MOST_ONCE: after the repeats we say that we do not know, and keep no PIN."""
    play = make_play(R.AT_MOST_ONCE)

    for step in (Begun(), Overdue("leg"), Overdue("leg"), Overdue("leg")):
        decision = play.take(step)

    assert play.events() == [E.SEND, E.REPEAT, E.REPEAT, E.LOSE_TRACK]
    assert decision.effects == (Forget("leg"),)
    assert play.operation.state is OperationState.UNKNOWN


@pytest.mark.parametrize(
    ("code", "state"),
    [(C.APPROVED, OperationState.SUCCEEDED), (C.LOST, OperationState.FAILED)],
)
def test_a_late_answer_settles_what_is_unknown(code, state, make_in):
    """UNKNOWN is not final: the answer to the very attempt settles it."""
    play = make_in(S.UNKNOWN)

    play.answer(code)

    assert play.operation.state is state


def test_a_late_answer_that_leaves_the_outcome_open_leaves_it_unknown(make_in):
    """94 to a repeat does not say what became of the first."""
    play = make_in(S.UNKNOWN)

    decision = play.answer(C.DUPLICATE)

    assert decision.facts == (AnswerSetAside("leg", play.at, C.DUPLICATE),)
    assert play.operation.state is OperationState.UNKNOWN


@pytest.mark.parametrize("code", [C.APPROVED, C.LOST])
def test_a_late_answer_ends_an_inquiry(code, make_in):
    """The original's own answer is as good as what an inquiry would tell."""
    play = make_in(S.INQUIRING)

    play.answer(code)

    assert play.leg.state is (S.APPROVED if code is C.APPROVED else S.DECLINED)


@pytest.mark.parametrize("code", [C.APPROVED, C.LOST, C.ORIGINAL_NOT_FOUND])
def test_a_late_answer_does_not_stop_a_reversal(code, make_in):
    """Once it is decided, the reversal stands, whatever the original's answer says."""
    play = make_in(S.REVERSING)

    decision = play.answer(code)

    assert decision.facts == (AnswerSetAside("leg", play.at, code),)
    assert play.leg.state is S.REVERSING
    play.answer(C.APPROVED, Form.REVERSAL)
    assert play.leg.state is S.REVERSED


@pytest.mark.parametrize("form", sorted(Form))
@pytest.mark.parametrize("code", [C.APPROVED, C.LOST])
def test_a_final_state_is_never_left(form, code, make_in):
    """A second answer, of any form, is recorded and changes nothing."""
    play = make_in(S.SENT)
    play.answer(C.LOST)

    decision = play.answer(code, form)

    assert [type(fact) for fact in decision.facts] == [AnswerSetAside]
    assert decision.effects == ()
    assert (play.leg.state, play.operation.state) == (S.DECLINED, OperationState.FAILED)


@pytest.mark.parametrize("form", [Form.INQUIRY, Form.REVERSAL])
def test_an_answer_to_a_message_that_is_not_out_is_set_aside(form, make_in):
    """An answer completes only the message it answers."""
    play = make_in(S.SENT)

    play.answer(C.APPROVED, form)

    assert play.leg.state is S.SENT


def test_an_alarm_for_an_answered_exchange_does_nothing(make_in):
    """A timer that fires too late finds nothing to do."""
    play = make_in(S.SENT)
    play.answer(C.APPROVED)

    decision = play.take(Overdue("leg"))

    assert (decision.facts, decision.effects) == ((), ())


@pytest.mark.parametrize(
    ("recovery", "event", "state"),
    [
        (R.QUERY, E.GIVE_UP, OperationState.FAILED),
        (R.REVERSIBLE, E.REVERSE, OperationState.PENDING),
        (R.AT_MOST_ONCE, E.LOSE_TRACK, OperationState.UNKNOWN),
        (R.FORWARD, E.INQUIRE, OperationState.PENDING),
        (R.ADVICE, E.REPEAT, OperationState.PENDING),
    ],
)
def test_a_resumed_exchange_is_never_sent_as_new(recovery, event, state, make_in):
    """Another process took over: inquiry, reversal or repeat of an advice, never a request."""
    play = make_in(S.SENT, recovery)

    decision = play.take(Resumed())

    assert decision.facts[0].move.event is event
    assert play.operation.state is state


def test_a_resumed_reversal_is_repeated_under_its_trace(make_in):
    """What was in the store-and-forward queue is repeated, for it may have left before."""
    play = make_in(S.REVERSING)
    before = play.leg.follow_up

    decision = play.take(Resumed())

    assert decision.effects[0] == Transmit("leg", is_repeat=True)
    assert (play.leg.state, play.leg.follow_up) == (S.REVERSING, before)


def test_an_inquiry_is_asked_anew_under_a_trace_of_its_own(make_in):
    """A far side answers a repeat from its store, and an old answer may be old news."""
    play = make_in(S.INQUIRING)
    before = play.leg.follow_up

    decision = play.take(Resumed())

    assert decision.effects[1] == Transmit("leg", is_repeat=False)
    assert (play.leg.state, play.leg.attempts) == (S.INQUIRING, 2)
    assert play.leg.follow_up != before


def test_resuming_what_rests_changes_nothing(make_in):
    """A takeover of a finished operation records and sends nothing."""
    play = make_in(S.SENT)
    play.answer(C.APPROVED)

    decision = play.take(Resumed())

    assert (decision.facts, decision.effects, decision.records) == ((), (), ())


def test_what_was_opened_but_not_begun_begins_when_resumed(make_play):
    """A follow-up opened by a process that died is begun by the next one."""
    play = make_play(R.ADVICE)

    play.take(Resumed())

    assert play.leg.state is S.SENT


@pytest.mark.parametrize("state", [S.INQUIRING, S.REVERSING])
def test_at_the_horizon_a_person_must_look(state, make_in, limits):
    """MANUAL is told, and nothing more is sent."""
    play = make_in(state)

    pause = limits.answer_timeout + limits.retry_max
    for _ in range(limits.horizon // pause + 1):
        decision = play.take(Overdue("leg"), after=pause)

    assert decision.effects == (Forget("leg"),)
    assert (play.leg.state, play.operation.state) == (S.MANUAL, OperationState.MANUAL)


@pytest.mark.parametrize("recovery", sorted(set(R) - {R.ADVICE, R.AT_LEAST_ONCE}))
def test_no_request_leaves_for_a_link_that_is_down(recovery, make_play):
    """Held back, definitely without effect, and told at once."""
    play = make_play(recovery, ready=frozenset())

    decision = play.take(Begun())

    assert play.events() == [E.HOLD_BACK]
    assert decision.effects == ()
    assert play.operation.state is OperationState.FAILED


def test_an_advice_begins_without_a_link(make_play):
    """What is stored and forwarded needs no link to begin."""
    play = make_play(R.ADVICE, ready=frozenset())

    decision = play.take(Begun())

    assert decision.effects[0] == Transmit("leg", is_repeat=False)


def test_of_two_requests_both_leave_or_none(make_operation, make_surroundings, now):
    """When one link is down the other side is not asked either, and no record is made."""
    near = Exchange("near", Side.FINANCIAL, "account-inquiry", R.QUERY)
    far = Exchange("far", Side.SOCIAL, "card-inquiry", R.QUERY)

    def plan(operation, _now):
        planned = all(each.state is S.PLANNED for each in operation.exchanges.values())
        return Begin(("near", "far"), records=("kept",)) if planned else Wait()

    around = make_surroundings(plan, ready={Side.FINANCIAL})
    held = decide(make_operation(near, far), Begun(), now, around)
    sent = decide(make_operation(near, far), Begun(), now, make_surroundings(plan))

    assert [(fact.exchange, fact.move.event) for fact in held.facts] == [("far", E.HOLD_BACK)]
    assert (held.effects, held.records) == ((), ())
    assert [fact.move.event for fact in sent.facts] == [E.SEND, E.SEND]
    assert sent.records == ("kept",)


def test_what_was_approved_is_undone_when_the_plan_says_so(
    make_operation, make_exchange, make_surroundings, now
):
    """Undo: a reversal with a trace of its own; the original's trace stays for DE 90."""
    sent = make_operation(make_exchange(state=S.SENT, attempts=1, sent_at=now))
    around = make_surroundings(
        lambda operation, _now: (
            Undo("leg") if operation.exchanges["leg"].state is S.APPROVED else Wait()
        )
    )

    decision = decide(sent, Answered("leg", Form.ORIGINAL, C.APPROVED), now, around)

    assert [fact.move.event for fact in decision.facts] == [E.APPROVE, E.REVERSE]
    assert decision.effects[:3] == (Forget("leg"), Forget("leg"), Transmit("leg", is_repeat=False))


def test_a_plan_that_waits_for_a_time_is_woken_then(make_operation, make_surroundings, now):
    """WakeAt is asked for while the time is to come, and not after it."""
    due = now + timedelta(hours=24)
    operation = make_operation(wake_at=due)
    around = make_surroundings(lambda _operation, _now: Wait())

    before = decide(operation, Begun(), now, around)
    after = decide(operation, Woken(), due, around)

    assert before.effects == (WakeAt(due),)
    assert after.effects == ()


def test_a_follow_up_is_opened_once_and_named_in_the_fact(make_operation, make_surroundings, now):
    """Settling opens the follow-up with its id; settling again to the same opens none."""

    def plan(_operation, _now):
        return Settle(OperationState.SUCCEEDED, follow_up=OperationKind.SS_ACCOUNT)

    around = make_surroundings(plan)
    first = decide(make_operation(), Begun(), now, around)
    second = decide(first.operation, Woken(), now, around)

    follow_up = first.operation.follow_up
    assert first.facts == (Settled(OperationState.SUCCEEDED, now, follow_up=follow_up),)
    assert first.effects == (OpenFollowUp(follow_up, OperationKind.SS_ACCOUNT),)
    assert (second.facts, second.effects) == ((), ())


def test_a_final_state_is_told_once(make_operation, make_surroundings, now):
    """A plan that changes its mind after the end is not heard."""
    steps = iter(
        [
            Settle(OperationState.FAILED, Refusal.DECLINED, records=("first",)),
            Settle(OperationState.SUCCEEDED, records=("second",)),
        ]
    )
    around = make_surroundings(lambda _operation, _now: next(steps))
    failed = decide(make_operation(), Begun(), now, around)

    again = decide(failed.operation, Woken(), now, around)

    assert failed.records == ("first",)
    assert (again.operation.state, again.records) == (OperationState.FAILED, ())


def test_what_a_far_side_told_is_kept_in_memory_for_the_plan(make_in):
    """The finding of an answer is under its exchange's name, and in no fact."""
    play = make_in(S.SENT)

    play.answer(C.APPROVED, finding="somebody")

    assert play.operation.findings == {"leg": "somebody"}
    assert "somebody" not in repr(play.operation.facts)


def test_every_message_that_awaits_an_answer_is_watched(make_play):
    """Whatever is out has its time: no decision leaves an exchange waiting for ever."""
    for recovery in R:
        play = make_play(recovery)
        for event in (Begun(), Overdue("leg"), Overdue("leg"), Overdue("leg"), Resumed()):
            decision = play.take(event)
            if decision.facts and play.leg.state in AWAITING:
                assert any(isinstance(effect, Watch) for effect in decision.effects)


def test_an_unconfirmed_loss_report_alarms_and_goes_on(make_play):
    """The repeat leaves as ever, and the staff hears that nobody has confirmed it."""
    play = make_play(R.AT_LEAST_ONCE)
    play.take(Begun())
    quiet = [play.take(Overdue("leg")).effects for _ in range(2)]

    loud = play.take(Overdue("leg")).effects

    assert all(Alarm("leg") not in effects for effects in quiet)
    assert loud[0] == Alarm("leg")
    assert Transmit("leg", is_repeat=True) in loud


def test_open_words_of_an_answer_are_kept_for_the_plan(make_play):
    """What a far side tells of states stands in the operation when its plan decides."""
    play = make_play(R.QUERY)
    play.take(Begun())

    play.take(Answered("leg", Form.ORIGINAL, C.APPROVED, told={"pin_state": "enabled"}))

    assert play.operation.told == {"pin_state": "enabled"}
