"""M6 and M8, byte for byte."""

import pytest

from gateway.hsm.mac import MacPadding
from gateway.hsm.payshield.fields import FieldError
from gateway.hsm.payshield.framing import BrokenMessage
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.hsm.payshield.mac_commands import DATA_BYTES_MAX, GenerateMac, VerifyMac

VARIANT = HostKey("U0123456789ABCDEF0123456789ABCDEF")
BLOCK = HostKey("S10096M3TG00E0000" + "AB" * 40)
ZEROS, ONE = MacPadding.ZEROS, MacPadding.ONE_THEN_ZEROS


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        # mode 0, binary 0, size 1 (16 digits), algorithm 3, padding, key type, key, length, data
        (
            GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, b"\x00\x19%x"),
            b"00131008" + VARIANT.token.encode() + b"0004\x00\x19%x",
        ),
        (
            GenerateMac(VARIANT, KeyRole.TAK, ONE, b"x" * 300, mac_bytes=4),
            b"00032003" + VARIANT.token.encode() + b"012C" + b"x" * 300,
        ),
        (
            GenerateMac(BLOCK, KeyRole.ZAK, ONE, b"x"),
            b"00132FFF" + BLOCK.token.encode() + b"0001x",
        ),
    ],
)
def test_fields_stand_in_their_order(command, fields):
    """M6 is written as documented, and M8 with the MAC after it."""
    mac = bytes.fromhex("A1C72E74EA3FA9B6")[: command.mac_bytes]

    assert command.pack() == fields
    assert VerifyMac(command, mac).pack() == fields + mac.hex().upper().encode()


def test_answers_are_read():
    """M7 gives the MAC in hexadecimal, M9 nothing."""
    command = GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, b"x")

    assert command.unpack("00", b"A1C72E74EA3FA9B6") == bytes.fromhex("A1C72E74EA3FA9B6")
    assert VerifyMac(command, bytes(8)).unpack("00", b"") is None


@pytest.mark.parametrize("fields", [b"", b"A1C72E74", b"A1C72E74EA3FA9B600", b"a1c72e74ea3fa9b6"])
def test_mac_of_another_length_is_broken(fields):
    """A MAC that is shorter than asked for is never taken."""
    with pytest.raises(BrokenMessage):
        GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, b"x").unpack("00", fields)


def test_verification_answer_with_fields_is_broken():
    """M9 has none."""
    with pytest.raises(BrokenMessage):
        VerifyMac(GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, b"x"), bytes(8)).unpack("00", b"0")


@pytest.mark.parametrize(
    "wrong",
    [
        GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, b""),
        GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, bytes(DATA_BYTES_MAX + 1)),
        GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, b"x", mac_bytes=3),
        VerifyMac(GenerateMac(VARIANT, KeyRole.ZAK, ZEROS, b"x"), bytes(4)),
    ],
)
def test_impossible_request_is_not_sent(wrong):
    """Data of no length, too much of them, or a MAC cut short."""
    with pytest.raises(FieldError):
        wrong.pack()
