"""Messages to bytes and back, strictly, and as pyiso8583 does it."""

import hashlib
from pathlib import Path

import iso8583
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.iso8583 import codec as codec_module
from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import parse_dialect
from gateway.iso8583.errors import MacMismatch, MalformedMessage, UnencodableMessage
from gateway.iso8583.mac import MAC_DATA_ELEMENTS
from gateway.iso8583.message import MTIS, Message

DIALECTS = Path(__file__).parents[2] / "specs" / "dialects"
EVERY = pytest.mark.parametrize("name", sorted(file.stem for file in DIALECTS.glob("*.toml")))
BOTH = pytest.mark.parametrize("name", ["bureau", "core"])
PROPERTY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
CHINESE = {"gb18030": "测试甲乙丙路号·𠮷㐀AZaz 09", "gbk": "测试甲乙丙路号·龍AZaz 09"}
ALPHABETS = {"n": DIGITS, "a": LETTERS, "an": DIGITS + LETTERS, "ans": PRINTABLE}


def plain_values(specification, numeric):
    """Give every value of a format."""
    kind, variable, length = specification.form
    least = 1 if variable else length
    most = min(length, 60) if variable else length
    if kind == "b":
        return st.binary(min_size=least, max_size=most)
    if kind == "x+n":
        return st.tuples(
            st.sampled_from("CD"), st.text(DIGITS, min_size=length, max_size=length)
        ).map("".join)
    if specification.charset:
        return st.text(CHINESE[specification.charset], min_size=1, max_size=60)
    track = DIGITS + ("D" if numeric == "bcd" else "=")
    return st.text(ALPHABETS.get(kind, track), min_size=least, max_size=most)


def parts_of(subfields, numeric):
    """Give every choice of subfields, those of a position without a gap."""
    values = {
        key: parts_of(part.subfields, numeric) if part.subfields else plain_values(part, numeric)
        for key, part in subfields.parts.items()
    }
    if subfields.layout == "positional":
        keys = list(values)
        return st.integers(1, len(keys)).flatmap(
            lambda count: st.fixed_dictionaries({key: values[key] for key in keys[:count]})
        )
    return st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=6, unique=True).flatmap(
        lambda keys: st.fixed_dictionaries({key: values[key] for key in keys})
    )


@st.composite
def messages(draw, codec, *, sealed=False):
    """Give any message of a dialect, with a MAC among its fields or without."""
    dialect = codec.dialect
    plain = sorted(set(dialect.fields) - MAC_DATA_ELEMENTS)
    elements = draw(st.lists(st.sampled_from(plain), min_size=1, max_size=20, unique=True))
    if sealed:
        elements.append(dialect.mac.data_element_for(elements))
    return Message(
        draw(st.sampled_from(sorted(MTIS))), {de: draw(values_of(codec, de)) for de in elements}
    )


def values_of(codec, data_element):
    """Give every value that a field may have."""
    specification = codec.dialect.fields[data_element]
    if not specification.subfields:
        return plain_values(specification, codec.dialect.numeric)
    inside = codec.dialect.numeric if specification.form.kind == "b" else "ascii"
    whole = parts_of(specification.subfields, inside).map(
        lambda parts: codec.pack(data_element, parts)
    )
    _, digits, length = specification.form
    return whole.filter(lambda value: len(value) <= length and (digits or len(value) == length))


def pyiso8583_value(dialect, data_element, value):
    """Write a value as pyiso8583 takes it: what it sees as bytes is hex text."""
    if isinstance(value, bytes):
        return value.hex().upper()
    if dialect.fields[data_element].form.kind == "x+n" and dialect.numeric == "bcd":
        return value[:1].encode().hex().upper() + value[1:]
    return value


def toy_mac(data):
    """Stand in for a cipher."""
    return hashlib.sha256(data).digest()[:8]


@EVERY
@PROPERTY
@given(data=st.data())
def test_message_comes_back_as_it_was(codecs, name, data):
    """Any message is read back from its bytes, the first time and with a plan."""
    message = data.draw(messages(codecs[name], sealed=data.draw(st.booleans())))

    first = codecs[name].encode(message)
    again = codecs[name].encode(message)

    assert first == again
    assert codecs[name].decode(first) == codecs[name].decode(first) == message


@EVERY
@PROPERTY
@given(data=st.data())
def test_codec_agrees_with_pyiso8583(codecs, name, data):
    """pyiso8583 writes and reads every message as we do."""
    codec = codecs[name]
    message = data.draw(messages(codec))
    specification = codec.dialect.pyiso8583_specification()
    document = {
        str(element): pyiso8583_value(codec.dialect, element, value)
        for element, value in message.fields.items()
    }

    theirs, _ = iso8583.encode({"t": message.mti, **document}, specification)
    read, _ = iso8583.decode(codec.encode(message), specification)

    assert codec.encode(message) == bytes(theirs)
    assert {
        key: value for key, value in read.items() if key not in {"h", "t", "p", "1"}
    } == document
    assert read["t"] == message.mti


@EVERY
@settings(PROPERTY, max_examples=50)
@given(data=st.data())
def test_bytes_have_one_form(codecs, name, data):
    """Altered bytes are refused, or they are the one form of another message."""
    codec = codecs[name]
    message = data.draw(messages(codec, sealed=True))
    altered = bytearray(codec.encode(message))
    codec.decode(bytes(altered))
    for _ in range(data.draw(st.integers(1, 3))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))

    try:
        read = codec.decode(bytes(altered))
    except MalformedMessage:
        return
    assert codec.encode(read) == bytes(altered)


@EVERY
@settings(PROPERTY, max_examples=10)
@given(data=st.data())
def test_a_plan_reads_as_field_by_field(codecs, dialects, name, data):
    """A plan gives what reading one field after the other gives, to the byte."""
    message = data.draw(messages(codecs[name]))
    raw = codecs[name].encode(message)
    readings = list(codecs[name].readings(raw))

    fresh = Codec(dialects[name])
    fresh.decode(raw)

    assert fresh.decode(raw).fields == {r.data_element: r.value for r in readings[1:]}
    assert sum(r.length for r in readings[1:]) == len(raw) - readings[1].offset
    assert readings[0][::3] == (0, message.mti)


@EVERY
@PROPERTY
@given(data=st.binary(max_size=80), header=st.booleans())
def test_any_bytes_are_read_or_refused(codecs, name, data, header):
    """No bytes whatever raise anything but the one refusal, in codec and MAC check alike."""
    if header:
        data = codecs[name].encode(Message("0100", {11: "123456"}))[:-6] + data

    for read in (codecs[name].decode, lambda data: codecs[name].verify_mac(data, toy_mac)):
        try:
            read(data)
        except (MalformedMessage, MacMismatch):
            continue
        assert codecs[name].encode(codecs[name].decode(data)) == data


@EVERY
def test_message_cut_anywhere_is_refused(codecs, name, samples):
    """A message that ends early is refused wherever it ends, plan or not."""
    raw = codecs[name].encode(Message("0100", samples[name]))
    codecs[name].decode(raw)

    for end in range(len(raw)):
        with pytest.raises(MalformedMessage, match="the message ends inside"):
            codecs[name].decode(raw[:end])


@EVERY
@pytest.mark.parametrize("byte", [0x00, 0x20, 0x39, 0x41, 0x60, 0x9A, 0xFF])
def test_error_never_holds_a_value(codecs, name, byte, samples):
    """Whichever byte is wrong, the text of the refusal repeats nothing of the message."""
    raw = codecs[name].encode(Message("0100", samples[name]))
    values = [str(value) for value in samples[name].values()]

    for index in range(len(raw)):
        described = ""
        try:
            codecs[name].decode(raw[:index] + bytes((byte,)) + raw[index + 1 :])
        except MalformedMessage as error:
            described = f"{error} {error!r}"
        assert not any(value in described for value in values)


@EVERY
def test_order_of_fields_does_not_matter(codecs, name, samples):
    """Fields may be given in any order."""
    fields = samples[name]
    backwards = dict(sorted(fields.items(), reverse=True))

    raws = {codecs[name].encode(Message("0100", order)) for order in (fields, backwards) * 2}

    assert len(raws) == 1


def test_bureau_bytes_are_as_the_dialect_says(codecs):
    """ASCII MTI and fields, binary bitmap with bit 1, ASCII LL and LLL."""
    message = Message("0100", {3: "310000", 32: "99350201", 48: "RC002测", 102: "T1"})

    raw = codecs["bureau"].encode(message)

    bitmap = bytes.fromhex("a000000100010000 0000000004000000")
    assert raw == b"0100" + bitmap + b"310000" + b"0899350201" + b"007RC002\xb2\xe2" + b"02T1"


def test_core_bytes_are_as_the_dialect_says(codecs):
    """BCD MTI and digits, odd ones padded right, BCD lengths that count digits or bytes."""
    message = Message("0100", {2: "62001", 22: "021", 35: "12D34", 41: "TERM0001", 48: "测"})

    raw = codecs["core"].encode(message)

    digits = bytes.fromhex("0562 0010 0210 05 12D340".replace(" ", ""))
    assert (
        raw == bytes.fromhex("0100 4000040020810000") + digits + b"TERM0001" + b"\x00\x02\xb2\xe2"
    )


MTI = "the MTI is version 0"

DIGITS_ONLY = "only the digits 0 to 9"


@pytest.mark.parametrize(
    ("name", "mti", "fields", "place", "rule"),
    [
        ("bureau", "1800", {11: "123456"}, "MTI", "version 0"),
        ("bureau", "0800", {}, "bitmap", "no data element"),
        ("bureau", "0800", {5: "1"}, "bitmap", "not have DE 5"),
        ("bureau", "0800", {65: "1"}, "bitmap", "bit 65"),
        ("bureau", "0800", {1: b"12345678"}, "bitmap", "not have DE 1"),
        ("bureau", "0800", {7: "1121193658", 11: "12345"}, "DE 11", "the length is 6"),
        ("bureau", "0800", {7: "112119365", 11: "1234567"}, "DE 7", "the length is 10"),
        ("bureau", "0800", {7: "1121193658", 11: "12345x"}, "DE 11", DIGITS_ONLY),
        ("bureau", "0800", {7: "1121193658", 11: b"123456"}, "DE 11", "text"),
        ("bureau", "0800", {7: "1121193658", 11: "12345\n"}, "DE 11", DIGITS_ONLY),
        ("bureau", "0800", {32: "123456789012"}, "DE 32", "the length is 1 to 11"),
        ("bureau", "0800", {32: ""}, "DE 32", "the length is 1 to 11"),
        ("bureau", "0800", {48: "测" * 257}, "DE 48", "the length is 1 to 512"),
        ("bureau", "0800", {48: "\ud800"}, "DE 48", "not in gb18030"),
        ("bureau", "0800", {48: "a\u2028"}, "DE 48", "control"),
        ("bureau", "0800", {48: b"a"}, "DE 48", "text"),
        ("bureau", "0800", {52: "12345678"}, "DE 52", "bytes"),
        ("bureau", "0800", {52: b"1234567"}, "DE 52", "the length is 8"),
        ("core", "0800", {2: "6200D"}, "DE 2", DIGITS_ONLY),
        ("core", "0800", {35: "62=00"}, "DE 35", "0 to 9 and D"),
        ("core", "0800", {64: b"12345678", 70: "301"}, "bitmap", "DE 128"),
    ],
)
def test_our_own_mistakes_are_found_before_bytes_leave(codecs, name, mti, fields, place, rule):
    """A message that does not fit the dialect is never written, with a plan or without."""
    for _ in range(2):
        with pytest.raises(UnencodableMessage) as caught:
            codecs[name].encode(Message(mti, fields))

        assert caught.value.place == place
        assert rule in caught.value.rule


def test_values_of_one_message_never_run_into_each_other(codecs):
    """A field too short beside one too long is refused although the sum is right."""
    good = {7: "1121193658", 11: "123456", 37: "000000000123"}
    codecs["bureau"].encode(Message("0800", good))

    with pytest.raises(UnencodableMessage):
        codecs["bureau"].encode(Message("0800", {**good, 7: "112119365", 11: "8123456"}))


@BOTH
def test_many_layouts_cost_no_memory(dialects, monkeypatch, name):
    """Beyond the number of plans kept, messages are read and written field by field."""
    monkeypatch.setattr(codec_module, "PLANS_MAX", 1)
    codec = Codec(dialects[name])
    first, second = {3: "310000", 7: "1121193658"}, {7: "1121193658", 11: "123456"}

    for fields in (first, second, second):
        assert codec.decode(codec.encode(Message("0100", fields))).fields == fields

    assert len(codec._decode_plans) == len(codec._encode_plans) == 1


# ---------------------------------------------------------------- forms no shipped dialect has

SMALL = """
extends = "BASE"
name = "small"
title = "Small"
bitmap = "BITMAP"
binary = "raw"
text = "ibm1047"
numeric = "ebcdic"
lengths = "LENGTHS"
WITHOUT

[fields]
46 = { format = "ans...300" }
47 = { format = "ans..80", charset = "gbk" }
129 = { name = "Beyond", format = "n 3" }
192 = { name = "The last", format = "ans..20" }
"""
TERTIARY = [
    pytest.param(forms, id="-".join(forms[1:]))
    for forms in (
        ("iso8583-1987-ascii", "hex-ebcdic", "binary"),
        ("iso8583-1987-ascii", "hex-ebcdic", "ebcdic"),
        ("iso8583-1987-binary", "binary", "bcd"),
    )
]


@pytest.fixture
def small(base_text, request):
    """Give a codec with a tertiary bitmap and IBM-1047."""
    base, bitmap, lengths = request.param
    without = 'without = ["odd_digits_pad"]' if base.endswith("binary") else ""
    text = SMALL.replace("BASE", base).replace("BITMAP", bitmap).replace("LENGTHS", lengths)
    return Codec(parse_dialect(text.replace("WITHOUT", without), "small.toml", base_text))


@pytest.mark.parametrize("small", TERTIARY, indirect=True)
@settings(PROPERTY, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_tertiary_fields_agree_with_pyiso8583(small, data):
    """Three maps one behind the other, other lengths and other EBCDIC: the same bytes."""
    message = data.draw(messages(small))
    specification = small.dialect.pyiso8583_specification()
    document = {
        str(element): pyiso8583_value(small.dialect, element, value)
        for element, value in message.fields.items()
    }

    theirs, _ = iso8583.encode({"t": message.mti, **document}, specification)
    ours = small.encode(message)

    assert ours == bytes(theirs)
    assert small.decode(ours) == small.decode(ours) == message


@pytest.mark.parametrize("small", TERTIARY, indirect=True)
def test_mac_before_the_tertiary_fields_covers_them(small):
    """The MAC stands in DE 128; it covers what is before it and what is behind."""
    raw = small.encode(Message("0800", {11: "123456", 192: "AB"}), toy_mac)

    small.verify_mac(raw, toy_mac)

    assert list(small.decode(raw).fields) == [11, 128, 192]
    for index in range(len(raw)):
        altered = raw[:index] + bytes((raw[index] ^ 1,)) + raw[index + 1 :]
        with pytest.raises((MacMismatch, MalformedMessage)):
            small.verify_mac(altered, toy_mac)


# ---------------------------------------------------------------- subfields


def test_subfields_are_read_and_written_by_the_codec(codecs):
    """The value of a field stays whole in the message; the codec takes it apart and together."""
    codec = codecs["bureau-sm4"]
    value = codec.pack(63, {"SM": bytes(range(16))})
    message = codec.decode(codec.encode(Message("0100", {63: value})))

    assert value == b"SM016" + bytes(range(16))
    assert codec.unpack(message, 63) == {"SM": bytes(range(16))}


def test_bad_subfields_are_refused_with_their_place(codecs):
    """Reading and writing name the field and the subfield."""
    codec = codecs["institution"]

    with pytest.raises(MalformedMessage) as read:
        codec.unpack(Message("0100", {61: "0x".ljust(22)}), 61)
    with pytest.raises(UnencodableMessage) as written:
        codec.pack(61, {"61.1": "0x"})

    assert (read.value.place, read.value.offset) == ("DE 61 61.1", 1)
    assert written.value.place == "DE 61 61.1"
