"""Data element 90."""

import pytest

from gateway.iso8583.errors import MalformedMessage
from gateway.iso8583.message import Message
from gateway.iso8583.original_data import OriginalData

TRACE = {7: "1121193658", 11: "000123", 32: "99350201", 33: "0099350202"}


@pytest.mark.parametrize("mti", ["0300", "0301"])
def test_original_is_found_again(mti):
    """What is built from a message or its repeat parses to the same trace."""
    original = OriginalData.of(Message(mti, TRACE))

    text = original.build()

    assert text == "030000012311211936580009935020100099350202"
    assert OriginalData.parse(text) == original


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("03000001231121193658" + "0" * 21, "42 digits"),
        ("03000001231121193658" + "0" * 21 + "x", "42 digits"),
        ("03000001231121193658" + "0" * 22 + "\n", "42 digits"),
        ("13000001231121193658" + "0" * 22, "MTI"),
        ("03010001231121193658" + "0" * 22, "first transmission"),
    ],
)
def test_malformed_original_data_is_refused(text, rule):
    """Length, digits and MTI are checked."""
    with pytest.raises(MalformedMessage, match=rule):
        OriginalData.parse(text)
