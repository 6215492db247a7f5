"""Subfields: positional, tagged and nested."""

import pytest

from gateway.iso8583.errors import MalformedMessage
from gateway.iso8583.field_content import BadContent
from gateway.iso8583.field_form import ASCII, Writing
from gateway.iso8583.field_specification import FieldSpecification, Subfields
from gateway.iso8583.subfields import Structure, divided_form_of

PACKED = Writing(numeric="bcd", lengths="bcd", pad_left=True)


def field(notation, subfields=None, charset=None):
    """Make a field."""
    return FieldSpecification("Field", notation, charset, subfields=subfields)


POSITIONAL = Subfields("positional", {"1": field("n 2"), "2": field("ans..5"), "3": field("an 3")})
TLV = Subfields("tlv", {"01": field("n 2"), "02": field("ans..5")}, "n 2", 2)
LTV = Subfields("ltv", {"A1": field("ans 2"), "A2": field("ans..5")}, "an 2", 3)
USAGE = Subfields("usage", {"AA": field("n 2"), "NM": field("ans..9", charset="gb18030")})
NESTED = Subfields("usage", {"AA": field("ans...40", TLV), "BB": field("n 1")})
BINARY = Subfields("tlv", {"01": field("n 3"), "02": field("b..4"), "03": field("ans 1")}, "n 2", 2)
CHIP = Subfields(
    "ber-tlv",
    {
        "5A": field("b..10"),
        "9F1A": field("n 3"),
        "8A": field("an 2"),
        "71": field(
            "b...255", Subfields("ber-tlv", {"9F18": field("b 4"), "86": field("b...200")})
        ),
    },
)
GOOD = [
    pytest.param(
        CHIP,
        "b...255",
        bytes.fromhex("5A03 62000F 9F1A02 0156 8A02 3030 71 0B 9F1804 DEADBEEF 8602 AABB"),
        {
            "5A": bytes.fromhex("62000F"),
            "9F1A": "156",
            "8A": "00",
            "71": {"9F18": bytes.fromhex("DEADBEEF"), "86": b"\xaa\xbb"},
        },
        id="ber-tlv",
    ),
    pytest.param(
        CHIP,
        "b...255",
        bytes.fromhex("71 8183 86 8180") + bytes(128),
        {"71": {"86": bytes(128)}},
        id="ber-tlv-long",
    ),
    pytest.param(POSITIONAL, "ans...99", "12", {"1": "12"}, id="positional-first"),
    pytest.param(POSITIONAL, "ans...99", "1203abc", {"1": "12", "2": "abc"}, id="positional-two"),
    pytest.param(
        POSITIONAL, "ans...99", "1203abcxyz", {"1": "12", "2": "abc", "3": "xyz"}, id="positional"
    ),
    pytest.param(TLV, "ans...99", "0203abc010212", {"02": "abc", "01": "12"}, id="tlv"),
    pytest.param(LTV, "ans...99", "004A1ab005A2xyz", {"A1": "ab", "A2": "xyz"}, id="ltv"),
    pytest.param(
        NESTED, "ans...99", "AA006010234BB0015", {"AA": {"01": "34"}, "BB": "5"}, id="nested"
    ),
    pytest.param(
        BINARY,
        "b...99",
        bytes.fromhex("01020123 0204deadbeef 030141"),
        {"01": "123", "02": b"\xde\xad\xbe\xef", "03": "A"},
        id="binary",
    ),
    pytest.param(Subfields("positional", {"a": field("n 1"), "b": field("n 2")}), "n 3", "123",
                 {"a": "1", "b": "23"}, id="digits"),
]  # fmt: skip


def structure(subfields, notation, charset=None):
    """Compile a field with subfields in a dialect of packed digits."""
    return Structure(FieldSpecification("F", notation, charset, subfields=subfields), PACKED)


@pytest.mark.parametrize(("subfields", "notation", "value", "parts"), GOOD)
def test_subfields_are_read_and_written_back(subfields, notation, value, parts):
    """Each layout gives its parts and is made of them again, to the byte."""
    compiled = structure(subfields, notation)

    assert compiled.unpack(value) == parts
    assert compiled.pack(parts) == value


def test_lengths_of_multibyte_text_count_bytes():
    """A name of three characters has six bytes, and offsets count them too."""
    compiled = structure(USAGE, "ans...99", "gb18030")
    value = "NM006测试甲AA00212"

    assert compiled.unpack(value) == {"NM": "测试甲", "AA": "12"}
    assert compiled.pack({"NM": "测试甲", "AA": "12"}) == value
    assert [(s.key, s.offset, s.length) for s in compiled.readings(value)] == [
        ("NM", 5, 6), ("AA", 16, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("subfields", "value", "offset", "part", "rule"),
    [
        (POSITIONAL, "1", 0, " 1", "ends inside"),
        (POSITIONAL, "1x", 1, " 1", "digits"),
        (POSITIONAL, "1206abcdef", 2, " 2", "length is not"),
        (POSITIONAL, "1203ab", 2, " 2", "ends inside"),
        (POSITIONAL, "1203abcxyz0", 10, "", "bytes follow"),
        (TLV, "03011", 0, "", "does not have this tag"),
        (TLV, "0", 0, "", "ends inside"),
        (TLV, "01", 2, "", "length of a subfield"),
        (TLV, "01-212", 2, "", "length of a subfield"),
        (TLV, "0100", 2, "", "length of a subfield"),
        (TLV, "010112", 0, " 01", "does not allow this length"),
        (TLV, "0206abcdef", 0, " 02", "does not allow this length"),
        (TLV, "0203ab", 0, " 02", "ends inside"),
        (TLV, "01021x", 5, " 01", "digits"),
        (TLV, "010212010212", 6, " 01", "came before"),
        (LTV, "001A1", 0, " A1", "does not allow this length"),
        (LTV, "004A9ab", 3, "", "does not have this tag"),
        (NESTED, "AA0060103344", 5, " AA 01", "does not allow this length"),
        (NESTED, "AA00601021xBB0015", 10, " AA 01", "digits"),
        (NESTED, "AA0049902", 5, " AA", "does not have this tag"),
    ],
)  # fmt: skip
def test_bad_subfields_are_refused_where_they_stand(subfields, value, offset, part, rule):
    """Offset, way to the subfield and rule; the peer's own tag is never repeated."""
    with pytest.raises(BadContent, match=rule) as caught:
        structure(subfields, "ans...99").unpack(value)

    assert (caught.value.offset, caught.value.part) == (offset, part)


@pytest.mark.parametrize(
    ("value", "offset", "part", "rule"),
    [
        ("9F", 0, "", "shortest form"),
        ("9F3704 00000000", 0, "", "does not have this tag"),
        ("00", 0, "", "no tags"),
        ("8A02 3030 0000", 4, "", "no tags"),
        ("8A", 1, "", "shortest form"),
        ("8A80", 1, "", "shortest form"),
        ("8A8102 3030", 1, "", "shortest form"),
        ("8A00", 1, "", "shortest form"),
        ("8A03 303030", 0, " 8A", "does not allow this length"),
        ("8A02 30", 0, " 8A", "ends inside"),
        ("8A02 302D", 3, " 8A", "letters"),
        ("9F1A02 1156", 3, " 9F1A", "unused half"),
        ("8A02 3030 8A02 3030", 4, " 8A", "came before"),
        ("7104 8A02 3030", 2, " 71", "does not have this tag"),
        ("7106 8603 AABB", 0, " 71", "ends inside"),
        ("7104 8603 AABB", 2, " 71 86", "ends inside"),
        ("7105 868102 AABB", 3, " 71", "shortest form"),
    ],
)
def test_bad_chip_data_is_refused_where_it_stands(value, offset, part, rule):
    """Whatever would not be written back as the same bytes, at every depth."""
    with pytest.raises(BadContent, match=rule) as caught:
        structure(CHIP, "b...255").unpack(bytes.fromhex(value))

    assert (caught.value.offset, caught.value.part) == (offset, part)


@pytest.mark.parametrize(
    ("parts", "part", "rule"),
    [
        ({"9F37": bytes(4)}, "", "does not have this tag"),
        ({"8A": "0-"}, " 8A", "letters"),
        ({"5A": bytes(11)}, " 5A", "does not allow this length"),
        ({"71": {"9F18": bytes(5)}}, " 71 9F18", "does not allow this length"),
    ],
)
def test_chip_data_of_ours_that_does_not_fit_is_never_written(parts, part, rule):
    """Our own mistakes are named like a peer's."""
    with pytest.raises(BadContent, match=rule) as caught:
        structure(CHIP, "b...255").pack(parts)

    assert caught.value.part == part


@pytest.mark.parametrize(
    ("subfields", "notation", "rule"),
    [
        (CHIP, "ans...255", "divides a binary field"),
        (Subfields("ber-tlv", {"9F": field("b 1")}), "b...255", "hexadecimal capitals"),
        (Subfields("ber-tlv", {"71": field("b..9")}), "b...255", "constructed tag"),
        (Subfields("ber-tlv", {"71": field("b..9", TLV)}), "b...255", "constructed tag"),
        (Subfields("ber-tlv", {"8A": field("b..9", CHIP)}), "b...255", "constructed tag"),
        (Subfields("ber-tlv", {"8A": field("b..9")}, "n 2"), "b...255", "for tlv and ltv"),
    ],
)
def test_chip_data_that_cannot_be_declared(subfields, notation, rule):
    """Text, tags that are none, templates that hold something else."""
    with pytest.raises(ValueError, match=rule):
        structure(subfields, notation)


@pytest.mark.parametrize(
    ("subfields", "parts", "part", "rule"),
    [
        (POSITIONAL, {"2": "abc"}, "", "without a gap"),
        (POSITIONAL, {}, "", "without a gap"),
        (POSITIONAL, {"1": "123"}, " 1", "length is 2"),
        (POSITIONAL, {"1": {"x": "1"}}, " 1", "not divided"),
        (TLV, {"09": "12"}, "", "does not have this tag"),
        (TLV, {"01": "1"}, " 01", "does not allow this length"),
        (TLV, {"01": "1x"}, " 01", "digits"),
        (NESTED, {"AA": {"01": "1"}}, " AA 01", "does not allow this length"),
        (NESTED, {"AA": {"09": "1"}}, " AA", "does not have this tag"),
    ],
)
def test_subfields_of_ours_that_do_not_fit_are_never_written(subfields, parts, part, rule):
    """Our own mistakes are named like a peer's."""
    with pytest.raises(BadContent, match=rule) as caught:
        structure(subfields, "ans...99").pack(parts)

    assert caught.value.part == part


def test_part_that_is_packed_already_is_written_as_it_is():
    """A divided subfield may be given whole."""
    assert structure(NESTED, "ans...99").pack({"AA": "010234"}) == "AA006010234"


def test_field_with_bad_subfields_is_refused_when_it_is_read():
    """A message with subfields outside the dialect never reaches a machine."""
    form = divided_form_of("DE 60", field("ans...99", TLV), ASCII)

    assert form.read("006010212", 0) == ("010212", 9)
    assert form.piece is form.checked is None
    assert form.content.lift("010212", 6) == "010212"
    with pytest.raises(MalformedMessage) as caught:
        form.read("xx00601021x", 2)
    with pytest.raises(NotImplementedError):
        form.content.put("010212")
    assert (caught.value.place, caught.value.offset) == ("DE 60 01", 10)


def test_offset_in_packed_digits_is_that_of_the_byte():
    """Two digits share a byte, so that the second pair is in the second byte."""
    parts = Subfields("tlv", {"01": field("n 2")}, "n 2", 2)
    form = divided_form_of("DE 60", field("n...99", parts), PACKED)

    with pytest.raises(MalformedMessage) as caught:
        form.read("\x00\x06\x01\x03\x12", 0)

    assert caught.value.offset == 2
