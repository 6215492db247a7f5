"""Sealed values open in their context only, and fingerprints find equal values only."""

import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from gateway.hsm.data_key import DataKey, create_data_key, load_data_key
from gateway.hsm.private_files import write_private
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import Side

KEY = DataKey(bytes(range(32)))


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_sealed_value_opens_in_its_context(value, context):
    """Sealing hides a value in 29 bytes more, and opening gives it back."""
    sealed = KEY.seal(value, context)

    assert len(sealed) == len(value) + 29
    assert KEY.open(sealed, context) == value


def test_equal_values_are_sealed_differently():
    """Nobody sees from the database that two values are equal."""
    assert KEY.seal(b"value", b"context") != KEY.seal(b"value", b"context")


@pytest.mark.parametrize("at", range(len(KEY.seal(b"value", b"context"))))
def test_altered_value_does_not_open(at):
    """Whatever byte is changed, the value does not open."""
    sealed = bytearray(KEY.seal(b"value", b"context"))
    sealed[at] ^= 1

    with pytest.raises(LocalError, match="does not open"):
        KEY.open(bytes(sealed), b"context")


@pytest.mark.parametrize(
    ("key", "context"), [(KEY, b"other context"), (DataKey(bytes(32)), b"context")]
)
def test_value_opens_under_no_other_key_or_context(key, context):
    """A value moved to another column, or of the other side, does not open."""
    with pytest.raises(LocalError, match="does not open"):
        key.open(KEY.seal(b"value", b"context"), context)


@pytest.mark.parametrize("sealed", [b"", b"\x01", bytes(12), bytes(28)])
def test_short_value_does_not_open(sealed):
    """What is too short to be sealed is refused like any other."""
    with pytest.raises(LocalError, match="does not open"):
        KEY.open(sealed, b"context")


@given(st.binary(max_size=200))
def test_fingerprint_is_an_hmac_under_a_key_of_its_own(value):
    """It is HMAC-SHA-256 (RFC 2104) under a key derived for this alone: columns keep it."""
    info = b"sscard-gateway data fingerprint"
    key = HKDF(SHA256(), 32, salt=None, info=info).derive(bytes(range(32)))

    assert KEY.fingerprint(value) == hmac.digest(key, value, "sha256")


def test_fingerprint_finds_equal_values_under_one_key_only():
    """Equal values have one fingerprint of 32 bytes; other values and keys another."""
    fingerprint = KEY.fingerprint(b"value")

    assert fingerprint == DataKey(bytes(range(32))).fingerprint(b"value")
    assert len(fingerprint) == 32
    assert fingerprint not in {KEY.fingerprint(b"valuf"), DataKey(bytes(32)).fingerprint(b"value")}


def test_created_key_is_loaded(tmp_path):
    """A key that was made is the same at every loading, and differs from any other."""
    for name in ("one", "two"):
        create_data_key(tmp_path / name, Side.SOCIAL)

    prints = [
        load_data_key(tmp_path / name, Side.SOCIAL).fingerprint(b"value")
        for name in ("one", "one", "two")
    ]

    assert prints[0] == prints[1] != prints[2]


def test_data_key_of_the_other_side_is_refused(tmp_path):
    """A side does not open the other's data by a wrong path."""
    create_data_key(tmp_path / "key", Side.FINANCIAL)

    with pytest.raises(SpecificationError, match="side social"):
        load_data_key(tmp_path / "key", Side.SOCIAL)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("side = 'social'", "64 hexadecimal"),
        ("side = 'social'\nkey = 'abcd'", "64 hexadecimal"),
        ("side = 'social'\nkey = 'zz'", "64 hexadecimal"),
        ("side = 'social'\nkey = 5", "64 hexadecimal"),
        ("4711canary", "not valid TOML"),
    ],
)
def test_malformed_key_file_is_refused_without_its_content(tmp_path, text, rule):
    """A wrong key file is refused by rule, and nothing of it is shown."""
    write_private(tmp_path / "key", text)

    with pytest.raises(SpecificationError, match=rule) as caught:
        load_data_key(tmp_path / "key", Side.SOCIAL)

    assert "canary" not in str(caught.value)


def test_key_of_another_length_is_refused():
    """The data key has 32 bytes."""
    with pytest.raises(ValueError, match="32 bytes"):
        DataKey(bytes(16))
