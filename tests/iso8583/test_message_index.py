"""The messages of a set, looked up and checked: what the set's own tests do not show."""

import pytest

from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.message import Message
from gateway.iso8583.message_index import MessageIndex
from gateway.iso8583.message_kind import FieldRules, MessageKind

KIND = MessageKind(
    name="inquiry",
    title="Ask",
    request="0100",
    response="0110",
    sender="gateway",
    request_fields=FieldRules((3,)),
    response_fields=FieldRules((39,), optional=(3, 41)),
    response_codes=("00", "14"),
    recovery="query",
    repeat="0101",
    processing_code="310000",
    trace_fields=(11, 41),
    answer_echoes=(11,),
)
REQUEST = Message("0100", {3: "310000", 11: "000001", 41: "T"})


@pytest.fixture
def index():
    """Compile a set of one message, whose answer may carry DE 3 and may not."""
    return MessageIndex((KIND,), {})


@pytest.mark.parametrize("request_", [REQUEST, REQUEST.as_repeat()])
def test_request_and_repeat_are_of_one_kind(index, request_):
    """Both are found by MTI and selectors."""
    assert index.identify(request_) is KIND
    assert index.check_request(request_, "gateway") is KIND


@pytest.mark.parametrize("changes", [{}, {3: "310000"}, {41: "other"}])
def test_optional_echo_may_be_absent(index, changes):
    """An answer without it passes; a field that is no echo may say what it likes."""
    answer = Message("0110", {11: "000001", 39: "14", **changes})

    index.answers[KIND.name].check(REQUEST, answer)


@pytest.mark.parametrize(
    ("changes", "place"),
    [({3: "000000"}, "DE 3"), ({11: "000002"}, "DE 11"), ({39: "96"}, "DE 39")],
)
def test_answer_of_another_request_is_refused_by_place(index, changes, place):
    """An optional echo that is there must be one, as any other; DE 39 must be one of the kind."""
    answer = Message("0110", {11: "000001", 39: "00", **changes})

    with pytest.raises(RefusedMessage) as caught:
        index.answers[KIND.name].check(REQUEST, answer)

    assert caught.value.place == place
