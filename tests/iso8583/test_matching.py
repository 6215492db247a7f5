"""Which request an answer belongs to."""

import pytest
from hypothesis import given
from hypothesis.strategies import binary, dictionaries, one_of, sampled_from, text

from gateway.iso8583.matching import DuplicateKey, KeyReader, Match, Outcome, PendingTable
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
    table = PendingTable(wait_seconds=20.0)
    table.add(REQUEST, "first", now=0.0)
    return table


def test_answer_completes_its_request_once(table):
    """The first answer gets the token; the same again is known as a duplicate."""
    assert table.match(ANSWER, 0.5) == Match(Outcome.MATCHED, "first", None, 0.5)
    assert len(table) == 0
    assert table.match(ANSWER, 0.75) == Match(Outcome.DUPLICATE, None, None, 0.75)


def test_answer_after_the_deadline_is_late_then_duplicate(table):
    """What comes after we gave up is still brought to its request, once."""
    assert table.expire(19.9) == []
    assert table.expire(20.0) == ["first"]
    assert table.match(ANSWER, 21.0) == Match(Outcome.LATE, "first", None, 21.0)
    assert table.match(ANSWER, 22.0) == Match(Outcome.DUPLICATE, None, None, 22.0)


def test_lost_connection_gives_everything_up(table):
    """All that was in flight over it is given up at once; its answers would be late."""
    table.add(REQUEST.with_fields({11: "000124"}), "elsewhere", 0.0, over="another")

    assert table.clear() == ["first"]
    assert len(table) == 1
    assert table.match(ANSWER, 1.0).outcome is Outcome.LATE


@pytest.mark.parametrize("de", [7, 32, 33, 37, 41])
@pytest.mark.parametrize("value", ["9", None])
def test_answer_that_differs_names_the_field(table, de, value):
    """An answer with the same class and STAN is never taken for another request's."""
    fields = {key: value_ for key, value_ in {**ANSWER.fields, de: value}.items() if value_}

    assert table.match(Message("0110", fields), 1.0) == Match(Outcome.FIELD_DIFFERS, None, de)
    assert len(table) == 1


@pytest.mark.parametrize("answer", [Message("0310", ANSWER.fields), ANSWER.with_fields({11: "9"})])
def test_answer_to_nothing_is_unknown(table, answer):
    """Another class or STAN belongs to nothing we sent."""
    assert table.match(answer, 1.0) == Match(Outcome.UNKNOWN)


def test_nearest_request_is_named():
    """With two requests of one STAN, the one that agrees longest tells which field broke."""
    table = PendingTable(wait_seconds=20.0)
    table.add(REQUEST, "first", 0.0)
    table.add(REQUEST.with_fields({7: "1121193659"}), "second", 0.0)

    assert table.match(ANSWER.with_fields({41: "OTHER"}), 1.0).data_element == 41
    assert table.match(ANSWER, 1.0).token == "first"
    assert table.match(ANSWER.with_fields({7: "1121193659"}), 1.0).token == "second"


def test_padding_of_peers_does_not_matter(table):
    """Institutions with leading zeros and text with spaces behind still match."""
    padded = ANSWER.with_fields({32: "00099350201", 41: "GATEWAY1  "})

    assert table.match(padded, 1.0).outcome is Outcome.MATCHED


def test_two_requests_with_one_key_are_never_in_flight(table):
    """The second would get the first one's answer; the text of the refusal holds no value."""
    with pytest.raises(DuplicateKey) as caught:
        table.add(REQUEST.as_repeat(), "second", 10.0)

    assert "000123" not in str(caught.value)


def test_repeat_waits_again_after_the_first_was_given_up(table):
    """A repeat takes the place of what timed out: the answer is its own."""
    table.expire(20.0)

    table.add(REQUEST.as_repeat(), "repeat", 20.0)

    assert table.match(ANSWER, 21.0) == Match(Outcome.MATCHED, "repeat", None, 1.0)


def test_requests_are_given_up_in_the_order_of_their_sending():
    """Each waits for as long as every other, and not a moment less."""
    table = PendingTable(wait_seconds=20.0)
    for second in range(4):
        table.add(REQUEST.with_fields({11: f"{second:06d}"}), second, float(second))
    table.match(ANSWER.with_fields({11: "000001"}), 5.0)

    assert [table.expire(now) for now in (19.5, 20.0, 22.5, 23.0)] == [[], [0], [2], [3]]


def test_table_is_bounded():
    """Beyond its limit a request is refused, not queued."""
    table = PendingTable(wait_seconds=20.0, pending_max=1)
    table.add(REQUEST, "first", 0.0)

    with pytest.raises(Unavailable):
        table.add(REQUEST.with_fields({11: "000124"}), "second", 0.0)


def test_memory_of_settled_requests_is_bounded():
    """The oldest settled request is forgotten first."""
    table = PendingTable(wait_seconds=20.0, remembered_max=1)
    for stan in ("000001", "000002"):
        table.add(REQUEST.with_fields({11: stan}), stan, 0.0)
        table.match(ANSWER.with_fields({11: stan}), 1.0)

    assert table.match(ANSWER.with_fields({11: "000001"}), 1.0) == Match(Outcome.UNKNOWN)
    assert table.match(ANSWER.with_fields({11: "000002"}), 1.0).outcome is Outcome.DUPLICATE


def test_key_holds_the_class_and_the_trace():
    """Requests, repeats and answers of one exchange have one key."""
    keys = {KeyReader()(message) for message in (REQUEST, REQUEST.as_repeat(), ANSWER)}

    assert len(keys) == 1
    assert keys.pop()[:2] == ("1", "000123")


VALUES = one_of(text("0 1A", max_size=4), binary(max_size=1))


@pytest.mark.parametrize("declared", [(11,), (7, 11), (11, 7, 32, 33, 37, 41)])
@given(fields=dictionaries(sampled_from((7, 11, 32, 33, 37, 41)), VALUES))
def test_lines_of_a_key_are_its_parts(declared, fields):
    """Padded or not, absent or binary: the short way to a key says what the long one says."""
    key, message = KeyReader(declared), Message("0110", fields)

    assert key.lines(message) == "\n".join(key(message))


def test_key_is_what_the_message_set_declares():
    """A far side that does not echo DE 41 is matched without it."""
    table = PendingTable(wait_seconds=20.0, match_on=(7, 11))
    table.add(REQUEST, "first", 0.0)

    assert table.match(Message("0110", {7: TRACE[7], 11: "000124"}), 1.0).outcome is Outcome.UNKNOWN
    assert table.match(Message("0110", {7: "9", 11: TRACE[11]}), 1.0).data_element == 7
    assert table.match(Message("0110", {7: TRACE[7], 11: TRACE[11]}), 1.0).token == "first"


def test_binary_value_is_in_no_key():
    """Where a dialect has bytes in a key's place, there is nothing to compare."""
    assert KeyReader((11, 41))(Message("0110", {11: "000123", 41: b"x"})) == ("1", "000123", "")
