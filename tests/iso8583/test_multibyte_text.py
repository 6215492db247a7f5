"""Text in GB18030 and GBK."""

import pytest

from gateway.iso8583.field_content import BadContent
from gateway.iso8583.multibyte_text import MultibyteText

UNICODE = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def test_second_byte_form_of_a_character_is_refused():
    """Text that would be written back in other bytes is refused, whatever the character set."""
    # GB18030 as Python has it gives no such form; code page 932 does, of a sign of NEC's.
    with pytest.raises(BadContent, match="one standard form"):
        MultibyteText("cp932").read("\x87\x90", 2)


@pytest.mark.parametrize("charset", ["gb18030", "gbk"])
def test_whatever_can_be_written_is_read_back(charset):
    """No character of Unicode comes back as another one, so that writing need not look."""
    writable = UNICODE.encode(charset, "ignore")

    assert writable.decode(charset).encode(charset) == writable
    assert (charset == "gbk") == (writable.decode(charset) != UNICODE)


def test_character_newer_than_python_is_text():
    """A character that Python's tables do not know is read and written like any other."""
    newest = "\U0003134f"
    content = MultibyteText("gb18030")

    count, raw = content.write(newest)

    assert not newest.isprintable()
    assert content.read(raw, count) == newest


def test_text_in_a_character_set_has_no_expression():
    """Only reading tells whether multibyte text is good."""
    assert MultibyteText("gb18030").raw_pattern(2) is None
    assert MultibyteText("gb18030").value_pattern(1, 2) is None
    assert MultibyteText("gb18030").lift("\xb2\xe2", 2) == "测"
    with pytest.raises(NotImplementedError):
        MultibyteText("gb18030").put("测")


def test_gbk_has_no_four_byte_forms():
    """GBK is not GB18030: a character outside it can be neither read nor written."""
    with pytest.raises(BadContent, match="not in gbk"):
        MultibyteText("gbk").write("\U00020bb7")
    with pytest.raises(BadContent, match="not gbk text"):
        MultibyteText("gbk").read("\x95\x34\xa6\x32", 4)
