"""Messages written by hand, as JSON or TOML."""

import json

import pytest

from gateway.app.message_tools.draft import parse_draft
from gateway.iso8583.errors import UnencodableMessage
from gateway.terms.errors import SpecificationError

TOML = """
mti = "0100"
[fields]
11 = "000123"
3 = "310000"
52 = "50494E424C4F434B"
[private]
NM = "测试甲"
"""
JSON = json.dumps({
    "mti": "0100",
    "fields": {"11": "000123", "3": "310000", "52": "50494E424C4F434B"},
    "private": {"NM": "测试甲"},
})  # fmt: skip


@pytest.mark.parametrize("text", [TOML, JSON], ids=["toml", "json"])
def test_draft_becomes_a_message(tongues, text):
    """Binary fields are read from hex, private subfields packed into DE 48, fields put in order."""
    message = parse_draft(text).message(tongues["bureau"].dialect)

    assert message.mti == "0100"
    assert list(message.fields.items()) == [
        (3, "310000"), (11, "000123"), (48, "NM006测试甲"), (52, b"PINBLOCK"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("draft", "place"),
    [
        ({"mti": "0100", "fields": {"52": "xy"}}, "DE 52"),
        ({"mti": "0100", "fields": {"48": "X", "11": "1"}, "private": {"NM": "X"}}, "DE 48"),
        ({"mti": "0100", "fields": {"11": "12"}}, "DE 11"),
        ({"mti": "0100", "fields": {"3": "31000a"}}, "DE 3"),
        ({"mti": "0100", "fields": {"127": "1"}}, "bitmap"),
        ({"mti": "9100", "fields": {"11": "000123"}}, "MTI"),
        ({"mti": "0100", "private": {"nm": "X"}}, "DE 48"),
        ({"mti": "0100", "private": {"NM": ""}}, "DE 48 NM"),
    ],
)
def test_what_does_not_fit_the_dialect_is_named(tongues, draft, place):
    """The error has the place and the rule, never the value."""
    with pytest.raises(UnencodableMessage) as caught:
        tongues["bureau"].codec.encode(
            parse_draft(json.dumps(draft)).message(tongues["bureau"].dialect)
        )

    assert caught.value.place == place
    assert "31000a" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"mti": "0100", "fields": {"11": 123}}', "fields.11"),
        ('{"mti": "0100", "fields": {"PAN": "1"}}', "fields.PAN.[key]"),
        ('{"mti": "0100", "field": {}}', "field"),
        ('{"fields": {}}', "mti"),
        ('{"mti": "0100", "mti": "0200"}', ""),
        ('{"mti": ', ""),
        ('{"mti": ' * 100_000, ""),
        ("mti = 0100", ""),
    ],
)  # fmt: skip
def test_what_is_no_draft_is_refused_by_key(text, key):
    """Wrong types, unknown keys, keys that come twice and text that is neither JSON nor TOML."""
    with pytest.raises(SpecificationError) as caught:
        parse_draft(text)

    assert caught.value.key == key
