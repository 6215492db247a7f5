"""The translation table, over every pair of formats."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pinblock.formats import PinBlockFormat
from gateway.pinblock.translation import BoundFormat, ForbiddenTranslation, check_translation

ISO_0, ISO_1, ISO_3, ISO_4 = (
    PinBlockFormat.ISO_0,
    PinBlockFormat.ISO_1,
    PinBlockFormat.ISO_3,
    PinBlockFormat.ISO_4,
)
SM4_PAN, SM4_NO_PAN = PinBlockFormat.SM4_PAN, PinBlockFormat.SM4_NO_PAN
BINDING = {ISO_0, ISO_3, ISO_4, SM4_PAN}
# Written out pair by pair, as the table of requirement 3-3 has it, and not as the code decides.
PERMITTED = {
    *((ISO_1, target) for target in PinBlockFormat),
    *((ISO_0, target) for target in BINDING),
    *((ISO_3, target) for target in BINDING),
    *((ISO_4, target) for target in BINDING),
    *((SM4_PAN, target) for target in BINDING),
}
PAIRS = list(product(PinBlockFormat, PinBlockFormat))
ACCOUNT = "6200000000000000005"
accounts = st.sampled_from((ACCOUNT, "6200000000000000013", "6200000000005"))
binding_formats = st.sampled_from(sorted(BINDING))


def bound(format_, account):
    """Bind the account where the format binds one."""
    return BoundFormat(format_, account if format_ in BINDING else "")


def is_permitted(source, target):
    """Ask the rule."""
    try:
        check_translation(source, target)
    except ForbiddenTranslation:
        return False
    return True


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_pair_of_formats_is_permitted_as_the_table_says(source, target):
    """For one account, exactly the pairs of the table may be translated."""
    permitted = is_permitted(bound(source, ACCOUNT), bound(target, ACCOUNT))

    assert permitted is ((source, target) in PERMITTED)


@given(source=binding_formats, target=binding_formats, first=accounts, second=accounts)
def test_account_never_changes(source, target, first, second):
    """A block that is bound to an account becomes a block for that account only."""
    permitted = is_permitted(bound(source, first), bound(target, second))

    assert permitted is (first == second)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_no_detour_leads_where_the_table_does_not(source, target):
    """What two translations one after the other reach, one of them may reach as well."""
    ends = bound(source, ACCOUNT), bound(target, ACCOUNT)
    detours = [bound(format_, ACCOUNT) for format_ in PinBlockFormat]

    reached = any(is_permitted(ends[0], by) and is_permitted(by, ends[1]) for by in detours)

    assert not reached or is_permitted(*ends)


@pytest.mark.parametrize("format_", PinBlockFormat)
def test_account_is_given_exactly_when_the_format_binds_one(format_):
    """An account that is missing, or that nothing binds, is refused at either end."""
    wrong = BoundFormat(format_, "" if format_ in BINDING else ACCOUNT)

    assert not is_permitted(wrong, bound(ISO_0, ACCOUNT))
    assert not is_permitted(bound(ISO_1, ACCOUNT), wrong)


def test_refusal_never_tells_the_account():
    """The error of a changed account holds neither of the two, and neither does a repr."""
    source = BoundFormat(ISO_0, ACCOUNT)

    with pytest.raises(ForbiddenTranslation) as caught:
        check_translation(source, BoundFormat(ISO_0, "6200000000000000013"))

    assert "6200000" not in str(caught.value) + repr(caught.value) + repr(source)
