"""Which PINs the weak-PIN policy refuses, and which it must not."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pinblock.policy import (
    PinHolder,
    PinPolicy,
    PinRule,
    PinVerdict,
    birth_date_forms,
    judge,
)

HOLDER = PinHolder(date(1990, 3, 5), ("350299199003050012", "15400863271", "T00470019"))
NOBODY = PinHolder()
DIGITS = st.text("0123456789", min_size=6, max_size=6)


def only(rule, **more):
    """Give a policy of one rule."""
    return PinPolicy(rules=frozenset({rule}), **more)


@pytest.mark.parametrize(
    "pin",
    [
        b"",
        b"12345",
        b"7382911",
        b"73829a",
        b"738 91",
        b"-38291",
        "\uff17\uff13\uff18\uff12\uff19\uff11".encode(),
        b"738291\n",
    ],
)
def test_anything_but_six_ascii_digits_is_of_wrong_format(pin):
    """Format comes first: other lengths, letters, spaces and full-width digits."""
    assert judge(pin, PinPolicy(), HOLDER) is PinVerdict.FORMAT


@pytest.mark.parametrize(
    ("rule", "pins"),
    [
        (PinRule.SAME_DIGIT, ["000000", "777777"]),
        (PinRule.RUN, ["123456", "654321", "890123", "210987", "135791", "024680"]),
        (PinRule.REPEATED_GROUP, ["121212", "123123", "112233", "111222", "909090", "808080"]),
        (PinRule.LISTED, ["123456"]),
    ],
)
def test_trivial_pins_are_refused_by_their_rule(rule, pins):
    """Each structural rule alone refuses its examples as trivial."""
    for pin in pins:
        assert judge(pin.encode(), only(rule), NOBODY) is PinVerdict.TRIVIAL, pin


@pytest.mark.parametrize(
    "pin",
    [
        "900305", "050390", "030590", "900503",  # two-digit year, four orders
        "199003", "031990", "199005", "051990",  # year and month or day
        "990030", "030519", "503199",  # parts of eight digits
        "199035", "351990", "531990", "990305", "990035",  # without leading zeros
    ],
)  # fmt: skip
def test_birth_date_is_refused_in_its_usual_forms(pin):
    """The holder's date of birth is refused however it is turned."""
    assert judge(pin.encode(), only(PinRule.BIRTH_DATE), HOLDER) is PinVerdict.PERSONAL


@pytest.mark.parametrize(
    "pin", ["350299", "029919", "050012", "154008", "863271", "004700", "470019"]
)
def test_any_six_digits_of_the_holders_numbers_are_refused(pin):
    """First, last and middle parts of citizen id, mobile and SS card number are refused."""
    assert judge(pin.encode(), only(PinRule.HOLDER_NUMBERS), HOLDER) is PinVerdict.PERSONAL


@pytest.mark.parametrize(
    "numbers", [("12345X678901",), ("123", "456"), ("\uff11\uff12\uff13\uff14\uff15\uff16",), ("",)]
)
def test_digits_that_do_not_stand_together_are_no_part(numbers):
    """Letters part a number's digits, and one number ends before the next begins."""
    holder = PinHolder(None, numbers)

    for pin in (b"345678", b"123456", b"456789"):
        assert judge(pin, only(PinRule.HOLDER_NUMBERS), holder) is PinVerdict.ACCEPTED


@pytest.mark.parametrize("pin", [b"738291", b"100200", b"529407"])
def test_other_pins_are_accepted(pin):
    """A PIN that no rule names is accepted, as `bytes` or as `bytearray`."""
    assert judge(pin, PinPolicy(), HOLDER) is PinVerdict.ACCEPTED
    assert judge(bytearray(pin), PinPolicy(), HOLDER) is PinVerdict.ACCEPTED


# A PIN of one digit is also a repeated group, so the first rule has no example of its own.
@pytest.mark.parametrize("rule", [rule for rule in PinRule if rule is not PinRule.SAME_DIGIT])
def test_rule_that_the_region_did_not_choose_is_not_applied(rule):
    """With one rule out, what only that rule refuses is accepted."""
    example = {
        PinRule.RUN: b"890123",
        PinRule.REPEATED_GROUP: b"112233",
        PinRule.LISTED: b"529407",
        PinRule.BIRTH_DATE: b"030590",
        PinRule.HOLDER_NUMBERS: b"863271",
    }[rule]
    everything = PinPolicy(listed=("529407",))
    without = PinPolicy(rules=frozenset(PinRule) - {rule}, listed=("529407",))

    assert judge(example, everything, HOLDER) is not PinVerdict.ACCEPTED
    assert judge(example, without, HOLDER) is PinVerdict.ACCEPTED


def test_listed_pin_of_another_length_refuses_no_part_of_itself():
    """The list names whole PINs: 12345678 does not refuse 345678."""
    policy = only(PinRule.LISTED, listed=("73829146",))

    assert judge(b"738291", policy, NOBODY) is PinVerdict.ACCEPTED


def test_trivial_goes_before_personal():
    """A PIN that is both is called trivial, which tells nothing of the person."""
    holder = PinHolder(None, ("123456",))

    assert judge(b"123456", PinPolicy(), holder) is PinVerdict.TRIVIAL


@given(DIGITS, st.dates(date(1900, 1, 1), date(2026, 12, 31)))
def test_birth_date_rule_refuses_exactly_the_parts_of_its_forms(pin, born):
    """The rule and the list of forms say the same of any PIN."""
    refused = judge(pin.encode(), only(PinRule.BIRTH_DATE), PinHolder(born)) is PinVerdict.PERSONAL

    assert refused == any(pin in form for form in birth_date_forms(born))


@given(st.dates(date(1900, 1, 1), date(2026, 12, 31)))
def test_every_order_of_a_date_is_refused(born):
    """YYMMDD, DDMMYY, MMDDYY, YYYYMM and MMYYYY of any date are refused."""
    for form in ("%y%m%d", "%d%m%y", "%m%d%y", "%Y%m", "%m%Y"):
        pin = born.strftime(form).encode()
        assert judge(pin, PinPolicy(), PinHolder(born)) is not PinVerdict.ACCEPTED


def test_holder_does_not_print():
    """The holder's data are not in the holder's `repr`."""
    assert "1990" not in repr(HOLDER)
    assert "863271" not in repr(HOLDER)


def structurally_weak():
    """List the PINs that the structural rules are about, by making them."""
    digits = range(10)
    runs = {
        "".join(str((first + at * step) % 10) for at in range(6))
        for first in digits
        for step in digits
    }
    pairs = {f"{a}{b}" for a in digits for b in digits}
    triples = {f"{at:03d}" for at in range(1000)}
    repeated = {pair * 3 for pair in pairs} | {triple * 2 for triple in triples}
    doubled = {"".join(digit * 2 for digit in triple) for triple in triples}
    tripled = {"".join(digit * 3 for digit in pair) for pair in pairs}
    return runs | repeated | doubled | tripled


def test_structural_rules_refuse_2250_of_a_million_pins():
    """Every structurally weak PIN is refused as trivial; they are 0.2 per cent of all."""
    assert len(WEAK) == 2250
    assert {judge(pin.encode(), PinPolicy(), HOLDER) for pin in WEAK} == {PinVerdict.TRIVIAL}


@given(DIGITS)
def test_structural_rules_refuse_nothing_else(pin):
    """Any other PIN is not called trivial."""
    is_trivial = judge(pin.encode(), PinPolicy(), NOBODY) is PinVerdict.TRIVIAL

    assert is_trivial == (pin in WEAK)


WEAK = structurally_weak()
