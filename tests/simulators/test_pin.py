"""PIN blocks as the far sides read them, against published and other people's blocks."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from gateway.hsm.ciphers import sm4
from gateway.pinblock.formats import PinBlockFormat, encipher
from gateway.simulators.cipher import ZoneKeys
from gateway.simulators.pin import (
    BadPinBlock,
    PinHash,
    read_format_0,
    read_format_1,
    read_sm4,
    zone_of,
)
from gateway.terms.errors import SpecificationError

PIN_KEY = bytes.fromhex("0123456789ABCDEF0011223344556677")


def _enciphered(clear: str) -> bytes:
    cipher = Cipher(TripleDES(PIN_KEY + PIN_KEY[:8]), ECB())  # noqa: S305 - the standard's mode
    encryptor = cipher.encryptor()
    return encryptor.update(bytes.fromhex(clear))


def _enciphered_sm4(clear: str) -> bytes:
    cipher = Cipher(SM4(PIN_KEY), ECB())  # noqa: S305 - the mode agreed
    return cipher.encryptor().update(bytes.fromhex(clear))


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


def test_sm4_block_gives_the_pin():
    """The PIN field of the published block (pin-and-keys.md 8.4), without its account."""
    block = _enciphered_sm4("06123654FFFFFFFFFFFFFFFFFFFFFFFF")

    assert read_sm4(PIN_KEY)(block) == "123654"


@given(st.from_regex("[0-9]{4,12}", fullmatch=True))
def test_sm4_block_of_the_gateway_gives_its_pin(pin):
    """Of any length there is, twelve digits being two BCD digits of length as well."""
    block = encipher(PinBlockFormat.SM4_NO_PAN, sm4(PIN_KEY), pin.encode(), "", b"")

    assert read_sm4(PIN_KEY)(block) == pin


@pytest.mark.parametrize(
    "clear",
    [
        "0A1236541234FFFFFFFFFFFFFFFFFFFF",
        "03123FFFFFFFFFFFFFFFFFFFFFFFFFFF",
        "06123654FFFFFFFFFFFFFFFFFFFFFFF0",
        "0612365AFFFFFFFFFFFFFFFFFFFFFFFF",
        "16123654FFFFFFFFFFFFFFFFFFFFFFFF",
    ],
)
def test_sm4_block_of_another_form_is_refused(clear):
    """A length that is no BCD or no PIN's, a fill that is none, a letter in the PIN."""
    with pytest.raises(BadPinBlock):
        read_sm4(PIN_KEY)(_enciphered_sm4(clear))


@pytest.mark.parametrize(
    ("agreed", "side", "key"),
    [
        ({"pin_format": "sm4-no-pan"}, "iso-1", "zone_security_control"),
        ({"pin_format": "sm4-no-pan", "security_control": "1" * 16}, "iso-0", "zone_pin_format"),
        ({"pin_format": "iso-0"}, "iso-1", "zone_pin_format"),
    ],
)
def test_zone_that_cannot_be_is_refused(sm4_codec, agreed, side, key):
    """SM4 without DE 53, SM4 where an account is bound, and the other side's format."""
    keys = ZoneKeys(PIN_KEY, b"another key 16 b", **agreed)

    with pytest.raises(SpecificationError) as refused:
        zone_of(keys, side, sm4_codec, lambda make: make(PIN_KEY), "keys.toml")

    assert (refused.value.file, refused.value.key) == ("keys.toml", key)


def test_sm4_needs_a_dialect_that_has_a_place_for_it(clocked):
    """DE 52 has 8 bytes; without DE 63 usage SM there is nowhere to put 16."""
    codec = clocked()[0].wire.codec
    keys = ZoneKeys(PIN_KEY, b"another key 16 b", None, "sm4-no-pan", "1" * 16)

    with pytest.raises(SpecificationError, match="DE 63"):
        zone_of(keys, "iso-1", codec, lambda make: make(PIN_KEY), "keys.toml")
