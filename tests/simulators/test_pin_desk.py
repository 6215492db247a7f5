"""A bureau's PIN in force: compared, counted, locked, reset, used or not."""

from datetime import UTC, datetime

import pytest

from gateway.regions.vocabulary import Scene
from gateway.simulators.population import PinState, person

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
CARD, LINK = person(1).card, "lnk_" + "1" * 26
RIGHT, WRONG = "135792", "246813"


@pytest.fixture
def say(bureau, caller):
    """Register the card's link and set its PIN; give what says one message about it."""

    def say(name, pin="", card=CARD):
        fields = {102: card}
        if pin:
            fields |= {52: caller.format_1(pin), 53: "1600000000000000"}
        request = caller.request(name, "0100", fields, IN="99350201", LK=LINK, MB="15400000001")
        return bureau.carry_out(request, NOW)

    say("link-register")
    say("pin-set", RIGHT)
    return say


def test_the_sixth_wrong_pin_in_a_row_locks(say, bureau):
    """Each wrong try tells how many are left; after the sixth even the right PIN is refused."""
    wrong = [say("pin-verify", WRONG) for _ in range(6)]

    assert [outcome.code for outcome in wrong] == ["55"] * 5 + ["38"]
    assert [outcome.private["TL"] for outcome in wrong] == ["5", "4", "3", "2", "1", "0"]
    assert say("pin-verify", RIGHT).code == "38"
    assert bureau.card(CARD, NOW).pin_state is PinState.LOCKED


def test_a_right_pin_begins_the_count_anew(say, bureau):
    """Only wrong tries in a row count, whoever makes them."""
    for _ in range(5):
        say("pin-verify", WRONG)
    right = say("pin-verify", RIGHT)
    bureau.at_terminal(CARD, WRONG, Scene.PHARMACY, NOW.date(), NOW)

    assert (right.code, right.private["TL"]) == ("00", "6")
    assert bureau.card(CARD, NOW).wrong_tries == 1


@pytest.mark.parametrize(("name", "pin"), [("pin-unlock", ""), ("pin-reset", "864209")])
def test_a_locked_pin_is_unlocked_or_reset(name, pin, say):
    """Unlocking leaves the PIN as it is, a reset puts another one in force."""
    for _ in range(6):
        say("pin-verify", WRONG)

    outcome = say(name, pin)

    assert (outcome.code, outcome.private["PS"]) == ("00", "E")
    assert say("pin-verify", pin or RIGHT).code == "00"


@pytest.mark.parametrize("name", ["pin-unlock", "pin-enable"])
def test_what_is_so_already_is_refused_as_such(name, say):
    """A PIN in use is neither unlocked nor enabled."""
    outcome = say(name)

    assert (outcome.code, outcome.private["RC"]) == ("22", "ALREADY_SO")


def test_a_holder_opts_out_and_in_again(say):
    """The PIN stays on record while it is not in use."""
    states = [say(name).private["PS"] for name in ("pin-opt-out", "pin-enable")]

    assert states == ["O", "E"]
    assert say("pin-verify", RIGHT).code == "00"
    assert say("pin-enable").code == "22"


@pytest.mark.parametrize("name", ["pin-enable", "pin-opt-out"])
def test_a_locked_pin_is_neither_enabled_nor_opted_out_of(name, say):
    """First it is unlocked."""
    for _ in range(6):
        say("pin-verify", WRONG)

    assert say(name).code == "38"


@pytest.mark.usefixtures("say")
@pytest.mark.parametrize("name", ["pin-verify", "pin-reset"])
def test_a_block_that_holds_no_pin_is_refused(name, caller, bureau):
    """Another format than the zone's is 99, and no try."""
    fields = {102: CARD, 52: bytes(8), 53: "1600000000000000"}
    request = caller.request(name, "0100", fields, IN="99350201", LK=LINK)

    assert bureau.carry_out(request, NOW).code == "99"
    assert bureau.card(CARD, NOW).wrong_tries == 0


def test_a_card_without_a_pin_has_none_to_compare(bureau, caller):
    """Unset is not wrong: there is nothing to try."""
    register = caller.request(
        "link-register", "0300", {102: CARD}, IN="99350201", LK=LINK, MB="15400000001"
    )
    bureau.carry_out(register, NOW)
    fields = {102: CARD, 52: caller.format_1(RIGHT), 53: "1600000000000000"}

    outcome = bureau.carry_out(
        caller.request("pin-verify", "0100", fields, IN="99350201", LK=LINK), NOW
    )

    assert (outcome.code, outcome.private["RC"]) == ("22", "NO_PIN")


@pytest.mark.usefixtures("say")
def test_nothing_is_done_through_another_link(caller, bureau):
    """A message that names a link which is not the card's active one is answered 25."""
    request = caller.bureau("pin-unlock", CARD, LK="lnk_" + "2" * 26)

    assert bureau.carry_out(request, NOW).code == "25"


@pytest.mark.usefixtures("say")
def test_an_inquiry_tells_what_became_of_an_unlocking(bureau_desk, caller):
    """Done is 00 with the state, refused 22 with the reason, unknown 25."""
    done = caller.bureau("pin-opt-out", CARD, LK=LINK)
    refused = caller.bureau("pin-unlock", CARD, LK=LINK)
    codes = [bureau_desk.answer(request, NOW).code for request in (done, refused)]

    def inquire(original):
        fields = {102: CARD}
        inquiry = caller.naming("outcome-inquiry", "0100", original, fields)
        return bureau_desk.answer(inquiry, NOW)

    unknown = inquire(caller.bureau("pin-enable", CARD, LK=LINK))

    assert codes == ["00", "22"]
    assert (inquire(done).code, inquire(done).private) == ("00", {"PS": "O"})
    assert (inquire(refused).code, inquire(refused).private["RC"]) == ("22", "ALREADY_SO")
    assert unknown.code == "25"
