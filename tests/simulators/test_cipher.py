"""The far sides' ciphers against published vectors."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from gateway.simulators.cipher import (
    BadPinBlock,
    PinHash,
    ZoneKeys,
    read_format_0,
    read_format_1,
    retail_mac,
)
from gateway.terms.errors import SpecificationError

MAC_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PIN_KEY = bytes.fromhex("0123456789ABCDEF0011223344556677")


def _enciphered(clear: str) -> bytes:
    cipher = Cipher(TripleDES(PIN_KEY + PIN_KEY[:8]), ECB())  # noqa: S305 - the standard's mode
    encryptor = cipher.encryptor()
    return encryptor.update(bytes.fromhex(clear))


@pytest.mark.parametrize(
    ("padding", "message", "mac"),
    [
        (1, b"Now is the time for all ", "A1C72E74EA3FA9B6"),
        (1, b"Now is the time for it", "2E2B1428CC78254F"),
        (2, b"Now is the time for all ", "E9086230CA3BE796"),
        (2, b"Now is the time for it", "5A692CE64F404145"),
    ],
)
def test_retail_mac_gives_the_published_values(padding, message, mac):
    """ISO 9797-1:2011 B.4, algorithm 3 with padding methods 1 and 2."""
    assert retail_mac(MAC_KEY, padding)(message).hex().upper() == mac


def test_mac_of_one_block_and_of_nothing_is_eight_bytes():
    """A message of one block or none has a MAC like any other."""
    mac = retail_mac(MAC_KEY, 1)

    assert len(mac(b"12345678")) == len(mac(b"")) == 8


def test_format_1_block_gives_the_pin():
    """Whatever the fill, the PIN comes out (openemv/pinblock: 1512345EDCBA9876)."""
    assert read_format_1(PIN_KEY)(_enciphered("1512345EDCBA9876")) == "12345"


def test_format_0_block_gives_the_pin_of_its_pan():
    """The published block of PIN 123456 opens with its PAN and with no other (domain.md 4.7)."""
    read, block = read_format_0(PIN_KEY), _enciphered("061253DFFEDCBA98")

    assert read(block, "123456789012345678") == "123456"
    with pytest.raises(BadPinBlock):
        read(block, "123456789012345688")


@pytest.mark.parametrize(
    "clear",
    ["06123456FFFFFFFF", "13123EDCBA987654", "1D12345678901234", "161234A6EDCBA987"],
)
def test_block_that_is_not_format_1_is_refused(clear):
    """Another control nibble, a length outside 4 to 12 and a PIN with letters are refused."""
    with pytest.raises(BadPinBlock):
        read_format_1(PIN_KEY)(_enciphered(clear))


def test_block_of_another_length_is_refused():
    """Seven bytes are no PIN block."""
    with pytest.raises(BadPinBlock):
        read_format_1(PIN_KEY)(b"1234567")


def test_pin_is_kept_as_a_salted_hash():
    """A hash answers for its own PIN only, and equal PINs look different under other salts."""
    one, other = PinHash.of("246813", b"a" * 16), PinHash.of("246813", b"b" * 16)

    assert one.matches("246813")
    assert not one.matches("246814")
    assert one.digest != other.digest
    assert "246813" not in repr(one)


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
