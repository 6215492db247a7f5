"""Keys and components that are not fit are refused, and no error repeats them."""

import pytest

from gateway.hsm.key_block import check_value
from gateway.hsm.key_material import (
    UnfitKey,
    check_component,
    check_key,
    combine,
    component_check_value,
    fresh_key,
    has_check_value,
    with_odd_parity,
)
from gateway.pinblock.zone import Algorithm

# TR-31:2018 A.7.2.1 and A.7.2.2: keys with their check values.
K1, K1_VALUE = bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F"), "CB9DEA"
AES_KEY, AES_VALUE = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8"), "08793E25AB"


def test_known_components_give_a_known_key():
    """Three components of odd parity give the XOR of them, and its published check value."""
    first, second = fresh_key(Algorithm.TDES, 16), fresh_key(Algorithm.TDES, 16)
    third = bytes(a ^ b ^ c for a, b, c in zip(K1, first, second, strict=True))

    key = combine(Algorithm.TDES, [first, second, with_odd_parity(third)])

    assert key == with_odd_parity(K1)
    assert check_value(Algorithm.TDES, key) == K1_VALUE


def test_two_components_of_odd_parity_give_a_key_of_odd_parity():
    """The XOR of two has even parity; the key's is set right and its check value is the same."""
    first, second = fresh_key(Algorithm.TDES, 24), fresh_key(Algorithm.TDES, 24)
    plain = bytes(a ^ b for a, b in zip(first, second, strict=True))

    key = combine(Algorithm.TDES, [first, second])

    assert {octet.bit_count() % 2 for octet in key} == {1}
    assert check_value(Algorithm.TDES, key) == check_value(Algorithm.TDES, plain)


@pytest.mark.parametrize(("algorithm", "length"), [("aes", 32), ("aes", 16), ("sm4", 16)])
def test_components_of_other_ciphers_are_xored_as_they_are(algorithm, length):
    """AES and SM4 keys have no parity bits: nothing is set in them."""
    first, second = (fresh_key(Algorithm(algorithm), length) for _ in range(2))

    key = combine(Algorithm(algorithm), [first, second])

    assert key == bytes(a ^ b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("components", "rule"),
    [
        ([K1], "2 to 8 components"),
        ([K1] * 9, "2 to 8 components"),
        ([K1, with_odd_parity(K1)], "given twice"),
        ([with_odd_parity(K1), with_odd_parity(AES_KEY) + bytes(8)], "length of the key"),
        ([with_odd_parity(K1), bytes(16)], "every byte is the same"),
        ([with_odd_parity(K1), AES_KEY], "even parity"),
        ([with_odd_parity(K1)[:15], with_odd_parity(AES_KEY)[:15]], "has 16 or 24 bytes"),
    ],
)
def test_components_that_make_no_key_are_refused(components, rule):
    """One, too many, the same twice, different lengths, constant ones and mistyped ones."""
    components = [with_odd_parity(c) if c == K1 and len(components) != 2 else c for c in components]
    if rule == "given twice":
        components = [with_odd_parity(K1)] * 2

    with pytest.raises(UnfitKey, match=rule) as caught:
        combine(Algorithm.TDES, components)

    assert K1.hex()[:8] not in str(caught.value)


def test_components_that_cancel_out_are_refused():
    """Components whose XOR repeats its halves would make single DES."""
    first = fresh_key(Algorithm.TDES, 16)
    half = fresh_key(Algorithm.TDES, 16)[:8]
    second = bytes(a ^ b for a, b in zip(first, half * 2, strict=True))
    third, fourth = fresh_key(Algorithm.TDES, 16), None
    fourth = bytes(a ^ b for a, b in zip(second, third, strict=True))

    with pytest.raises(UnfitKey, match="single DES"):
        combine(Algorithm.TDES, [first, third, with_odd_parity(fourth)])


@pytest.mark.parametrize(
    ("algorithm", "key", "rule"),
    [
        ("tdes", "00" * 16, "same"),
        ("aes", "00" * 32, "same"),
        ("sm4", "FF" * 16, "same"),
        ("aes", "00" * 15, "16 or 24 or 32 bytes"),
        ("tdes", "0123456789ABCDEF", "16 or 24 bytes"),
        ("tdes", "0101010101010101FEFEFEFEFEFEFEFE", "weak"),
        ("tdes", "0123456789ABCDEF01FE01FE01FE01FE", "weak"),
        ("tdes", "1FE01FE00EF10EF10123456789ABCDEF", "weak"),
        ("tdes", "0123456789ABCDEF0123456789ABCDEF", "single DES"),
        ("tdes", "0123456789ABCDEFFEDCBA9876543210FEDCBA9876543210", "single DES"),
        ("tdes", "0023456789ABCDEFFEDCBA9876543210", "parity"),
    ],
)
def test_unfit_key_is_refused(algorithm, key, rule):
    """Constant, weak, repeating and parity-less keys are refused by their rule."""
    with pytest.raises(UnfitKey, match=rule):
        check_key(Algorithm(algorithm), bytes.fromhex(key))


def test_double_length_key_written_in_three_parts_is_fit():
    """K1|K2|K1 is double-length TDES, which is allowed."""
    check_key(Algorithm.TDES, bytes.fromhex("0123456789ABCDEFFEDCBA98765432100123456789ABCDEF"))


def test_component_may_have_equal_halves():
    """Only the key must not: a component alone enciphers nothing."""
    check_component(Algorithm.TDES, bytes.fromhex("0123456789ABCDEF" * 2))


def test_component_has_the_check_value_of_a_key():
    """Custodians compare the same value that a far side's equipment prints."""
    assert component_check_value(Algorithm.AES, AES_KEY) == AES_VALUE


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("CB9DEA", True),
        ("cb9dea", True),
        ("CB9DEB", False),
        ("CB9D", False),
        ("", False),
        ("CB9DEA00", False),
    ],
)
def test_check_value_is_compared_as_far_as_it_is_given(given, fits):
    """Parties write three to eight bytes of it; fewer say too little."""
    assert has_check_value(Algorithm.TDES, K1, given) is fits
