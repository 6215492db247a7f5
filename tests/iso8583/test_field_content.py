"""What stands in a field: text and bytes."""

import re

import pytest

from gateway.iso8583.field_content import BadContent, Binary, EbcdicText, Text, escaped

LETTERS = EbcdicText("A-Za-z", "only letters", "cp500")


def test_ebcdic_text_is_of_the_same_characters_as_ascii_text():
    """The expression finds the bytes of printable characters and no other byte."""
    content = EbcdicText(" -~", "printable", "ibm1047")
    good = re.compile(content.raw_pattern(1))

    found = [content.lift(chr(byte), 1) for byte in range(256) if good.fullmatch(chr(byte))]

    assert sorted(found) == [chr(code) for code in range(0x20, 0x7F)]
    assert [content.put(character) for character in found] == [
        content.write(character)[1] for character in found
    ]


def test_ebcdic_text_of_another_class_is_refused():
    """Digits are no letters, in EBCDIC as anywhere."""
    with pytest.raises(BadContent, match="only letters") as caught:
        LETTERS.read("\xc1\xf1", 2)
    with pytest.raises(BadContent, match="only letters"):
        LETTERS.write("A1")

    assert caught.value.offset == 1
    assert LETTERS.read("\xc1\x81", 2) == "Aa"
    assert LETTERS.size(2) == 2


def test_bytes_may_be_written_in_hex():
    """Two capital hex digits a byte, and no others."""
    content = Binary(is_hex=True)

    assert content.write(b"\x0a\xff") == (2, "0AFF")
    assert content.read("0AFF", 2) == b"\x0a\xff"
    assert content.size(2) == 4
    assert content.raw_pattern(2) == "[0-9A-F]{4}"
    with pytest.raises(BadContent, match="hex digits"):
        content.read("0aff", 2)


@pytest.mark.parametrize("content", [Binary(), Binary(is_hex=True)])
def test_bytes_are_not_text(content):
    """Text in a binary field is a mistake of ours, and there is no short way to write it."""
    assert content.value_pattern(1, 2) is None
    with pytest.raises(BadContent, match="bytes"):
        content.write("AB")
    with pytest.raises(NotImplementedError):
        content.put("AB")


def test_text_is_not_bytes():
    """Bytes in a text field are a mistake of ours."""
    with pytest.raises(BadContent, match="text"):
        Text("0-9", "digits").write(b"12")


def test_escaped_characters_are_themselves_inside_brackets():
    """Brackets, carets and line ends keep no meaning of their own."""
    every = "".join(map(chr, range(256)))

    assert re.fullmatch(f"[{escaped(every)}]*", every)
    assert not re.match(f"[{escaped('^]')}]", "a")
