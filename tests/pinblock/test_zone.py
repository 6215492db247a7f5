"""What a zone may declare, and that it binds what it says."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from gateway.pinblock.formats import PinBlockFormat, encipher
from gateway.pinblock.zone import AccountRule, Algorithm, Zone, parse_zone
from gateway.terms.errors import SpecificationError

BUREAU = {"name": "bureau", "format": "iso-1", "algorithm": "tdes", "account": "none"}
CORE = {"name": "core", "format": "iso-0", "algorithm": "tdes", "account": "pan"}
FORMAT_4 = {
    "name": "aes-core",
    "format": "iso-4",
    "algorithm": "aes",
    "account": "pan",
    "security_control": "2000000000000000",
}


class AesCipher:
    """The port over AES."""

    block_bytes = 16

    def encrypt(self, block):
        return Cipher(AES(bytes(16)), ECB()).encryptor().update(bytes(block))  # noqa: S305

    def decrypt(self, block):
        return bytearray(Cipher(AES(bytes(16)), ECB()).decryptor().update(bytes(block)))  # noqa: S305


def test_zone_is_built_from_its_table():
    """A bureau's table gives its format, algorithm and account rule."""
    zone = parse_zone(BUREAU, "zones.toml")

    assert zone == Zone("bureau", PinBlockFormat.ISO_1, Algorithm.TDES, AccountRule.NONE)


@pytest.mark.parametrize(
    ("base", "change", "rule"),
    [
        (BUREAU, {"name": "Bureau 1"}, "name must be"),
        (BUREAU, {"algorithm": "aes"}, "goes with algorithm tdes"),
        (BUREAU, {"account": "pan"}, "binds no account"),
        (BUREAU, {"format": "iso-2"}, "format"),
        (BUREAU, {"key": "00"}, "key"),
        (BUREAU, {"security_control": "16"}, "16 digits"),
        (CORE, {"account": "none"}, "binds an account"),
        (CORE, {"account": "pan-rightmost-12"}, "variant of format iso-4"),
        (FORMAT_4, {"security_control": ""}, "must be given for AES"),
        (FORMAT_4, {"algorithm": "tdes"}, "goes with algorithm aes or sm4"),
    ],
)
def test_wrong_declaration_is_refused_by_its_rule(base, change, rule):
    """A zone that contradicts itself is refused with file and rule."""
    with pytest.raises(SpecificationError, match=rule) as caught:
        parse_zone(base | change, "zones.toml")

    assert "zones.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "de_53"),
    [
        (BUREAU, "1600000000000000"),
        (CORE, "2600000000000000"),
        (FORMAT_4, "2000000000000000"),
        (CORE | {"security_control": "2600000000000001"}, "2600000000000001"),
    ],
)
def test_security_control_information_says_what_the_block_is(table, de_53):
    """DE 53 follows from a TDES zone's format unless the zone declares it."""
    assert parse_zone(table, "zones.toml").security_control_information == de_53


def test_twelve_digit_variant_of_format_4_binds_what_format_0_would():
    """The variant leaves out check digit and leading digits before format 4 takes the number."""
    pan, fill, cipher = "6200000000000000005", bytes(8), AesCipher()
    variant = parse_zone(FORMAT_4 | {"account": "pan-rightmost-12"}, "zones.toml")

    block = variant.encipher(cipher, b"738291", pan, fill)

    assert block == encipher(PinBlockFormat.ISO_4, cipher, b"738291", pan[-13:-1], fill)
    assert block != parse_zone(FORMAT_4, "zones.toml").encipher(cipher, b"738291", pan, fill)
    assert variant.decipher(cipher, block, pan) == b"738291"


@pytest.mark.parametrize(("table", "account"), [(BUREAU, "6200000000000000005"), (CORE, "")])
def test_account_is_given_exactly_when_the_zone_binds_one(table, account):
    """The SS PIN cannot be bound to a bank card number, nor the financial PIN to none."""
    with pytest.raises(ValueError, match="exactly when"):
        parse_zone(table, "zones.toml").encipher(AesCipher(), b"738291", account, bytes(8))
