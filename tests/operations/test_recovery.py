"""What an overdue answer and an answer mean, for each kind of recovery."""

from datetime import timedelta

import pytest

from gateway.operations.exchange import ExchangeEvent, ExchangeState, Recovery
from gateway.operations.recovery import answered, is_alarming, overdue, pause
from gateway.terms.response_codes import ResponseCode

S, E, R, C = ExchangeState, ExchangeEvent, Recovery, ResponseCode
OPEN = [C.ANSWERED_TOO_LATE, C.DUPLICATE, C.INOPERATIVE, C.MALFUNCTION, C.NO_ANSWER]
LAST = {
    R.QUERY: E.GIVE_UP,
    R.REVERSIBLE: E.REVERSE,
    R.AT_MOST_ONCE: E.LOSE_TRACK,
    R.FORWARD: E.INQUIRE,
    R.REVOCABLE: E.INQUIRE,
}
FOLLOW_UPS = (S.INQUIRING, S.REVERSING)


@pytest.fixture
def make_sent(make_exchange, now):
    def make(recovery=R.REVERSIBLE, state=S.SENT, attempts=1):
        return make_exchange(recovery, state=state, attempts=attempts, sent_at=now)

    return make


@pytest.mark.parametrize("recovery", LAST)
def test_a_request_is_repeated_as_often_as_the_limit_says(recovery, make_sent, now, limits):
    """Two repeats follow the request, then the rule of its kind."""
    events = [
        overdue(make_sent(recovery, attempts=sent), now, limits, resumed=False)
        for sent in (1, 2, 3)
    ]

    assert events == [E.REPEAT, E.REPEAT, LAST[recovery]]


@pytest.mark.parametrize("recovery", LAST)
def test_nothing_is_sent_again_as_a_request_by_another_process(recovery, make_sent, now, limits):
    """After a restart the first request is never repeated: its outcome counts as in doubt."""
    assert overdue(make_sent(recovery), now, limits, resumed=True) is LAST[recovery]


@pytest.mark.parametrize("recovery", [R.AT_MOST_ONCE, R.FORWARD, R.REVOCABLE])
def test_a_pin_block_is_not_repeated_beyond_its_life(recovery, make_sent, now, limits):
    """A repeat at the end of the secret's life is one too many, however few there were."""
    exchange = make_sent(recovery)
    last = now + limits.secret_life

    before = overdue(exchange, last - timedelta(microseconds=1), limits, resumed=False)
    after = overdue(exchange, last, limits, resumed=False)

    assert (before, after) == (E.REPEAT, LAST[recovery])


@pytest.mark.parametrize(
    ("recovery", "state", "again"),
    [
        (R.ADVICE, S.SENT, E.REPEAT),
        (R.FORWARD, S.INQUIRING, E.INQUIRE),
        (R.REVERSIBLE, S.REVERSING, E.REPEAT),
    ],
)
def test_what_is_stored_and_forwarded_ends_at_the_horizon_only(
    recovery, state, again, make_sent, now, limits
):
    """Advice, inquiry and reversal go on until a person must look, once more after a restart."""
    exchange = make_sent(recovery, state, attempts=1000)
    horizon = now + limits.horizon

    before = overdue(exchange, horizon - timedelta(microseconds=1), limits, resumed=False)
    after = overdue(exchange, horizon, limits, resumed=False)
    after_a_long_outage = overdue(exchange, horizon, limits, resumed=True)

    assert (before, after, after_a_long_outage) == (again, E.EXPIRE, again)


STEP = timedelta(hours=25)  # of the wall clock; the horizon is an hour, the longest pause 70 s


@pytest.mark.parametrize(
    ("elapsed", "attempts", "event"),
    [
        (timedelta(minutes=5) + STEP, 5, E.REPEAT),
        (timedelta(minutes=29) + STEP, 28, E.REPEAT),
        (timedelta(minutes=31) + STEP, 29, E.EXPIRE),
        (timedelta(minutes=5) - STEP, 5, E.REPEAT),
        (timedelta(minutes=59) - STEP, 53, E.REPEAT),
        (timedelta(minutes=61) - STEP, 54, E.EXPIRE),
        (timedelta(minutes=10), 1_000, E.REPEAT),
    ],
)
def test_a_step_of_the_wall_clock_calls_nobody_early_nor_never(
    elapsed, attempts, event, make_sent, now, limits
):
    """Half the horizon is tried at least; set back, attempts count; else the clock decides."""
    exchange = make_sent(state=S.REVERSING, attempts=attempts)

    assert overdue(exchange, now + elapsed, limits, resumed=False) is event


@pytest.mark.parametrize("attempts", [1, 2, 3])
@pytest.mark.parametrize("recovery", LAST)
def test_a_customer_waits_the_same_time_for_every_repeat(recovery, attempts, make_sent, limits):
    """Somebody sits in front of a screen, so that requests do not back off."""
    assert pause(make_sent(recovery, attempts=attempts), limits) == limits.answer_timeout


@pytest.mark.parametrize(
    ("recovery", "state"),
    [(R.ADVICE, S.SENT), (R.FORWARD, S.INQUIRING), (R.REVERSIBLE, S.REVERSING)],
)
def test_store_and_forward_backs_off_from_the_first_to_the_longest_pause(
    recovery, state, make_sent, limits
):
    """The pause doubles from retry_first to retry_max and stays there, for any count."""
    counts = (1, 2, 3, 4, 5, 6, 1_000_000)

    pauses = [pause(make_sent(recovery, state, count), limits) for count in counts]

    seconds = [(each - limits.answer_timeout).total_seconds() for each in pauses]
    assert seconds == [5, 10, 20, 40, 60, 60, 60]


@pytest.mark.parametrize("code", OPEN)
@pytest.mark.parametrize("state", [S.SENT, *FOLLOW_UPS])
def test_an_answer_of_a_middleman_leaves_the_outcome_open(code, state, make_sent):
    """68, 91, 94, 96 and 98 do not say whether the far side did it."""
    assert answered(make_sent(state=state), code) is None


@pytest.mark.parametrize("code", OPEN)
def test_a_question_that_a_middleman_answers_is_given_up(code, make_sent):
    """A question has no effect whose outcome could be open: it went unanswered."""
    assert answered(make_sent(R.QUERY), code) is E.GIVE_UP


@pytest.mark.parametrize("code", [code for code in C if code not in {C.APPROVED, *OPEN}])
def test_any_other_code_declines_a_request(code, make_sent):
    """A definite code says that the far side did not do it."""
    assert answered(make_sent(), code) is E.DECLINE


@pytest.mark.parametrize("code", sorted(C))
def test_a_reversal_is_confirmed_by_approval_and_by_an_unknown_original(code, make_sent):
    """00 and 25 confirm; nothing else does, so the reversal is repeated."""
    confirmed = {C.APPROVED: E.CONFIRM_REVERSAL, C.ORIGINAL_NOT_FOUND: E.CONFIRM_REVERSAL}

    assert answered(make_sent(state=S.REVERSING), code) is confirmed.get(code)


@pytest.mark.parametrize("code", sorted(C))
def test_an_inquiry_is_settled_by_three_codes_only(code, make_sent):
    """00 was done, 25 is unknown and refused from now on, 22 was declined; the rest is open."""
    settled = {
        C.APPROVED: E.APPROVE,
        C.ORIGINAL_NOT_FOUND: E.DECLINE,
        C.STATE_DOES_NOT_ALLOW: E.DECLINE,
    }

    assert answered(make_sent(R.FORWARD, S.INQUIRING), code) is settled.get(code)


@pytest.mark.parametrize("resumed", [True, False])
@pytest.mark.parametrize("days", [0, 1, 400])
def test_what_must_not_get_lost_is_repeated_without_expiry(days, resumed, make_sent, now, limits):
    """A loss report is never given up, however long nobody confirms it."""
    exchange = make_sent(R.AT_LEAST_ONCE, attempts=1000)

    assert overdue(exchange, now + timedelta(days=days), limits, resumed=resumed) is E.REPEAT


@pytest.mark.parametrize(
    ("recovery", "attempts", "alarms"),
    [(R.AT_LEAST_ONCE, 2, False), (R.AT_LEAST_ONCE, 3, True), (R.ADVICE, 1000, False)],
)
def test_staff_hears_of_what_stays_unconfirmed(recovery, attempts, alarms, make_sent, limits):
    """After the repeats of an ordinary request have brought nothing, each further one alarms."""
    assert is_alarming(make_sent(recovery, attempts=attempts), limits) is alarms


def test_what_cannot_be_found_out_is_revoked(make_sent, now, limits):
    """An issue is inquired after as often as a request is repeated, then undone."""
    events = [
        overdue(make_sent(R.REVOCABLE, S.INQUIRING, sent), now, limits, resumed=False)
        for sent in (1, 2, 3)
    ]

    assert events == [E.INQUIRE, E.INQUIRE, E.REVERSE]
