"""A link that we dial: its session on a stepped clock, and what comes back to what went out."""

import pytest
from structlog.testing import capture_logs

from gateway.iso8583.message import Message
from gateway.iso8583.session import State
from gateway.wire.outbound_link import RECONNECT_SECONDS_FIRST, RECONNECT_SECONDS_MAX
from gateway.wire.tally import OTHER_CODE

JITTER_SECONDS = 1.0  # what Twisted adds to a pause by chance


# ------------------------------------------------------------------ signing on


def test_nothing_is_said_before_the_sign_on_is_accepted(far_side):
    """The first message is the sign-on, and a request before its answer is not written."""
    far_side.link.start()
    far_side.accept()
    before = (far_side.link.state, far_side.link.is_ready)

    far_side.link.send(far_side.words.request(), "early")
    heard = far_side.heard()
    far_side.say(far_side.words.answer(heard[0]))

    assert before == (State.CONNECTED, False)
    assert [message.text(70) for message in heard] == ["001"]
    assert far_side.states == [State.CONNECTED, State.SIGNED_ON]
    assert far_side.link.is_ready
    assert far_side.link.tally.reconnects == 1


def test_request_while_down_is_not_written(far_side):
    """Whoever watches the answer repeats the request; nothing waits here for the link."""
    far_side.link.send(far_side.words.request(), "lost")
    far_side.up()

    assert far_side.heard() == []
    assert (far_side.link.in_flight, far_side.link.name) == (0, "bureau")


def test_refused_sign_on_disconnects_and_says_why(far_side):
    """A far side that declines the sign-on is left, and its response code stands as the reason."""
    far_side.link.start()
    far_side.accept()
    (request,) = far_side.heard()

    far_side.say(far_side.words.answer(request, "91"))

    assert far_side.transport.is_aborted
    assert far_side.link.state is State.CLOSED
    assert far_side.link.reason == "sign-on answered 91"


def test_unanswered_sign_on_disconnects_after_fifteen_seconds(far_side):
    """A far side that accepts connections and says nothing is left."""
    far_side.link.start()
    far_side.accept()

    far_side.step(14.5)
    before = far_side.transport.is_aborted
    far_side.step(0.5)

    assert (before, far_side.transport.is_aborted) == (False, True)
    assert far_side.link.reason == "sign-on was not answered"


def test_sign_on_answered_under_another_key_says_so_until_one_is_accepted(far_side):
    """The first mistake of a first day: the reason names the key, and outlives the next dial."""
    far_side.link.start()
    far_side.accept()
    (request,) = far_side.heard()
    far_side.say_bytes(
        far_side.words.framed(far_side.words.answer(request), mac=lambda _: bytes(8))
    )
    far_side.step(15)
    closed = far_side.link.reason

    pause_before_next_dial(far_side)
    far_side.accept()
    again = far_side.link.reason
    (request,) = far_side.heard()
    far_side.say(far_side.words.answer(request))

    assert closed == "sign-on was not answered under our MAC key: compare its check value"
    assert again == f"connected; before: {closed}"
    assert far_side.link.reason == "sign-on-accepted"


def pause_before_next_dial(far_side):
    """Step until the link dials again; give how long that took."""
    dials, waited = far_side.dials, 0.0
    while far_side.dials == dials:
        far_side.reactor.advance(0.125)
        waited += 0.125
        assert waited < RECONNECT_SECONDS_MAX + 2 * JITTER_SECONDS
    return waited


def refuse_sign_on(far_side):
    far_side.accept()
    (request,) = far_side.heard()
    far_side.say(far_side.words.answer(request, "91"))
    far_side.reactor.advance(0)


@pytest.mark.parametrize("refuse", [refuse_sign_on, lambda far_side: far_side.refuse()])
def test_pauses_grow_up_to_a_maximum(far_side, refuse):
    """Neither a closed port nor a far side that refuses every sign-on is dialled in a circle."""
    far_side.link.start()
    pauses = []

    for _ in range(14):
        refuse(far_side)
        pauses.append(pause_before_next_dial(far_side))

    expected = [min(RECONNECT_SECONDS_FIRST * 1.5**n, RECONNECT_SECONDS_MAX) for n in range(1, 15)]
    assert expected[-1] == RECONNECT_SECONDS_MAX
    for pause, least in zip(pauses, expected, strict=True):
        assert least <= pause <= least + JITTER_SECONDS + 0.125


def test_accepted_sign_on_makes_pauses_short_again(far_side):
    """A far side that was there a moment ago is looked for at once."""
    far_side.link.start()
    for _ in range(8):
        refuse_sign_on(far_side)
        pause_before_next_dial(far_side)
    far_side.sign_on()

    far_side.cut()

    assert pause_before_next_dial(far_side) < 2 * RECONNECT_SECONDS_FIRST + JITTER_SECONDS


@pytest.mark.parametrize("changes", [{70: "301"}, {7: "1121040001"}, {39: "25"}, {39: None}])
def test_answer_that_does_not_fit_the_sign_on_is_refused(far_side, changes):
    """Only an answer that echoes the request and is allowed signs on; another is waited for."""
    far_side.link.start()
    far_side.accept()
    (request,) = far_side.heard()
    answer = far_side.words.answer(request)
    fields = {de: value for de, value in {**answer.fields, **changes}.items() if value}

    far_side.say(Message(answer.mti, fields))
    after_wrong = far_side.link.state
    far_side.say(answer)

    assert after_wrong is State.CONNECTED
    assert far_side.link.state is State.SIGNED_ON
    assert far_side.link.tally.refused == 1


def test_second_answer_to_the_sign_on_is_unmatched(far_side):
    """A repeated answer changes nothing and is counted."""
    far_side.link.start()
    far_side.accept()
    (request,) = far_side.heard()

    far_side.say(far_side.words.answer(request), far_side.words.answer(request, "91"))

    assert far_side.link.state is State.SIGNED_ON
    assert far_side.link.tally.unmatched == 1


def test_sign_on_without_a_trace_number_counts_as_unanswered(far_side):
    """A journal that is behind closes the connection in time and raises nothing."""
    far_side.has_traces = False
    far_side.link.start()
    far_side.accept()
    written = far_side.heard()
    far_side.say(Message("0810", {7: "1121040000", 39: "00", 70: "001"}))

    far_side.step(15)

    assert written == []
    assert far_side.transport.is_aborted
    assert far_side.link.tally.unmatched == 1


# ------------------------------------------------------------------ proof of life


def test_echo_goes_out_after_a_minute_of_silence(up):
    """Sixty seconds without a word are the sign to ask."""
    up.step(59.5)
    before = up.heard()
    up.step(0.5)

    assert before == []
    assert [message.text(70) for message in up.heard()] == ["301"]


@pytest.mark.parametrize("is_keep_alive", [True, False])
def test_anything_heard_puts_the_echo_off(up, is_keep_alive):
    """Whatever the far side says shows that it lives, a zero-length frame too."""
    up.step(30)
    words = up.words
    up.say_bytes(
        words.framing.keep_alive() if is_keep_alive else words.framed(words.request("echo"))
    )
    up.heard()

    up.step(59.5)
    before = up.heard()
    up.step(0.5)

    assert before == []
    assert len(up.heard()) == 1


def test_answered_echo_begins_the_next_minute(up):
    """A living far side is asked once a minute."""
    counted = []

    for _ in range(3):
        up.step(60)
        heard = up.heard()
        counted.append(len(heard))
        up.say(*map(up.words.answer, heard))

    assert counted == [1, 1, 1]
    assert up.link.state is State.SIGNED_ON


def test_three_missed_echoes_are_a_dead_far_side(up):
    """After three echoes without an answer the connection is ended and dialled anew."""
    up.step(60 + 29.5)
    before = up.transport.is_aborted
    echoes = up.heard()
    up.step(0.5)

    assert (before, len(echoes)) == (False, 3)
    assert up.transport.is_aborted
    assert up.link.reason == "echo was not answered"
    assert pause_before_next_dial(up) < 2 * JITTER_SECONDS


def test_request_that_nobody_answers_is_the_first_miss(up):
    """Ten seconds with a request out and not a word: an echo, two misses more, and it is dead."""
    up.step(5)
    up.link.send(up.words.request(), "token")
    up.heard()

    up.step(9.5)
    before = up.heard()
    up.step(0.5)
    echoes = up.heard()
    up.step(19.5)
    still_up = not up.transport.is_aborted
    up.step(0.5)

    assert (before, len(echoes), len(up.heard())) == ([], 1, 1)
    assert still_up
    assert up.transport.is_aborted


def test_any_word_after_a_request_shows_that_the_far_side_lives(up):
    """A slow answer is no sign of death where something else is heard meanwhile."""
    up.link.send(up.words.request(), "token")
    up.heard()
    up.step(9)
    up.say_bytes(up.words.framing.keep_alive())

    up.step(59)

    assert up.heard() == []


@pytest.mark.parametrize(("echo_s", "dead"), [(20.0, 20.0 + 3 * 10.0), (2.0, 2.0 + 3 * 2.0)])
def test_silence_is_asked_after_as_soon_as_the_institutions_agreed(new_far_side, echo_s, dead):
    """An echo has as long as the silence before it, and ten seconds at most."""
    up = new_far_side(echo_seconds=echo_s).up()
    up.heard()

    up.step(echo_s)
    (echo,) = up.heard()
    up.step(dead - echo_s - 0.5)
    before = up.transport.is_aborted
    up.step(0.5)

    assert echo.text(70) == "301"
    assert (before, up.transport.is_aborted) == (False, True)


def test_late_answer_to_an_echo_still_proves_life(up):
    """What comes after its ten seconds is counted as unmatched and as a sign of life."""
    up.step(60)
    (echo,) = up.heard()
    up.step(25)

    up.say(up.words.answer(echo))
    up.step(20)

    assert up.link.state is State.SIGNED_ON
    assert up.link.tally.unmatched == 1


def test_echo_without_a_trace_number_counts_as_missed(up):
    """A journal that stays behind for half a minute ends the connection, in order."""
    up.has_traces = False

    up.step(90)

    assert up.heard() == []
    assert up.link.reason == "echo was not answered"


@pytest.mark.parametrize("is_signed_on", [True, False])
def test_echo_of_the_far_side_is_answered(far_side, is_signed_on):
    """The far side may ask at any time, even before its answer to our sign-on."""
    far_side.link.start()
    far_side.accept()
    (sign_on,) = far_side.heard()
    if is_signed_on:
        far_side.say(far_side.words.answer(sign_on))
    echo = far_side.words.request("echo")

    far_side.say(echo)

    (answer,) = far_side.heard()
    assert (answer.mti, answer.text(39), answer.text(11)) == ("0810", "00", echo.text(11))


@pytest.mark.parametrize("name", ["sign-on", "sign-off", None])
def test_request_that_only_the_gateway_sends_is_refused(up, name):
    """A far side that turns the roles round gets no answer; the line names the rule."""
    with capture_logs() as lines:
        up.say(up.words.request(name))

    assert up.heard() == []
    assert up.link.tally.refused == 1
    assert lines[0]["event"] == "request-refused"


# ------------------------------------------------------------------ requests and answers


def ask(far_side, name="asked"):
    """Send a request and give it as the far side heard it."""
    far_side.link.send(far_side.words.request(), name)
    (heard,) = far_side.heard()
    return heard


def test_answer_is_brought_to_its_request(up):
    """Two requests in flight get each its own answer, whatever the order."""
    first, second = ask(up, "first"), ask(up, "second")
    in_flight = up.link.in_flight

    up.say(up.words.answer(second, "14"), up.words.answer(first))

    assert in_flight == 2
    assert up.answers == [("second", "14"), ("first", "00")]
    assert (up.link.in_flight, up.link.tally.declines) == (0, {"14": 1})


def test_late_answer_is_counted_and_brought(up):
    """An answer after its time still reaches its operation, which knows what it means."""
    request = ask(up)
    up.step(20)

    up.say(up.words.answer(request))

    assert up.answers == [("asked", "00")]
    assert up.link.tally.late == 1


def test_second_answer_is_a_duplicate(up):
    """The same answer again is counted and brought to nobody."""
    request = ask(up)

    with capture_logs() as lines:
        up.say(up.words.answer(request), up.words.answer(request))

    assert up.answers == [("asked", "00")]
    assert (up.link.tally.duplicates, up.link.tally.unmatched) == (1, 0)
    assert [line["outcome"] for line in lines] == ["duplicate"]


def test_answer_to_something_else_names_the_field(up):
    """An answer that differs in its key is refused and the request goes on waiting."""
    request = ask(up)

    with capture_logs() as lines:
        up.say(up.words.answer(request).with_fields({41: "ANOTHER1"}))

    assert (up.answers, up.link.in_flight) == ([], 1)
    assert (lines[0]["outcome"], lines[0]["data_element"]) == ("field-differs", 41)


def test_notification_belongs_to_nothing(up):
    """A message that neither asks nor answers is counted and left alone."""
    notice = up.words.answer(ask(up)).fields

    up.say(Message("0140", {**notice, 11: "999999"}))

    assert (up.answers, up.link.tally.unmatched) == ([], 1)


@pytest.mark.parametrize("code", ["ZZ", None])
def test_declines_are_counted_under_known_codes_only(up, code):
    """What a far side invents makes no label of its own."""
    answer = up.words.answer(ask(up))
    fields = {de: value for de, value in {**answer.fields, 39: code}.items() if value}

    up.say(Message(answer.mti, fields))

    assert up.link.tally.declines == {OTHER_CODE: 1}


def test_repeat_goes_out_under_the_same_key(up):
    """A repeat of what is awaited is written, and the first answer to either completes it."""
    request = up.words.request()
    up.link.send(request, "asked")
    up.link.send(request.as_repeat(), "asked")
    heard = up.heard()

    up.say(up.words.answer(heard[1]))

    assert [message.mti for message in heard] == ["0100", "0101"]
    assert up.answers == [("asked", "00")]
    assert up.link.in_flight == 0


def test_full_link_is_not_ready_and_writes_nothing_more(new_far_side):
    """Beyond its maximum in flight a link refuses; repeats of what is in flight still go."""
    far_side = new_far_side(in_flight_max=2).up()
    request = ask(far_side, "first")
    ready_with_one = far_side.link.is_ready
    ask(far_side, "second")

    far_side.link.send(far_side.words.request(), "third")
    far_side.link.send(request.as_repeat(), "first")

    assert (ready_with_one, far_side.link.is_ready) == (True, False)
    assert [message.mti for message in far_side.heard()] == ["0101"]
    assert far_side.link.in_flight == 2


def test_full_link_is_ready_again_when_answers_are_overdue(new_far_side):
    """Requests that were never answered do not stop the link for ever."""
    far_side = new_far_side(in_flight_max=1).up()
    ask(far_side)

    far_side.step(19.5)
    before = far_side.link.is_ready
    far_side.step(0.5)

    assert (before, far_side.link.is_ready) == (False, True)


def test_message_that_fits_no_dialect_is_logged_and_not_raised(up):
    """Our own mistake is written down by place and rule, and the link goes on."""
    with capture_logs() as lines:
        up.link.send(Message("0100", {11: "000001", 3: "not a processing code"}), "wrong")

    assert up.heard() == []
    assert lines[0]["event"] == "message-unencodable"
    assert "not a processing code" not in str(lines)


def test_answers_after_a_lost_connection_are_brought_late(up):
    """What was in flight when the connection broke may still be answered on the next one."""
    request = ask(up)
    up.cut()
    down = (up.link.state, up.link.in_flight, up.link.reason)
    pause_before_next_dial(up)
    up.sign_on()

    up.say(up.words.answer(request))

    assert down == (State.CLOSED, 0, "the connection was closed")
    assert up.answers == [("asked", "00")]
    assert (up.link.tally.late, up.link.tally.reconnects) == (1, 2)


def test_answer_that_ends_the_connection_lets_the_rest_be_heard(up):
    """What came in one piece with the end of a session raises nothing."""
    stopped = up.link.stop()
    (sign_off,) = up.heard()

    up.say(up.words.answer(sign_off), up.words.answer(sign_off), up.words.request("echo"))
    up.step(0)

    assert stopped.called
    assert up.link.tally.unmatched == 1
