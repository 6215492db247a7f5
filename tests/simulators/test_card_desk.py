"""A bureau's rules for cards that are ordered, made, handed over and cancelled."""

from dataclasses import replace
from datetime import date

import pytest

from gateway.regions.vocabulary import CarryOver
from gateway.simulators.card_desk import CardTerms, cancel, collect, order, progress
from gateway.simulators.pin_desk import accept
from gateway.simulators.population import CardState, PinState, person
from gateway.simulators.records import CardRecord

NEW = "T50000001"


@pytest.fixture
def card():
    """Give a card in use with a PIN and a bound mobile number."""
    card = CardRecord("T00000001", person(1).at_bureau, CardState.NORMAL, PinState.UNSET)
    accept(card, "135792", bytes(16))
    card.contact_mobile = "15400000001"
    return card


@pytest.fixture
def terms(region):
    """Give Xiamen's terms of a new card."""
    rules = region.rules(date(2026, 11, 21))
    return CardTerms(rules.replacement, rules.pin)


def test_an_order_goes_from_production_to_the_holder(card, terms):
    """Before it is made it cannot be handed over; then the old card is over."""
    ordered = order(card, "R", "D", "20261202")
    early = collect(card, terms, NEW)
    card.order.is_made = True
    waiting = progress(card)

    new = collect(card, terms, NEW)

    assert ordered.private == {"CS": "N", "OS": "P", "ON": "R00000001", "DU": "20261202"}
    assert early.private["RC"] == "NO_CARD_WAITING"
    assert waiting["OS"] == "W"
    assert (new.number, new.state, card.state) == (NEW, "N", "C")
    assert (new.pin, new.contact_mobile) == (card.pin, "15400000001")
    assert progress(card) == {"OS": "N"}


def test_what_the_region_drops_is_not_carried_over(card, terms):
    """PIN and mobile number of the new card begin as a first card's."""
    dropped = CarryOver.DROPPED
    rules = replace(terms.replacement, ss_pin=dropped, links=dropped, mobile=dropped)
    terms = replace(terms, replacement=rules)
    order(card, "R", "D", "")
    card.order.is_made = True

    new = collect(card, terms, NEW)

    assert terms.carried_over == "-"
    assert (new.pin, new.pin_state, new.contact_mobile) == (None, "U", None)


@pytest.mark.parametrize(
    ("state", "code"), [(CardState.NORMAL, "22"), (CardState.FORMAL_LOSS, "00")]
)
def test_a_lost_card_is_replaced_after_its_formal_loss(card, state, code):
    """Whoever only says that it is lost reports the loss first."""
    card.state = state

    assert order(card, "R", "L", "").code == code


def test_one_card_is_ordered_at_a_time(card):
    """A second order is refused while the first runs; a temporary card is there at once."""
    codes = [order(card, kind, "D", "").private["OS"] for kind in ("T", "R")]

    assert codes == ["H", "P"]
    assert order(card, "R", "D", "").private["RC"] == "REPLACEMENT_BEGUN"


def test_a_cancelled_card_is_over(card):
    """It is neither cancelled again nor replaced."""
    first = cancel(card)

    assert (first.code, cancel(card).private["RC"]) == ("00", "ALREADY_SO")
    assert order(card, "R", "D", "").code == "62"
