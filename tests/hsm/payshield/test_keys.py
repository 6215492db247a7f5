"""The forms of keys under an LMK or a ZMK."""

import pytest

from gateway.hsm.payshield.keys import BadKey, HostKey, KeyRole, key_characters

VARIANT = "U" + "0123456789ABCDEF" * 2
# The form of a block under an LMK: version, length of all but the scheme letter, header, body.
BLOCK = "S10096P0TE00E0000" + "AB" * 40
TR31 = "RB0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E"


@pytest.mark.parametrize(
    ("token", "flag", "type_code"),
    [
        (VARIANT, "1", "001"),
        ("X" + VARIANT[1:], "1", "001"),
        ("T" + "0123456789ABCDEF" * 3, "2", "001"),
        ("Y" + "0123456789ABCDEF" * 3, "2", "001"),
        (BLOCK, "F", "FFF"),
        (TR31, "F", "FFF"),
    ],
)
def test_key_of_every_scheme_has_its_length_flag_and_type(token, flag, type_code):
    """A variant key needs its type said, a key block says it itself."""
    key = HostKey(token)

    assert (key.length_flag, key.type_code(KeyRole.ZPK)) == (flag, type_code)


@pytest.mark.parametrize("token", [VARIANT, BLOCK, TR31])
def test_key_is_cut_from_what_follows_it(token):
    """A key says where it ends."""
    assert key_characters(token + "0001;FFF") == len(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "U",
        VARIANT[:-1],
        VARIANT + "0",
        VARIANT.lower(),
        VARIANT[1:],
        "Z" + VARIANT[1:17],
        "T" + VARIANT[1:],
        BLOCK[:-1],
        BLOCK + "0",
        "S1009",
        "S10009P0TE",
        "S19999" + "0" * 9994,
        BLOCK[:-2] + "\x19A",
    ],
)
def test_what_is_no_key_is_refused_without_a_word_of_it(token):
    """The error never holds the key."""
    with pytest.raises(BadKey) as caught:
        HostKey(token)

    assert "0123" not in str(caught.value)


def test_key_does_not_print():
    """Only the scheme shows."""
    assert repr(HostKey(VARIANT)) == "HostKey(U…)"
