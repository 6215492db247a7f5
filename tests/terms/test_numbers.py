"""Numbers that check themselves and print masked."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
    PinSessionId,
    Rrn,
    SsCardNumber,
    Stan,
    transmission_date_time,
)

ID_CHARACTERS = "0123456789abcdefghjkmnpqrs"
# Type, a right value of the shortest length, a right value of the longest.
SENSITIVE = [
    (SsCardNumber, "T0000001", "ZT0000000019"),
    (Pan, "6200000000000005", "6200000000000000000"),
    (CitizenId, "350299199001010010", "35029919900101007X"),
    (Mobile, "15400000001", "19400000001"),
    (PersonName, "甲", "测" * 25),
    (Address, "路", "测" * 50),
    (CustomerNumber, "C00001", "C" * 32),
]
OPEN = [
    (AgencyCode, "99350201"),
    (LinkId, "lnk_" + ID_CHARACTERS),
    (OperationId, "op_" + ID_CHARACTERS),
    (PinSessionId, "pse_" + ID_CHARACTERS),
    (Stan, "000001"),
    (Rrn, "00000000000A"),
]
MASKED = [
    (SsCardNumber("T0000001"), "******01"),
    (Pan("6200000000000005"), "************0005"),
    (CitizenId("350299199001010010"), "**************0010"),
    (Mobile("15400000001"), "*********01"),
    (PersonName("甲"), "*"),
    (PersonName("测甲"), "*甲"),
    (Address("路"), "*"),
    (Address("测试路1号测试路1号"), "********"),
    (CustomerNumber("C00001"), "****01"),
]
WRONG = [
    (SsCardNumber, ["", "T000000", "T000000000019", "t00000019", "T0000001\uff19", "T00000019 "]),
    (
        Pan,
        [
            "",
            "620000000000000",
            "62000000000000000003",
            "6200000000000006",
            "620000000000000\uff15",
            "620000000000000\u0665",
            "6200 0000 0000 0005",
            "6200000000000005\n",
            "620000000000000A",
        ],
    ),
    (
        CitizenId,
        [
            "350299900101001",
            "350299199001010011",
            "35029919900101007x",
            "35029919900101007\u00d7",
            "350299199013010010",
            "350299199002300010",
            "350299199902290013",
            "35029919900101001\uff10",
            "X50299199001010010",
        ],
    ),
    (Mobile, ["1540000000", "154000000011", "12400000001", "+8615400000001", "1540000000\u0661"]),
    (
        PersonName,
        ["", " 甲", "测1", "测\uff11", "测_甲", "测\n甲", "测\x00", "测\u202e甲", "测" * 26, "=甲"],
    ),
    (
        Address,
        [
            "",
            "a\nb",
            "a\rb",
            "a\x00b",
            "a\x7fb",
            "a\x85b",
            "a\u2028b",
            "a\u202eb",
            "a\u2066b",
            "测" * 51,
            "a\ud800",
        ],
    ),
    (CustomerNumber, ["C0001", "C" * 33, "C 00001", "C0000\uff11", "C0000\u00e9"]),
    (AgencyCode, ["", "9935020", "993502011", "9935020A", "9935020\uff11"]),
    (LinkId, ["lnk_", "LNK_" + ID_CHARACTERS, "lnk_" + "i" * 26, "lnk_" + ID_CHARACTERS + "0"]),
    (OperationId, ["op_", "op_" + "l" * 26, "lnk_" + ID_CHARACTERS]),
    (PinSessionId, ["pse_", "pse_" + "o" * 26, "op_" + ID_CHARACTERS]),
    (Stan, ["", "00001", "0000001", "00000\u0661", "-00001"]),
    (Rrn, ["", "00000000000", "0000000000001", "00000000000a", "00000000000\uff11"]),
]


@pytest.mark.parametrize(
    ("type_", "value"),
    [(type_, value) for type_, *values in SENSITIVE for value in values] + OPEN,
)
def test_right_value_is_kept_unchanged(type_, value):
    """Shortest and longest values of every type are accepted."""
    assert type_(value).value == value


@pytest.mark.parametrize(
    ("type_", "value"), [(type_, value) for type_, values in WRONG for value in values]
)
def test_wrong_value_is_refused_by_its_rule_alone(type_, value):
    """The error is the rule of the type, without value, cause or context that would hold it."""
    with pytest.raises(ValueError, match=r".") as refused:
        type_(value)

    assert str(refused.value) == type_.rule
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.parametrize("type_", [type_ for type_, _ in WRONG])
@pytest.mark.parametrize("value", [None, 99350201, b"99350201", ["99350201"]])
def test_only_text_is_a_value(type_, value):
    """A value of another type is our own mistake: a `TypeError`, which does not repeat it."""
    with pytest.raises(TypeError) as mistake:
        type_(value)

    assert "99350201" not in str(mistake.value)


@pytest.mark.parametrize(("number", "masked"), MASKED)
def test_sensitive_value_prints_masked_at_the_shortest_length(number, masked):
    """However it is printed, only the mask appears."""
    assert str(number) == masked
    assert f"{number}" == masked
    assert f"{number:>20}" == masked.rjust(20)
    assert repr(number) == f"{type(number).__name__}({masked})"
    assert repr([number]) == f"[{number!r}]"
    assert "%s" % number == masked  # noqa: UP031 - logging formats this way


@pytest.mark.parametrize(("type_", "value"), OPEN)
def test_open_value_prints_in_full(type_, value):
    """References and trace numbers are there to be read."""
    assert str(type_(value)) == value
    assert repr(type_(value)) == f"{type_.__name__}({value})"


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, v, *_ in SENSITIVE] + OPEN)
def test_numbers_compare_by_type_and_value(type_, value):
    """Equal text of another type is not the same number."""
    assert type_(value) == type_(value)
    assert hash(type_(value)) == hash(type_(value))
    assert type_(value) != value


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, v, _ in SENSITIVE])
def test_number_has_no_dictionary_that_would_print_it(type_, value):
    """Slots: what dumps an object's attributes finds none beside the mask."""
    assert not hasattr(type_(value), "__dict__")


@pytest.mark.parametrize(
    "value",
    [
        # GB 11643-1999's own examples are checked by arithmetic in the oracle below; these are in
        # division codes that do not exist.
        "350299199001010010",
        "450699199001010016",
        "130199199001010014",
        "530199199001010019",
        "370299199001010014",
    ],
)
def test_check_character_is_that_of_the_standard(value):
    """Each synthetic id satisfies ISO 7064 MOD 11-2, and with another check character does not."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(w * int(c) for w, c in zip(weights, value, strict=False))
    right = "10X98765432"[total % 11]

    assert CitizenId(value[:-1] + right).value == value
    for other in set("0123456789X") - {right}:
        with pytest.raises(ValueError, match="GB 11643"):
            CitizenId(value[:-1] + other)


def test_citizen_id_tells_the_birth_date():
    """Characters 7 to 14 are the date of birth."""
    assert CitizenId("350299199001010010").birth_date == date(1990, 1, 1)


@given(st.integers(0, 10**15 - 1))
def test_pan_with_one_digit_changed_is_refused(serial):
    """Luhn finds every single wrong digit (ISO/IEC 7812-1)."""
    payload = f"{serial:015d}"
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(payload)]
    check = -sum(n - 9 * (n > 9) for n in doubled) % 10

    assert Pan(f"{payload}{check}").value == f"{payload}{check}"
    with pytest.raises(ValueError, match="Luhn"):
        Pan(f"{payload}{(check + 1) % 10}")


@pytest.mark.parametrize(
    "name",
    ["测试甲", "测·甲", "测试甲乙", "欧阳测试", "\U00020000甲", "Test O'Neill", "J. Test-Ing"],
)
def test_names_of_every_kind_are_accepted(name):
    """Two to four characters, the middle dot, rare characters and Latin letters."""
    assert PersonName(name).value == name


@pytest.mark.parametrize(
    ("counter", "stan"),
    [(0, "000001"), (1, "000002"), (999_998, "999999"), (999_999, "000001"), (2_000_000, "000003")],
)
def test_stan_rolls_over_and_is_never_zero(counter, stan):
    """The counter grows for ever; the trace number runs from 000001 to 999999."""
    assert Stan.of(counter) == Stan(stan)


def test_transmission_date_time_is_that_of_data_element_7():
    """MMDDhhmmss of the instant given."""
    assert transmission_date_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "0102030405"
