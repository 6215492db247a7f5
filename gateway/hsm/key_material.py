"""What a clear key must be before it is wrapped: its parity, its halves, its components.

Components are XORed (``reference/pin-and-keys.md`` 2.3; PCI PIN 3.1, requirement 6): each has the
full length of the key, so that one alone says nothing of it. No error repeats a key or a part.
"""

import hmac
import secrets
from collections.abc import Sequence
from itertools import pairwise

from gateway.hsm.key_block import check_value, full_check_value
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import LocalError

COMPONENTS_MIN = 2  # PCI PIN 3.1, requirement 21-1: never under the control of one person
COMPONENTS_MAX = 8  # a ceremony has two or three custodians; eight fit into one room

CHECK_VALUE_DIGITS_MIN = 6  # three bytes, the shortest that parties exchange

LENGTHS_BYTES = {Algorithm.TDES: (16, 24), Algorithm.AES: (16, 24, 32), Algorithm.SM4: (16,)}
_DES_BYTES = 8

# Weak and semi-weak DES keys (NIST SP 800-67, 3.3.2), with odd parity.
_WEAK_DES = frozenset(
    bytes.fromhex(key)
    for key in (
        "0101010101010101", "FEFEFEFEFEFEFEFE", "E0E0E0E0F1F1F1F1", "1F1F1F1F0E0E0E0E",
        "011F011F010E010E", "1F011F010E010E01", "01E001E001F101F1", "E001E001F101F101",
        "01FE01FE01FE01FE", "FE01FE01FE01FE01", "1FE01FE00EF10EF1", "E01FE01FF10EF10E",
        "1FFE1FFE0EFE0EFE", "FE1FFE1FFE0EFE0E", "E0FEE0FEF1FEF1FE", "FEE0FEE0FEF1FEF1",
    )
)  # fmt: skip


class UnfitKey(LocalError):
    """A key, or a component of one, is not fit to be used; says which rule it breaks."""


def fresh_key(algorithm: Algorithm, length_bytes: int) -> bytes:
    """Draw a key that is fit; for TDES with odd parity, as far sides may check (ANSI X3.92)."""
    while True:
        key = secrets.token_bytes(length_bytes)
        key = with_odd_parity(key) if algorithm is Algorithm.TDES else key
        try:
            check_key(algorithm, key)
        except UnfitKey:
            continue  # one key in 2**48
        return key


def combine(algorithm: Algorithm, components: Sequence[bytes]) -> bytes:
    """XOR components into a key; raises `UnfitKey` for what the components or the key must not be.

    The XOR of two DES components of odd parity has even parity: the key's is set right, which
    changes neither what it enciphers nor its check value.
    """
    if not COMPONENTS_MIN <= len(components) <= COMPONENTS_MAX:
        raise UnfitKey(f"a key has {COMPONENTS_MIN} to {COMPONENTS_MAX} components")
    if len(set(map(len, components))) != 1:
        raise UnfitKey("every component must have the length of the key")
    for component in components:
        check_component(algorithm, component)
    if len(set(components)) != len(components):
        raise UnfitKey("the same component was given twice")
    key = bytes(len(components[0]))
    for component in components:
        key = bytes(one ^ other for one, other in zip(key, component, strict=True))
    if algorithm is Algorithm.TDES:
        key = with_odd_parity(key)
    check_key(algorithm, key)
    return key


def check_component(algorithm: Algorithm, component: bytes) -> None:
    """Raise `UnfitKey` for a component of a wrong length, without odd parity or of one byte only.

    A component may well have equal halves: only the key must not.
    """
    _check_length(algorithm, component)
    _check_not_constant(component)
    if algorithm is Algorithm.TDES:
        _check_parity(component)


def check_key(algorithm: Algorithm, key: bytes) -> None:
    """Raise `UnfitKey` for a key of a wrong length, a constant or weak one, one without parity."""
    _check_length(algorithm, key)
    _check_not_constant(key)
    if algorithm is not Algorithm.TDES:
        return
    _check_parity(key)
    parts = [key[at : at + _DES_BYTES] for at in range(0, len(key), _DES_BYTES)]
    if any(part in _WEAK_DES for part in parts):
        raise UnfitKey("a part of the key is a weak or semi-weak DES key")
    # K1 = K2 or K2 = K3 undoes one encipherment by the next: what is left is single DES.
    if any(one == next_ for one, next_ in pairwise(parts)):
        raise UnfitKey("parts of the key repeat: it would be no more than single DES")


def component_check_value(algorithm: Algorithm, component: bytes) -> str:
    """Give the check value of a component, as of a key; raises `UnfitKey` for an unfit one."""
    check_component(algorithm, component)
    return check_value(algorithm, component)


def has_check_value(algorithm: Algorithm, key: bytes, given: str) -> bool:
    """Compare a check value as another party writes it: 6 hexadecimal digits or more of it."""
    whole = full_check_value(algorithm, key).hex().upper()
    return len(given) >= CHECK_VALUE_DIGITS_MIN and hmac.compare_digest(
        whole[: len(given)].encode(), given.upper().encode()
    )


def with_odd_parity(key: bytes) -> bytes:
    """Set the lowest bit of each byte so that the number of ones is odd (ANSI X3.92)."""
    return bytes(byte ^ (byte.bit_count() + 1) % 2 for byte in key)


def _check_length(algorithm: Algorithm, key: bytes) -> None:
    if len(key) not in LENGTHS_BYTES[algorithm]:
        allowed = " or ".join(map(str, LENGTHS_BYTES[algorithm]))
        raise UnfitKey(f"a key of {algorithm.value} has {allowed} bytes")


def _check_not_constant(key: bytes) -> None:
    if len(set(key)) == 1:
        raise UnfitKey("every byte is the same")


def _check_parity(key: bytes) -> None:
    if with_odd_parity(key) != key:
        raise UnfitKey("a byte has even parity: mistyped, or deciphered under another key")
