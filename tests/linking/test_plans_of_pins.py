"""Plans of setting the SS PIN and of activation: what is unknown, asked after, and follows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.linking.plans import STANDS_ALONE
from gateway.operations import life
from gateway.operations.exchange import ExchangeState, Form
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.life import OpenFollowUp, WakeAt
from gateway.terms.refusals import Refusal
from gateway.terms.sides import Side

K, S, O, R = OperationKind, ExchangeState, OperationState, Refusal  # noqa: E741 - as elsewhere here
PIN, ACTIVATE, ADVICE = "bureau-pin-set", "core-activate", "bureau-account-activated"


def ended(play):
    return play.state, play.operation.refusal, play.link_states


# ---------------------------------------------------------------- set SS PIN


@pytest.mark.parametrize(
    ("code", "state", "refusal"),
    [
        ("00", O.SUCCEEDED, None),
        ("38", O.FAILED, R.PIN_LOCKED),
        ("41", O.FAILED, R.CARD_LOST),
        ("99", O.FAILED, R.PIN_ENVELOPE),
    ],
)
def test_a_pin_is_set_or_refused(script, code, state, refusal):
    """A definite answer is told as it is."""
    play = script(K.SET_SS_PIN).begin().answer(PIN, code)

    assert ended(play) == (state, refusal, [])
    assert play.operation.response_code == code


def test_a_pin_that_did_not_leave_was_not_set(script):
    """With the link down nothing is sent, and the old PIN is in force."""
    play = script(K.SET_SS_PIN, ready=frozenset()).begin()

    assert play.sent == []
    assert ended(play) == (O.FAILED, R.BUREAU_UNAVAILABLE, [])


def test_a_lost_answer_to_a_pin_is_unknown_and_is_not_reversed(script):
    """Repeats from memory, then UNKNOWN: the old or the new PIN may be in force."""
    play = script(K.SET_SS_PIN).begin().silence(PIN)

    assert play.sent == [(PIN, Form.ORIGINAL, False), *[(PIN, Form.ORIGINAL, True)] * 2]
    assert ended(play) == (O.UNKNOWN, None, [])


@pytest.mark.parametrize(
    ("code", "state", "refusal"), [("00", O.SUCCEEDED, None), ("38", O.FAILED, R.PIN_LOCKED)]
)
def test_a_late_answer_settles_an_unknown_pin(script, code, state, refusal):
    """UNKNOWN was not final."""
    play = script(K.SET_SS_PIN).begin().silence(PIN).answer(PIN, code)

    assert ended(play) == (state, refusal, [])


def test_a_crash_leaves_a_pin_unknown_and_sends_nothing(script):
    """The PIN block is gone with the process, and nothing asks for it again."""
    play = script(K.SET_SS_PIN).begin().resume()

    assert play.sent == []
    assert play.state is O.UNKNOWN
    play.resume()
    assert (play.sent, play.state) == ([], O.UNKNOWN)


# ---------------------------------------------------------------- activate


def test_activation_of_accounts_that_are_independent_tells_the_bureau_nothing(script):
    """Where the SS account does not follow the financial one, nothing follows."""
    play = script(K.ACTIVATE, details={STANDS_ALONE: "yes"}).begin().answer(ACTIVATE)

    assert (play.state, play.operation.follow_up) == (O.SUCCEEDED, None)


def test_an_activation_opens_the_operation_of_the_ss_side(script):
    """Once the account is active, what follows is opened in the same decision."""
    play = script(K.ACTIVATE).begin().answer(ACTIVATE)

    opened = [effect for effect in play.effects if isinstance(effect, OpenFollowUp)]
    assert ended(play) == (O.SUCCEEDED, None, [])
    assert opened == [OpenFollowUp(play.operation.follow_up, K.SS_ACCOUNT)]


@pytest.mark.parametrize(
    ("code", "reason", "refusal"),
    [
        ("22", "ALREADY_ACTIVE", R.ALREADY_ACTIVE),
        ("62", None, R.ACCOUNT_NOT_USABLE),
        ("57", None, R.DECLINED),
        ("25", "NO_ACTIVE_LINK", R.DECLINED),
    ],
)
def test_a_declined_activation_opens_nothing(script, code, reason, refusal):
    """A definite decline is told with its reason, and nothing follows."""
    play = script(K.ACTIVATE).begin().answer(ACTIVATE, code, reason=reason)

    assert ended(play) == (O.FAILED, refusal, [])
    assert play.operation.follow_up is None


@pytest.mark.parametrize(
    ("code", "state", "refusal"),
    [
        ("00", O.SUCCEEDED, None),
        ("25", O.FAILED, R.CORE_UNAVAILABLE),
        ("22", O.FAILED, R.ACCOUNT_NOT_USABLE),
    ],
)
@pytest.mark.parametrize("crash", [False, True])
def test_an_activation_in_doubt_is_asked_after(script, code, state, refusal, crash):
    """By the same process or the next: inquiry, never the request again, never a reversal."""
    play = script(K.ACTIVATE).begin()
    play = play.resume() if crash else play.silence(ACTIVATE)
    between = play.sent[-1], play.state

    play.answer(ACTIVATE, code, Form.INQUIRY)

    assert between == ((ACTIVATE, Form.INQUIRY, False), O.PENDING)
    assert ended(play) == (state, refusal, [])
    assert (play.operation.follow_up is not None) == (state is O.SUCCEEDED)


def test_an_unanswered_inquiry_needs_a_person_at_the_horizon(script):
    """Until then it is asked anew; no failure is told."""
    play = script(K.ACTIVATE).begin().silence(ACTIVATE).take(life.Overdue(ACTIVATE))
    assert play.sent[-1] == (ACTIVATE, Form.INQUIRY, False)

    play.horizon(ACTIVATE)

    assert play.state is O.MANUAL


def test_an_activation_that_did_not_leave_changed_nothing(script):
    """With the core's link down the caller may try again."""
    play = script(K.ACTIVATE, ready={Side.SOCIAL}).begin()

    assert (play.sent, ended(play)) == ([], (O.FAILED, R.CORE_UNAVAILABLE, []))


# ---------------------------------------------------------------- the SS account follows


def test_the_ss_account_waits_until_it_is_due(script):
    """Nothing is said before the region's delay is over, whatever happens."""
    play = script(K.SS_ACCOUNT)
    due = play.at + timedelta(hours=24)
    play.operation = replace(play.operation, wake_at=due)
    play.take(life.Woken()).take(life.Resumed())
    before = list(play.sent)

    play.take(life.Woken(), due - play.at)

    assert before == []
    assert play.effects[:2] == [WakeAt(due), WakeAt(due)]
    assert play.sent == [(ADVICE, Form.ORIGINAL, False)]


@pytest.mark.parametrize("delay_h", [0, 24])
def test_what_follows_at_once_does_so_whatever_the_clock_is_set_to(script, delay_h):
    """A clock set back by a day defers what has a delay, and nothing else."""
    play = script(K.SS_ACCOUNT)
    due = play.at + timedelta(hours=delay_h)
    play.operation = replace(play.operation, wake_at=due)

    play.take(life.Resumed(), timedelta(days=-1))

    assert bool(play.sent) is not bool(delay_h)


def test_the_advice_is_repeated_until_it_is_answered(script):
    """It begins without a link, survives crashes and any number of silences."""
    play = script(K.SS_ACCOUNT, ready=frozenset()).take(life.Woken())
    for _ in range(20):
        play.take(life.Overdue(ADVICE))
    play.resume()
    assert play.sent == [(ADVICE, Form.ORIGINAL, True)]

    play.answer(ADVICE)

    assert ended(play) == (O.SUCCEEDED, None, [])


def test_an_advice_may_be_refused(script):
    """The bureau's reason is told."""
    play = script(K.SS_ACCOUNT).begin().answer(ADVICE, "41")

    assert ended(play) == (O.FAILED, R.CARD_LOST, [])


def test_an_advice_needs_a_person_at_the_horizon(script):
    """A bureau that is silent for a day is somebody's work."""
    play = script(K.SS_ACCOUNT).begin().horizon(ADVICE)

    assert play.state is O.MANUAL
