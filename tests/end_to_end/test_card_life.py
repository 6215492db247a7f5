"""The life of a card over real TCP: what a region grants, at the counter and in online banking."""

import pytest

RIGHT, NEW, WRONG = "738291", "516047", "248163"


@pytest.fixture
def at_counter(newcomer):
    """Give a customer who linked the card at the counter, id and card on the desk."""
    return newcomer().at_counter().linked()


def test_a_locked_pin_is_seen_and_unlocked_or_reset(at_counter, bureau):
    """Six wrong PINs lock; the state tells it, unlocking keeps the PIN, a reset does not."""
    at_counter.set_pin(RIGHT)
    for _ in range(6):
        bureau.accepts(at_counter.who, WRONG)
    locked = at_counter.ask("ss-pin")
    refused = at_counter.set_pin(NEW)
    unlocked = at_counter.do("ss-pin/unlock")
    kept = bureau.accepts(at_counter.who, RIGHT)
    reset = at_counter.do("ss-pin/reset", at_counter.pin_body(NEW, at_counter.session()))

    assert locked.body["result"] == {
        "card_state": "normal",
        "pin_state": "locked",
        "tries_left": "0",
    }
    assert (refused.status, refused.body["code"]) == (409, "PIN_LOCKED")
    assert (unlocked.status, unlocked.body["result"]["pin_state"], kept) == (200, "enabled", True)
    assert (reset.status, bureau.accepts(at_counter.who, NEW)) == (200, True)


def test_what_a_region_does_not_grant_here_is_refused_with_the_way(citizen):
    """Unlocking is done in person: online banking hears where, and with which papers."""
    refused = citizen.linked().do("ss-pin/unlock")

    assert (refused.status, refused.body["code"]) == (403, "NOT_GRANTED")
    assert refused.body["not_granted"]


def test_a_lost_answer_to_an_unlocking_is_asked_after(at_counter, bureau):
    """The bureau did it, its answer is lost: the inquiry finds out, and nothing is done twice."""
    at_counter.set_pin(RIGHT)
    for _ in range(6):
        bureau.accepts(at_counter.who, WRONG)
    mark = bureau.mark()
    bureau.fault("pin-unlock", "drop_answer", times=3)

    settled = at_counter.settled(at_counter.do("ss-pin/unlock"))

    assert settled["state"] == "succeeded"
    assert bureau.begun(mark) == ["pin-unlock", "outcome-inquiry"]


def test_money_never_moves(citizen):
    """A transfer between the two accounts is refused by name, whatever it says."""
    refused = citizen.bank.change("POST", "/v1/transfers", {"from": "ss", "amount": "1"})

    assert (refused.status, refused.body["code"]) == (403, "MONEY_NEVER_MOVES")
