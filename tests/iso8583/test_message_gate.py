"""The gate of one direction of a message kind, compiled from its rules."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from

from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.message import Message
from gateway.iso8583.message_gate import Gate
from gateway.iso8583.message_kind import FieldRules, PrivateSubfield

SUBFIELDS = {"CS": PrivateSubfield("card state", "[NI]")}
RULES = FieldRules((3, 11, 48, 128), optional=(41,), private=("CS",))
GOOD = {3: "310000", 11: "000001", 48: "CS001N", 64: b"12345678"}


@pytest.mark.parametrize("changes", [{}, {41: "GATEWAY1"}, {64: None, 128: b"12345678"}])
def test_what_the_rules_name_passes(changes):
    """Mandatory fields are there, optional ones may be, and the MAC stands in either place."""
    fields = {de: value for de, value in {**GOOD, **changes}.items() if value is not None}

    Gate(RULES.mandatory, RULES, SUBFIELDS).check(Message("0100", fields))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({11: None}, "DE 11: missing"),
        ({64: None}, "DE 128: missing"),
        ({48: None}, "DE 48: missing"),
        ({39: "00"}, "DE 39: not in this message"),
        ({48: "CS001X"}, "DE 48 CS: not as the message set wants it"),
    ],
)
def test_everything_else_is_refused_by_place_and_rule(changes, refused):
    """One field more, less or other than the rules say does not pass."""
    fields = {de: value for de, value in {**GOOD, **changes}.items() if value is not None}

    with pytest.raises(RefusedMessage, match=refused):
        Gate(RULES.mandatory, RULES, SUBFIELDS).check(Message("0100", fields))


@pytest.mark.parametrize("mac", [64, 128])
def test_mac_that_the_rules_do_not_name_is_refused(mac):
    """A message without a MAC in its rules has none, in neither place."""
    rules = FieldRules((3,))

    with pytest.raises(RefusedMessage, match="DE 128: not in this message"):
        Gate(rules.mandatory, rules, {}).check(Message("0100", {3: "310000", mac: b"12345678"}))


PIECES = (
    "CS001N",
    "CS001X",
    "CS002NI",
    "CS000",
    "PS003测",
    "PS003abc",
    "PS004a",
    "ZZ001N",
    "cs001N",
    "1",
)


@given(pieces=lists(sampled_from(PIECES), max_size=3))
def test_quick_look_at_subfields_passes_what_the_careful_one_passes(pieces):
    """Whatever DE 48 says, and whether any subfield is there at all: both say the same of it."""
    subfields = {**SUBFIELDS, "PS": PrivateSubfield("PIN state", "...?|a")}
    rules = FieldRules((48,), private=("CS",), private_optional=("PS",))
    message = Message("0100", {48: "".join(pieces)})

    quick = _passes(Gate(rules.mandatory, rules, subfields), message)
    with patch.object(Gate, "_is_good_private", return_value=False):
        careful = _passes(Gate(rules.mandatory, rules, subfields), message)

    assert quick == careful


def _passes(gate, message):
    try:
        gate.check(message)
    except RefusedMessage as refused:
        return str(refused)
    return ""
