"""The life of a link."""

from itertools import product
from pathlib import Path

import pytest

from gateway.iso8583.session import (
    ECHO_INTERVAL_SECONDS,
    TRANSITIONS,
    Command,
    Event,
    OutOfOrder,
    Session,
    State,
    is_overdue,
    session_markdown,
)

PICTURE = Path(__file__).parents[2] / "docs/machines/link-session.md"


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_event_in_every_state_is_in_the_table_or_refused(state, event):
    """Nothing happens to a link that the table does not say."""
    expected = TRANSITIONS[state].get(event)
    session = Session(state)

    if expected is None:
        with pytest.raises(OutOfOrder, match=str(event)) as caught:
            session.decide(event)
        assert (caught.value.state, caught.value.event) == (state, event)
    else:
        after, commands = session.decide(event)
        assert (after.state, commands) == (expected.state, expected.commands)


def test_table_has_every_state_and_a_way_out_of_each():
    """Every state is in the table and ends when the connection is lost."""
    assert set(TRANSITIONS) == set(State)
    assert all(events[Event.LOST].state is State.CLOSED for events in TRANSITIONS.values())
    assert {event for events in TRANSITIONS.values() for event in events} == set(Event)


def test_nothing_is_sent_on_a_link_that_is_closed():
    """What leads to CLOSED at most disconnects."""
    closing = [t for events in TRANSITIONS.values() for t in events.values() if t.state == "closed"]

    assert {command for transition in closing for command in transition.commands} == {
        Command.DISCONNECT,
        Command.HANG_UP,
    }


def walk(*events):
    """Give the session and all commands after some events."""
    session, said = Session(), []
    for event in events:
        session, commands = session.decide(event)
        said += commands
    return session, said


def test_link_is_signed_on_before_it_takes_requests():
    """Only an accepted sign-on opens the link."""
    session, said = walk(Event.CONNECTED)
    assert not session.takes_requests
    assert said == [Command.SEND_SIGN_ON]

    session, _ = session.decide(Event.SIGN_ON_ACCEPTED)
    assert session.takes_requests


def test_link_is_drained_before_it_is_signed_off():
    """A link that stops takes nothing new, waits, signs off and disconnects."""
    session, said = walk(
        Event.CONNECTED,
        Event.SIGN_ON_ACCEPTED,
        Event.SIGN_OFF,
        Event.DRAINED,
        Event.SIGN_OFF_ANSWERED,
    )

    assert session == Session()
    assert said == [Command.SEND_SIGN_ON, Command.SEND_SIGN_OFF, Command.DISCONNECT]


def test_peer_is_dead_after_three_echoes_missed_in_a_row():
    """The first two misses send another echo, the third closes the link."""
    on = (Event.CONNECTED, Event.SIGN_ON_ACCEPTED, Event.ECHO_DUE)

    alive, said = walk(*on, Event.ECHO_MISSED, Event.ECHO_MISSED)
    dead, commands = alive.decide(Event.ECHO_MISSED)

    assert alive == Session(State.SIGNED_ON, 2)
    assert said[1:] == [Command.SEND_ECHO] * 3
    assert (dead, commands) == (Session(), (Command.DISCONNECT,))


def test_sign_of_life_forgives_missed_echoes():
    """An answer between misses starts the count anew."""
    session, _ = walk(
        Event.CONNECTED,
        Event.SIGN_ON_ACCEPTED,
        Event.ECHO_MISSED,
        Event.ECHO_MISSED,
        Event.ECHO_ANSWERED,
        Event.ECHO_MISSED,
    )

    assert session == Session(State.SIGNED_ON, 1)


@pytest.mark.parametrize(("now", "due"), [(100.0, False), (159.9, False), (160.0, True)])
def test_echo_is_due_after_a_minute_of_silence(now, due):
    """Sixty seconds without anything heard call for an echo."""
    assert is_overdue(100.0, now, ECHO_INTERVAL_SECONDS) is due


def test_echo_is_due_when_the_timer_for_it_fires():
    """However floats are rounded: 70.1 is due after 10.1, though it is less than a minute later."""
    assert is_overdue(10.1, 10.1 + 60.0, 60.0)


def test_key_changes_while_requests_go_on():
    """Both keys are good in a state of its own, in which new requests are taken as before."""
    session, said = walk(Event.ACCEPTED, Event.PEER_SIGN_ON, Event.KEY_CHANGED, Event.CUT_OVER)

    settled, _ = session.decide(Event.KEY_SETTLED)

    assert (session.state, session.takes_requests) == (State.CHANGING_KEY, True)
    assert (settled.state, said) == (State.SIGNED_ON, [])


def test_far_side_that_signs_off_is_waited_for_and_left():
    """What is in flight is finished, nothing new is taken, and nobody signs off twice."""
    session, said = walk(Event.ACCEPTED, Event.PEER_SIGN_ON, Event.PEER_SIGN_OFF)

    gone, commands = session.decide(Event.DRAINED)

    assert not session.takes_requests
    assert not session.allows(Event.PEER_SIGN_ON)
    assert (said, gone.state, commands) == ([], State.CLOSED, (Command.HANG_UP,))


def test_picture_is_drawn_from_the_table():
    """docs/machines/link-session.md is what session_markdown() gives now."""
    assert PICTURE.read_text() == session_markdown()
