"""Which request an answer belongs to."""

import pytest

from gateway.iso8583.matching import DuplicateKey, Match, Outcome, PendingTable, match_key
from gateway.iso8583.message import Message
from gateway.terms.errors import Unavailable

TRACE = {
    7: "1121193658", 11: "000123", 32: "99350201", 33: "99350202", 37: "000000000123",
    41: "GATEWAY1",
}  # fmt: skip
REQUEST = Message("0100", TRACE)
ANSWER = Message("0110", {**TRACE, 39: "00"})


@pytest.fixture
def table():
    """Make a table that waits for the answer to one request, until second 20."""
    table = PendingTable()
    table.add(REQUEST, "first", deadline=20.0)
    return table


def test_answer_completes_its_request_once(table):
    """The first answer gets the token; the same again is known as a duplicate."""
    assert table.match(ANSWER) == Match(Outcome.MATCHED, "first")
    assert len(table) == 0
    assert table.match(ANSWER) == Match(Outcome.DUPLICATE, "first")


def test_answer_after_the_deadline_is_late_then_duplicate(table):
    """What comes after we gave up is still brought to its request, once."""
    assert table.expire(19.9) == []
    assert table.expire(20.0) == ["first"]
    assert table.match(ANSWER) == Match(Outcome.LATE, "first")
    assert table.match(ANSWER) == Match(Outcome.DUPLICATE, "first")


def test_lost_connection_gives_everything_up(table):
    """All that was in flight is given up at once; its answers would be late."""
    assert table.clear() == ["first"]
    assert len(table) == 0
    assert table.match(ANSWER) == Match(Outcome.LATE, "first")


@pytest.mark.parametrize("de", [7, 32, 33, 37, 41])
@pytest.mark.parametrize("value", ["9", None])
def test_answer_that_differs_names_the_field(table, de, value):
    """An answer with the same class and STAN is never taken for another request's."""
    fields = {key: value_ for key, value_ in {**ANSWER.fields, de: value}.items() if value_}

    assert table.match(Message("0110", fields)) == Match(Outcome.FIELD_DIFFERS, None, de)
    assert len(table) == 1


@pytest.mark.parametrize("answer", [Message("0310", ANSWER.fields), ANSWER.with_fields({11: "9"})])
def test_answer_to_nothing_is_unknown(table, answer):
    """Another class or STAN belongs to nothing we sent."""
    assert table.match(answer) == Match(Outcome.UNKNOWN)


def test_nearest_request_is_named():
    """With two requests of one STAN, the one that agrees longest tells which field broke."""
    table = PendingTable()
    table.add(REQUEST, "first", 20.0)
    table.add(REQUEST.with_fields({7: "1121193659"}), "second", 20.0)

    assert table.match(ANSWER.with_fields({41: "OTHER"})).data_element == 41
    assert table.match(ANSWER).token == "first"
    assert table.match(ANSWER.with_fields({7: "1121193659"})).token == "second"


def test_padding_of_peers_does_not_matter(table):
    """Institutions with leading zeros and text with spaces behind still match."""
    padded = ANSWER.with_fields({32: "00099350201", 41: "GATEWAY1  "})

    assert table.match(padded).outcome is Outcome.MATCHED


def test_two_requests_with_one_key_are_never_in_flight(table):
    """The second would get the first one's answer; the text of the refusal holds no value."""
    with pytest.raises(DuplicateKey) as caught:
        table.add(REQUEST.as_repeat(), "second", 30.0)

    assert "000123" not in str(caught.value)


def test_repeat_waits_again_after_the_first_was_given_up(table):
    """A repeat takes the place of what timed out: the answer is its own."""
    table.expire(20.0)

    table.add(REQUEST.as_repeat(), "repeat", 40.0)

    assert table.match(ANSWER) == Match(Outcome.MATCHED, "repeat")


def test_table_is_bounded():
    """Beyond its limit a request is refused, not queued."""
    table = PendingTable(pending_max=1)
    table.add(REQUEST, "first", 20.0)

    with pytest.raises(Unavailable):
        table.add(REQUEST.with_fields({11: "000124"}), "second", 20.0)


def test_memory_of_settled_requests_is_bounded():
    """The oldest settled request is forgotten first."""
    table = PendingTable(remembered_max=1)
    for stan in ("000001", "000002"):
        table.add(REQUEST.with_fields({11: stan}), stan, 20.0)
        table.match(ANSWER.with_fields({11: stan}))

    assert table.match(ANSWER.with_fields({11: "000001"})) == Match(Outcome.UNKNOWN)
    assert table.match(ANSWER.with_fields({11: "000002"})).outcome is Outcome.DUPLICATE


def test_key_holds_the_class_and_the_trace():
    """Requests, repeats and answers of one exchange have one key."""
    keys = {match_key(message) for message in (REQUEST, REQUEST.as_repeat(), ANSWER)}

    assert len(keys) == 1
    assert keys.pop().stan == "000123"
