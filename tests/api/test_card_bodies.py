"""Bodies of the businesses that take a PIN: it may come from a browser or from a PIN pad."""

import pytest

from gateway.api.bodies import validate
from gateway.api.businesses import RESOURCES
from gateway.api.card_bodies import (
    ChangeEcardPinBody,
    CurrentPin,
    NewEcardPinBody,
    NewSsPinBody,
    ResetFinancialPinBody,
    ResetSsPinBody,
)
from gateway.api.problems import InvalidRequest
from gateway.terms.sides import PinPurpose

SESSION, PROOF = "pse_" + "2" * 26, "pse_" + "3" * 26
JWE, BLOCK, OTHER_BLOCK = "e30..aXY.Y3Q.dGFn", "1B9C1845EB993A7A", "0123456789ABCDEF"
NEW = [NewSsPinBody, ResetSsPinBody, NewEcardPinBody, ChangeEcardPinBody, ResetFinancialPinBody]
PROVING = [each.body for each in RESOURCES if each.body and "current_pin" in each.body.model_fields]
REST = {"mobile": "15400000001", "code": "Q7K2M9X4"}


def body_of(body_type, entry, proof):
    """Write a body with a PIN, a proof and whatever else it demands."""
    fields = body_type.model_fields
    rest = {name: value for name, value in REST.items() if name in fields}
    shown = {"current_pin": proof} if "current_pin" in fields else {}
    return rest | shown | (entry if "pin_session" in fields else {})


def with_block(session, block):
    return {"pin_session": session, "pin_block": block}


def with_envelope(session):
    return {"pin_session": session, "encrypted_pin": JWE}


@pytest.mark.parametrize("body_type", list(dict.fromkeys([*NEW, *PROVING])))
def test_every_pin_may_come_from_a_pin_pad(body_type):
    """New PINs and those in force alike, each in the session it is for."""
    entry, proof = with_block(SESSION, BLOCK), with_block(PROOF, OTHER_BLOCK)

    pins = validate(body_type, body_of(body_type, entry, proof)).command().pins

    heard = {
        (purpose.is_proof, pin.pin_session.value, pin.pin_block) for purpose, pin in pins.items()
    }
    assert heard <= {(False, SESSION, BLOCK), (True, PROOF, OTHER_BLOCK)}
    assert len(heard) == (body_type in NEW) + ("current_pin" in body_type.model_fields)


def test_one_pin_may_be_typed_and_the_other_encrypted():
    """Each PIN says for itself how it came."""
    body = body_of(NewSsPinBody, with_block(SESSION, BLOCK), with_envelope(PROOF))

    pins = validate(NewSsPinBody, body).command().pins

    assert (pins[PinPurpose.SS_PIN].pin_block, pins[PinPurpose.SS_PIN].encrypted_pin) == (BLOCK, "")
    proof = pins[PinPurpose.SS_PIN_PROOF]
    assert (proof.pin_block, proof.encrypted_pin) == ("", JWE)


@pytest.mark.parametrize("body_type", [*NEW, CurrentPin])
@pytest.mark.parametrize("entry", [{}, {"encrypted_pin": JWE, "pin_block": BLOCK}])
def test_pin_comes_in_one_way(body_type, entry):
    """Neither and both are refused."""
    body = body_of(body_type, {"pin_session": SESSION} | entry, with_block(PROOF, BLOCK))

    with pytest.raises(InvalidRequest) as refused:
        validate(body_type, body)

    assert [error.rule for error in refused.value.errors] == ["either encrypted_pin or pin_block"]
