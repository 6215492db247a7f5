"""Bitmaps in all their forms."""

import pytest

from gateway.iso8583.bitmap import BitmapForm
from gateway.iso8583.errors import MalformedMessage

FORMS = ("binary", "hex", "hex-ebcdic")
ELEMENTS = ([2], [64], [2, 66], [128], [129], [64, 192], [2, 3, 64, 66, 128, 129, 192])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("elements", ELEMENTS)
def test_bitmap_is_read_back(form, elements):
    """As many maps are written as the highest element needs, and no bit is lost."""
    maps = BitmapForm(form, has_tertiary=True)

    raw = maps.write(elements)

    assert maps.read("xx" + raw + "yy", 2) == (elements, 2 + len(raw))
    assert len(raw) == maps.map_bytes * -(-elements[-1] // 64)


def test_bits_are_numbered_from_the_left():
    """Bit 1 is the first bit of the first byte (ISO 8583:1987, 4.2)."""
    assert BitmapForm("hex", has_tertiary=False).write([2, 11]) == "4020000000000000"
    assert BitmapForm("hex", has_tertiary=True).write([2, 129]) == (
        "C000000000000000" + "8000000000000000" * 2
    )
    assert BitmapForm("hex-ebcdic", has_tertiary=False).write([1]) == "\xf8" + "\xf0" * 15


def test_bit_65_is_kept_where_there_is_no_tertiary_bitmap():
    """The codec refuses it by name; the map itself has only two parts."""
    maps = BitmapForm("hex", has_tertiary=False)

    assert maps.read("8000000000000000" + "C000000000000000", 0) == ([65, 66], 32)


@pytest.mark.parametrize(
    ("form", "raw", "offset", "rule", "hint"),
    [
        ("binary", "\x80" + "\0" * 14, 0, "ends inside", ""),
        ("hex", "402000000000000", 0, "ends inside", ""),
        ("hex", "402000000000000a", 15, "digits 0 to 9 and A to F", "lower-case"),
        ("hex", "4020000000000 00", 13, "digits 0 to 9 and A to F", "binary"),
        ("hex", "\xf4" + "\xf0" * 15, 0, "digits 0 to 9 and A to F", "looks like EBCDIC"),
        ("hex", "\x40\x20" + "\0" * 14, 0, "digits 0 to 9 and A to F", "binary"),
        ("hex-ebcdic", "4020000000000000", 0, "digits 0 to 9 and A to F", "looks like ASCII"),
        ("hex-ebcdic", "\xf4" + "\x81" * 15, 1, "digits 0 to 9 and A to F", "lower-case"),
    ],
)
def test_map_in_another_form_is_refused(form, raw, offset, rule, hint):
    """The offset is that of the first character that is none of the form."""
    with pytest.raises(MalformedMessage, match=rule) as caught:
        BitmapForm(form, has_tertiary=False).read(raw, 0)

    assert (caught.value.place, caught.value.offset) == ("bitmap", offset)
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


@pytest.mark.parametrize(
    ("form", "raw", "hint"),
    [
        ("binary", "80200000", "hex text"),
        ("binary", "\xf8\xf0" * 4, "EBCDIC hex text"),
        ("binary", "\x80\0\0\0\0\0\0\0", ""),
        ("hex", "80200000", ""),
    ],
)
def test_binary_map_that_is_text_is_hinted_at(form, raw, hint):
    """Bits that cannot be are often the digits of another form."""
    assert hint in BitmapForm(form, has_tertiary=False).hint(raw, 0)
    assert bool(BitmapForm(form, has_tertiary=False).hint(raw, 0)) == bool(hint)
