"""CA, CC, FW and BK, byte for byte."""

from dataclasses import replace

import pytest

from gateway.hsm.payshield.fields import FieldError
from gateway.hsm.payshield.framing import BrokenMessage
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.hsm.payshield.pin_commands import (
    EncipheredBlock,
    ExcludedPins,
    ProbeByOffset,
    ProbeByPvv,
    TranslatePin,
    TranslateTerminalPin,
)
from gateway.pinblock.formats import PinBlockFormat

ISO_0, ISO_1, ISO_3, ISO_4 = (
    PinBlockFormat.ISO_0,
    PinBlockFormat.ISO_1,
    PinBlockFormat.ISO_3,
    PinBlockFormat.ISO_4,
)
TPK = HostKey("U11111111111111111111111111111111")
ZPK = HostKey("U22222222222222222222222222222222")
PVK = HostKey("U33333333333333333333333333333333")
ZPK_BLOCK = HostKey("S10096P0TE00E0000" + "AB" * 40)
PVK_BLOCK = HostKey("S10096V2TG00E0000" + "CD" * 40)
PAN = "6200001234567890123"
TWELVE = "123456789012"  # the rightmost without check digit
BLOCK = bytes.fromhex("1B9C1845EB993A7A")
LONG = bytes(range(16))


def source(format_=ISO_0, account=PAN, key=ZPK, role=KeyRole.ZPK):
    """Make a block as a channel sends it."""
    block = LONG if format_ is ISO_4 else BLOCK
    return EncipheredBlock(key, role, format_, block, account)


@pytest.mark.parametrize(
    ("source_format", "target", "account", "tail"),
    [
        (ISO_0, ISO_0, PAN, f"1B9C1845EB993A7A0101{TWELVE}"),
        (ISO_0, ISO_3, PAN, f"1B9C1845EB993A7A0147{TWELVE}"),
        (ISO_1, ISO_1, "", "1B9C1845EB993A7A0505000000000000"),
        (ISO_1, ISO_0, PAN, f"1B9C1845EB993A7A0501{TWELVE}"),
        (ISO_3, ISO_4, PAN, f"1B9C1845EB993A7A4748{PAN};"),
        (ISO_4, ISO_0, PAN, f"000102030405060708090A0B0C0D0E0F4801{PAN};"),
    ],
)
def test_translation_has_keys_length_block_formats_and_account(
    source_format, target, account, tail
):
    """CC and CA have the same fields; the account is 12 digits, zeros where none is bound."""
    block = source(source_format, account)

    expected = f"{ZPK.token}{PVK.token}12{tail}".encode()

    assert TranslatePin(block, PVK, target).pack() == expected
    assert TranslateTerminalPin(block, PVK, target).pack() == expected


def test_translated_block_is_read():
    """CD gives length, block and format."""
    answer = TranslatePin(source(), ZPK, ISO_0).unpack("00", b"06DD266396A8465E7C01")

    assert (answer.pin_digits, answer.block) == (6, bytes.fromhex("DD266396A8465E7C"))


def test_translated_block_of_format_4_has_32_digits():
    """The block is as long as its format."""
    answer = TranslatePin(source(), ZPK, ISO_4).unpack("00", b"06" + b"0A" * 16 + b"48")

    assert answer.block == b"\x0a" * 16


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"06DD266396A8465E7C",
        b"06DD266396A8465E7C47",  # another format than was asked for
        b"03DD266396A8465E7C01",
        b"13DD266396A8465E7C01",
        b"0ADD266396A8465E7C01",
        b"06DD266396A8465E7C010",
        b"06DD266396A8465E7c01",
    ],
)
def test_other_translation_is_broken(fields):
    """A block of another format, or a PIN of an impossible length."""
    with pytest.raises(BrokenMessage):
        TranslatePin(source(), ZPK, ISO_0).unpack("00", fields)


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (
            ProbeByPvv(source(), PVK, ExcludedPins(())),
            f"001{ZPK.token}{PVK.token}1B9C1845EB993A7A01{TWELVE}1",
        ),
        (
            ProbeByPvv(
                source(ISO_1, "", TPK, KeyRole.TPK), PVK, ExcludedPins(("900305", "123456"))
            ),
            f"002{TPK.token}{PVK.token}1B9C1845EB993A7A050000000000001*0206900305123456",
        ),
        (
            ProbeByPvv(source(key=ZPK_BLOCK), PVK_BLOCK, ExcludedPins(("1234",)), pvki="2"),
            f"FFF{ZPK_BLOCK.token}{PVK_BLOCK.token}1B9C1845EB993A7A01{TWELVE}2*01041234",
        ),
        (
            ProbeByOffset(
                source(), PVK, ExcludedPins(("123456",)), 6, "0123456789012345", "62000012345N"
            ),
            (
                f"001{ZPK.token}{PVK.token}1B9C1845EB993A7A0106{TWELVE}"
                "012345678901234562000012345N*0106123456"
            ),
        ),
    ],
)
def test_probe_carries_block_account_and_excluded_table(command, fields):
    """FW and BK have key type, keys, block, account and the table at the end."""
    assert command.pack() == fields.encode()


def test_nothing_of_a_probe_is_kept():
    """A PVV or an offset says something about the PIN: it is looked at and dropped."""
    by_offset = ProbeByOffset(source(), PVK, ExcludedPins(()), 6, "0" * 16, "0" * 12)

    assert ProbeByPvv(source(), PVK, ExcludedPins(())).unpack("00", b"7548") is None
    assert by_offset.unpack("02", b"757798FFFFFF") is None


@pytest.mark.parametrize("fields", [b"", b"754", b"75488", b"754F"])
def test_other_answer_to_a_probe_is_broken(fields):
    """What is no PVV does not let a PIN pass."""
    with pytest.raises(BrokenMessage):
        ProbeByPvv(source(), PVK, ExcludedPins(())).unpack("00", fields)


def test_table_holds_at_most_99_pins():
    """The count has two digits."""
    full = tuple(f"{pin:012d}" for pin in range(99))

    assert ExcludedPins(full).pack() == "*9912" + "".join(full)
    with pytest.raises(FieldError):
        ExcludedPins((*full, "1" * 12)).pack()


@pytest.mark.parametrize("pins", [("123",), ("1" * 13,), ("123456", "1234"), ("12345A",)])
def test_table_of_other_things_than_pins_is_not_sent(pins):
    """All are of one length of 4 to 12 digits, and an error does not repeat them."""
    with pytest.raises(FieldError) as caught:
        ExcludedPins(pins).pack()

    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        TranslatePin(source(account="123456789012"), ZPK, ISO_0),
        TranslatePin(source(account="62000012345678901x3"), ZPK, ISO_0),
        TranslatePin(source(), ZPK, PinBlockFormat.SM4_PAN),
        TranslatePin(replace(source(), block=LONG), ZPK, ISO_0),
        TranslatePin(source(account="62000012345678;"), ZPK, ISO_4),
        ProbeByPvv(source(), PVK, ExcludedPins(()), pvki="10"),
        ProbeByOffset(source(), PVK, ExcludedPins(()), 100, "0" * 16, "0" * 12),
        ProbeByOffset(source(), PVK, ExcludedPins(()), 6, "0" * 15, "0" * 12),
        ProbeByOffset(source(), PVK, ExcludedPins(()), 6, "0" * 16, "%" * 12),
    ],
)
def test_impossible_request_is_not_sent(command):
    """Accounts, formats, blocks and tables that the fields cannot hold."""
    with pytest.raises(FieldError):
        command.pack()


def test_nothing_of_a_pin_command_prints():
    """Neither block nor account nor excluded PINs show in a repr."""
    command = ProbeByPvv(source(), PVK, ExcludedPins(("123456",)))

    assert not any(part in repr(command) for part in (PAN, "1B9C", "123456"))
