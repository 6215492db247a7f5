"""PIN blocks as the far sides read them, and PINs as they keep them: deciphered, then hashed."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Final, Self

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB

from gateway.iso8583.codec import Codec
from gateway.iso8583.field_content import Value
from gateway.iso8583.message import Message
from gateway.iso8583.subfields import Parts
from gateway.simulators.cipher import BLOCK_BYTES, PinFormat, ZoneKeys, tdes_ecb, xor
from gateway.simulators.desk import binary, text
from gateway.terms.errors import SpecificationError

SM4_BLOCK_BYTES: Final = 16
SM4_USAGE: Final = "SM"  # of DE 63, because DE 52 has 8 bytes (domain.md 4.7)
_TDES_FIELD: Final = 52
_SM4_FIELD: Final = 63
# DE 53: PIN format 1 without and 2 with account number, algorithm 6 = double-length TDES
# (domain.md 4.7).
_SECURITY_CONTROL: Final[Mapping[PinFormat, str]] = {
    "iso-0": "2600000000000000",
    "iso-1": "1600000000000000",
}
_PIN_DIGITS_MIN: Final = 4  # ISO 9564-1, 8.1
_PIN_DIGITS_MAX: Final = 12


class BadPinBlock(Exception):
    """A PIN block that does not decipher to a PIN of the announced format; says nothing more."""


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


@dataclass(frozen=True, slots=True)
class PinZone:
    """What is agreed about the PIN blocks of a zone.

    `security_control` is DE 53, `block` finds the block in a message, `read` opens it, with the
    PAN where the format binds one.
    """

    security_control: str
    block: Callable[[Message], bytes]
    read: Callable[..., str]

    def pin(self, message: Message, *account: str) -> str:
        """Give the PIN of a message; raises `BadPinBlock`."""
        if text(message, 53) != self.security_control:
            raise BadPinBlock
        return self.read(self.block(message), *account)


def zone_of(
    keys: ZoneKeys,
    format_: PinFormat,
    codec: Codec,
    reader: Callable[[Callable[[bytes], Callable[..., str]]], Callable[..., str]],
    file: str,
) -> PinZone:
    """Put a zone together; `reader` gives a reading function under the PIN key in use.

    `format_` is the side's own, for a keys file that says nothing. Raises `SpecificationError`
    for a format that binds an account where the side has none, or the other way round, for SM4
    without DE 53, and for SM4 in a dialect without DE 63 usage SM.
    """
    if keys.pin_format is None or keys.pin_format == format_:
        control = keys.security_control or _SECURITY_CONTROL[format_]
        return PinZone(control, _tdes_block, reader(_READERS[format_]))
    if (keys.pin_format, format_) != ("sm4-no-pan", "iso-1"):
        raise SpecificationError(file, "zone_pin_format", "not a format of this side")
    if keys.security_control is None:
        # No value of DE 53 is public for SM4 (domain.md 4.7 has those of DES and TDES).
        raise SpecificationError(file, "zone_security_control", "must be given for SM4")
    field = codec.dialect.fields.get(_SM4_FIELD)
    if field is None or field.subfields is None or SM4_USAGE not in field.subfields.parts:
        raise SpecificationError(file, "zone_pin_format", "the dialect has no DE 63 usage SM")
    return PinZone(keys.security_control, partial(_sm4_block, codec), reader(read_sm4))


def without_pin_block(codec: Codec, message: Message) -> Message:
    """Put zeros in the place of a PIN block: what is kept holds none, enciphered or not."""
    zeros: dict[int, Value] = {}
    if _TDES_FIELD in message.fields:
        zeros[_TDES_FIELD] = bytes(BLOCK_BYTES)
    parts = _sm4_parts(codec, message)
    if SM4_USAGE in parts:
        zeros[_SM4_FIELD] = codec.pack(_SM4_FIELD, {**parts, SM4_USAGE: bytes(SM4_BLOCK_BYTES)})
    return message.with_fields(zeros) if zeros else message


def _tdes_block(message: Message) -> bytes:
    return binary(message, _TDES_FIELD)


def _sm4_block(codec: Codec, message: Message) -> bytes:
    block = _sm4_parts(codec, message).get(SM4_USAGE, b"")
    return block if isinstance(block, bytes) else b""


def _sm4_parts(codec: Codec, message: Message) -> Parts:
    if _SM4_FIELD not in message.fields or _SM4_FIELD not in codec.structures:
        return {}
    return codec.unpack(message, _SM4_FIELD)


# ---------------------------------------------------------------- formats


def read_format_1(key: bytes) -> Callable[[bytes], str]:
    """Give a reader of ISO 9564-1 format 1 blocks: `1 L P…P` and a fill of any nibbles."""
    decipher = _decipherer(tdes_ecb(key), BLOCK_BYTES)

    def read(block: bytes) -> str:
        return _pin_of(decipher(block).hex(), "1", fill="0123456789abcdef")

    return read


def read_format_0(key: bytes) -> Callable[[bytes, str], str]:
    """Give a reader of ISO 9564-1 format 0 blocks: `0 L P…P F…F` XOR the account number field."""
    decipher = _decipherer(tdes_ecb(key), BLOCK_BYTES)

    def read(block: bytes, pan: str) -> str:
        # Twelve rightmost digits without the check digit (ISO 9564-1, 8.3.3).
        account = bytes.fromhex("0000" + pan[-13:-1])
        return _pin_of(xor(decipher(block), account).hex(), "0", fill="f")

    return read


def read_sm4(key: bytes) -> Callable[[bytes], str]:
    """Give a reader of SM4 blocks without PAN: two BCD digits of length, `P…P F…F`, 16 bytes.

    Layout as developers of bank links have published it (pin-and-keys.md 1.4).
    """
    decipher = _decipherer(Cipher(SM4(key), ECB()), SM4_BLOCK_BYTES)  # noqa: S305 - as agreed

    def read(block: bytes) -> str:
        nibbles = decipher(block).hex()
        if not nibbles[:2].isdecimal():
            raise BadPinBlock
        return _pin(nibbles[2:], int(nibbles[:2]), fill="f")

    return read


def _decipherer(cipher: Cipher[ECB], block_bytes: int) -> Callable[[bytes], bytes]:
    """Give the decipherment of one block; raises `BadPinBlock` for another length."""
    decryptor = cipher.decryptor()

    def decipher(block: bytes) -> bytes:
        if len(block) != block_bytes:
            raise BadPinBlock
        return decryptor.update(block)

    return decipher


def _pin_of(nibbles: str, control: str, fill: str) -> str:
    """Take the PIN out of the 16 nibbles of an ISO format; raises `BadPinBlock`."""
    if nibbles[0] != control:
        raise BadPinBlock
    return _pin(nibbles[2:], int(nibbles[1], 16), fill)


def _pin(nibbles: str, length: int, fill: str) -> str:
    """Take so many digits, which nothing but fill may follow; raises `BadPinBlock`."""
    pin, rest = nibbles[:length], nibbles[length:]
    if not _PIN_DIGITS_MIN <= length <= _PIN_DIGITS_MAX or not pin.isdecimal() or rest.strip(fill):
        raise BadPinBlock
    return pin


_READERS: Final[Mapping[PinFormat, Callable[[bytes], Callable[..., str]]]] = {
    "iso-0": read_format_0,
    "iso-1": read_format_1,
}


def _digest(pin: str, salt: bytes) -> bytes:
    return blake2b(pin.encode("ascii"), salt=salt, digest_size=32).digest()
