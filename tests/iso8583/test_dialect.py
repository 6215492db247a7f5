"""How bytes look, read from a file."""

import iso8583
import pytest

from gateway.iso8583.dialect import parse_dialect
from gateway.terms.errors import SpecificationError

GOOD = """
name = "small"
title = "Small"
numeric = "bcd"
lengths = "bcd"
odd_digits_pad = "right"
bitmap = "binary"

[mac]
algorithm = "iso-9797-1-algorithm-3"
padding = 1
data_elements = [64, 128]

[framing]
length_prefix = "binary-2"
message_bytes_max = 4096

[fields]
11 = { name = "Systems trace audit number", format = "n 6" }
64 = { name = "Message authentication code", format = "b 8" }
128 = { name = "Message authentication code", format = "b 8" }
"""


def test_shipped_dialects_are_good_specifications_for_pyiso8583(dialects):
    """Both dialects are read, and pyiso8583 takes what they compile to."""
    for dialect in dialects.values():
        specification = dialect.pyiso8583_specification()

        raw, _ = iso8583.encode({"t": "0800", "11": "123456"}, specification)

        assert iso8583.decode(raw, specification)[0]["11"] == "123456"


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ('name = "small"', 'name = "small', "", "not valid TOML"),
        ('title = "Small"', "", "title", "is missing"),
        ('title = "Small"', 'title = "Small"\nspeed = 1', "speed", "no such key"),
        ('numeric = "bcd"', 'numeric = "roman"', "numeric", "ascii"),
        ('odd_digits_pad = "right"', "", "odd_digits_pad", "needed for bcd"),
        ('numeric = "bcd"', 'numeric = "ascii"', "odd_digits_pad", "needed for bcd"),
        ('"bcd"\nodd', '"ebcdic"\nodd', "lengths", "this dialect is ascii"),
        ('title = "Small"', 'title = ""\ntext = "cp037"\nbinary = "hex"', "binary", "ASCII"),
        ('title = "Small"', 'title = ""\ntext = "cp1047"', "text", "cp037"),
        ('title = "Small"', 'title = ""\nodd_digits_filler = "E"', "odd_digits_filler", "'0'"),
        ("padding = 1", "padding = 3", "mac.padding", "1 or 2"),
        ("padding = 1", "padding = 0", "mac.padding", "0 for CMAC"),
        ("iso-9797-1-algorithm-3", "cmac-aes", "mac.padding", "0 for CMAC"),
        ("padding = 1", "padding = 1\ncovers = [0, 12]", "mac.covers", "of the dialect"),
        ("padding = 1", "padding = 1\ncovers = [11, 0]", "mac.covers", "ascending"),
        ("padding = 1", "padding = 1\ncovers = [0, 64]", "mac.covers", "without 64"),
        ("padding = 1", 'padding = 1\nseparator = "20"', "mac.separator", "covers"),
        ("padding = 1", 'padding = 1\nseparator = "2"', "mac.separator", "must have the form"),
        ("padding = 1", "padding = 1\nkey = 1", "mac.key", "no such key"),
        ("[64, 128]", "[]", "mac.data_elements", "at least 1"),
        ("[64, 128]", "[128, 64]", "mac.data_elements", "ascending"),
        ("[64, 128]", "[64, 128, 128]", "mac.data_elements", "at most 2"),
        ("[64, 128]", "[64, 48]", "mac.data_elements.1", "64 or 128"),
        ('128 = { name = "Message authentication code", format = "b 8" }', "", "fields.128", "b 8"),
        ('code", format = "b 8" }\n128', 'code", format = "b 4" }\n128', "fields.64", "b 8"),
        ("[64, 128]", "[128]", "fields.64", "absent where it does not"),
        ("4096", "9999", "framing.message_bytes_max", "less than or equal"),
        ("4096", '4096\ntrailer = "3"', "framing.trailer", "must have the form"),
        ("4096", "4096\nheader = { parts = [] }", "framing.header.parts", "at least 1"),
        (
            "4096",
            '4096\nheader = { parts = [{ name = "", kind = "free", length = 1 }] }',
            "framing.header.parts.0.value",
            "as many",
        ),
        ("4096", '4096\ntpdu = "61"', "framing.tpdu", "must have the form"),
        ("4096", '4096\ntpdu = "6000010000\\n"', "framing.tpdu", "must have the form"),
        ("n 6", "n6.", "fields.11.format", "n 6, ans..28, b 8"),
        ("n 6", "n 0", "fields.11.format", "n 6, ans..28, b 8"),
        ("n 6", "n..100", "fields.11.format", "two dots"),
        ("n 6", "x+n..6", "fields.11.format", "fixed"),
        ('"n 6"', '"n 6", charset = "gb18030"', "fields.11.charset", "variable"),
        ('"n 6"', '"ans 6", charset = "gb18030"', "fields.11.charset", "variable"),
        ('"n 6"', '"n 6", sensitive = "yes"', "fields.11.sensitive", "mask"),
        ('"n 6"', '"n 6", charset = "utf-8"', "fields.11.charset", "gbk"),
        (
            '"n 6"',
            '"n 6", subfields = { layout = "tlv" }',
            "fields.11.subfields.parts",
            "is missing",
        ),
        ("11 = {", "1 = {", "fields.1", "2 to 64"),
        ("11 = {", "65 = {", "fields.65", "66 to 192"),
        ("11 = {", "193 = {", "fields.193", "66 to 192"),
        ("11 = {", "x = {", "fields.x", "integer"),
    ],
)
def test_wrong_dialect_is_refused_with_file_key_and_rule(old, new, key, rule):
    """Whatever is wrong in a file, the error says where and why."""
    assert old in GOOD

    with pytest.raises(SpecificationError) as caught:
        parse_dialect(GOOD.replace(old, new, 1), "small.toml")

    assert caught.value.file == "small.toml"
    assert caught.value.key.startswith(key)
    assert rule in caught.value.rule


def test_good_dialect_is_read():
    """The text that the wrong ones are made from is good itself."""
    dialect = parse_dialect(GOOD, "small.toml")

    assert dialect.framing.tpdu_bytes == 0
    assert dialect.fields[11].form == ("n", 0, 6)


@pytest.mark.parametrize(
    ("base", "more", "key", "rule"),
    [
        ("bureau", 'odd_digits_filler = "F"', "odd_digits_filler", "bcd digits only"),
        (
            "iso8583-1987-ascii",
            '[fields]\n55 = { format = "b...255" }',
            "fields.55.format",
            "fixed length",
        ),
        ("institution", "[mac]\npadding = 0", "mac.padding", "0 for CMAC"),
        ("mainframe-core", 'numeric = "ascii"', "numeric", "this dialect is ebcdic"),
        ("mainframe-core", 'binary = "hex"', "binary", "hex digits are ASCII"),
    ],
)
def test_dialect_that_extends_another_is_checked_as_a_whole(base_text, base, more, key, rule):
    """What does not fit the base is refused like a mistake of one file."""
    text = f'extends = "{base}"\nname = "small"\n{more}'

    with pytest.raises(SpecificationError, match=rule) as caught:
        parse_dialect(text, "small.toml", base_text)

    assert (caught.value.file, caught.value.key) == ("small.toml", key)


PARTS = '11 = { name = "STAN", format = "FORMAT", subfields = { LAYOUT, parts = { PARTS } } }'


@pytest.mark.parametrize(
    ("notation", "layout", "parts", "rule"),
    [
        ("n 6", 'layout = "tlv"', 'A = { name = "", format = "n 2" }', "need tag and length"),
        ("n 6", 'layout = "usage", tag = "n 2"', 'AA = { name = "", format = "n 2" }', "for tlv"),
        (
            "n 6",
            'layout = "positional", length_digits = 2',
            'A = { name = "", format = "n 2" }',
            "for tlv",
        ),
        ("ans...99", 'layout = "usage"', 'aa = { name = "", format = "n 2" }', "two capital"),
        ("ans...99", 'layout = "usage"', 'AAA = { name = "", format = "n 2" }', "declared format"),
        (
            "ans...99",
            'layout = "ltv", tag = "n..2", length_digits = 2',
            'A = { name = "", format = "n 2" }',
            "format",
        ),
        ("ans...99", 'layout = "usage"', 'AA = { name = "", format = "b 2" }', "binary field"),
        (
            "ans...99",
            'layout = "usage"',
            'AA = { name = "", format = "ans..9", charset = "gbk" }',
            "charset of its field",
        ),
        ("b...99", 'layout = "usage"', 'AA = { name = "", format = "n..9" }', "fixed length"),
    ],
)
def test_subfields_that_do_not_fit_are_refused(notation, layout, parts, rule):
    """What cannot be read back in one way only is refused when the file is loaded."""
    line = PARTS.replace("FORMAT", notation).replace("LAYOUT", layout).replace("PARTS", parts)
    old = '11 = { name = "Systems trace audit number", format = "n 6" }'

    with pytest.raises(SpecificationError, match=rule) as caught:
        parse_dialect(GOOD.replace(old, line), "small.toml")

    assert caught.value.key == "fields.11.subfields"
