"""The subfields of data element 48."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.iso8583.errors import MalformedMessage, UnencodableMessage
from gateway.iso8583.private_data import pack, subfields_of, unpack

VALUES = st.text("测试甲乙𠮷· AZ09", min_size=1, max_size=100)
USAGES = st.text("ABCNMID", min_size=2, max_size=2)


def test_lengths_count_gb18030_bytes():
    """A name of four characters, one of them outside the basic plane, has ten bytes."""
    packed = pack({"NM": "测试甲𠮷", "CS": "N"})

    assert packed == "NM010测试甲𠮷CS001N"
    assert [(s.usage, s.offset, s.length) for s in subfields_of(packed)] == [
        ("NM", 0, 15),
        ("CS", 15, 6),
    ]


@given(st.dictionaries(USAGES, VALUES, max_size=6))
def test_subfields_come_back_in_order(subfields):
    """What is packed is unpacked, in the same order, and packs to the same text."""
    text = pack(subfields)

    assert list(unpack(text).items()) == list(subfields.items())
    assert pack(unpack(text)) == text


@pytest.mark.parametrize(
    ("text", "place", "offset", "rule"),
    [
        ("NM", "DE 48", 0, "two capital letters"),
        ("nm001x", "DE 48", 0, "two capital letters"),
        ("NM+01x", "DE 48", 0, "three digits"),
        ("NM 1x", "DE 48", 0, "three digits"),
        ("NM1_0x", "DE 48", 0, "three digits"),
        ("NM٠٠١x", "DE 48", 0, "three digits"),  # noqa: RUF001 - digits that are not ASCII
        ("NM000", "DE 48 NM", 0, "1 to what is left"),
        ("NM002x", "DE 48 NM", 0, "1 to what is left"),
        ("CS001NNM003测", "DE 48 NM", 6, "1 to what is left"),
        ("NM003测试", "DE 48 NM", 7, "cut"),
        ("CS001N ", "DE 48", 6, "two capital letters"),
        ("CS001NCS001N", "DE 48 CS", 6, "came before"),
        ("NM001\ud800", "DE 48", 0, "not in GB18030"),
    ],
)
def test_malformed_subfields_are_refused(text, place, offset, rule):
    """Heads, lengths, cut characters, repeated usages and leftovers are named by place."""
    with pytest.raises(MalformedMessage) as caught:
        unpack(text)

    assert (caught.value.place, caught.value.offset) == (place, offset)
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("usage", "value", "rule"),
    [
        ("N", "x", "two capital letters"),
        ("N1", "x", "two capital letters"),
        ("NM", "", "1 to 999"),
        ("NM", "测" * 500, "1 to 999"),
        ("NM", "\ud800", "not in GB18030"),
    ],
)
def test_what_cannot_be_packed_is_our_mistake(usage, value, rule):
    """Wrong usages and values that are empty or too long never leave."""
    with pytest.raises(UnencodableMessage, match=rule):
        pack({usage: value})


def test_nothing_is_packed_as_nothing():
    """No subfields, no text."""
    assert pack({}) == ""
    assert unpack("") == {}
