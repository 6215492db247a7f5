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


def test_each_side_protects_its_pins_with_one_key():
    """A PIN shown as a proof, and that of the e-card, travel under the key of the SS PIN."""
    keyed = {purpose for purpose in PinPurpose if purpose.key is purpose}

    assert {purpose.side for purpose in keyed} == set(Side)
    assert len(keyed) == len(Side)
    assert all(purpose.key.side is purpose.side for purpose in PinPurpose)


def test_a_proof_is_told_from_a_new_pin():
    """Rules about new PINs do not concern one that is in force."""
    assert {purpose for purpose in PinPurpose if purpose.is_proof} == {
        PinPurpose.SS_PIN_PROOF,
        PinPurpose.ECARD_PIN_PROOF,
    }
