"""The gate of one direction of a message kind, compiled from its rules."""

import pytest

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
