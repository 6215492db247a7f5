"""The far sides' own ciphers: their keys, the MACs that a dialect declares, keys enciphered.

Written apart from ``hsm`` and ``pinblock``, against the standards alone, so that a mistake made
there is found here instead of being mirrored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC
from pydantic import ConfigDict, StringConstraints, with_config

from gateway.iso8583.mac import MAC_BYTES, Mac, MacRule
from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

BLOCK_BYTES: Final = 8
_HALF_BYTES: Final = 8  # one DES key of a double-length key
_TRIPLE_BYTES: Final = 24  # of a triple-length key

PinFormat = Literal["iso-0", "iso-1", "sm4-no-pan"]

_SecurityControl = Annotated[str, StringConstraints(pattern=r"^[0-9]{16}$")]
_HexKey = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{32}$")]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _KeyFile:
    """The keys file: keys of 16 bytes, 32 hexadecimal digits each, and what the PIN blocks are.

    TDES keys are double-length; what a MAC key is for, the dialect says.
    """

    zone_pin_key: _HexKey
    zone_mac_key: _HexKey
    zone_kek_key: _HexKey | None = None
    zone_pin_format: PinFormat | None = None
    zone_security_control: _SecurityControl | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ZoneKeys:
    """One zone's keys: 16 bytes each, for PIN blocks and for MACs.

    Under the third one, where there is one, new keys are sent by 0800. `pin_format` and
    `security_control` (DE 53) are what was agreed about PIN blocks; without them the side's own
    holds, which is TDES.
    """

    pin: bytes
    mac: bytes
    kek: bytes | None = None
    pin_format: PinFormat | None = None
    security_control: str | None = None

    @classmethod
    def parse(cls, text: str, file: str) -> Self:
        """Read a keys file; raises `SpecificationError`, which never repeats a key."""
        keys = structure(_KeyFile, parse_toml(text, file), file)
        if keys.zone_pin_key.upper() == keys.zone_mac_key.upper():
            raise SpecificationError(file, "zone_mac_key", "must differ from zone_pin_key")
        kek = keys.zone_kek_key
        return cls(
            bytes.fromhex(keys.zone_pin_key),
            bytes.fromhex(keys.zone_mac_key),
            None if kek is None else bytes.fromhex(kek),
            keys.zone_pin_format,
            keys.zone_security_control,
        )


def mac_of(rule: MacRule, key: bytes) -> Mac:
    """Give the MAC function that a dialect declares, 8 bytes; a longer MAC is cut to its left 8.

    `key` has 16 bytes; under a TDES algorithm 8 (single DES) and 24 will do as well.
    """
    match rule.algorithm:
        case "iso-9797-1-algorithm-1":
            return _cbc_mac(_tdes(key), rule.padding)
        case "iso-9797-1-algorithm-3":
            return retail_mac(key, rule.padding)
        case "cmac-tdes":
            return _cmac(_tdes(key))
        case "cmac-aes":
            return _cmac(AES(key))
        case "sm4-cbc-mac":
            return _cbc_mac(SM4(key), rule.padding)


def retail_mac(key: bytes, padding_method: int) -> Callable[[bytes], bytes]:
    """Give a MAC function: ISO 9797-1 algorithm 3 (ANSI X9.19) with padding method 1 or 2.

    All blocks but the last are chained under the key's first half; deciphering with the second
    half and enciphering with the first (output transformation 3) makes the last one a TDES block.
    """
    chain = Cipher(_tdes(key[:_HALF_BYTES]), CBC(bytes(BLOCK_BYTES))).encryptor().update
    last = tdes_ecb(key).encryptor().update
    state = bytes(BLOCK_BYTES)

    def mac(data: bytes) -> bytes:
        # Making a context costs more than a MAC. The chain of the last message is taken out
        # again by XOR, which is the same as to begin at zero.
        nonlocal state
        padded = _padded(data, padding_method)
        if len(padded) == BLOCK_BYTES:
            return last(padded)
        state = chain(xor(padded[:BLOCK_BYTES], state) + padded[BLOCK_BYTES:-BLOCK_BYTES])
        state = state[-BLOCK_BYTES:]
        return last(xor(padded[-BLOCK_BYTES:], state))

    return mac


def _cbc_mac(algorithm: BlockCipherAlgorithm, padding_method: int) -> Mac:
    """Give ISO 9797-1 algorithm 1: the last block of CBC from a zero initial vector."""
    size = algorithm.block_size // 8
    cipher = Cipher(algorithm, CBC(bytes(size)))

    def mac(data: bytes) -> bytes:
        chained = cipher.encryptor().update(_padded(data, padding_method, size))
        return chained[-size:][:MAC_BYTES]

    return mac


def _cmac(algorithm: BlockCipherAlgorithm) -> Mac:
    """Give CMAC (NIST SP 800-38B), which is ISO 9797-1 algorithm 5."""

    def mac(data: bytes) -> bytes:
        context = CMAC(algorithm)
        context.update(data)
        return context.finalize()[:MAC_BYTES]

    return mac


def encipher_key(kek: bytes, key: bytes) -> bytes:
    """Encipher a double-length key block by block, as an 0800 brings it: TDES, ECB."""
    return tdes_ecb(kek).encryptor().update(key)


def key_check_value(key: bytes) -> str:
    """Encipher a block of zeros; the first three bytes, six hexadecimal digits."""
    return tdes_ecb(key).encryptor().update(bytes(BLOCK_BYTES))[:3].hex().upper()


def tdes_ecb(key: bytes) -> Cipher[ECB]:
    """Give TDES in ECB mode, under a key of 8, 16 or 24 bytes."""
    return Cipher(_tdes(key), ECB())  # noqa: S305 - as the standards have it


def _tdes(key: bytes) -> TripleDES:
    """Give TDES under a triple-length key, a double-length one (K1|K2|K1), or DES as K|K|K."""
    return TripleDES((3 * key)[:_TRIPLE_BYTES])


def _padded(data: bytes, method: int, block_bytes: int = BLOCK_BYTES) -> bytes:
    """Pad to whole blocks (ISO 9797-1, 6.3): method 1 zeros, method 2 one bit and zeros."""
    if method == 2:  # noqa: PLR2004 - the standard's own number
        data += b"\x80"
    missing = -len(data) % block_bytes if data else block_bytes
    return data + bytes(missing)


def xor(one: bytes, other: bytes) -> bytes:
    """Combine two blocks of 8 bytes."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(BLOCK_BYTES)
