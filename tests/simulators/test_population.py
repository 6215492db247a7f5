"""Synthetic people are well-formed, distinct and the same every time."""

import pytest

from gateway.simulators.population import (
    FRESH_FROM,
    NAMED,
    AccountState,
    CardState,
    Population,
    person,
    table,
)
from gateway.terms.numbers import CitizenId, Mobile, Pan, PersonName, SsCardNumber

SAMPLE = [*range(1, 200), 17_999, 18_000, 18_001, 99_999, 100_000]


@pytest.mark.parametrize("index", SAMPLE)
def test_person_has_valid_synthetic_numbers(index):
    """Every number passes its own check and lies in a range that belongs to nobody."""
    them = person(index)

    for holder in (them.at_bank, them.at_bureau):
        assert CitizenId(holder.citizen_id).value.startswith("350299")
        assert Mobile(holder.mobile).value[:3] in {"154", "164"}
        assert PersonName(holder.name)
    assert Pan(them.pan).value.startswith("620000")
    assert SsCardNumber(them.card).value.startswith("T")


def test_numbers_are_distinct():
    """No two of many people share a number."""
    people = [person(index) for index in range(1, 20_000)]

    for number in ("card", "pan", "customer"):
        assert len({getattr(one, number) for one in people}) == len(people)
    assert len({one.at_bank.citizen_id for one in people}) == len(people)


def test_people_are_found_by_card_and_account():
    """Both numbers lead back to the same person."""
    people, them = Population(100_000), person(77_777)

    assert people.with_card(them.card).index == 77_777
    assert people.with_account(them.pan).index == 77_777


@pytest.mark.parametrize(
    "card", ["T00000000", "T00000101", "X00000001", "T0000001", "", "T0000000x"]
)
def test_card_of_nobody_is_not_found(card):
    """Beyond the population's size, of another form or of another series there is nobody."""
    assert Population(100).with_card(card) is None


@pytest.mark.parametrize(
    "pan", ["", "6200000000000000011", "6222020000000000013", "62000000000001018"]
)
def test_account_of_nobody_is_not_found(pan):
    """A wrong check digit, another range and another length lead to nobody."""
    assert Population(100).with_account(pan) is None


def test_bureau_and_bank_disagree_where_the_table_says_so():
    """Person 3's card is somebody else's, 11 has an older mobile, 12 another name."""
    third, eleventh, twelfth = person(3), person(11), person(12)

    assert third.at_bureau.citizen_id != third.at_bank.citizen_id
    assert eleventh.at_bureau.mobile != eleventh.at_bank.mobile
    assert twelfth.at_bureau.name != twelfth.at_bank.name
    assert person(1).at_bureau == person(1).at_bank


def test_table_lists_the_named_persons():
    """One row per named person under two lines of heading."""
    lines = table(Population(1_000)).splitlines()

    assert len(lines) == 2 + NAMED
    assert person(1).card in lines[2]


def test_nothing_is_activated_from_a_person_on():
    """The last before them are in order, and from there on card and account are fresh."""
    last, fresh = person(FRESH_FROM - 1).case, person(FRESH_FROM).case

    assert (last.card_state, last.account_state) == (CardState.NORMAL, AccountState.ACTIVE)
    assert fresh.card_state is CardState.NOT_ACTIVATED
    assert fresh.account_state is AccountState.NOT_ACTIVATED
