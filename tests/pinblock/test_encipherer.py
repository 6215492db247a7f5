"""PINs enciphered by what is kept for a zone against the zone's own way."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from gateway.pinblock.encipherer import encipherer
from gateway.pinblock.formats import PinBlockFormat
from gateway.pinblock.zone import AccountRule, Algorithm, Zone

FORMATS = ("iso-0", "iso-1", "iso-3", "iso-4")
PAN = "6200000000000000018"


class EcbCipher:
    """The port; it keeps what it was given to encipher."""

    def __init__(self, algorithm):
        self._cipher = Cipher(algorithm, ECB())  # noqa: S305
        self.block_bytes = algorithm.block_size // 8
        self.given = []

    def encrypt(self, block):
        return self._cipher.encryptor().update(bytes(block))

    def encrypt_block(self, block):
        self.given.append(block)
        return self.encrypt(block)


def zone_and_cipher(name):
    """Declare a zone of a format, and make its cipher."""
    format_ = PinBlockFormat(name)
    rule = AccountRule.PAN if format_.binds_account else AccountRule.NONE
    if format_ is PinBlockFormat.ISO_4:
        return Zone("zone", format_, Algorithm.AES, rule, "0" * 16), EcbCipher(AES(bytes(16)))
    return Zone("zone", format_, Algorithm.TDES, rule), EcbCipher(TripleDES(bytes(range(24))))


@given(
    name=st.sampled_from(FORMATS),
    pin=st.text("0123456789", min_size=4, max_size=12).map(str.encode),
    account=st.text("0123456789", min_size=13, max_size=19),
    fill=st.binary(min_size=8, max_size=8),
)
def test_block_is_the_one_that_the_zone_would_make(name, pin, account, fill):
    """For every format, length, account and fill the bytes are the same."""
    zone, cipher = zone_and_cipher(name)
    bound = account if zone.format.binds_account else ""

    made = encipherer(zone, cipher)(bytearray(pin), bound, fill)

    assert made == zone.encipher(cipher, pin, bound, fill)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("pin", [b"123", b"1234567890123", b"12345x", b""])
def test_what_is_no_pin_is_refused(name, pin):
    """Only 4 to 12 digits are enciphered."""
    zone, cipher = zone_and_cipher(name)

    with pytest.raises(ValueError, match="4 to 12"):
        encipherer(zone, cipher)(pin, PAN if zone.format.binds_account else "", bytes(8))


@pytest.mark.parametrize("name", FORMATS)
def test_account_is_given_exactly_when_the_zone_binds_one(name):
    """One too many is refused as one too few is."""
    zone, cipher = zone_and_cipher(name)

    with pytest.raises(ValueError, match="exactly when"):
        encipherer(zone, cipher)(b"738291", "" if zone.format.binds_account else PAN, bytes(8))


@pytest.mark.parametrize("name", ["iso-0", "iso-1", "iso-3"])
def test_clear_block_is_overwritten(name):
    """The buffer that was enciphered holds zeros afterwards."""
    zone, cipher = zone_and_cipher(name)

    encipherer(zone, cipher)(b"738291", PAN if zone.format.binds_account else "", bytes(8))

    assert cipher.given == [bytes(8)]
