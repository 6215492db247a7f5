"""Bytes that are not the JSON of RFC 8259, or too much of it."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.problems import InvalidRequest
from gateway.api.strict_json import OPENINGS_MAX, canonical, parse

VALID = "valid JSON (RFC 8259) in UTF-8"
PLACE = "(: broken at (character|byte) [0-9]+)?"
TOO_MANY = f"at most {OPENINGS_MAX} objects and arrays"
BROKEN = [
    (b"", "a body: there is none"),
    (b"{", f"{VALID}: broken at character 2"),
    (b"{}{}", f"{VALID}: broken at character 3"),
    (b"{'account': 1}", f"{VALID}: broken at character 2"),
    (b'{"account": 1,}', VALID),
    (b'\xef\xbb\xbf{"account": 1}', VALID),
    (b'{"account": "\xff"}', VALID),
    (b'{"account": "\xed\xa0\x80"}', VALID),
    ('{"account": "测"}'.encode("gb18030"), VALID),
    ('{"account": 1}'.encode("utf-16"), VALID),
    (b'{"account": NaN}', VALID),
    (b'{"account": Infinity}', VALID),
    (b'{"account": -Infinity}', VALID),
    (b'{"account": 01}', VALID),
    ('{"account": \uff11}'.encode(), VALID),
    (b'{"account": "a\nb"}', VALID),
    (b'{"account": "\x00"}', VALID),
    (b'{"account": "\\ud800"}', VALID),
    (b'{"account": "\\uDFFF\\uD83D"}', VALID),
    (b'{"\\udc00": "1"}', VALID),
    (b'{"account": ' + b"9" * 5000 + b"}", VALID),
    (b"[" * 65 + b"]" * 65, TOO_MANY),
    (b"[" * 60_000, TOO_MANY),
    (b'{"a":' * 10_000, TOO_MANY),
    (b"[" + b"[]," * 64 + b"[]]", TOO_MANY),
]


@pytest.mark.parametrize(("body", "rule"), BROKEN)
def test_anything_but_strict_json_is_refused(body, rule):
    """Each is refused by one rule, with no pointer into what could not be read."""
    with pytest.raises(InvalidRequest) as refused:
        parse(body, {"account"})

    [error] = refused.value.errors
    assert error.pointer == ""
    assert error.rule.startswith(rule)
    assert re.fullmatch(PLACE, error.rule.removeprefix(rule))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"account": "1", "mobile": "2", "account": "1"}', "/account"),
        (b'{"account": "1", "acc\\u006funt": "2"}', "/account"),
        (b'{"483920": 1, "483920": 2}', ""),
        (b'{"x": {"483920": 1, "483920": 2}}', ""),
    ],
)
def test_member_named_twice_is_refused(body, pointer):
    """A known name is pointed at; a name that is the caller's own is not repeated."""
    with pytest.raises(InvalidRequest) as refused:
        parse(body, {"account", "mobile"})

    [error] = refused.value.errors
    assert (error.pointer, error.rule) == (pointer, "no member twice")
    assert "483920" not in repr(refused.value.errors)


def test_character_written_as_a_pair_is_text():
    """A pair of escapes is one character, as RFC 8259 has it."""
    assert parse(b'{"account": "\\uD83D\\uDE00"}', ()) == {"account": "\U0001f600"}


def test_nesting_up_to_the_bound_is_parsed():
    """The bound includes its last opening."""
    body = b"[" * OPENINGS_MAX + b"]" * OPENINGS_MAX

    assert parse(body, ()) == json.loads(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(VALUES)
def test_canonical_bytes_say_the_same_value(value):
    """What is written canonically reads as the value it was."""
    assert json.loads(canonical(value)) == value


def test_canonical_bytes_ignore_order_and_white_space():
    """Two texts of one value have one canonical form."""
    one = parse(b'{"b": [1,  2], "a": "\xe6\xb5\x8b"}', ())
    other = parse(b'{"a":"\\u6d4b","b":[1,2]}', ())

    assert canonical(one) == canonical(other) == b'{"a":"\\u6d4b","b":[1,2]}'
