"""The bureau's rules: links, PINs, the SS account that follows, the pharmacy."""

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.regions.vocabulary import Scene
from gateway.simulators.population import CardState, PinState, person
from gateway.simulators.terminal import TerminalAnswer
from gateway.terms.response_codes import ResponseCode

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
CARD = person(1).card
CONTROL = "1600000000000000"
IN_FORCE = date(2015, 7, 1)


def _link_id(number):
    return f"lnk_{number:026d}"


def _register(bureau, caller, card=CARD, link=1, mobile="15400000001"):
    request = caller.bureau("link-register", card, LK=_link_id(link), MB=mobile)
    return bureau.carry_out(request, NOW)


def _set_pin(bureau, caller, pin="135792", *, card=CARD, link=1, **changed):
    fields = {102: card, 52: caller.format_1(pin), 53: CONTROL} | changed.get("fields", {})
    request = caller.request(
        "pin-set",
        "0100",
        fields,
        IN="99350201",
        LK=_link_id(link),
    )
    return bureau.carry_out(request, NOW)


def test_card_inquiry_tells_holder_and_states(bureau, caller):
    """The answer holds name, citizen id, mobile, card state and PIN state."""
    outcome = bureau.carry_out(caller.bureau("card-inquiry", CARD, "0100"), NOW)

    assert outcome.code is ResponseCode.APPROVED
    assert outcome.private["ID"] == person(1).at_bureau.citizen_id
    assert (outcome.private["CS"], outcome.private["PS"]) == ("N", "U")


@pytest.mark.parametrize("name", ["card-inquiry", "link-register", "pin-set", "account-activated"])
def test_unknown_card_is_told_apart(bureau, caller, name):
    """Whatever is asked about a card of nobody is answered 14."""
    outcome = bureau.carry_out(caller.bureau(name, "T99999999", LK=_link_id(1)), NOW)

    assert outcome.code is ResponseCode.NO_SUCH_CARD


def test_foreign_institution_is_refused(bureau, caller):
    """An institution that is not the region's is a format error."""
    request = caller.request("card-inquiry", "0100", {102: CARD}, IN="99999999")

    assert bureau.carry_out(request, NOW).code is ResponseCode.FORMAT_ERROR


def test_card_has_one_active_link(bureau, caller):
    """A second link is refused until the first is removed; a reference is used once."""
    first = _register(bureau, caller, link=1)
    second = _register(bureau, caller, link=2)
    bureau.carry_out(caller.bureau("link-remove", CARD, LK=_link_id(1)), NOW)
    again = _register(bureau, caller, link=1)
    third = _register(bureau, caller, link=3)

    codes = [outcome.code for outcome in (first, second, again, third)]
    assert codes == ["00", "22", "22", "00"]


@pytest.mark.parametrize(("index", "code"), [(5, "41"), (6, "41"), (7, "62"), (8, "62"), (2, "00")])
def test_card_state_decides_about_a_link(bureau, caller, index, code):
    """A lost card is refused by 41, a locked or cancelled one by 62; a fresh one is linked."""
    assert _register(bureau, caller, card=person(index).card).code == code


def test_only_the_cards_own_active_link_is_removed(bureau, caller):
    """A link of another card, an unknown one and a removed one are not found."""
    _register(bureau, caller)

    def remove(card):
        return bureau.carry_out(caller.bureau("link-remove", card, LK=_link_id(1)), NOW).code

    assert [remove(person(14).card), remove(CARD), remove(CARD)] == ["25", "00", "25"]


def test_pin_is_set_through_the_cards_own_link(bureau, caller):
    """The PIN becomes enabled, and is kept as a hash that knows it."""
    _register(bureau, caller)

    outcome = _set_pin(bureau, caller, "135792")

    card = bureau.card(CARD, NOW)
    assert (outcome.code, outcome.private) == ("00", {"PS": "E"})
    assert card.pin_state is PinState.ENABLED
    assert card.pin.matches("135792")


def test_pin_without_an_active_link_is_refused(bureau, caller):
    """No link, another card's link and a removed link are all answered 25."""
    _register(bureau, caller, card=person(14).card, link=5)
    codes = [_set_pin(bureau, caller).code, _set_pin(bureau, caller, link=5).code]
    _register(bureau, caller)
    bureau.carry_out(caller.bureau("link-remove", CARD, LK=_link_id(1)), NOW)
    codes.append(_set_pin(bureau, caller).code)

    assert codes == ["25", "25", "25"]
    assert bureau.card(CARD, NOW).pin is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fields": {53: "2600000000000000"}}, "99"),
        ({"fields": {53: ""}}, "99"),
        ({"fields": {52: b"\0" * 8}}, "99"),
        ({"pin": "13579"}, "99"),
        ({"pin": "1357924"}, "99"),
        ({"pin": "123456"}, "57"),
        ({"pin": "987654"}, "57"),
        ({"pin": "888888"}, "57"),
        ({"pin": person(1).at_bureau.citizen_id[8:14]}, "57"),
    ],
)
def test_bad_pin_block_or_simple_pin_changes_nothing(bureau, caller, change, code):
    """Another format, a block under another key, a wrong length and simple PINs are refused."""
    _register(bureau, caller)

    assert _set_pin(bureau, caller, **change).code == code
    assert bureau.card(CARD, NOW).pin_state is PinState.UNSET


def test_locked_pin_is_not_set(bureau, caller):
    """Setting without the old PIN does not unlock."""
    card = person(13).card
    _register(bureau, caller, card=card)

    assert _set_pin(bureau, caller, card=card).code is ResponseCode.PIN_TRIES_EXCEEDED


def test_region_that_demands_the_old_pin_offers_no_setting_without_it(make_bureau, caller):
    """Without the grant, as where the PIN is in the chip, setting it is 40."""
    bureau = make_bureau(', "ss-pin-set"', "")
    _register(bureau, caller)

    assert _set_pin(bureau, caller).code is ResponseCode.NOT_SUPPORTED


def _follow(bureau, caller, now, activated="20261121040000", card=None):
    request = caller.bureau(
        "account-activated", card or person(2).card, "0320", LK=_link_id(1), AT=activated
    )
    return bureau.carry_out(request, now)


def test_ss_account_follows_at_once_in_xiamen(bureau, caller):
    """The advice makes a fresh card normal, and saying it again changes nothing."""
    _register(bureau, caller, card=person(2).card)

    outcomes = [_follow(bureau, caller, NOW), _follow(bureau, caller, NOW)]

    assert [(each.code, each.private["CS"]) for each in outcomes] == [("00", "N")] * 2


def test_ss_account_follows_after_the_regions_delay(make_bureau, caller):
    """With a day's delay the card stays not activated until the day is over."""
    bureau = make_bureau("value = 0\n", "value = 86400\n")
    card = person(2).card
    _register(bureau, caller, card=card)
    day = timedelta(hours=24)

    outcome = _follow(bureau, caller, NOW)

    assert outcome.private["CS"] == "I"
    assert bureau.card(card, NOW + day - timedelta(seconds=1)).state is CardState.NOT_ACTIVATED
    assert bureau.card(card, NOW + day).state is CardState.NORMAL


def test_advice_is_refused_without_a_link_or_a_real_instant(bureau, caller):
    """No active link is 25, an instant that does not exist 30."""
    without = _follow(bureau, caller, NOW)
    _register(bureau, caller, card=person(2).card)

    assert without.code is ResponseCode.ORIGINAL_NOT_FOUND
    assert _follow(bureau, caller, NOW, "20261399040000").code is ResponseCode.FORMAT_ERROR


@pytest.mark.parametrize(
    ("on", "pin", "answer"),
    [
        (date(2014, 6, 30), None, TerminalAnswer.NOT_ASKED),
        (date(2015, 6, 30), None, TerminalAnswer.NOT_ASKED),
        (IN_FORCE, None, TerminalAnswer.REFUSED),
        (IN_FORCE, "135792", TerminalAnswer.REFUSED),
    ],
)
def test_pharmacy_before_a_pin_is_set(bureau, on, pin, answer):
    """Without a PIN a card is served until the day the PIN becomes mandatory."""
    assert bureau.at_terminal(CARD, pin, Scene.PHARMACY, on, NOW).answer is answer


@pytest.mark.parametrize(
    ("on", "pin", "answer"),
    [
        (date(2015, 6, 30), None, TerminalAnswer.REFUSED),
        (IN_FORCE, "135792", TerminalAnswer.ACCEPTED),
        (IN_FORCE, "135793", TerminalAnswer.REFUSED),
        (IN_FORCE, None, TerminalAnswer.REFUSED),
    ],
)
def test_pharmacy_after_a_pin_is_set(bureau, caller, on, pin, answer):
    """With a PIN set only that PIN is accepted."""
    _register(bureau, caller)
    _set_pin(bureau, caller, "135792")

    assert bureau.at_terminal(CARD, pin, Scene.PHARMACY, on, NOW).answer is answer


@pytest.mark.parametrize("card", [person(5).card, person(2).card, person(13).card, "T99999999"])
def test_pharmacy_refuses_an_unusable_card(bureau, card):
    """A lost, fresh, PIN-locked or unknown card buys nothing."""
    told = bureau.at_terminal(card, "135792", Scene.PHARMACY, IN_FORCE, NOW)

    assert told.answer is TerminalAnswer.REFUSED


def test_an_ordered_card_is_made_on_its_day(bureau, caller):
    """On the eve there is none to hand over; on the due day, China's, there is."""
    _register(bureau, caller)
    order = caller.bureau("card-order", CARD, LK=_link_id(1), OT="R", OR="D", DU="20261201")
    bureau.carry_out(order, NOW)

    def state(now):
        request = caller.bureau("card-progress", CARD, LK=_link_id(1))
        return bureau.carry_out(request, now).private["OS"]

    midnight = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    assert [state(midnight - timedelta(seconds=1)), state(midnight)] == ["P", "W"]


@pytest.mark.parametrize(("index", "code"), [(5, "41"), (8, "22")])
def test_ss_account_of_an_unusable_card_does_not_follow(bureau, caller, index, code):
    """A card lost after it was linked is 41, a cancelled one 22."""
    card = bureau.card(person(index).card, NOW)
    state, card.state = card.state, CardState.NORMAL
    _register(bureau, caller, card=card.number)
    card.state = state

    assert _follow(bureau, caller, NOW, card=card.number).code == code


def test_region_that_grants_no_link_offers_none(make_bureau, caller):
    """Without the grant a registration is 40."""
    bureau = make_bureau('"link"', '"unlink"')

    assert _register(bureau, caller).code is ResponseCode.NOT_SUPPORTED


def test_message_that_a_bureau_does_not_know_is_not_offered(bureau, caller):
    """Activating an account is no business of a bureau."""
    request = caller.bureau("account-activation", CARD)

    assert bureau.carry_out(request, NOW).code is ResponseCode.NOT_SUPPORTED
