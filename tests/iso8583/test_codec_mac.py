"""The MAC of a message: what it covers, where it stands, and who may leave it out."""

import hashlib
from pathlib import Path

import pytest

from gateway.iso8583.errors import MacMismatch, MalformedMessage
from gateway.iso8583.mac import MAC_DATA_ELEMENTS
from gateway.iso8583.message import Message
from gateway.terms.errors import LocalError
from gateway.terms.response_codes import ResponseCode

DIALECTS = Path(__file__).parents[2] / "specs" / "dialects"
SHORT = {11: "123456"}
EVERY = pytest.mark.parametrize("name", sorted(file.stem for file in DIALECTS.glob("*.toml")))


def toy_mac(data):
    """Stand in for a cipher."""
    return hashlib.sha256(data).digest()[:8]


# ---------------------------------------------------------------- MAC


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("bureau", lambda code: code),
        ("bureau-sm4", lambda code: code),
        ("core", lambda code: code),
        ("mainframe-core", lambda code: code[:4] + bytes(4)),
        ("iso8583-1987-ascii", lambda code: code.hex().upper().encode()),
        ("iso8583-1987-binary", lambda code: code),
    ],
)
def test_mac_covers_every_byte_before_it(codecs, name, field, samples):
    """A message is sealed in the last data element; altering any byte is noticed."""
    raw = codecs[name].encode(Message("0100", samples[name]), toy_mac)
    mac_bytes = len(field(bytes(8)))

    codecs[name].verify_mac(raw, toy_mac)

    assert raw[-mac_bytes:] == field(toy_mac(raw[:-mac_bytes]))
    assert max(codecs[name].decode(raw).fields) in MAC_DATA_ELEMENTS
    for index in range(len(raw)):
        altered = raw[:index] + bytes((raw[index] ^ 1,)) + raw[index + 1 :]
        with pytest.raises((MacMismatch, MalformedMessage)):
            codecs[name].verify_mac(altered, toy_mac)


def test_mac_covers_the_fields_that_the_dialect_names(codecs):
    """MTI and fields as they stand in the message, blanks between; half of it in hex digits."""
    codec, seen = codecs["institution"], []
    fields = {3: "310000", 12: "193658", 32: "99350201", 48: "RC002测", 102: "T00000019"}

    raw = codec.encode(Message("0100", fields), lambda data: seen.append(data) or toy_mac(data))

    assert seen == [b"0100 310000 0899350201 007RC002\xb2\xe2 09T00000019"]
    assert raw[-8:] == toy_mac(seen[0])[:4].hex().upper().encode()
    codec.verify_mac(raw, toy_mac)
    codec.verify_mac(raw.replace(b"193658", b"193659"), toy_mac)  # DE 12 is not named
    with pytest.raises(MacMismatch, match="does not belong"):
        codec.verify_mac(raw.replace(b"310000", b"310001"), toy_mac)


@pytest.mark.parametrize(
    ("name", "fields", "place"),
    [
        ("bureau", {11: "123456"}, 128),
        ("core", {7: "1121193658", 11: "123456"}, 64),
        ("core", {11: "123456", 70: "301"}, 128),
    ],
)
def test_mac_stands_where_the_dialect_says(codecs, name, fields, place):
    """The bureau's MAC is DE 128; the core's is the last element of the last bitmap."""
    raw = codecs[name].encode(Message("0800", fields), toy_mac)

    decoded = codecs[name].decode(raw)

    assert decoded.fields.keys() == {*fields, place}


def test_repeat_is_sealed_anew(codecs, samples):
    """A MAC that came with the message is replaced, because the MTI has changed."""
    codec = codecs["core"]
    sealed = codec.decode(codec.encode(Message("0100", samples["core"]), toy_mac))

    raw = codec.encode(sealed.as_repeat(), toy_mac)

    codec.verify_mac(raw, toy_mac)
    assert codec.decode(raw).mti == "0101"


@EVERY
def test_message_without_mac_is_refused(codecs, name, samples):
    """A missing MAC is a wrong one, answered by A0."""
    bare = codecs[name].encode(Message("0100", samples[name]))
    cut = codecs[name].encode(Message("0100", {11: "123456"}), toy_mac)[:-9]

    with pytest.raises(MacMismatch, match="missing") as caught:
        codecs[name].verify_mac(bare, toy_mac)
    with pytest.raises((MacMismatch, MalformedMessage), match=r"missing|ends inside"):
        codecs[name].verify_mac(cut, toy_mac)
    assert caught.value.response_code is ResponseCode.MAC_FAILURE


@EVERY
def test_bitmap_seen_before_is_judged_as_a_new_one(codecs, name, samples):
    """Once messages like it were read, a missing, wrong or cut MAC is refused all the same."""
    codec = codecs[name]
    sealed, short = (codec.encode(Message("0100", f), toy_mac) for f in (samples[name], SHORT))
    bare = codec.encode(Message("0100", samples[name]))
    for raw in (sealed, short, bare):
        codec.decode(raw)

    codec.verify_mac(sealed, toy_mac)

    for refused in (bare, sealed[:-1] + bytes((sealed[-1] ^ 1,)), short[:-9]):
        with pytest.raises((MacMismatch, MalformedMessage)):
            codec.verify_mac(refused, toy_mac)


def test_mac_of_a_wrong_size_is_our_mistake(codecs, samples):
    """A cipher that does not give 8 bytes is refused before anything leaves."""
    with pytest.raises(LocalError, match="8 bytes"):
        codecs["core"].encode(Message("0100", samples["core"]), lambda _: b"short")


def test_mac_that_is_not_hex_text_does_not_belong(codecs):
    """Where binary fields are hex text, so is the MAC; other characters are a wrong one."""
    codec = codecs["iso8583-1987-ascii"]
    raw = codec.encode(Message("0100", {11: "123456"}), toy_mac)

    with pytest.raises(MacMismatch, match="does not belong"):
        codec.verify_mac(raw[:-1] + b"x", toy_mac)
