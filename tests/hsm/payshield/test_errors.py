"""Whose fault an error code is, and that it is named."""

from itertools import product

import pytest

from gateway.hsm.payshield.errors import (
    HostError,
    HostUnavailable,
    error_of,
    is_carried_out,
    meaning,
    pin_refusal,
)
from gateway.hsm.pin_protocol import PinRefusal
from gateway.terms.errors import LocalError, Unavailable

COMMANDS = ["NC", "B2", "A0", "A6", "A8", "BU", "CA", "CC", "BK", "FW", "M6", "M8"]


@pytest.mark.parametrize(
    ("command", "code"), list(product(COMMANDS, ["15", "23", "26", "27", "28"]))
)
def test_misuse_is_our_fault_and_names_command_code_and_meaning(command, code):
    """What the HSM will never take is a local error that says what was wrong."""
    error = error_of(command, code)

    assert isinstance(error, HostError)
    assert isinstance(error, LocalError)
    assert str(error) == f"payment HSM: {command} failed with {code}: {meaning(command, code)}"


@pytest.mark.parametrize("code", ["13", "17", "29", "47", "67", "68", "69", "A4", "A6"])
def test_what_a_person_must_put_right_is_no_reason_to_try_again(code):
    """Missing authorisation, licences and LMKs stay until somebody acts: not unavailable."""
    assert isinstance(error_of("CC", code), HostError)


@pytest.mark.parametrize("code", ["39", "40", "41", "42", "90", "91", "92"])
def test_trouble_of_the_hsm_or_the_line_may_be_tried_again(code):
    """A failing HSM is unavailable."""
    error = error_of("CC", code)

    assert isinstance(error, HostUnavailable)
    assert isinstance(error, Unavailable)
    assert code in str(error)


@pytest.mark.parametrize("code", ["ZZ", "99"])
def test_unknown_code_is_named_as_unknown(code):
    """A code that is not documented is our misuse until somebody knows better."""
    error = error_of("CC", code)

    assert isinstance(error, HostError)
    assert f"{code}: a code that is not documented" in str(error)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("FW", "86", "excluded PIN table"),
        ("FW", "81", "length of the PIN"),
        ("M6", "05", "key type"),
        ("BU", "05", "length flag"),
        ("M8", "01", "MAC differs"),
        ("CC", "10", "source key"),
    ],
)
def test_code_means_what_it_means_in_its_command(command, code, words):
    """The same code has another meaning in another command."""
    assert words in meaning(command, code)


@pytest.mark.parametrize(
    ("command", "code", "refusal"),
    [
        ("FW", "86", PinRefusal.TRIVIAL),
        ("BK", "86", PinRefusal.TRIVIAL),
        ("FW", "20", PinRefusal.FORMAT),
        ("FW", "24", PinRefusal.FORMAT),
        ("FW", "81", PinRefusal.FORMAT),
        ("CA", "20", PinRefusal.FORMAT),
        ("CC", "24", PinRefusal.FORMAT),
        # Not documented for these: then it says nothing about the PIN.
        ("CC", "86", None),
        ("CA", "81", None),
        ("A6", "20", None),
        ("FW", "15", None),
    ],
)
def test_error_about_the_pin_is_a_refusal(command, code, refusal):
    """86 is a weak PIN, 20, 24 and 81 a malformed one, and only where they are documented."""
    assert pin_refusal(HostError(command, code)) is refusal


def test_warnings_are_results():
    """An imported key of wrong parity and an offset under a longer PVK were made."""
    carried_out = {
        (command, code)
        for command, code in product(COMMANDS, ["00", "01", "02"])
        if is_carried_out(command, code)
    }

    assert carried_out == {(command, "00") for command in COMMANDS} | {("A6", "01"), ("BK", "02")}
