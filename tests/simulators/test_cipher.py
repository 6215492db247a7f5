"""The far sides' ciphers against published vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.hsm import mac as ours
from gateway.iso8583.mac import MacRule
from gateway.simulators.cipher import ZoneKeys, mac_of, retail_mac
from gateway.terms.errors import SpecificationError

MAC_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
M1 = b"Now is the time for all "
M2 = b"Now is the time for it"
A = b"This is the test message for mac"
B = b"This is the test message "
SP_800_38B = bytes.fromhex("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E51")
TDES_3_KEY = "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123"


def _rule(algorithm, padding=0):
    return MacRule(algorithm, padding, (64, 128))


@pytest.mark.parametrize(
    ("algorithm", "padding", "key", "message", "mac"),
    [
        # ISO/IEC 9797-1:2011, annex B, and ANSI X9.9
        ("iso-9797-1-algorithm-1", 1, MAC_KEY[:8], M1, "70A30640CC76DD8B"),
        ("iso-9797-1-algorithm-1", 1, MAC_KEY[:8], M2, "E45B3AD2B7CC0856"),
        ("iso-9797-1-algorithm-1", 2, MAC_KEY[:8], M1, "10E1F0F108341B6D"),
        ("iso-9797-1-algorithm-1", 2, MAC_KEY[:8], M2, "A924C72136149211"),
        ("iso-9797-1-algorithm-3", 1, MAC_KEY, M1, "A1C72E74EA3FA9B6"),
        ("iso-9797-1-algorithm-3", 1, MAC_KEY, M2, "2E2B1428CC78254F"),
        ("iso-9797-1-algorithm-3", 2, MAC_KEY, M1, "E9086230CA3BE796"),
        ("iso-9797-1-algorithm-3", 2, MAC_KEY, M2, "5A692CE64F404145"),
        # GB/T 15852.1-2020, annex B, the left half
        ("sm4-cbc-mac", 1, MAC_KEY, A, "16E02904EFB765B7"),
        ("sm4-cbc-mac", 1, MAC_KEY, B, "BA89E45FE8ABF242"),
        ("sm4-cbc-mac", 2, MAC_KEY, A, "4B6553AF3C4E2744"),
        ("sm4-cbc-mac", 2, MAC_KEY, B, "421AD1690AA152E2"),
    ],
)
def test_mac_has_the_published_value(algorithm, padding, key, message, mac):
    """Each algorithm that a dialect may declare, with and without a rest to pad, twice."""
    made = mac_of(_rule(algorithm, padding), key)

    assert [made(message).hex().upper() for _ in range(2)] == [mac] * 2


@pytest.mark.parametrize(
    ("algorithm", "key", "expected"),
    [
        (
            "cmac-tdes",
            TDES_3_KEY,
            {0: "7DB0D37DF936C550", 16: "30239CF1F52E6609", 20: "6C9F3EE4923F6BE2"}
            | {32: "99429BD0BF7904E5"},
        ),
        (
            "cmac-tdes",
            TDES_3_KEY[:32],
            {0: "79CE52A7F786A960", 16: "CC18A0B79AF2413B", 20: "C06D377ECD101969"}
            | {32: "9CD33580F9B64DFB"},
        ),
        (
            "cmac-aes",
            "2B7E151628AED2A6ABF7158809CF4F3C",
            {0: "BB1D6929E9593728", 16: "070A16B46B4D4144", 20: "7D85449EA6EA19C8"},
        ),
    ],
)
def test_cmac_has_the_published_values(algorithm, key, expected):
    """The examples of NIST SP 800-38B, by length of the message, cut to 8 bytes."""
    made = mac_of(_rule(algorithm), bytes.fromhex(key))

    assert {size: made(SP_800_38B[:size]).hex().upper() for size in expected} == expected


@pytest.mark.parametrize(
    ("algorithm", "padding"),
    [
        ("iso-9797-1-algorithm-1", 1),
        ("iso-9797-1-algorithm-1", 2),
        ("iso-9797-1-algorithm-3", 1),
        ("iso-9797-1-algorithm-3", 2),
        ("cmac-tdes", 0),
        ("cmac-aes", 0),
        ("sm4-cbc-mac", 1),
        ("sm4-cbc-mac", 2),
    ],
)
@given(
    key=st.binary(min_size=16, max_size=16),
    messages=st.lists(st.binary(max_size=70), min_size=1, max_size=3),
)
def test_far_side_and_gateway_make_the_same_mac(algorithm, padding, key, messages):
    """Two programs written apart agree about every algorithm, whatever came before."""
    rule = _rule(algorithm, padding)
    theirs, own = mac_of(rule, key), ours.mac_of(rule, key)

    for message in messages:
        assert theirs(message) == own(message)


def test_mac_of_one_block_and_of_nothing_is_eight_bytes():
    """A message of one block or none has a MAC like any other."""
    mac = retail_mac(MAC_KEY, 1)

    assert len(mac(b"12345678")) == len(mac(b"")) == 8


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('zone_pin_key = "00"', "zone_pin_key"),
        (f'zone_pin_key = "{"1" * 32}"\nzone_mac_key = "{"1" * 32}"', "zone_mac_key"),
        (f'zone_pin_key = "{"1" * 32}"\nzone_mac_key = "{"2" * 32}"\nmaster = "1"', "master"),
        ("zone_pin_key", ""),
    ],
)
def test_wrong_keys_file_is_refused_without_repeating_a_key(text, key):
    """File and key are named, values are not."""
    with pytest.raises(SpecificationError) as refused:
        ZoneKeys.parse(text, "keys.toml")

    assert (refused.value.file, refused.value.key) == ("keys.toml", key)
    assert "1111" not in str(refused.value)


def test_keys_file_gives_both_keys():
    """Two keys of 16 bytes."""
    keys = ZoneKeys.parse(
        f'zone_pin_key = "{"1a" * 16}"\nzone_mac_key = "{"2b" * 16}"', "keys.toml"
    )

    assert (keys.pin, keys.mac) == (b"\x1a" * 16, b"\x2b" * 16)


@pytest.mark.parametrize("padding", [1, 2])
def test_mac_does_not_depend_on_the_messages_before(padding):
    """One MAC function gives every message what a new one gives it, in any order."""
    messages = [bytes(range(length)) for length in (0, 1, 7, 8, 9, 16, 17, 64, 200)]
    mac = retail_mac(MAC_KEY, padding)

    for message in messages + messages[::-1]:
        assert mac(message) == retail_mac(MAC_KEY, padding)(message)
