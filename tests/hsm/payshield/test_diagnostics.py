"""NC and B2, byte for byte."""

import pytest

from gateway.hsm.payshield.diagnostics import ECHO_BYTES_MAX, Diagnose, Echo, HsmIdentity
from gateway.hsm.payshield.fields import FieldError
from gateway.hsm.payshield.framing import BrokenMessage


def test_diagnostics_have_no_fields():
    """NC is a code and nothing else."""
    assert Diagnose().pack() == b""


def test_diagnostics_tell_lmk_and_firmware():
    """ND gives the check value of the LMK in 16 digits, then the firmware."""
    answer = Diagnose().unpack("00", b"268604CC5C3E2B5A1500-0023")

    assert answer == HsmIdentity("268604CC5C3E2B5A", "1500-0023")


@pytest.mark.parametrize("fields", [b"", b"268604CC5C3E2B5", b"268604CC5C3E2B5A", b"26\x00"])
def test_other_diagnostics_are_broken(fields):
    """An answer without check value and firmware is not one of ND."""
    with pytest.raises(BrokenMessage):
        Diagnose().unpack("00", fields)


def test_echo_says_its_length_in_hexadecimal():
    """B2 has four hexadecimal digits of length, then the data, whatever bytes they are."""
    data = bytes(range(26))

    assert Echo(data).pack() == b"001A" + data
    assert Echo(data).unpack("00", data) == data


def test_echo_of_something_else_is_broken():
    """What comes back must be what was sent."""
    with pytest.raises(BrokenMessage):
        Echo(b"ping").unpack("00", b"pong")


def test_echo_has_a_limit():
    """An echo must fit into a frame."""
    with pytest.raises(FieldError):
        Echo(bytes(ECHO_BYTES_MAX + 1)).pack()
