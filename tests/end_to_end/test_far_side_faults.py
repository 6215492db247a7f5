"""A far side that is silent, slow, late, talkative, cut off or unwilling, in every operation.

Whatever happens, what `/v1/operations/{id}` says in the end is what both far sides hold, and the
caller hears 202 or a definite answer.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from gateway.app.online_bank import call


class Leg(NamedTuple):
    """One message of one operation: whom it goes to, and how a citizen brings it about."""

    peer: str
    message: str
    prepare: Callable[[Any], Any]
    act: Callable[[Any], Any]


LEGS = {
    "link, core asked": Leg("core", "account-inquiry", lambda c: c, lambda c: c.ask_link()),
    "link, bureau asked": Leg("bureau", "card-inquiry", lambda c: c, lambda c: c.ask_link()),
    "link, core": Leg("core", "link-register", lambda c: c, lambda c: c.ask_link()),
    "link, bureau": Leg("bureau", "link-register", lambda c: c, lambda c: c.ask_link()),
    "unlink, bureau": Leg("bureau", "link-remove", lambda c: c.linked(), lambda c: c.unlink()),
    "unlink, core": Leg("core", "link-remove", lambda c: c.linked(), lambda c: c.unlink()),
    "set SS PIN": Leg("bureau", "pin-set", lambda c: c.linked(), lambda c: c.set_pin()),
    "activate": Leg("core", "account-activation", lambda c: c.linked(), lambda c: c.activate()),
}

# Operations that can go on at the same time without sharing a message.
TOGETHER = [
    ["link, core", "unlink, core", "set SS PIN"],
    ["link, bureau", "unlink, bureau", "activate"],
]

# Faults that last, beyond the two repeats that the limits allow.
SILENCES = {
    "request lost": {"fault": "drop_request", "times": None},
    "answer lost": {"fault": "drop_answer", "times": None},
    "carried out too late": {"fault": "delay", "seconds": 0.8, "times": None},
    "wrong MAC": {"fault": "garble_mac", "times": None},
    "malfunction told, carried out": {
        "fault": "decline",
        "response_code": "96",
        "when": "after",
        "times": None,
    },
}
# Faults that happen once; the repeat brings the answer.
HICCUPS = {
    "request lost once": {"fault": "drop_request"},
    "answer lost once": {"fault": "drop_answer"},
    "answered late once": {"fault": "late_answer", "seconds": 0.25},
    "answered twice": {"fault": "duplicate_answer"},
    "wrong MAC once": {"fault": "garble_mac"},
}
BREAKS = {
    "closed in mid-frame": {"fault": "close_mid_frame"},
    "disconnected after": {"fault": "disconnect", "when": "after"},
    "disconnected before": {"fault": "disconnect"},
}


@pytest.fixture
def agrees(bureau, core):
    """Tell whether both far sides hold what an operation's view says."""

    def on_links(citizen, view, wanted):
        held = [view["link"]] if view["state"] == wanted else []
        states = {
            ("link", "succeeded"): "active",
            ("link", "failed"): "failed",
            ("unlink", "succeeded"): "removed",
            ("unlink", "failed"): "active",
        }
        shown = citizen.bank.get(f"/v1/links/{view['link']}").body["state"]
        assert shown == states[view["kind"], view["state"]]
        return bureau.links(citizen.who) == core.links(citizen.who) == held

    def look(citizen, view):
        match view["kind"]:
            case "link":
                return on_links(citizen, view, "succeeded")
            case "unlink":
                return on_links(citizen, view, "failed")
            case "set-ss-pin":
                return bureau.accepts(citizen.who, "738291") is (view["state"] == "succeeded")
            case _:
                active = core.state(citizen.who)["account_state"] == "active"
                return active is (view["state"] == "succeeded")

    return look


@pytest.fixture
def all_at_once(request, newcomer, agrees):
    """Give what carries out operations at the same time, each with its leg under a fault."""

    def carry_out(names, fault):
        legs = [LEGS[name] for name in names]
        fresh = [leg.message == "account-activation" for leg in legs]
        with ThreadPoolExecutor(len(legs)) as pool:
            citizens = list(pool.map(lambda each: newcomer(fresh=each), fresh))
            list(pool.map(lambda leg, citizen: leg.prepare(citizen), legs, citizens))
            for leg in legs:
                request.getfixturevalue(leg.peer).fault(leg.message, **fault)
            answers = list(pool.map(lambda leg, citizen: leg.act(citizen), legs, citizens))
            views = list(pool.map(_outcome, citizens, answers))
        for citizen, view in zip(citizens, views, strict=True):
            assert agrees(citizen, view) or view["state"] == "unknown"
        return answers, views

    return carry_out


def _outcome(citizen, answer):
    view = citizen.operation(answer)
    return view if view["state"] == "unknown" else citizen.settled(answer)


@pytest.mark.parametrize("legs", TOGETHER, ids=" + ".join)
@pytest.mark.parametrize("fault", SILENCES)
def test_lasting_silence_ends_in_what_both_sides_hold(all_at_once, legs, fault):
    """No usable answer to a request and its repeats: 202 or a definite answer, then agreement."""
    answers, views = all_at_once(legs, SILENCES[fault])

    assert {answer.status for answer in answers} <= {200, 202, 409, 503}
    for leg, view in zip(legs, views, strict=True):
        assert (view["state"] == "unknown") <= (leg == "set SS PIN")


@pytest.mark.parametrize("leg", ["link, core asked", "link, bureau asked"])
def test_question_that_stays_unanswered_registers_nothing(all_at_once, leg):
    """A link whose two persons cannot be compared ends at once, with nothing registered."""
    [answer], [view] = all_at_once([leg], SILENCES["request lost"])

    assert answer.status == 503
    assert view["state"] == "failed"


@pytest.mark.parametrize("legs", TOGETHER, ids=" + ".join)
@pytest.mark.parametrize("fault", HICCUPS)
def test_hiccup_is_not_noticed_by_the_customer(all_at_once, legs, fault):
    """One lost, late, doubled or garbled message costs a repeat, and the operation succeeds."""
    answers, _ = all_at_once(legs, HICCUPS[fault])

    assert {answer.status for answer in answers} <= {200, 201}


@pytest.mark.parametrize(
    ("leg", "fault"),
    [
        ("link, bureau", "closed in mid-frame"),
        ("link, core", "disconnected after"),
        ("unlink, bureau", "disconnected after"),
        ("set SS PIN", "closed in mid-frame"),
        ("activate", "closed in mid-frame"),
        ("activate", "disconnected before"),
    ],
)
def test_broken_connection_ends_in_what_both_sides_hold(all_at_once, leg, fault):
    """A connection that breaks is dialled again by itself, and the operation is resolved."""
    [answer], _ = all_at_once([leg], BREAKS[fault])

    assert answer.status in {200, 201, 202, 409, 503}


# ---------------------------------------------------------------- away and back


def test_absent_bureau_is_refused_and_nothing_is_recorded(citizen, town, bureau, core, eventually):
    """Without a bureau every operation is answered 503 at once, and works when it is back."""
    citizen.linked()
    body = citizen.pin_body("738291", citizen.session())
    mark = core.mark()
    town.wires["bureau"].cut()
    eventually(lambda: not town.is_up("link-bureau"))

    answers = [citizen.send_pin(body), citizen.unlink(), citizen.ask_link()]
    asked, readiness = core.begun(mark), call(f"{town.url}/readyz")
    town.wires["bureau"].restore()
    town.wait_until_ready()
    afterwards = citizen.send_pin(body)

    assert [answer.status for answer in answers] == [503] * 3
    assert {answer.body["code"] for answer in answers} == {"BUREAU_UNAVAILABLE"}
    assert all("operation" not in answer.body for answer in answers)
    assert asked == []
    assert (readiness.status, readiness.body["degraded"]) == (200, ["link-bureau"])
    assert afterwards.status == 200
    assert bureau.accepts(citizen.who, "738291")


def test_link_is_undone_when_the_bureau_comes_back(citizen, town, bureau, core, eventually):
    """A bureau that vanishes after registering is told of the reversal when it returns."""
    mark = bureau.mark()
    bureau.fault("link-register", "drop_answer", times=None)
    with ThreadPoolExecutor(1) as elsewhere:
        asked = elsewhere.submit(citizen.ask_link)
        eventually(lambda: bureau.received(mark, "link-register"))
        town.wires["bureau"].cut()
        answer = asked.result()
    meanwhile = citizen.operation(answer)
    held = bureau.links(citizen.who), core.links(citizen.who)

    town.wires["bureau"].restore()
    view = citizen.settled(answer)

    assert (answer.status, meanwhile["state"]) == (202, "pending")
    assert held == ([citizen.link], [citizen.link])
    assert (view["state"], view["refusal"]["code"]) == ("failed", "REGISTRATION_UNDONE")
    assert bureau.links(citizen.who) == core.links(citizen.who) == []


def test_reversal_is_repeated_until_it_is_confirmed(citizen, bureau, core):
    """A reversal that the bureau does not hear, and then answers with 96, is sent again."""
    mark = bureau.mark()
    bureau.fault("link-register", "drop_answer", times=None)
    bureau.fault("reversal", "drop_request")
    bureau.fault("reversal", "decline", response_code="96")
    bureau.fault("reversal", "drop_answer")

    view = citizen.settled(citizen.ask_link())

    sent = [entry["fields"][0]["value"] for entry in bureau.received(mark, "reversal")]
    assert view["state"] == "failed"
    assert sent[0] == "0420"
    assert set(sent[1:]) == {"0421"}
    assert len(sent) >= 4
    assert bureau.links(citizen.who) == core.links(citizen.who) == []


def test_late_answer_is_adopted_before_the_reversal_is_decided(citizen, bureau, core):
    """An answer that comes while the repeat is out completes the link."""
    mark = bureau.mark()
    bureau.fault("link-register", "late_answer", seconds=0.3)
    bureau.fault("link-register", "drop_request")

    answer = citizen.ask_link()

    assert answer.status == 201
    assert len(bureau.received(mark, "link-register")) == 2
    assert bureau.links(citizen.who) == core.links(citizen.who) == [citizen.link]


def test_reversal_stands_against_a_late_answer(citizen, bureau, core, eventually):
    """An approval that comes after the reversal was decided changes nothing."""
    mark = bureau.mark()
    bureau.fault("link-register", "late_answer", seconds=0.9, times=3)

    answer = citizen.ask_link()
    eventually(lambda: [e for e in bureau.entries(mark) if e["note"] == "fault: late"][1:])
    view = citizen.settled(answer)

    assert view["state"] == "failed"
    assert bureau.links(citizen.who) == core.links(citizen.who) == []


# ---------------------------------------------------------------- the SS PIN


def test_unknown_pin_is_settled_by_its_late_answer(citizen, bureau):
    """The caller hears 202 and unknown; the bureau's late word makes it succeeded."""
    citizen.linked()
    bureau.fault("pin-set", "late_answer", seconds=1.0, times=3)

    answer = citizen.set_pin("738291")
    told = citizen.operation(answer)["state"]
    view = citizen.settled(answer)

    assert (answer.status, told, view["state"]) == (202, "unknown", "succeeded")
    assert answer.headers["location"] == f"/v1/operations/{answer.body['operation']}"
    assert bureau.accepts(citizen.who, "738291")


def test_new_pin_waits_until_the_old_attempt_cannot_arrive_any_more(citizen, bureau, eventually):
    """After an unknown outcome a new PIN is held back with 409, and then it is the one in force."""
    citizen.linked()
    bureau.fault("pin-set", "drop_answer", times=3)
    first = citizen.set_pin("738291")
    body = citizen.pin_body("516047", citizen.session())

    held = citizen.send_pin(body)
    second = eventually(lambda: _unless_busy(citizen.send_pin(body)))

    assert (first.status, first.body["state"]) == (202, "unknown")
    assert (held.status, held.body["code"]) == (409, "EARLIER_PIN_OPEN")
    assert second.status == 200
    assert bureau.accepts(citizen.who, "516047")
    assert not bureau.accepts(citizen.who, "738291")


def _unless_busy(answer):
    return None if answer.status == 409 else answer


def test_pin_block_is_never_sent_later_than_its_life(citizen, bureau, town, eventually):
    """What could not be delivered in time is not stored and forwarded when the bureau returns."""
    citizen.linked()
    mark = bureau.mark()
    bureau.fault("pin-set", "disconnect")

    answer = citizen.set_pin()
    town.wait_until_ready()
    again = eventually(lambda: _unless_busy(citizen.set_pin("516047")))

    messages = bureau.received(mark, "pin-set")
    assert citizen.operation(answer)["state"] == "unknown"
    assert again.status == 200
    assert [message["fields"][0]["value"] for message in messages] == ["0100", "0100"]


# ---------------------------------------------------------------- definite answers


@pytest.mark.parametrize(
    ("leg", "code", "status", "refusal"),
    [
        ("set SS PIN", "38", 409, "PIN_LOCKED"),
        ("set SS PIN", "41", 409, "CARD_LOST"),
        ("set SS PIN", "62", 409, "CARD_NOT_USABLE"),
        ("set SS PIN", "40", 422, "NOT_OFFERED"),
        ("set SS PIN", "57", 422, "DECLINED"),
        ("set SS PIN", "30", 422, "DECLINED"),
        ("link, bureau asked", "14", 422, "NOT_CONFIRMED"),
        ("link, core asked", "14", 422, "NOT_CONFIRMED"),
        ("link, bureau", "41", 409, "CARD_LOST"),
        ("link, core", "62", 409, "ACCOUNT_NOT_USABLE"),
        ("unlink, bureau", "22", 409, "CARD_NOT_USABLE"),
        ("unlink, core", "14", 422, "NOT_CONFIRMED"),
        ("activate", "62", 409, "ACCOUNT_NOT_USABLE"),
        ("activate", "57", 422, "DECLINED"),
    ],
)
def test_decline_is_told_at_once_and_leaves_nothing(  # noqa: PLR0913, PLR0917 - one row of a table
    request, newcomer, agrees, leg, code, status, refusal
):
    """A decline by code is a definite answer; what the other side did before is undone."""
    leg = LEGS[leg]
    peer = request.getfixturevalue(leg.peer)
    citizen = leg.prepare(newcomer(fresh=leg.message == "account-activation"))
    peer.fault(leg.message, "decline", response_code=code)

    answer = leg.act(citizen)
    view = citizen.operation(answer)

    assert (answer.status, answer.body["code"]) == (status, refusal)
    assert view["state"] == "failed"
    if "link" in view and view["kind"] != "link":
        assert agrees(citizen, view)
    assert bool(bureau_and_core_links(request, citizen)) is (view["kind"] != "link")


def bureau_and_core_links(request, citizen):
    """Give the link that both sides hold; fail when they differ."""
    held = [request.getfixturevalue(name).links(citizen.who) for name in ("bureau", "core")]
    assert held[0] == held[1]
    return held[0]


def test_response_code_outside_the_message_set_counts_as_no_answer(citizen, bureau, town):
    """Code 55 is not a bureau's to give here: it is logged, and the outcome is unknown."""
    citizen.linked()
    bureau.fault("pin-set", "decline", response_code="55", times=3)

    answer = citizen.set_pin()

    assert (answer.status, answer.body["state"]) == (202, "unknown")
    assert "answer-refused" in town.log()


# ---------------------------------------------------------------- activation


def test_activation_is_inquired_after_until_the_core_tells(newcomer, core):
    """An activation whose answer is lost is asked after until it is known to be done."""
    citizen = newcomer(fresh=True).linked()
    mark = core.mark()
    core.fault("account-activation", "drop_answer", times=None)
    core.fault("outcome-inquiry", "drop_request", times=2)

    view = citizen.settled(citizen.activate())

    assert view["state"] == "succeeded"
    assert len(core.received(mark, "outcome-inquiry")) == 3
    assert core.state(citizen.who)["account_state"] == "active"


def test_ss_account_follows_though_the_bureau_was_away(newcomer, town, bureau, eventually):
    """The advice to the bureau is stored, and forwarded when the bureau is back."""
    citizen = newcomer(fresh=True).linked()
    body = citizen.activation_body()
    town.wires["bureau"].cut()
    eventually(lambda: not town.is_up("link-bureau"))

    answer = citizen.bank.change("POST", "/v1/activations", body)
    before = bureau.state(citizen.who)["card_state"]
    town.wires["bureau"].restore()

    assert answer.status == 200
    assert before == "not_activated"
    assert eventually(lambda: bureau.state(citizen.who)["card_state"] == "normal")


def test_added_services_are_the_customers_own_choice(newcomer, core):
    """Only what the caller lists is added."""
    plain, keen = newcomer(fresh=True).linked(), newcomer(fresh=True).linked()

    plain.activate("738291")
    keen.activate("738291", "sms", "wealth-account")

    assert core.state(plain.who)["services"] == []
    assert core.state(keen.who)["services"] == ["S", "W"]
