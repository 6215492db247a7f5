"""Which PINs the weak-PIN policy refuses, and which it must not."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pinblock.policy import (
    Judgement,
    PinAdvice,
    PinHolder,
    PinList,
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
    assert judge(pin, PinPolicy(), HOLDER).verdict is PinVerdict.FORMAT


@pytest.mark.parametrize(
    ("rule", "pins"),
    [
        (PinRule.SAME_DIGIT, ["000000", "777777"]),
        (PinRule.RUN, ["123456", "654321", "890123", "210987", "135791", "024680"]),
        (PinRule.REPEATED_GROUP, ["121212", "123123", "112233", "111222", "909090", "808080"]),
        (PinRule.LISTED, ["123456"]),
        (PinRule.KEYPAD, ["147258", "258369", "159357", "357951", "789456", "123321", "987147"]),
        (PinRule.DATE, ["850229", "290285", "022985", "202512", "190001", "311299", "123199"]),
    ],
)
def test_trivial_pins_are_refused_by_their_rule(rule, pins):
    """Each structural rule alone refuses its examples as trivial."""
    for pin in pins:
        assert judge(pin.encode(), only(rule), NOBODY).verdict is PinVerdict.TRIVIAL, pin


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
    assert judge(pin.encode(), only(PinRule.BIRTH_DATE), HOLDER).verdict is PinVerdict.PERSONAL


@pytest.mark.parametrize(
    "pin", ["350299", "029919", "050012", "154008", "863271", "004700", "470019"]
)
def test_any_six_digits_of_the_holders_numbers_are_refused(pin):
    """First, last and middle parts of citizen id, mobile and SS card number are refused."""
    assert judge(pin.encode(), only(PinRule.HOLDER_NUMBERS), HOLDER).verdict is PinVerdict.PERSONAL


@pytest.mark.parametrize(
    "numbers", [("12345X678901",), ("123", "456"), ("\uff11\uff12\uff13\uff14\uff15\uff16",), ("",)]
)
def test_digits_that_do_not_stand_together_are_no_part(numbers):
    """Letters part a number's digits, and one number ends before the next begins."""
    holder = PinHolder(None, numbers)

    for pin in (b"345678", b"123456", b"456789"):
        assert judge(pin, only(PinRule.HOLDER_NUMBERS), holder).verdict is PinVerdict.ACCEPTED


@pytest.mark.parametrize("pin", [b"738291", b"804613", b"529407"])
def test_other_pins_are_accepted(pin):
    """A PIN that no rule names is accepted, as `bytes` or as `bytearray`."""
    assert judge(pin, PinPolicy(), HOLDER).verdict is PinVerdict.ACCEPTED
    assert judge(bytearray(pin), PinPolicy(), HOLDER).verdict is PinVerdict.ACCEPTED


# A PIN of one digit is also a repeated group, so the first rule has no example of its own.
@pytest.mark.parametrize("rule", [rule for rule in PinRule if rule is not PinRule.SAME_DIGIT])
def test_rule_that_the_region_did_not_choose_is_not_applied(rule):
    """With one rule out, what only that rule refuses is accepted."""
    example = {
        PinRule.RUN: b"135791",
        PinRule.REPEATED_GROUP: b"773773",
        PinRule.KEYPAD: b"159357",
        PinRule.DATE: b"311299",
        PinRule.LISTED: b"529407",
        PinRule.INITIAL: b"640738",
        PinRule.BIRTH_DATE: b"351990",
        PinRule.HOLDER_NUMBERS: b"863271",
    }[rule]
    lists = {"listed": ("529407",), "initial": "640738"}
    everything = PinPolicy(**lists)
    without = PinPolicy(rules=frozenset(PinRule) - {rule}, **lists)

    assert judge(example, everything, HOLDER).verdict is not PinVerdict.ACCEPTED
    assert judge(example, without, HOLDER).verdict is PinVerdict.ACCEPTED


def test_listed_pin_of_another_length_refuses_no_part_of_itself():
    """The list names whole PINs: 12345678 does not refuse 345678."""
    policy = only(PinRule.LISTED, listed=("73829146",))

    assert judge(b"738291", policy, NOBODY).verdict is PinVerdict.ACCEPTED


def test_trivial_goes_before_personal():
    """A PIN that is both is called trivial, which tells nothing of the person."""
    holder = PinHolder(None, ("123456",))

    assert judge(b"123456", PinPolicy(), holder).verdict is PinVerdict.TRIVIAL


@given(DIGITS, st.dates(date(1900, 1, 1), date(2026, 12, 31)))
def test_birth_date_rule_refuses_exactly_the_parts_of_its_forms(pin, born):
    """The rule and the list of forms say the same of any PIN."""
    verdict = judge(pin.encode(), only(PinRule.BIRTH_DATE), PinHolder(born)).verdict

    assert (verdict is PinVerdict.PERSONAL) == any(pin in form for form in birth_date_forms(born))


@given(st.dates(date(1900, 1, 1), date(2026, 12, 31)))
def test_every_order_of_a_date_is_refused(born):
    """YYMMDD, DDMMYY, MMDDYY, YYYYMM and MMYYYY of any date are refused."""
    for form in ("%y%m%d", "%d%m%y", "%m%d%y", "%Y%m", "%m%Y"):
        pin = born.strftime(form).encode()
        assert judge(pin, PinPolicy(), PinHolder(born)).verdict is not PinVerdict.ACCEPTED


def test_holder_does_not_print():
    """The holder's data are not in the holder's `repr`."""
    assert "1990" not in repr(HOLDER)
    assert "863271" not in repr(HOLDER)


STRUCTURAL = PinPolicy(
    rules=frozenset({PinRule.SAME_DIGIT, PinRule.RUN, PinRule.REPEATED_GROUP}), listed=()
)


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
    verdicts = {judge(pin.encode(), STRUCTURAL, HOLDER).verdict for pin in WEAK}

    assert verdicts == {PinVerdict.TRIVIAL}


WEAK = structurally_weak()


@given(DIGITS)
def test_structural_rules_refuse_nothing_else(pin):
    """Any other PIN is not called trivial."""
    is_trivial = judge(pin.encode(), STRUCTURAL, NOBODY).verdict is PinVerdict.TRIVIAL

    assert is_trivial == (pin in WEAK)


@pytest.mark.parametrize(
    ("pin", "advice"),
    [("890123", PinAdvice.TRIVIAL), ("863271", PinAdvice.PERSONAL), ("738291", None)],
)
def test_rule_that_advises_accepts_and_says_so(pin, advice):
    """With every rule advising, a weak PIN is accepted with its class as advice."""
    policy = PinPolicy(rules=frozenset(), advised=frozenset(PinRule))

    assert judge(pin.encode(), policy, HOLDER) == Judgement(PinVerdict.ACCEPTED, advice)


def test_refusing_rule_goes_before_advising_ones():
    """A PIN that one rule refuses and others advise against is refused, without advice."""
    runs = frozenset({PinRule.RUN})
    policy = PinPolicy(rules=runs, advised=frozenset(PinRule) - runs)

    assert judge(b"123456", policy, HOLDER) == Judgement(PinVerdict.TRIVIAL)


def test_advice_of_a_personal_rule_goes_before_that_of_a_trivial_one():
    """What the customer is told of a PIN under both is the graver."""
    policy = PinPolicy(rules=frozenset(), advised=frozenset(PinRule))

    assert judge(b"900305", policy, HOLDER).advice is PinAdvice.PERSONAL


def test_rule_that_is_off_says_nothing():
    """A rule that neither refuses nor advises leaves no trace."""
    assert judge(b"123456", PinPolicy(rules=frozenset()), HOLDER) == Judgement(PinVerdict.ACCEPTED)


@pytest.mark.parametrize("pin", [b"529407", bytearray(b"529407")])
def test_operators_list_refuses_whatever_the_region_says(pin):
    """A PIN of the operator's list is trivial also where every rule is off."""
    listed = PinList((b"1234", b"529407", b"999999"))

    assert judge(pin, PinPolicy(rules=frozenset()), NOBODY, listed).verdict is PinVerdict.TRIVIAL
    assert judge(b"529408", PinPolicy(), NOBODY, listed).verdict is PinVerdict.ACCEPTED


def dates():
    """List the PINs that are dates, by writing every day of a leap year with every year."""
    days = [date(2000, 1, 1) + timedelta(days=at) for at in range(366)]
    written = {
        form
        for month_day, day_month in {(f"{day:%m%d}", f"{day:%d%m}") for day in days}
        for year in range(100)
        for form in (f"{year:02}{month_day}", f"{day_month}{year:02}", f"{month_day}{year:02}")
    }
    return written | {f"{year}{month:02}" for year in range(1900, 2100) for month in range(1, 13)}


DATES = dates()


@given(st.one_of(DIGITS, st.sampled_from(sorted(DATES))))
def test_date_rule_refuses_exactly_the_dates(pin):
    """YYMMDD, DDMMYY, MMDDYY and YYYYMM, and nothing else."""
    refused = judge(pin.encode(), only(PinRule.DATE), NOBODY).verdict is PinVerdict.TRIVIAL

    assert refused == (pin in DATES)


def keypad_patterns():
    """List the PINs that are two strokes over three keys in a line."""
    keys = ["123", "456", "789"]
    lines = [*keys, *("".join(column) for column in zip(*keys, strict=True)), "753", "159"]
    strokes = {*lines, *(line[::-1] for line in lines)}
    return {first + second for first in strokes for second in strokes}


def test_keypad_rule_refuses_256_pins():
    """Two strokes, each along one of eight lines, one way or the other."""
    patterns = keypad_patterns()

    assert len(patterns) == 256
    for pin in patterns:
        assert judge(pin.encode(), only(PinRule.KEYPAD), NOBODY).verdict is PinVerdict.TRIVIAL


@pytest.mark.parametrize("pin", [b"124578", b"1478523", b"1470", b"160357"])
def test_other_ways_over_the_keypad_are_no_pattern(pin):
    """Strokes that turn, and PINs that are no whole number of strokes, are accepted."""
    policy = only(PinRule.KEYPAD, length=len(pin))

    assert judge(pin, policy, NOBODY).verdict is PinVerdict.ACCEPTED


REFUSED_TO_EVERYBODY = WEAK | DATES | keypad_patterns()


def test_a_tenth_of_all_pins_is_refused_to_everybody():
    """Rules that do not look at the holder refuse 88,646 of the 1,000,000: 8.9 per cent."""
    assert len(REFUSED_TO_EVERYBODY) == 88_646
    for pin in REFUSED_TO_EVERYBODY:
        assert judge(pin.encode(), PinPolicy(), NOBODY).verdict is PinVerdict.TRIVIAL


@given(DIGITS)
def test_no_other_pin_is_refused_to_everybody(pin):
    """Every other PIN is accepted of somebody of whom nothing is known."""
    accepted = judge(pin.encode(), PinPolicy(), NOBODY).verdict is PinVerdict.ACCEPTED

    assert accepted == (pin not in REFUSED_TO_EVERYBODY)


@pytest.mark.parametrize("length", [4, 5, 7, 8, 12])
def test_rules_apply_to_pins_of_any_length(length):
    """One digit, runs and repeated pairs are found in the lengths that ISO 9564-1 allows."""
    policy = PinPolicy(length=length)
    run = "".join(str(at % 10) for at in range(3, 3 + length)).encode()
    pairs = (b"73" * length)[:length]

    verdicts = [judge(pin, policy, NOBODY).verdict for pin in (b"5" * length, run, pairs)]

    whole_pairs = PinVerdict.TRIVIAL if length % 2 == 0 else PinVerdict.ACCEPTED
    assert verdicts == [PinVerdict.TRIVIAL, PinVerdict.TRIVIAL, whole_pairs]
