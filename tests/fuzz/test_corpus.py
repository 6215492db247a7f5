"""Every saved input of the fuzzer keeps every promise."""

import importlib.util
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent


@pytest.fixture(scope="module")
def fuzzer():
    """Load the fuzzer's checks; the fuzzer itself need not be installed."""
    spec = importlib.util.spec_from_file_location("fuzz_iso8583", FUZZ / "fuzz_iso8583.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_saved_inputs_keep_every_promise(fuzzer):
    """What once reached new code, or broke a promise, goes through the checks."""
    inputs = sorted((FUZZ / "corpus").iterdir())

    for file in inputs:
        fuzzer.check(file.read_bytes())

    assert {file.read_bytes()[0] % (2 * len(fuzzer.DIALECTS)) for file in inputs} == set(
        range(2 * len(fuzzer.DIALECTS))
    )


def test_fuzzer_covers_every_dialect(fuzzer):
    """A new dialect is fuzzed like the others."""
    shipped = {file.stem for file in (fuzzer.ROOT / "specs" / "dialects").glob("*.toml")}

    assert set(fuzzer.DIALECTS) == shipped


def test_check_finds_a_second_byte_form(fuzzer, monkeypatch):
    """The checks bite: a codec that writes other bytes than it read is found."""
    monkeypatch.setattr(type(fuzzer.CODECS[0]), "encode", lambda *_: b"other")

    with pytest.raises(AssertionError, match="one byte form"):
        fuzzer.check(b"\0" + b"0800" + bytes.fromhex("0020000000000000") + b"123456")
