"""Kept cipher contexts give the published values, call after call."""

import pytest

from gateway.hsm.ciphers import aes, block_algorithm, cipher_of, sm4, tdes, triple_length
from gateway.pinblock.zone import Algorithm

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


@pytest.mark.parametrize(
    ("cipher", "plain", "enciphered"),
    [
        (sm4(KEY), "0123456789ABCDEFFEDCBA9876543210", "681EDF34D206965E86B3E94F536E4246"),
        (
            aes(bytes(range(16))),  # FIPS 197, appendix C.1
            "00112233445566778899AABBCCDDEEFF",
            "69C4E0D86A7B0430D8CDB78070B4C55A",
        ),
        (tdes(bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")), "00" * 8, "57C409"),
    ],
)
def test_cipher_has_the_published_value_each_time(cipher, plain, enciphered):
    """A context that is kept gives the same answer at every call, and its inverse."""
    for _ in range(3):
        block = cipher.encrypt(bytes.fromhex(plain))
        assert block.hex().upper().startswith(enciphered)
        assert cipher.decrypt(block) == bytes.fromhex(plain)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_part_of_a_block_is_refused_and_spoils_nothing(algorithm):
    """Data that are not whole blocks are refused before they reach the kept context."""
    cipher = cipher_of(algorithm, KEY)
    before = cipher.encrypt(bytes(cipher.block_bytes))

    for work in (cipher.encrypt, cipher.decrypt):
        with pytest.raises(ValueError, match="whole blocks"):
            work(bytes(cipher.block_bytes - 1))

    assert cipher.encrypt(bytes(cipher.block_bytes)) == before


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_cipher_and_library_object_have_the_same_block_size(algorithm):
    """The library's object for CMAC is of the algorithm that was asked for."""
    assert block_algorithm(algorithm, KEY).block_size == cipher_of(algorithm, KEY).block_bytes * 8


def test_double_length_key_is_written_in_triple_length():
    """K1|K2 becomes K1|K2|K1, and a triple-length key stays."""
    assert triple_length(KEY) == KEY + KEY[:8]
    assert triple_length(KEY + bytes(8)) == KEY + bytes(8)


@pytest.mark.parametrize("size", [0, 8, 15, 32])
def test_tdes_key_of_another_length_is_refused(size):
    """Single-length keys are not TDES."""
    with pytest.raises(ValueError, match="16 or 24"):
        tdes(bytes(size))
