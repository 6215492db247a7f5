"""Layouts: what one reads is what the fields one by one say, and None for all else."""

import pytest

from gateway.iso8583 import codec as codec_module
from gateway.iso8583.codec import Codec
from gateway.iso8583.errors import MalformedMessage
from gateway.iso8583.message import Message

# A field of every kind that the dialect has: digits fixed, odd and variable, text, multibyte text
# and bytes.
FIELDS = {
    2: "6200000000000000013",
    3: "000000",
    22: "051",
    32: "99000001",
    41: "GATEWAY1",
    48: "NM006测试",
    52: bytes(range(8)),
}
DIALECTS = ("bureau", "core", "mainframe-core", "bureau-sm4", "institution")


def message_of(dialect):
    """Give a message of the fields that a dialect can write."""
    text = FIELDS[48] if dialect.fields[48].charset else "NM004TEST"
    return Message(
        "0200", {de: v for de, v in {**FIELDS, 48: text}.items() if de in dialect.fields}
    )


@pytest.fixture
def learned(dialects):
    """Make a codec that has read messages of one layout often enough to know it."""

    def learn(name):
        codec = Codec(dialects[name])
        data = codec.encode(message_of(codec.dialect))
        for _ in range(2):
            codec.decode(data)
        return codec, data

    return learn


@pytest.mark.parametrize("name", DIALECTS)
def test_layout_reads_what_the_fields_one_by_one_say(learned, name):
    """The third message of a layout is read as the first one was."""
    codec, data = learned(name)

    (layout,) = codec._layouts.values()
    fields = layout.decode(data, data.decode("latin-1"))

    assert fields == message_of(codec.dialect).fields
    assert list(fields) == sorted(fields)
    assert codec.decode(data) == message_of(codec.dialect)


@pytest.mark.parametrize("name", DIALECTS)
def test_layout_passes_nothing_that_the_fields_refuse(learned, name):
    """Whatever byte is changed to whatever else: the layout says as much, or leaves it to them."""
    codec, data = learned(name)
    (layout,) = codec._layouts.values()

    for offset in range(len(data)):
        for byte in b"\x00\x1a 9AZz\x7f\x80\xc1\xf9\xff":
            changed = data[:offset] + bytes((byte,)) + data[offset + 1 :]
            fields = layout.decode(changed, changed.decode("latin-1"))
            assert fields in (None, _one_by_one(codec, changed))


def _one_by_one(codec, data):
    try:
        _, *readings = codec.readings(data)
        return {reading.data_element: reading.value for reading in readings}
    except MalformedMessage:
        return MalformedMessage


@pytest.mark.parametrize("text", ["NM006ABCD", "NM006测试", "NM006试A1"])
def test_text_of_one_length_may_be_ascii_or_not(learned, text):
    """One layout reads both, and neither as the other."""
    codec, data = learned("bureau")
    (layout,) = codec._layouts.values()
    message = Message("0200", {**FIELDS, 48: text})
    other = codec.encode(message)

    fields = layout.decode(other, other.decode("latin-1"))

    assert len(other) == len(data)
    assert fields == message.fields


@pytest.mark.parametrize("text", ["NM006AB\x7fD", "NM006\x80BCD", "NM006ABC\xff"])
def test_text_that_is_none_is_not_read_by_a_layout(learned, text):
    """A control character and half a character are refused, wherever the layout was learned."""
    codec, data = learned("bureau")
    (layout,) = codec._layouts.values()
    bad = data.replace("NM006测试".encode("gb18030"), text.encode("latin-1"))

    assert layout.decode(bad, bad.decode("latin-1")) is None


def test_other_lengths_with_the_same_total_are_read_by_the_longer_way(learned):
    """Two fields may change their lengths at each other's cost."""
    codec, data = learned("bureau")
    (layout,) = codec._layouts.values()
    other = Message("0200", {**FIELDS, 2: "620000000000000001", 32: "990000010"})
    changed = codec.encode(other)

    assert len(changed) == len(data)
    assert layout.decode(changed, changed.decode("latin-1")) is None
    assert codec.decode(changed) == other


def test_bad_message_of_a_known_layout_is_refused_by_its_place(learned):
    """What the layout leaves to the fields one by one names the field."""
    codec, data = learned("bureau")

    with pytest.raises(MalformedMessage, match="DE 48"):
        codec.decode(data.replace("测".encode("gb18030"), b"\xff\xff"))


def test_layouts_are_bounded(dialects, monkeypatch):
    """Beyond the limit a new layout costs time and no memory."""
    monkeypatch.setattr(codec_module, "LAYOUTS_MAX", 1)
    codec = Codec(dialects["bureau"])
    messages = [Message("0200", {**FIELDS, 2: pan}) for pan in ("62" * 8, "62" * 9)]

    for message in messages * 3:
        assert codec.decode(codec.encode(message)) == message
    assert len(codec._layouts) == 1
