"""The far sides' own ciphers: PIN blocks deciphered, MACs made, PINs kept as salted hashes.

Written apart from ``hsm`` and ``pinblock``, against the standards alone, so that a mistake made
there is found here instead of being mirrored.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Final, Self

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from pydantic import ConfigDict, StringConstraints, with_config

from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

BLOCK_BYTES: Final = 8
_HALF_BYTES: Final = 8  # one DES key of a double-length key
_PIN_DIGITS_MIN: Final = 4  # ISO 9564-1, 8.1
_PIN_DIGITS_MAX: Final = 12

_HexKey = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{32}$")]


class BadPinBlock(Exception):
    """A PIN block that does not decipher to a PIN of the announced format; says nothing more."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _KeyFile:
    """The keys file: double-length TDES keys, 32 hexadecimal digits each."""

    zone_pin_key: _HexKey
    zone_mac_key: _HexKey
    zone_kek_key: _HexKey | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ZoneKeys:
    """One zone's keys: 16 bytes each (double-length TDES), for PIN blocks and for MACs.

    Under the third one, where there is one, new keys are sent by 0800.
    """

    pin: bytes
    mac: bytes
    kek: bytes | None = None

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
        )


@dataclass(frozen=True, slots=True, repr=False)
class PinHash:
    """A PIN as the far side keeps it."""

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, pin: str, salt: bytes) -> Self:
        """Hash a PIN with 16 bytes of salt."""
        return cls(salt, _digest(pin, salt))

    def matches(self, pin: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.digest, _digest(pin, self.salt))


def retail_mac(key: bytes, padding_method: int) -> Callable[[bytes], bytes]:
    """Give a MAC function: ISO 9797-1 algorithm 3 (ANSI X9.19) with padding method 1 or 2.

    All blocks but the last are chained under the key's first half; deciphering with the second
    half and enciphering with the first (output transformation 3) makes the last one a TDES block.
    """
    first, second = key[:_HALF_BYTES], key[_HALF_BYTES:]
    chain = Cipher(TripleDES(first * 3), CBC(bytes(BLOCK_BYTES))).encryptor()
    last = Cipher(TripleDES(first + second + first), ECB()).encryptor()  # noqa: S305 - one block
    state = bytes(BLOCK_BYTES)

    def mac(data: bytes) -> bytes:
        # Making a context costs more than a MAC. The chain of the last message is taken out
        # again by XOR, which is the same as to begin at zero.
        nonlocal state
        padded = _padded(data, padding_method)
        head, tail = padded[:-BLOCK_BYTES], padded[-BLOCK_BYTES:]
        chaining = bytes(BLOCK_BYTES)
        if head:
            begun = _xor(head[:BLOCK_BYTES], state) + head[BLOCK_BYTES:]
            chaining = state = chain.update(begun)[-BLOCK_BYTES:]
        return last.update(_xor(tail, chaining))

    return mac


def encipher_key(kek: bytes, key: bytes) -> bytes:
    """Encipher a double-length key block by block, as an 0800 brings it: TDES, ECB."""
    return _ecb(kek).encryptor().update(key)


def key_check_value(key: bytes) -> str:
    """Encipher a block of zeros; the first three bytes, six hexadecimal digits."""
    return _ecb(key).encryptor().update(bytes(BLOCK_BYTES))[:3].hex().upper()


def read_format_1(key: bytes) -> Callable[[bytes], str]:
    """Give a reader of ISO 9564-1 format 1 blocks: `1 L P…P` and a fill of any nibbles."""
    decipher = _decipherer(key)

    def read(block: bytes) -> str:
        return _pin(decipher(block).hex(), "1", fill="0123456789abcdef")

    return read


def read_format_0(key: bytes) -> Callable[[bytes, str], str]:
    """Give a reader of ISO 9564-1 format 0 blocks: `0 L P…P F…F` XOR the account number field."""
    decipher = _decipherer(key)

    def read(block: bytes, pan: str) -> str:
        # Twelve rightmost digits without the check digit (ISO 9564-1, 8.3.3).
        account = bytes.fromhex("0000" + pan[-13:-1])
        return _pin(_xor(decipher(block), account).hex(), "0", fill="f")

    return read


def _decipherer(key: bytes) -> Callable[[bytes], bytes]:
    """Give the TDES ECB decipherment of one block; raises `BadPinBlock` for another length."""
    decryptor = _ecb(key).decryptor()

    def decipher(block: bytes) -> bytes:
        if len(block) != BLOCK_BYTES:
            raise BadPinBlock
        return decryptor.update(block)

    return decipher


def _ecb(key: bytes) -> Cipher[ECB]:
    """Give TDES under a double-length key."""
    first, second = key[:_HALF_BYTES], key[_HALF_BYTES:]
    return Cipher(TripleDES(first + second + first), ECB())  # noqa: S305 - as the standard has it


def _pin(nibbles: str, control: str, fill: str) -> str:
    """Take the PIN out of 16 nibbles; raises `BadPinBlock`."""
    length = int(nibbles[1], 16)
    pin, rest = nibbles[2 : 2 + length], nibbles[2 + length :]
    if (
        nibbles[0] != control
        or not _PIN_DIGITS_MIN <= length <= _PIN_DIGITS_MAX
        or not pin.isdecimal()
        or not set(rest) <= set(fill)
    ):
        raise BadPinBlock
    return pin


def _padded(data: bytes, method: int) -> bytes:
    """Pad to whole blocks (ISO 9797-1, 6.3): method 1 zeros, method 2 one bit and zeros."""
    if method == 2:  # noqa: PLR2004 - the standard's own number
        data += b"\x80"
    missing = -len(data) % BLOCK_BYTES if data else BLOCK_BYTES
    return data + bytes(missing)


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(BLOCK_BYTES)


def _digest(pin: str, salt: bytes) -> bytes:
    return blake2b(pin.encode("ascii"), salt=salt, digest_size=32).digest()
