"""The end of a link that we dial, from every situation; and no order of events is out of order."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.iso8583.session import State


def refuse_sign_on(far_side):
    far_side.accept()
    (request,) = far_side.heard()
    far_side.say(far_side.words.answer(request, "91"))
    far_side.reactor.advance(0)


def ask(far_side, name="asked"):
    """Send a request and give it as the far side heard it."""
    far_side.link.send(far_side.words.request(), name)
    (heard,) = far_side.heard()
    return heard


# ------------------------------------------------------------------ stopping


def quiet(far_side):
    """Tell whether nothing of the link is left to happen."""
    return far_side.link.state is State.CLOSED and not far_side.reactor.getDelayedCalls()


def test_stop_waits_for_answers_then_signs_off(up):
    """A stopping link takes nothing new, gets what is due to it, says goodbye and closes."""
    request = ask(up)
    stopped = up.link.stop()
    draining = (up.link.state, up.link.is_ready, up.heard())
    up.link.send(up.words.request(), "too late")

    up.say(up.words.answer(request))
    up.step(0.5)
    (sign_off,) = up.heard()
    before = stopped.called
    up.say(up.words.answer(sign_off))
    up.step(0)

    assert draining == (State.DRAINING, False, [])
    assert up.answers == [("asked", "00")]
    assert (sign_off.text(70), before, stopped.called) == ("002", False, True)
    assert quiet(up)


def test_stop_waits_ten_seconds_for_answers_and_ten_for_the_sign_off(up):
    """A far side that answers nothing holds nobody up for longer."""
    ask(up)
    stopped = up.link.stop()

    up.step(10.5)
    signing_off = [message.text(70) for message in up.heard()]
    up.step(10.5)

    assert signing_off == ["002"]
    assert stopped.called
    assert quiet(up)


@pytest.mark.parametrize("seconds", [0, 60, 69.5])
def test_stop_leaves_no_timer_behind(up, seconds):
    """Whatever the link waits for, an echo too, is over with it."""
    up.step(seconds)
    up.heard()
    stopped = up.link.stop()
    (sign_off,) = up.heard()

    up.say(up.words.answer(sign_off))
    up.step(0)

    assert stopped.called
    assert quiet(up)


def not_started(far_side):
    pass


def dialling(far_side):
    far_side.link.start()


def waiting_to_dial(far_side):
    far_side.link.start()
    far_side.refuse()


def signing_on(far_side):
    far_side.link.start()
    far_side.accept()


def sign_on_refused(far_side):
    far_side.link.start()
    refuse_sign_on(far_side)


def connection_cut(far_side):
    far_side.up()
    far_side.cut()


DOWN = [not_started, dialling, waiting_to_dial, signing_on, sign_on_refused, connection_cut]


@pytest.mark.parametrize("situation", DOWN)
def test_stop_while_not_signed_on_closes_at_once(far_side, situation):
    """Without a session there is nothing to wait for, wherever the dialling is."""
    situation(far_side)

    stopped = far_side.link.stop()
    far_side.step(0)

    assert stopped.called
    assert quiet(far_side)


def test_every_stop_is_told(up):
    """Whoever asks again, before or after the end, hears of the end."""
    stops = [up.link.stop(), up.link.stop()]
    (sign_off,) = up.heard()
    before = [stop.called for stop in stops]
    up.say(up.words.answer(sign_off))
    up.step(0)

    stops.append(up.link.stop())

    assert before == [False, False]
    assert [stop.called for stop in stops] == [True, True, True]


@pytest.mark.parametrize("is_draining", [True, False])
def test_connection_lost_while_stopping_ends_the_stop(up, is_draining):
    """A far side that hangs up first leaves nothing to wait for, and is not dialled again."""
    if is_draining:
        ask(up)
    stopped = up.link.stop()

    up.cut()
    dials = up.dials
    up.step(60)

    assert stopped.called
    assert up.dials == dials
    assert quiet(up)


# ------------------------------------------------------------------ anything, in any order


def answer_newest(far_side):
    for heard in far_side.heard()[-1:]:
        if heard.is_request:
            far_side.say(far_side.words.answer(heard))


def answer_twice(far_side):
    for heard in far_side.heard():
        if heard.is_request:
            answer = far_side.words.answer(heard)
            far_side.say(answer, answer, far_side.words.request("echo"))


def decline(far_side):
    for heard in far_side.heard():
        if heard.is_request:
            far_side.say(far_side.words.answer(heard, "91"))


DEEDS = {
    "answer": answer_newest,
    "answer twice": answer_twice,
    "decline": decline,
    "send": lambda far_side: far_side.link.send(far_side.words.request(), "asked"),
    "echo": lambda far_side: far_side.say(far_side.words.request("echo")),
    "keep alive": lambda far_side: far_side.say_bytes(b"0000"),
    "garbage": lambda far_side: far_side.say_bytes(b"GET /"),
    "cut": lambda far_side: far_side.cut(),
    "traces": lambda far_side: setattr(far_side, "has_traces", not far_side.has_traces),
    "tenth": lambda far_side: far_side.reactor.advance(0.1),
    "ten seconds": lambda far_side: far_side.step(10, 2.5),
    "minute": lambda far_side: far_side.step(60, 5),
    "stop": lambda far_side: far_side.link.stop(),
}
NEEDS_CONNECTION = {"answer", "answer twice", "decline", "echo", "keep alive", "garbage", "cut"}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # a maker, no state
@given(deeds=st.lists(st.sampled_from(sorted(DEEDS)), max_size=25))
def test_no_order_of_events_is_out_of_order(new_far_side, deeds):
    """Whatever far side, caller and clock do, the session takes it and a stop comes to an end."""
    far_side = new_far_side()
    far_side.link.start()
    answered = 0

    for deed in deeds:
        if far_side.dials > answered:
            far_side.accept()
            answered = far_side.dials
        if deed not in NEEDS_CONNECTION or (far_side.transport and far_side.transport.connected):
            DEEDS[deed](far_side)
    stopped = far_side.link.stop()
    if far_side.dials > answered:
        far_side.refuse()
    far_side.step(30, 1)

    assert stopped.called
    assert quiet(far_side)
