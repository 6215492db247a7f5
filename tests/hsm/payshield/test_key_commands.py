"""A0, A6, A8 and BU, byte for byte."""

import pytest

from gateway.hsm.payshield.fields import FieldError
from gateway.hsm.payshield.framing import BrokenMessage
from gateway.hsm.payshield.key_commands import (
    CheckKey,
    ExportKey,
    ExportUnder,
    GenerateKey,
    ImportKey,
    KeyBlockUse,
)
from gateway.hsm.payshield.keys import HostKey, KeyRole, KeyScheme

ZMK = HostKey("UE0E0E0E0F1F1F1F1E0E0E0E0F1F1F1F1")
ZPK = HostKey("U0123456789ABCDEF0123456789ABCDEF")
ANSI = HostKey("X0123456789ABCDEFFEDCBA9876543210")
ZMK_BLOCK = HostKey("S10096K0TB00E0000" + "CD" * 40)
ZPK_BLOCK = HostKey("S10096P0TE00E0000" + "AB" * 40)
USE = KeyBlockUse("P0", "T2", "E", exportability="E")
DOUBLE, BLOCK = KeyScheme.VARIANT_DOUBLE, KeyScheme.KEY_BLOCK


@pytest.mark.parametrize(
    ("command", "fields", "after_lmk"),
    [
        (GenerateKey(DOUBLE, KeyRole.ZPK), "0001U", ""),
        (
            GenerateKey(DOUBLE, KeyRole.ZPK, export=ExportUnder(ZMK, KeyScheme.ANSI_DOUBLE)),
            f"1001U;0{ZMK.token}X",
            "",
        ),
        (GenerateKey(BLOCK, KeyRole.ZPK, USE), "0FFFS", "#P0T2E00E00"),
        (
            GenerateKey(BLOCK, KeyRole.ZPK, USE, ExportUnder(ZMK_BLOCK, KeyScheme.TR31)),
            f"1FFFS;0{ZMK_BLOCK.token}R",
            "#P0T2E00E00",
        ),
        (ImportKey(KeyRole.ZPK, ZMK, ANSI, DOUBLE), f"001{ZMK.token}{ANSI.token}U", ""),
        (ImportKey(KeyRole.ZPK, ZMK_BLOCK, ANSI, BLOCK), f"FFF{ZMK_BLOCK.token}{ANSI.token}S", ""),
        (
            ExportKey(KeyRole.ZPK, ZPK, ExportUnder(ZMK, KeyScheme.ANSI_DOUBLE)),
            f"001{ZMK.token}{ZPK.token}X",
            "",
        ),
        (
            ExportKey(KeyRole.ZPK, ZPK_BLOCK, ExportUnder(ZMK_BLOCK, KeyScheme.TR31)),
            f"FFF{ZMK_BLOCK.token}{ZPK_BLOCK.token}R",
            "",
        ),
        (CheckKey(KeyRole.ZPK, ZPK), f"FF1{ZPK.token};001;001", ""),
        (CheckKey(KeyRole.ZPK, ZPK_BLOCK), f"FFF{ZPK_BLOCK.token};FFF;001", ""),
    ],
)
def test_fields_stand_in_their_order(command, fields, after_lmk):
    """Every command is written as documented, under variant and key block LMKs."""
    assert command.pack() == fields.encode()
    assert command.pack_after_lmk() == after_lmk.encode()


@pytest.mark.parametrize(
    "use",
    [
        KeyBlockUse("P", "T2", "E"),
        KeyBlockUse("P0", "T", "E"),
        KeyBlockUse("P0", "T2", "E", "0"),
        KeyBlockUse("P0", "T2", "E", "00", "X"),
        KeyBlockUse("P0", "T2", "%"),
    ],
)
def test_use_of_a_wrong_form_is_not_sent(use):
    """Usage, algorithm, mode, version and exportability have their lengths and letters."""
    with pytest.raises(FieldError):
        GenerateKey(BLOCK, KeyRole.ZPK, use).pack_after_lmk()


def test_generated_key_is_read():
    """A1 gives the key, and with a ZMK the same key under it, then the check value."""
    alone = GenerateKey(DOUBLE, KeyRole.ZPK)
    both = GenerateKey(DOUBLE, KeyRole.ZPK, export=ExportUnder(ZMK, KeyScheme.ANSI_DOUBLE))

    first = alone.unpack("00", f"{ZPK.token}CB9DEA".encode())
    second = both.unpack("00", f"{ZPK.token}{ANSI.token}CB9DEA".encode())

    assert (first.key, first.exported, first.check_value) == (ZPK, None, "CB9DEA")
    assert (second.key, second.exported, second.check_value) == (ZPK, ANSI, "CB9DEA")


def test_parity_of_an_imported_key_is_advice():
    """A7 with error 01 gives the key all the same."""
    command = ImportKey(KeyRole.ZPK, ZMK, ANSI, DOUBLE)
    fields = f"{ZPK.token}CB9DEA".encode()

    assert command.unpack("00", fields).parity_is_right
    assert not command.unpack("01", fields).parity_is_right
    assert command.unpack("01", fields).key == ZPK


def test_exported_key_must_be_of_the_scheme_asked_for():
    """A9 with a key of another scheme is broken."""
    command = ExportKey(KeyRole.ZPK, ZPK, ExportUnder(ZMK, KeyScheme.ANSI_DOUBLE))

    exported = command.unpack("00", f"{ANSI.token}CB9DEA".encode())

    assert (exported.key, exported.check_value) == (ANSI, "CB9DEA")
    with pytest.raises(BrokenMessage):
        command.unpack("00", f"{ZPK.token}CB9DEA".encode())


@pytest.mark.parametrize("fields", [b"CB9DEA", b"CB9DEA0011223344"])
def test_check_value_is_cut_to_six_digits(fields):
    """BV may give 6 digits or 16; more than 6 are not kept."""
    assert CheckKey(KeyRole.ZPK, ZPK).unpack("00", fields) == "CB9DEA"


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (GenerateKey(DOUBLE, KeyRole.ZPK), ZPK.token),
        (GenerateKey(DOUBLE, KeyRole.ZPK), f"{ZPK.token}CB9DEA0"),
        (ImportKey(KeyRole.ZPK, ZMK, ANSI, DOUBLE), "CB9DEA"),
        (CheckKey(KeyRole.ZPK, ZPK), "CB9DEA00"),
    ],
)
def test_answer_with_other_fields_is_broken(command, fields):
    """A key or check value too few, a character too many."""
    with pytest.raises(BrokenMessage):
        command.unpack("00", fields.encode())


def test_nothing_of_a_command_prints():
    """Keys under the LMK are no secret, but no business of a log either."""
    command = ImportKey(KeyRole.ZPK, ZMK, ANSI, DOUBLE)

    assert ZMK.token not in repr(command) + repr(
        command.unpack("00", f"{ZPK.token}CB9DEA".encode())
    )
