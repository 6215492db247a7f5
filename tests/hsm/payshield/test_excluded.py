"""What goes into the 99 entries, and what does not."""

from datetime import date

import pytest

from gateway.hsm.payshield.excluded import excluded_pins
from gateway.pinblock.policy import (
    PinHolder,
    PinPolicy,
    PinRule,
    PinVerdict,
    birth_date_forms,
    judge,
)

NUMBERS = ("350299199003050012", "15400863271", "T00470019", "6200001234567890123")
HOLDER = PinHolder(date(1990, 3, 5), NUMBERS)


def test_table_of_a_holder_with_many_numbers_is_cut_at_99():
    """However much there is, there are 99 entries of one length and none twice."""
    holder = PinHolder(
        HOLDER.birth_date, (*NUMBERS, "6200009876543210987", "6200005647382910564", "13816427935")
    )

    pins = excluded_pins(PinPolicy(), holder)

    assert len(pins) == len(set(pins)) == 99
    assert {len(pin) for pin in pins} == {6}
    assert {"900305", "210987", "910564", "888888", "654321"} <= set(pins)


@pytest.mark.parametrize(
    "pin",
    [
        "123456",  # published
        "900305",  # year, month, day
        "050390",
        "030590",
        "199035",
        "050012",  # end of the citizen id
        "863271",  # end of the mobile
        "470019",  # end of the SS card number
        "890123",  # end of the bank card
        "350299",  # division code
        "888888",
        "654321",
        "901234",
    ],
)
def test_what_a_thief_tries_first_is_in(pin):
    """Published PINs, the birth date, ends of numbers, one digit, runs."""
    assert pin in excluded_pins(PinPolicy(), HOLDER)


def test_every_entry_is_one_that_the_policy_refuses():
    """Nothing is excluded that the soft module would accept."""
    policy = PinPolicy()

    verdicts = {
        judge(pin.encode(), policy, HOLDER).verdict for pin in excluded_pins(policy, HOLDER)
    }

    assert verdicts == {PinVerdict.TRIVIAL, PinVerdict.PERSONAL}


def test_every_personal_pin_of_a_usual_holder_is_in():
    """Birth date, citizen id, mobile, SS card and bank card fit into the table whole."""
    written = (*birth_date_forms(HOLDER.birth_date), *NUMBERS)
    personal = {
        part
        for number in written
        for part in (number[at : at + 6] for at in range(len(number) - 5))
        if part.isdigit()
    }

    assert len(personal) > 40
    assert personal <= set(excluded_pins(PinPolicy(), HOLDER))


@pytest.mark.parametrize("rule", sorted(PinRule))
def test_rule_that_a_region_does_not_have_adds_nothing(rule):
    """Without a rule, the table holds nothing that only this rule refuses."""
    policy = PinPolicy(rules=frozenset(PinRule) - {rule})

    for pin in excluded_pins(policy, HOLDER):
        assert judge(pin.encode(), policy, HOLDER).verdict is not PinVerdict.ACCEPTED


def test_region_with_another_length_gets_pins_of_that_length():
    """All entries of a table have the length of the policy's PINs."""
    pins = excluded_pins(PinPolicy(length=4, listed=("1234", "123456")), HOLDER)

    assert {len(pin) for pin in pins} == {4}
    assert "1234" in pins
    assert "0305" in pins


def test_unknown_holder_still_gets_the_common_ones():
    """Without a birth date and numbers there are published PINs, one digit and runs."""
    pins = excluded_pins(PinPolicy(), PinHolder())

    assert pins[0] == "123456"
    assert len(pins) == 30


def test_initial_pin_of_a_region_comes_first():
    """What a region issues its cards with is the first thing to try."""
    policy = PinPolicy(initial="738291")

    assert excluded_pins(policy, HOLDER)[:2] == ("738291", "123456")


def test_letters_part_numbers():
    """No PIN goes over a letter: the card number T0047X0019 has none of six digits."""
    policy = PinPolicy(rules=frozenset({PinRule.HOLDER_NUMBERS}))

    assert excluded_pins(policy, PinHolder(None, ("T0047X0019",))) == ()
