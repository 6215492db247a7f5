"""The e-card platform behind a bureau: one for a card, of its state, with codes good for once."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.regions.profile import parse_profile
from gateway.simulators.bureau import Bureau
from gateway.simulators.population import CardState, Population, person

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
CARD, LINK = person(1).card, "lnk_" + "1" * 26
PIN, OTHER = "135792", "246813"


@pytest.fixture
def make_kunming(specifications, read_pin):
    """Give a maker of Kunming's bureau; one piece of the profile may be replaced."""

    def make(old="", new=""):
        text = (specifications / "regions/kunming.toml").read_text("utf-8")
        assert old in text
        profile = parse_profile(text.replace(old, new), "kunming.toml")
        return Bureau(profile, Population(50), read_pin, lambda: bytes(range(16)))

    return make


@pytest.fixture
def kunming(make_kunming):
    return make_kunming()


@pytest.fixture
def say(caller):
    """Give what says one message about the card to a bureau."""

    def say(bureau, name, pin="", **private):
        fields = {102: CARD}
        if pin:
            fields |= {52: caller.format_1(pin), 53: "1600000000000000"}
        request = caller.request(name, "0100", fields, IN="99530101", LK=LINK, **private)
        return bureau.carry_out(request, private.get("now", NOW))

    return say


@pytest.fixture
def issued(kunming, say):
    """Give a bureau that has issued the e-card."""
    say(kunming, "link-register", MB="15400000001")
    assert say(kunming, "ecard-issue", PIN).code == "00"
    return kunming


def test_a_card_has_one_ecard_whoever_asks(issued, say):
    """Another channel is told the same number; its PIN does not replace the first."""
    again = say(issued, "ecard-issue", OTHER)

    assert (again.code, again.private["EN"]) == ("00", f"E{CARD:0>15}")
    assert say(issued, "ecard-pin-verify", PIN).code == "00"
    assert say(issued, "ecard-pin-verify", OTHER).code == "55"


@pytest.mark.parametrize(
    "state", [CardState.TEMPORARY_LOSS, CardState.FORMAL_LOSS, CardState.CANCELLED]
)
def test_an_ecard_is_stopped_with_its_card(state, issued, say):
    """Lost or cancelled, the card takes the e-card with it; back in use, the e-card is too."""
    card = issued.card(CARD, NOW)
    card.state = state
    stopped = say(issued, "ecard-code").code
    card.state = CardState.NORMAL

    assert (stopped, say(issued, "ecard-code").code) == ("41", "00")


def test_six_wrong_pins_lock_the_ecard_until_a_new_pin_is_set(issued, say):
    """Its count is its own: the card's PIN is not concerned."""
    codes = [say(issued, "ecard-pin-verify", OTHER).code for _ in range(7)]

    assert codes == ["55"] * 6 + ["38"]
    assert say(issued, "ecard-pin-set", OTHER).code == "00"
    assert say(issued, "ecard-pin-verify", OTHER).code == "00"
    assert issued.card(CARD, NOW).wrong_tries == 0


def test_a_pin_like_the_cards_is_refused_where_the_region_refuses_it(make_kunming, say):
    """The platform can compare them, for both lie with the bureau."""
    key = "[[ecard.pin_equals_card_pins]]\nvalue = "
    bureaus = [make_kunming(), make_kunming(f'{key}"refuse"', f'{key}"advise"')]
    for bureau in bureaus:
        say(bureau, "link-register", MB="15400000001")
        say(bureau, "pin-reset", PIN)

    refused, advised = (say(bureau, "ecard-issue", PIN) for bureau in bureaus)

    assert (refused.code, refused.private["RC"], advised.code) == ("57", "SAME_AS_CARD_PIN", "00")


def test_a_code_is_good_once_and_in_time(issued, say):
    """Too late, or scanned before, it is refused; so is one that nobody shows."""

    def shown():
        return say(issued, "ecard-code").private["CQ"]

    late = NOW + timedelta(hours=1)
    once = shown()

    assert [issued.scan_ecard(CARD, once, NOW) for _ in range(2)] == [True, False]
    assert not issued.scan_ecard(CARD, shown(), late)
    assert not issued.scan_ecard(CARD, "0" * 32, NOW)


def test_without_an_ecard_there_is_nothing_to_use(kunming, say):
    """Each use of it is 22, and no code is shown."""
    say(kunming, "link-register", MB="15400000001")

    assert say(kunming, "ecard-code").private["RC"] == "NO_ECARD"
    assert kunming.challenge_ecard(CARD, NOW) is None


def test_a_region_without_an_ecard_offers_none(bureau, caller):
    """40, whatever is asked."""
    register = caller.bureau("link-register", CARD, LK=LINK, MB="15400000001")
    bureau.carry_out(register, NOW)

    assert bureau.carry_out(caller.bureau("ecard-code", CARD, LK=LINK), NOW).code == "40"
    assert not bureau.scan_ecard(CARD, "0" * 32, NOW)
