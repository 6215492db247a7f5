"""The two sides of a card."""

import pytest

from gateway.terms.sides import PinPurpose, Side


@pytest.mark.parametrize(
    ("purpose", "side"),
    [(PinPurpose.SS_PIN, Side.SOCIAL), (PinPurpose.FINANCIAL_PIN, Side.FINANCIAL)],
)
def test_each_pin_belongs_to_one_side(purpose, side):
    """The SS PIN goes to the social module, the financial PIN to the financial one."""
    assert purpose.side is side


def test_no_two_pins_share_a_side():
    """There are as many sides as PINs."""
    assert {purpose.side for purpose in PinPurpose} == set(Side)
