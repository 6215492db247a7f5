"""The exchange's table: every state and event, what a move changes, the picture."""

from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from gateway.operations.exchange import (
    AWAITING,
    TRANSITIONS,
    WITHOUT_EFFECT,
    ExchangeEvent,
    ExchangeState,
    Form,
    Move,
    exchange_markdown,
    move,
)
from gateway.terms.errors import LocalError
from gateway.terms.response_codes import ResponseCode

PICTURE = Path(__file__).parents[2] / "docs" / "machines" / "exchange.md"
S, E = ExchangeState, ExchangeEvent
SENDING = (E.SEND, E.REPEAT, E.INQUIRE, E.REVERSE)


def test_every_state_and_every_event_stand_in_the_table():
    """No state is without a row, and no event is without a place."""
    events = {event for row in TRANSITIONS.values() for event in row}

    assert set(TRANSITIONS) == set(S)
    assert events == set(E)


@pytest.mark.parametrize(("state", "event"), [*product(S, E)])
def test_an_exchange_moves_as_its_table_says_and_not_otherwise(
    state, event, make_exchange, trace, now
):
    """What the table has leads where it says; anything else is refused by name."""
    exchange = make_exchange(state=state)
    target = TRANSITIONS[state].get(event)

    if target is None:
        with pytest.raises(LocalError, match=f"leg cannot {event} while {state}"):
            move(exchange, Move(event, now, trace))
    else:
        assert move(exchange, Move(event, now, trace)).state is target


def test_every_state_can_be_reached_from_planned():
    """The table has no state that nothing leads to."""
    reached, fresh = set(), {S.PLANNED}
    while fresh:
        reached |= fresh
        fresh = {to for state in fresh for to in TRANSITIONS[state].values()} - reached

    assert reached == set(S)


@pytest.mark.parametrize("state", sorted(WITHOUT_EFFECT))
def test_what_is_without_effect_stays_so(state):
    """A state that promises that nothing stands is never left."""
    assert not TRANSITIONS[state]


@pytest.mark.parametrize("state", sorted(S))
def test_a_message_is_repeated_exactly_while_an_answer_is_due(state):
    """It keeps the state, and is possible only while a message is out; a question is put anew."""
    again = E.INQUIRE if state is S.INQUIRING else E.REPEAT

    assert (TRANSITIONS[state].get(again) is state) == (state in AWAITING)
    assert (E.REPEAT in TRANSITIONS[state]) == (state in AWAITING - {S.INQUIRING})


@pytest.mark.parametrize(
    ("state", "event"), [(S.PLANNED, E.SEND), (S.SENT, E.INQUIRE), (S.APPROVED, E.REVERSE)]
)
def test_no_message_goes_out_without_its_trace_numbers(state, event, make_exchange, now):
    """A new message without the trace under which its answer is known is refused."""
    with pytest.raises(LocalError, match=f"a message to {event} needs its trace numbers"):
        move(make_exchange(state=state), Move(event, now))


def test_a_repeat_keeps_trace_and_first_instant_and_is_counted(make_exchange, trace, now):
    """x1x1 differs from its original in MTI and MAC only; the limits run from the first one."""
    sent = move(make_exchange(), Move(E.SEND, now, trace))

    repeated = move(sent, Move(E.REPEAT, now + timedelta(seconds=9)))

    assert (repeated.trace, repeated.sent_at, repeated.attempts) == (trace, now, 2)


@pytest.mark.parametrize(("event", "form"), [(E.INQUIRE, Form.INQUIRY), (E.REVERSE, Form.REVERSAL)])
def test_a_follow_up_has_a_trace_and_a_count_of_its_own(event, form, make_exchange, trace, now):
    """Inquiry and reversal begin anew, and the original's trace stays for data element 90."""
    later = now + timedelta(minutes=1)
    sent = move(make_exchange(), Move(E.SEND, now, trace))
    follow_up = type(trace)(trace.stan, trace.rrn, later)

    moved = move(move(sent, Move(E.REPEAT, now)), Move(event, later, follow_up))

    assert moved.form is form
    assert (moved.trace, moved.follow_up, moved.current_trace) == (trace, follow_up, follow_up)
    assert (moved.attempts, moved.sent_at) == (1, later)


def test_an_answer_leaves_its_code_and_reason(make_exchange, trace, now):
    """DE 39 and the finer reason are kept for the caller."""
    sent = move(make_exchange(), Move(E.SEND, now, trace))
    step = Move(E.DECLINE, now, response_code=ResponseCode.LOST, reason="CARD_LOST")

    declined = move(sent, step)

    assert (declined.response_code, declined.reason) == (ResponseCode.LOST, "CARD_LOST")
    assert sent.reached_peer
    assert not make_exchange().reached_peer


def test_the_picture_is_drawn_from_the_table():
    """docs/machines/exchange.md is exchange_markdown() and shows every transition."""
    picture = PICTURE.read_text("utf-8")

    assert picture == exchange_markdown(), "stale: write exchange_markdown() to it again"
    assert picture.count(": ") == sum(map(len, TRANSITIONS.values()))
