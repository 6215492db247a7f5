"""EBCDIC code pages."""

import pytest

from gateway.iso8583.ebcdic import Transcoder, table_of

PAGES = ("cp037", "cp500", "ibm1047")


@pytest.mark.parametrize("page", PAGES)
def test_every_byte_is_one_character_and_comes_back(page):
    """Each code page is one-to-one over all 256 bytes, and those are the 256 of Latin-1."""
    every = "".join(map(chr, range(256)))

    text = Transcoder(page).text(every)

    assert set(text) == set(every)
    assert Transcoder(page).raw(text) == every


@pytest.mark.parametrize(
    ("page", "differences"),
    [
        # reliability-security.md 5.2.6, with the characters of IBM's code page 500.
        (
            "cp500",
            {0x4A: "[", 0x4F: "!", 0x5A: "]", 0x5F: "^", 0xB0: "¢", 0xBA: "¬", 0xBB: "|"},
        ),
        # GNU libc 2.36, iconv -f IBM1047.
        (
            "ibm1047",
            {0x5F: "^", 0xAD: "[", 0xB0: "¬", 0xBA: "Ý", 0xBB: "¨", 0xBD: "]"},
        ),
    ],
)
def test_code_page_differs_from_037_where_it_is_known_to(page, differences):
    """What else is a letter or a digit is the same in all three."""
    first, other = table_of("cp037"), table_of(page)

    assert {at: other[at] for at in range(256) if first[at] != other[at]} == differences


def test_digits_and_letters_of_hex_are_the_same_in_all():
    """So one code page serves for lengths, bitmaps and the MTI."""
    raws = {Transcoder(page).raw("0123456789ABCDEFabcdef") for page in PAGES}

    assert raws == {
        "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xc1\xc2\xc3\xc4\xc5\xc6\x81\x82\x83\x84\x85\x86"
    }
