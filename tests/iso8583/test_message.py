"""A message and its message type indicator."""

import pytest

from gateway.iso8583.message import (
    MTIS,
    Message,
    MessageClass,
    MessageFunction,
    answer_mti,
    without_repeat,
)


@pytest.mark.parametrize(
    ("mti", "answer"),
    [
        ("0100", "0110"),
        ("0101", "0110"),
        ("0102", "0112"),
        ("0103", "0112"),
        ("0321", "0330"),
        ("0420", "0430"),
        ("0800", "0810"),
    ],
)
def test_answer_takes_the_next_function_and_no_repeat(mti, answer):
    """Requests and advices, repeated or not, are answered by one MTI."""
    assert answer_mti(mti) == answer


@pytest.mark.parametrize("mti", sorted(MTIS))
def test_every_mti_is_request_answer_or_notification(mti):
    """Each MTI has a class, a function and one role."""
    message = Message(mti, {})

    roles = [message.is_request, message.is_answer]

    assert sum(roles) == (message.function is not MessageFunction.NOTIFICATION)
    assert message.message_class in MessageClass
    assert message.is_repeat == (message.mti != without_repeat(mti))
    assert message.as_repeat().is_repeat
    assert without_repeat(message.as_repeat().mti) == without_repeat(mti)


def test_repeat_carries_the_same_fields():
    """A repeat differs in its MTI and nothing else."""
    message = Message("0100", {11: "000001"})

    assert message.as_repeat() == Message("0101", {11: "000001"})
    assert message.as_repeat().as_repeat() == message.as_repeat()


def test_message_prints_its_fields_numbers_only():
    """No value of a message shows in its representation; the trace shows DE 11 and 37."""
    message = Message("0100", {102: "T00000019", 11: "000001", 52: b"12345678", 37: "R1"})

    assert repr(message) == "Message(0100, DE 11 37 52 102)"
    assert message.trace == "0100 000001 R1"


def test_text_of_a_binary_or_absent_field_is_empty():
    """Whoever asks for text never gets bytes."""
    message = Message("0100", {52: b"12345678"})

    assert message.text(52) == message.text(11) == ""


def test_fields_are_added_to_a_copy():
    """A message itself never changes."""
    message = Message("0100", {11: "000001"})

    other = message.with_fields({11: "000002", 39: "00"})

    assert other.fields == {11: "000002", 39: "00"}
    assert message.fields == {11: "000001"}
