"""Every host command keeps the same bargain."""

import re

import pytest

from gateway.hsm.payshield.command import HostCommand
from gateway.hsm.payshield.diagnostics import Diagnose, Echo
from gateway.hsm.payshield.key_commands import CheckKey, ExportKey, GenerateKey, ImportKey
from gateway.hsm.payshield.mac_commands import GenerateMac, VerifyMac
from gateway.hsm.payshield.pin_commands import (
    ProbeByOffset,
    ProbeByPvv,
    TranslatePin,
    TranslateTerminalPin,
)

COMMANDS = [
    *(Diagnose, Echo, GenerateKey, ImportKey, ExportKey, CheckKey, GenerateMac, VerifyMac),
    *(TranslatePin, TranslateTerminalPin, ProbeByPvv, ProbeByOffset),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_a_code_and_says_its_fields(command):
    """The docstring begins with what the manual calls the command."""
    assert issubclass(command, HostCommand)
    assert re.fullmatch(r"[A-Z][A-Z0-9]", command.code)
    assert command.__doc__.startswith(f"{command.code}: ")


def test_no_two_commands_share_a_code():
    """A code is one command."""
    assert len({command.code for command in COMMANDS}) == len(COMMANDS)


def test_no_command_gives_out_a_pin():
    """Whatever only deciphers a PIN, or puts it under the LMK, is not among them."""
    forbidden = {"BA", "JA", "JC", "JE", "JG", "NG", "EE", "GA", "DE", "DG"}

    assert {command.code for command in COMMANDS} & forbidden == set()


def test_most_commands_have_nothing_after_the_lmk():
    """Only A0 has fields there."""
    assert Diagnose().pack_after_lmk() == b""
