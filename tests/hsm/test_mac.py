"""The MACs of the links against published values, psec and the cipher library's own objects."""

import itertools

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st
from psec import mac as oracle

from gateway.hsm import mac
from gateway.hsm.ciphers import block_algorithm, sm4
from gateway.hsm.mac import Cmac, MacPadding, RetailMac, mac_of, session_macs
from gateway.hsm.protocol import SessionMacKey
from gateway.iso8583.mac import MacRule
from gateway.pinblock.zone import Algorithm

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
M1 = b"Now is the time for all "
M2 = b"Now is the time for it"
A = b"This is the test message for mac"
B = b"This is the test message "
SP_800_38B = bytes.fromhex("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E51")
TDES_3_KEY = "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123"
DATA = st.binary(max_size=300)


def declared(algorithm, padding=0):
    """Give the rule of a dialect; padding 3 is in no dialect, but in the standard's examples."""
    return MacRule(algorithm, padding, (64, 128))


@pytest.mark.parametrize(
    ("algorithm", "padding", "key", "message", "expected"),
    [
        # ISO/IEC 9797-1:2011, annex B, and ANSI X9.9
        ("iso-9797-1-algorithm-1", 1, KEY[:8], M1, "70A30640CC76DD8B"),
        ("iso-9797-1-algorithm-1", 1, KEY[:8], M2, "E45B3AD2B7CC0856"),
        ("iso-9797-1-algorithm-1", 2, KEY[:8], M1, "10E1F0F108341B6D"),
        ("iso-9797-1-algorithm-1", 2, KEY[:8], M2, "A924C72136149211"),
        ("iso-9797-1-algorithm-1", 3, KEY[:8], M1, "2C58FB8FF12AAEAC"),
        ("iso-9797-1-algorithm-1", 3, KEY[:8], M2, "B1ECD6FC8B37C392"),
        ("iso-9797-1-algorithm-3", 1, KEY, M1, "A1C72E74EA3FA9B6"),
        ("iso-9797-1-algorithm-3", 1, KEY, M2, "2E2B1428CC78254F"),
        ("iso-9797-1-algorithm-3", 2, KEY, M1, "E9086230CA3BE796"),
        ("iso-9797-1-algorithm-3", 2, KEY, M2, "5A692CE64F404145"),
        ("iso-9797-1-algorithm-3", 3, KEY, M1, "AB059463D7A7D170"),
        ("iso-9797-1-algorithm-3", 3, KEY, M2, "C59F7EED328DDD69"),
        # GB/T 15852.1-2020, annex B
        ("sm4-cbc-mac", 1, KEY, A, "16E02904EFB765B7"),
        ("sm4-cbc-mac", 1, KEY, B, "BA89E45FE8ABF242"),
        ("sm4-cbc-mac", 2, KEY, A, "4B6553AF3C4E2744"),
        ("sm4-cbc-mac", 2, KEY, B, "421AD1690AA152E2"),
        ("sm4-cbc-mac", 3, KEY, A, "71AF7E4553404CBC"),
        ("sm4-cbc-mac", 3, KEY, B, "6A4A86F5B5E468DA"),
    ],
)
def test_mac_has_the_published_value(algorithm, padding, key, message, expected):
    """Algorithms 1 and 3 with each padding, over messages with and without a rest, twice."""
    mac = mac_of(declared(algorithm, padding), key)

    assert [mac(message).hex().upper() for _ in range(2)] == [expected] * 2


@pytest.mark.parametrize(
    ("algorithm", "key", "expected"),
    [
        (
            "cmac-tdes",
            TDES_3_KEY,
            {0: "7DB0D37DF936C550", 16: "30239CF1F52E6609", 20: "6C9F3EE4923F6BE2"}
            | {32: "99429BD0BF7904E5"},
        ),
        (
            "cmac-tdes",
            TDES_3_KEY[:32],
            {0: "79CE52A7F786A960", 16: "CC18A0B79AF2413B", 20: "C06D377ECD101969"}
            | {32: "9CD33580F9B64DFB"},
        ),
        (
            "cmac-aes",
            "2B7E151628AED2A6ABF7158809CF4F3C",
            {0: "BB1D6929E9593728", 16: "070A16B46B4D4144", 20: "7D85449EA6EA19C8"},
        ),
    ],
)
def test_cmac_has_the_published_values(algorithm, key, expected):
    """The examples of NIST SP 800-38B, by length of the message, cut to 8 bytes."""
    mac = mac_of(declared(algorithm), bytes.fromhex(key))

    assert {size: mac(SP_800_38B[:size]).hex().upper() for size in expected} == expected


@pytest.mark.parametrize(
    ("message", "expected"), [(A, "692C437100F3B5EE"), (B, "4738A6C760B280FC")]
)
def test_cmac_over_sm4_has_the_published_value(message, expected):
    """GB/T 15852.1-2020, annex B, algorithm 5."""
    assert Cmac(block_algorithm(Algorithm.SM4, KEY))(message).hex().upper() == expected


@given(
    st.sampled_from(list(MacPadding)),
    st.binary(min_size=16, max_size=16),
    st.lists(DATA, min_size=1, max_size=4),
)
def test_retail_mac_is_that_of_psec_whatever_was_computed_before(padding, key, messages):
    """One kept context gives the oracle's value for every message of a sequence."""
    mac = RetailMac(key, padding)

    for message in messages:
        assert mac(message) == oracle.generate_retail_mac(key[:8], key[8:], message, padding)


@given(
    st.sampled_from([1, 2]),
    st.sampled_from([8, 16, 24]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.lists(DATA, min_size=1, max_size=4),
)
def test_cbc_mac_is_that_of_psec_whatever_was_computed_before(padding, key, messages):
    """DES and TDES by the length of the key, as psec has them."""
    mac = mac_of(declared("iso-9797-1-algorithm-1", padding), key)

    for message in messages:
        assert mac(message) == oracle.generate_cbc_mac(key, message, padding)


@given(
    st.sampled_from([1, 2]),
    st.binary(min_size=16, max_size=16),
    st.lists(DATA, min_size=1, max_size=4),
)
def test_sm4_cbc_mac_is_the_end_of_cbc_whatever_was_computed_before(padding, key, messages):
    """The left half of the last block that the cipher library's CBC gives."""
    mac = mac_of(declared("sm4-cbc-mac", padding), key)

    for message in messages:
        rest = b"\x80" if padding == 2 else b""
        padded = message + rest or bytes(16)
        padded += bytes(-len(padded) % 16)
        cbc = Cipher(block_algorithm(Algorithm.SM4, key), CBC(bytes(16))).encryptor()
        assert mac(message) == cbc.update(padded)[-16:-8]


@given(
    st.sampled_from([("cmac-tdes", Algorithm.TDES, 24), ("cmac-aes", Algorithm.AES, 32)]),
    st.binary(min_size=32, max_size=32),
    st.lists(DATA, min_size=1, max_size=4),
)
def test_cmac_is_the_librarys_whatever_was_computed_before(which, key, messages):
    """A context begun once gives the value of a fresh one."""
    name, algorithm, size = which
    mac = mac_of(declared(name), key[:size])

    for message in messages:
        fresh = CMAC(block_algorithm(algorithm, key[:size]))
        fresh.update(message)
        assert mac(message) == fresh.finalize()[:8]


def test_mac_verifies_only_itself():
    """A bit more or less, a cut MAC and another message do not verify."""
    mac = RetailMac(KEY, MacPadding.ONE_THEN_ZEROS)
    good = mac(M1)

    assert mac.verify(M1, good)
    assert not mac.verify(M1, bytes([good[0] ^ 1]) + good[1:])
    assert not mac.verify(M1, good[:4])
    assert not mac.verify(M2, good)


def test_no_two_algorithms_give_the_same():
    """Each name in a dialect stands for another algorithm, and each padding for another one."""
    rules = [
        declared(name, padding)
        for name in ("iso-9797-1-algorithm-1", "iso-9797-1-algorithm-3", "sm4-cbc-mac")
        for padding in (1, 2, 3)
    ]
    macs = [mac_of(rule, KEY)(M2) for rule in (*rules, *map(declared, ("cmac-tdes", "cmac-aes")))]

    assert all(one != other for one, other in itertools.combinations(macs, 2))


@pytest.mark.parametrize(
    ("algorithm", "padding", "sizes"),
    [
        ("iso-9797-1-algorithm-1", 1, (0, 7, 12, 32)),
        ("iso-9797-1-algorithm-3", 1, (0, 8, 24)),
        ("cmac-tdes", 0, (0, 8, 32)),
        ("cmac-aes", 0, (0, 8, 20)),
        ("sm4-cbc-mac", 2, (0, 8, 24)),
    ],
)
def test_key_of_another_length_is_refused(algorithm, padding, sizes):
    """A key that cannot be the algorithm's is refused when the link is made, without a value."""
    for size in sizes:
        with pytest.raises(ValueError, match=r"must have|Invalid key size"):
            mac_of(declared(algorithm, padding), bytes(size))


RULES = {
    Algorithm.TDES: [
        declared("iso-9797-1-algorithm-1", 1),
        declared("iso-9797-1-algorithm-3", 2),
        declared("cmac-tdes"),
    ],
    Algorithm.AES: [declared("cmac-aes")],
    Algorithm.SM4: [declared("sm4-cbc-mac", 1)],
}


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_key_of_one_cipher_serves_no_dialect_of_another(algorithm):
    """All three have keys of 16 bytes: only what the store says tells them apart."""
    session = SessionMacKey(KEY, algorithm, KEY[::-1])

    for cipher, rules in RULES.items():
        for rule in rules:
            if cipher is algorithm:
                macs = session_macs(rule, session)
                assert macs.current(M1) == mac_of(rule, KEY)(M1)
                assert macs.previous(M1) == mac_of(rule, KEY[::-1])(M1)
            else:
                with pytest.raises(ValueError, match=f"is for {algorithm.value}"):
                    session_macs(rule, session)


def test_link_without_a_key_before_has_one_mac():
    """Nothing verifies under a key that nobody had."""
    session = SessionMacKey(KEY, Algorithm.TDES)

    assert session_macs(declared("iso-9797-1-algorithm-3", 1), session).previous is None


SM4_K2 = bytes.fromhex("4149D2ADED9456681EC8B511D9E7EE04")


@pytest.mark.parametrize(
    ("message", "expected"), [(A, "2763211B2BCAF719"), (B, "E32D99A689C05259")]
)
def test_algorithm_3_over_sm4_comes_out_of_our_parts(message, expected):
    """GB/T 15852.1-2020, annex B; no dialect has it, the chain and the cipher are those in use."""
    padded = MacPadding.ZEROS.apply(message, 16)
    chain = mac._Chain(block_algorithm(Algorithm.SM4, KEY))

    last = chain.last_block(padded)

    assert sm4(KEY).encrypt(sm4(SM4_K2).decrypt(last))[:8].hex().upper() == expected


def test_sm4_cbc_mac_with_an_initial_vector_has_the_published_value():
    """A test centre's vector; links begin with zeros, so the vector goes into the first block."""
    key = bytes.fromhex("EEF3C9888129755F2C769DBC459448CE")
    vector = int("FBD7B7AB0793F814B28A970F9E859C05", 16)
    message = int("99C9D02D03F2CD394A680DC51B112322", 16)
    chain = mac._Chain(block_algorithm(Algorithm.SM4, key))

    last = chain.last_block((message ^ vector).to_bytes(16))

    assert last.hex().upper() == "530EDF0605A302F30096AE46BD6316AF"
