"""A bureau's rules for a loss: what is reported, and which report a cancellation lifts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.simulators.loss_desk import cancel, expire, report
from gateway.simulators.population import CardState, PinState, person
from gateway.simulators.records import CardOrder, CardRecord


@pytest.fixture
def card():
    """Give a card in use."""
    return CardRecord("T00000001", person(1).at_bureau, CardState.NORMAL, PinState.UNSET)


@pytest.fixture
def rules(region):
    """Give Xiamen's rules of losses."""
    return region.rules(date(2026, 11, 21)).loss


def test_a_temporary_loss_is_cancelled_by_its_reference(card, rules):
    """The card is as it was before."""
    codes = [report(card, "T", "one", None).code, cancel(card, "one", rules).code]

    assert codes == ["00", "00"]
    assert card.state is CardState.NORMAL


def test_a_late_cancellation_lifts_no_newer_loss(card, rules):
    """What names an older report changes nothing of the newer one."""
    report(card, "T", "one", None)
    report(card, "T", "two", None)

    outcome = cancel(card, "one", rules)

    assert (outcome.code, outcome.private["RC"]) == ("22", "ANOTHER_LOSS")
    assert card.state is CardState.TEMPORARY_LOSS


def test_a_formal_loss_stays_formal(card, rules):
    """It is not made temporary by another report, nor cancelled where the region says no."""
    report(card, "F", "one", None)
    report(card, "T", "two", None)

    refused = cancel(card, "two", rules)
    granted = cancel(card, "two", replace(rules, formal_can_be_cancelled=True))

    assert (refused.private["RC"], granted.code) == ("LOSS_FORMAL", "00")


def test_a_card_that_is_being_replaced_does_not_come_back(card, rules):
    """A loss is cancelled before the replacement is asked for, or not at all."""
    report(card, "T", "one", None)
    card.order = CardOrder("R00000001", "")

    assert cancel(card, "one", rules).private["RC"] == "REPLACEMENT_BEGUN"


def test_what_is_not_lost_or_not_alive_is_refused(card, rules):
    """There is nothing to cancel on a card in use, nothing to lose of a cancelled one."""
    nothing = cancel(card, "", rules)
    card.state = CardState.CANCELLED

    assert (nothing.private["RC"], report(card, "T", "one", None).code) == ("ALREADY_SO", "62")


@pytest.mark.parametrize(
    ("kind", "after", "state"),
    [
        ("T", timedelta(days=6), CardState.TEMPORARY_LOSS),
        ("T", timedelta(days=7), CardState.NORMAL),
        ("F", timedelta(days=7), CardState.FORMAL_LOSS),
    ],
)
def test_a_temporary_loss_ends_by_itself_where_the_region_has_it_end(card, kind, after, state):
    """On its day the card is as it was before; a formal loss never ends by itself."""
    reported = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
    report(card, kind, "one", reported + timedelta(days=7))

    expire(card, reported + after)

    assert card.state is state
