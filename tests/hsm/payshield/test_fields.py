"""Fields, one by one."""

import pytest

from gateway.hsm.payshield.fields import AnswerReader, FieldError, digits, of_form
from gateway.hsm.payshield.framing import BrokenMessage

KEY = b"U" + b"0123456789ABCDEF" * 2


@pytest.mark.parametrize(
    "value", ["12345", "1234567", "12345x", "12 456", "\u0661\u0662\u0663\u0664\u0665\u0666"]
)
def test_field_of_digits_has_exactly_its_digits(value):
    """Length and characters are checked, and the error does not repeat them."""
    with pytest.raises(FieldError, match="account must be 6 digits") as caught:
        digits("account", value, 6)

    assert value not in str(caught.value)


def test_right_fields_are_written_as_they_are():
    """A right value is its field."""
    assert digits("account", "123456", 6) == "123456"
    assert of_form("table", "0A", r"[0-9A-F]{2}") == "0A"


def test_field_of_a_wrong_form_is_refused():
    """A form is a regular expression for the whole value."""
    with pytest.raises(FieldError, match="table has a wrong form"):
        of_form("table", "0A%", r"[0-9A-F]{2}")


def test_answer_is_read_field_by_field():
    """Fields come in their order, the last one perhaps of any length."""
    answer = AnswerReader(b"06AF" + KEY + b"x-1")

    assert answer.digits("length", 2) == "06"
    assert answer.hexadecimal("value", 2) == "AF"
    assert answer.key("key").token == KEY.decode()
    assert answer.rest("firmware", r"[a-z0-9-]+") == "x-1"
    answer.end()


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        (b"0", lambda answer: answer.digits("length", 2)),
        (b"0A", lambda answer: answer.digits("length", 2)),
        (b"0\xb2", lambda answer: answer.digits("length", 2)),
        (b"af", lambda answer: answer.hexadecimal("value", 2)),
        (KEY[:-1], lambda answer: answer.key("key")),
        (b"?", lambda answer: answer.key("key")),
        (b"", lambda answer: answer.key("key")),
        (b"\x00", lambda answer: answer.rest("firmware", r"[a-z]*")),
        (b"0", lambda answer: answer.end()),
    ],
)
def test_answer_that_is_not_as_documented_is_broken(fields, read):
    """Too short, too long or of other characters: the connection has lost its trust."""
    with pytest.raises(BrokenMessage):
        read(AnswerReader(fields))
