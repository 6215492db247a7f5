"""The business day changes on a link: announced by either end, and by nobody else."""

from ipaddress import ip_network

import pytest
from twisted.internet.testing import MemoryReactorClock

from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.session import State
from gateway.terms.errors import Unavailable
from gateway.wire.inbound_link import InboundLink, InboundPlan, not_supported


def announced(words, day="1122"):
    """Word the 0800 of a cut-over; its own date is 21 November."""
    return words.request("cut-over", {15: day})


def test_far_side_announces_the_new_day(far_side):
    """The 0810 repeats it, the link has it and goes on; requests are not held up."""
    up = far_side.up()
    up.link.send(up.words.request(), "asked")
    (request,) = up.heard()

    up.say(announced(up.words))
    (answer,) = up.heard()
    up.say(up.words.answer(request))

    assert (answer.mti, answer.text(39), answer.text(15), answer.text(70)) == (
        "0810",
        "00",
        "1122",
        "201",
    )
    assert (up.link.business_day, up.link.state) == ("1122", State.SIGNED_ON)
    assert up.answers == [("asked", "00")]


@pytest.mark.parametrize(("day", "code"), [("0230", "30"), ("0521", "30")])
def test_day_that_cannot_be_is_refused(far_side, day, code):
    """The far side hears so, and the link keeps the day that it has."""
    up = far_side.up()
    up.say(announced(up.words))
    up.heard()

    up.say(announced(up.words, day))

    assert [answer.text(39) for answer in up.heard()] == [code]
    assert (up.link.business_day, up.link.tally.refused) == ("1122", 1)


def test_cut_over_before_the_sign_on_is_none(far_side):
    """A far side that has not let us in has no business day with us."""
    far_side.link.start()
    up = far_side.accept()
    up.heard()

    up.say(announced(up.words))

    assert [answer.text(39) for answer in up.heard()] == ["91"]
    assert up.link.business_day is None


@pytest.mark.parametrize(("code", "day"), [("00", "1122"), ("96", None)])
def test_we_announce_the_new_day(far_side, code, day):
    """It is ours when the far side has approved, and not before."""
    up, heard = far_side.up(), []

    up.link.announce("1122", heard.append)
    (request,) = up.heard()
    before = up.link.business_day
    up.say(up.words.answer(request, code))

    assert (request.mti, request.text(70), request.text(15)) == ("0800", "201", "1122")
    assert (before, heard, up.link.business_day) == (None, [code], day)


def test_announcement_without_an_answer_is_told(far_side):
    """Silence changes nothing: the operator announces again."""
    up, heard = far_side.up(), []

    up.link.announce("1122", heard.append)
    up.step(11)

    assert (heard, up.link.business_day) == ([""], None)


def test_announcement_that_is_approved_while_the_link_signs_off_is_taken_in(far_side):
    """The connection is about to end: its last words are not out of order."""
    up, heard = far_side.up(), []
    up.link.announce("1122", heard.append)
    (request,) = up.heard()
    up.link.stop()
    up.step(0.5)
    signing_off = up.link.state

    up.say(up.words.answer(request))

    assert (signing_off, heard) == (State.SIGNING_OFF, ["00"])
    assert up.link.business_day == "1122"


def test_what_cannot_be_announced_is_refused(far_side):
    """A link that is down, and a day that is none."""
    with pytest.raises(Unavailable, match="closed"):
        far_side.link.announce("1122", print)
    up = far_side.up()
    with pytest.raises(RefusedMessage, match="DE 15"):
        up.link.announce("0230", print)


def test_far_side_that_dialled_announces_it_as_well(words, new_transport, mac):
    """A listener has a business day of its own, in both dialects."""
    plan = InboundPlan(
        name="core-in",
        peers=[ip_network("10.0.0.0/8")],
        codec=words.codec,
        message_set=words.messages,
        mac=mac,
        network_message=words.request,
        handler=not_supported(words.messages),
        connections_max=1,
        connections_per_peer_max=1,
    )
    link = InboundLink(plan, MemoryReactorClock())
    transport = new_transport()
    transport.attach(link.accept("10.0.0.1"))
    said = [words.request("sign-on"), announced(words), announced(words, "0230")]

    transport.protocol.dataReceived(b"".join(map(words.framed, said)))

    answers = FrameReader(words.framing).feed(transport.value())
    codes = [words.codec.decode(frame.payload).text(39) for frame in answers]
    assert (codes, link.business_day) == (["00", "00", "30"], "1122")
