"""One message of a set, built and answered."""

import pytest

from gateway.iso8583.message import Message
from gateway.iso8583.message_kind import PrivateSubfield

LINK = "lnk_" + "0" * 26


@pytest.fixture
def bureau(message_sets):
    """Give the bureau's message set."""
    return message_sets["bureau"]


def test_answer_of_a_request_with_gaps_echoes_what_is_there(bureau):
    """A refused request is answered with whatever trace it had."""
    kind = bureau.kind("card-inquiry")

    answer = kind.answer(Message("0100", {3: "310000", 11: "000123"}), "30")

    assert answer == Message("0110", {3: "310000", 11: "000123", 39: "30"})


def test_fields_are_in_ascending_order(bureau):
    """Messages are built in the order of the wire, whatever order the fields were given in."""
    message = bureau.kind("link-register").build({100: "99350201", 7: "1121193658"}, {"LK": LINK})

    assert list(message.fields.items()) == [
        (3, "910000"), (7, "1121193658"), (48, "LK030" + LINK), (91, "1"), (100, "99350201"),
        (101, "SSLINK"),
    ]  # fmt: skip


def test_selectors_make_a_request_one_of_its_kind(bureau):
    """Processing code, file action and file name come from the kind, never from the caller."""
    kind = bureau.kind("link-remove")

    message = kind.build({3: "000000", 91: "1"})

    assert message == Message("0300", kind.selectors)
    assert kind.selectors == {3: "910000", 91: "3", 101: "SSLINK"}


def test_answer_carries_private_data(bureau):
    """Subfields are packed into DE 48 of the answer."""
    answer = bureau.kind("card-inquiry").answer(Message("0100", {}), "00", {"CS": "N"})

    assert answer == Message("0110", {39: "00", 48: "CS001N"})


def test_mandatory_fields_are_those_of_trace_and_message(bureau):
    """What every message has is not repeated in each."""
    echo = bureau.kind("echo")

    assert echo.request_mandatory == (7, 11, 33, 70, 128)
    assert echo.response_mandatory == (7, 11, 33, 39, 70, 128)


@pytest.mark.parametrize(
    ("value", "allowed"), [("N", True), ("X", False), ("NN", False), ("", False)]
)
def test_subfield_allows_what_its_rule_says(value, allowed):
    """The whole value is as the rule wants it."""
    assert PrivateSubfield("Card state", "[NI]").allows(value) is allowed
