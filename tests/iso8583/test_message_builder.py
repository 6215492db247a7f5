"""Requests and answers put together, data elements in ascending order."""

import pytest

from gateway.iso8583 import message_builder
from gateway.iso8583.message import Message
from gateway.iso8583.message_builder import MessageBuilder

SELECTORS = {3: "310000"}


@pytest.fixture
def builder():
    """Make requests 0100 with DE 3, and answers that echo DE 11 and 41."""
    return MessageBuilder("0100", "0110", SELECTORS, (41, 11))


@pytest.mark.parametrize("times", [1, 2])
def test_request_is_in_the_order_of_the_wire(builder, times):
    """Whatever order the fields come in, the first time and later; selectors and DE 48 too."""
    for _ in range(times):
        request = builder.request({41: "T", 11: "000001", 3: "000000"}, {"IN": "1"})

    expected = [(3, "310000"), (11, "000001"), (41, "T"), (48, "IN0011")]
    assert list(request.fields.items()) == expected
    assert request.mti == "0100"


def test_requests_share_no_fields(builder):
    """What one request says is never in another with the same data elements."""
    first = builder.request({11: "000001"}, None)
    second = builder.request({11: "000002"}, None)

    assert (first.text(11), second.text(11)) == ("000001", "000002")


def test_sets_of_fields_are_remembered_up_to_a_limit(builder, monkeypatch):
    """Beyond it a request is sorted anew each time, and good all the same."""
    monkeypatch.setattr(message_builder, "_ORDERS_MAX", 1)

    for de in (7, 11, 11):
        request = builder.request({de: "1", 2: "6"}, None)
        assert list(request.fields) == [2, 3, de]
    assert len(builder._blank_requests) == 1


def test_answer_echoes_and_is_in_order(builder):
    """DE 39 and DE 48 have their places among what is echoed; nothing else is taken over."""
    request = Message("0100", {3: "310000", 11: "000001", 41: "T", 52: b"12345678"})

    answer = builder.answer(request, "00", None)
    told = builder.answer(request, "00", {"CS": "N"})

    assert list(answer.fields.items()) == [(11, "000001"), (39, "00"), (41, "T")]
    assert list(told.fields) == [11, 39, 41, 48]
    assert answer.mti == "0110"


def test_answer_echoes_what_is_there(builder):
    """A request with gaps is answered with whatever it had."""
    answer = builder.answer(Message("0100", {41: "T"}), "30", None)

    assert list(answer.fields.items()) == [(39, "30"), (41, "T")]
