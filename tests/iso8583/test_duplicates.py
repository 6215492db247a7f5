"""How a request that comes twice is known."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.iso8583.duplicates import body_hash, duplicate_key, is_near, original_key
from gateway.iso8583.message import Message
from gateway.iso8583.original_data import OriginalData

REQUEST = Message(
    "0100", {3: "310000", 7: "1121193658", 11: "000123", 32: "99350201", 52: b"12345678"}
)


def test_repeat_is_the_same_request():
    """Repeat digit and MAC change neither key nor hash."""
    repeat = REQUEST.as_repeat().with_fields({64: b"abcdefgh", 128: b"ijklmnop"})

    assert duplicate_key(repeat) == duplicate_key(REQUEST)
    assert body_hash(repeat) == body_hash(REQUEST)


@pytest.mark.parametrize("mti", ["0120", "0200", "0420"])
def test_another_class_or_function_is_another_request(mti):
    """A reversal with the trace of its original is not a repeat of it."""
    assert duplicate_key(Message(mti, REQUEST.fields)) != duplicate_key(REQUEST)
    assert body_hash(Message(mti, REQUEST.fields)) != body_hash(REQUEST)


@pytest.mark.parametrize("de", [7, 11, 32, 33, 37, 41])
def test_another_trace_is_another_request(de):
    """Each field of the key tells requests apart."""
    assert duplicate_key(REQUEST.with_fields({de: "9"})) != duplicate_key(REQUEST)


@pytest.mark.parametrize(
    "changes", [{3: "920000"}, {52: b"12345679"}, {102: "T00000019"}, {48: ""}, {52: "12345678x"}]
)
def test_changed_body_has_another_hash(changes):
    """Whatever else changes, the key stays and the hash tells."""
    changed = REQUEST.with_fields(changes)

    assert duplicate_key(changed) == duplicate_key(REQUEST)
    assert body_hash(changed) != body_hash(REQUEST)


def test_values_do_not_run_into_each_other():
    """The same characters split in another way are another body."""
    bodies = [Message("0100", {2: "12", 3: "3"}), Message("0100", {2: "1", 3: "23"})]

    assert len({body_hash(body) for body in bodies}) == 2
    assert len(body_hash(REQUEST)) == 32


@pytest.mark.parametrize("is_repeat", [False, True])
def test_reversal_finds_its_original(is_repeat):
    """DE 90 with DE 37 and 41 of the reversal is the key of the original, repeated or not."""
    original = REQUEST.with_fields({33: "99350201", 37: "632519000123", 41: "COUNTER1"})
    named = OriginalData.parse(OriginalData.of(original).build())
    reversal = Message("0420", {11: "000124", 37: "632519000123", 41: "COUNTER1"})
    arrived = original.as_repeat() if is_repeat else original

    assert original_key(reversal, named) == duplicate_key(arrived)
    assert original_key(reversal.with_fields({41: "COUNTER2"}), named) != duplicate_key(arrived)


@pytest.mark.parametrize(
    ("sent", "now", "is_so"),
    [
        ("1231235959", datetime(2027, 1, 1, tzinfo=UTC), True),
        ("0101000000", datetime(2026, 12, 31, 23, tzinfo=UTC), True),
        ("0228120000", datetime(2026, 3, 1, 12, tzinfo=UTC), True),
        ("0227115959", datetime(2026, 3, 1, 12, tzinfo=UTC), False),
        ("0229120000", datetime(2028, 3, 1, 12, tzinfo=UTC), True),
        ("0229120000", datetime(2027, 3, 1, 12, tzinfo=UTC), False),
        ("0301120000", datetime(2027, 3, 1, 12, tzinfo=UTC), True),
    ],
)
def test_a_request_is_near_in_the_nearest_year(sent, now, is_so):
    """DE 7 has none: over the end of a year, and with 29 February in leap years only."""
    assert is_near(sent, now, timedelta(days=2) - timedelta(hours=12)) == is_so
