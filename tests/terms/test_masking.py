"""No mask ever prints a value, at any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.terms.masking import mask, mask_name


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("", ""),
        ("1", "*"),
        ("12345", "*****"),
        ("123456", "****56"),
        ("12345678901", "*********01"),
        ("123456789012", "********9012"),
        ("6200000000000000000", "***************0000"),
    ],
)
def test_mask_shows_less_of_a_shorter_value(value, masked):
    """None of five characters, two of six, four of twelve: the shortest lengths of each step."""
    assert mask(value) == masked


@given(st.text(min_size=1, max_size=40))
def test_mask_keeps_length_and_hides_most(value):
    """Length stays, and no more than a third of the characters is ever shown."""
    masked = mask(value)
    hidden = len(masked) - len(masked.lstrip("*")) if "*" not in value else None

    assert len(masked) == len(value)
    assert hidden is None or len(value) - hidden <= len(value) / 3


@pytest.mark.parametrize(
    ("name", "masked"), [("", "*"), ("甲", "*"), ("测甲", "*甲"), ("测试甲", "**甲")]
)
def test_mask_of_a_name_shows_its_last_character_at_most(name, masked):
    """A name of one character shows nothing."""
    assert mask_name(name) == masked
