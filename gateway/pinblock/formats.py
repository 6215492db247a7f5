"""PIN blocks: ISO 9564-1:2017 formats 0, 1, 3 and 4, and the 16-byte form used with SM4.

Layouts and known answers are in ``reference/pin-and-keys.md`` 1.1, 1.4 and 8.1. Format 2 is left
out on purpose: it lives between reader and chip card only (PCI PIN 3.1, requirement 3-2).

A builder raises `ValueError`, whose text is the rule, when *we* ask for something that cannot
be built. Everything that may be wrong with a block from a peer is the one `MalformedPinBlock`,
because an answer that says which check failed is an oracle on the PIN.
"""

from collections.abc import Iterable
from enum import StrEnum
from operator import or_, xor
from typing import Protocol

from gateway.terms.errors import PeerError
from gateway.terms.response_codes import ResponseCode

PIN_DIGITS_MIN = 4  # ISO 9564-1:2017, 8.1
PIN_DIGITS_MAX = 12
ACCOUNT_DIGITS_MIN = 13  # formats 0 and 3: twelve digits and the check digit after them
ACCOUNT_DIGITS_MAX = 19  # ISO/IEC 7812-1
FILL_BYTES = 8  # of chance that any format takes at most

_FORMAT_1_RANDOM_NIBBLES = 10  # 14 nibbles less the shortest PIN
_ZERO = ord("0")
_F = 0xF
_A = 0xA

# What may fill up a PIN field.
_ALL_F, _ALL_A = frozenset((_F,)), frozenset((_A,))
_ANY, _LETTERS = frozenset(range(16)), frozenset(range(_A, 16))

# By nibble or byte: what packing and unpacking look up instead of computing it.
_SHIFTED = tuple(nibble << 4 for nibble in range(16))
_HIGH_NIBBLES = bytes(byte >> 4 for byte in range(256))
_LOW_NIBBLES = bytes(byte & _F for byte in range(256))
_ASCII = bytes(_ZERO + nibble & 0xFF for nibble in range(256))  # no digit for a nibble above 9

Octets = bytes | bytearray


class PinBlockFormat(StrEnum):
    """How a PIN is laid out before encipherment."""

    ISO_0 = "iso-0"
    ISO_1 = "iso-1"
    ISO_3 = "iso-3"
    ISO_4 = "iso-4"
    SM4_PAN = "sm4-pan"
    SM4_NO_PAN = "sm4-no-pan"

    @property
    def block_bytes(self) -> int:
        """Size of the block in bytes, which is the block size of its cipher."""
        return 8 if self in _OF_8_BYTES else 16

    @property
    def binds_account(self) -> bool:
        """Tell whether an account number goes into the block."""
        return self not in _WITHOUT_ACCOUNT


_OF_8_BYTES = frozenset({PinBlockFormat.ISO_0, PinBlockFormat.ISO_1, PinBlockFormat.ISO_3})
_WITHOUT_ACCOUNT = frozenset({PinBlockFormat.ISO_1, PinBlockFormat.SM4_NO_PAN})


class BlockCipher(Protocol):
    """One key of one block cipher in ECB mode, which is all that PIN blocks need."""

    @property
    def block_bytes(self) -> int:
        """Size of a block in bytes."""

    def encrypt(self, block: bytes | bytearray) -> bytes:
        """Encipher whole blocks."""

    def decrypt(self, block: bytes | bytearray) -> bytes:
        """Decipher whole blocks."""


class MalformedPinBlock(PeerError):
    """A PIN block does not decipher to a PIN; never says why."""

    def __init__(self) -> None:
        super().__init__("PIN block is not valid", ResponseCode.PIN_FORMAT)


def wipe(secret: bytearray) -> None:
    """Overwrite a secret with zeros, in place."""
    secret[:] = bytes(len(secret))


def encipher(
    format_: PinBlockFormat,
    cipher: BlockCipher,
    pin: Octets,
    account: str,
    fill: bytes,
) -> bytes:
    """Build the block of a PIN and encipher it.

    `pin` is 4 to 12 ASCII digits, `account` decimal digits (empty where the format binds none),
    `fill` at least `FILL_BYTES` of chance. Raises `ValueError` with the broken rule.
    """
    if format_ is PinBlockFormat.ISO_4:
        return _encipher_format_4(cipher, pin, account, fill)
    clear = build(format_, pin, account, fill)
    try:
        return cipher.encrypt(clear)
    finally:
        wipe(clear)


def decipher(format_: PinBlockFormat, cipher: BlockCipher, block: bytes, account: str) -> bytearray:
    """Decipher a block and give its PIN as ASCII digits; raises `MalformedPinBlock`."""
    if len(block) != format_.block_bytes:
        raise MalformedPinBlock
    if format_ is PinBlockFormat.ISO_4:
        return _decipher_format_4(cipher, block, account)
    clear = bytearray(cipher.decrypt(block))
    try:
        return parse(format_, clear, account)
    finally:
        wipe(clear)


def build(format_: PinBlockFormat, pin: Octets, account: str, fill: bytes) -> bytearray:
    """Build the clear block of every format but 4, which never exists in clear as a whole."""
    match format_:
        case PinBlockFormat.ISO_0:
            return _xor(_pin_field(0, pin, (_F,) * 10), account_field(account))
        case PinBlockFormat.ISO_1:
            return _pin_field(1, pin, _hexadecimal_nibbles(fill))
        case PinBlockFormat.ISO_3:
            return _xor(_pin_field(3, pin, _letter_nibbles(fill)), account_field(account))
        case PinBlockFormat.SM4_PAN:
            return _xor(_sm4_pin_field(pin), bytes(8) + account_field(account))
        case PinBlockFormat.SM4_NO_PAN:
            return _sm4_pin_field(pin)
        case PinBlockFormat.ISO_4:
            raise ValueError("format 4 has no clear block (ISO 9564-1, 9.4.2)")


def parse(format_: PinBlockFormat, clear: Octets, account: str) -> bytearray:
    """Take the PIN out of a clear block, as `build` made it; raises `MalformedPinBlock`."""
    match format_:
        case PinBlockFormat.ISO_0:
            return _parse_8(0, _xor(clear, account_field(account)), _ALL_F)
        case PinBlockFormat.ISO_1:
            return _parse_8(1, bytearray(clear), _ANY)
        case PinBlockFormat.ISO_3:
            return _parse_8(3, _xor(clear, account_field(account)), _LETTERS)
        case PinBlockFormat.SM4_PAN:
            return _parse_sm4(_xor(clear, bytes(8) + account_field(account)))
        case PinBlockFormat.SM4_NO_PAN:
            return _parse_sm4(bytearray(clear))
        case PinBlockFormat.ISO_4:
            raise ValueError("format 4 has no clear block (ISO 9564-1, 9.4.2)")


def account_field(account: str) -> bytes:
    """Account field of formats 0 and 3, 8 bytes (ISO 9564-1:2017, 9.3.2.3, 9.3.5.3)."""
    _check_account(account, ACCOUNT_DIGITS_MIN)
    # Twelve rightmost digits *without* the check digit. Including it would still round-trip in
    # our own tests and fail only at the peer.
    return bytes.fromhex("0000" + account[-13:-1])


def format_4_account_field(account: str) -> bytes:
    """Account field of format 4, 16 bytes (ISO 9564-1:2017, 9.4.2.2.3).

    The whole number with its check digit; one shorter than twelve digits stands right-justified
    in twelve.
    """
    _check_account(account, 1)
    digits = account.zfill(12)
    return bytes.fromhex(f"{len(digits) - 12:x}{digits}".ljust(32, "0"))


def format_4_pin_field(pin: Octets, fill: bytes) -> bytearray:
    """PIN field of format 4: 8 bytes of control, PIN and `A`, 8 of chance (9.4.2.2.2)."""
    return _pin_field(4, pin, (_A,) * 10) + fill[:FILL_BYTES]


def parse_format_4_pin_field(field: Octets) -> bytearray:
    """Take the PIN out of a format 4 PIN field; the random half is not looked at."""
    return _parse_8(4, bytearray(field[:8]), _ALL_A)


def _encipher_format_4(cipher: BlockCipher, pin: Octets, account: str, fill: bytes) -> bytes:
    """Two passes with one key: E(K, E(K, PIN field) XOR account field)."""
    field = format_4_pin_field(pin, fill)
    try:
        block_a = cipher.encrypt(field)
    finally:
        wipe(field)
    return cipher.encrypt(_xor(block_a, format_4_account_field(account)))


def _decipher_format_4(cipher: BlockCipher, block: bytes, account: str) -> bytearray:
    """Undo the two passes; a wrong account shows as garbage in the PIN field."""
    block_a = _xor(cipher.decrypt(block), format_4_account_field(account))
    field = bytearray(cipher.decrypt(block_a))
    try:
        return parse_format_4_pin_field(field)
    finally:
        wipe(field)


def _check_pin(pin: Octets) -> None:
    if not PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX or not pin.isdigit():
        raise ValueError("PIN must be 4 to 12 ASCII digits (ISO 9564-1, 8.1)")


def _check_account(account: str, digits_min: int) -> None:
    right_length = digits_min <= len(account) <= ACCOUNT_DIGITS_MAX
    if not (right_length and account.isascii() and account.isdigit()):
        raise ValueError(f"account must be {digits_min} to {ACCOUNT_DIGITS_MAX} decimal digits")


def _pin_field(control: int, pin: Octets, fill: Iterable[int]) -> bytearray:
    """Control nibble, length nibble, digits and fill, 8 bytes (9.3.2.2, 9.3.3, 9.3.5.2)."""
    _check_pin(pin)
    return _packed((control, len(pin)), pin, fill, 16)


def _sm4_pin_field(pin: Octets) -> bytearray:
    """Length as two BCD digits, PIN in BCD, `F` to 16 bytes (pin-and-keys.md 1.4)."""
    _check_pin(pin)
    return _packed(divmod(len(pin), 10), pin, (_F,) * 26, 32)


def _packed(head: tuple[int, int], pin: Octets, fill: Iterable[int], size: int) -> bytearray:
    """Pack nibbles in place: no immutable copy of the PIN is made on the way."""
    nibbles = bytearray(head)
    nibbles.extend(digit - _ZERO for digit in pin)
    nibbles.extend(fill)
    view = memoryview(nibbles)
    packed = bytearray(map(or_, map(_SHIFTED.__getitem__, view[:size:2]), view[1:size:2]))
    wipe(nibbles)
    return packed


def _hexadecimal_nibbles(fill: bytes) -> list[int]:
    """Random nibbles 0 to F of format 1, high nibble first."""
    return [nibble for byte in fill for nibble in (byte >> 4, byte & _F)][:_FORMAT_1_RANDOM_NIBBLES]


def _letter_nibbles(fill: bytes) -> list[int]:
    """Random nibbles A to F of format 3.

    Eight bytes are taken as one number in base 6, whose first ten digits are even to 2**-38; a
    remainder of each byte by six would not be.
    """
    number, nibbles = int.from_bytes(fill[:FILL_BYTES]), []
    for _ in range(10):
        number, remainder = divmod(number, 6)
        nibbles.append(_A + remainder)
    return nibbles


def _xor(left: Octets, right: Octets) -> bytearray:
    if len(left) != len(right):
        raise MalformedPinBlock
    return bytearray(map(xor, left, right))


def _parse_8(control: int, field: bytearray, fill: frozenset[int]) -> bytearray:
    nibbles = _unpacked(field, 8)
    length = nibbles[1]
    if nibbles[0] != control:
        length = 0  # refused below, with every other fault
    return _checked_pin(nibbles, length, fill)


def _parse_sm4(field: bytearray) -> bytearray:
    nibbles = _unpacked(field, 16)
    return _checked_pin(nibbles, nibbles[0] * 10 + nibbles[1], _ALL_F)


def _unpacked(field: bytearray, size: int) -> bytearray:
    if len(field) != size:
        raise MalformedPinBlock
    nibbles = bytearray(2 * size)
    nibbles[::2] = high = field.translate(_HIGH_NIBBLES)
    nibbles[1::2] = low = field.translate(_LOW_NIBBLES)
    for used in (field, high, low):
        wipe(used)
    return nibbles


def _checked_pin(nibbles: bytearray, length: int, fill: frozenset[int]) -> bytearray:
    try:
        in_range = PIN_DIGITS_MIN <= length <= PIN_DIGITS_MAX
        rest_is_fill = fill.issuperset(nibbles[2 + length :])
        digits = nibbles[2 : 2 + length]
        pin = digits.translate(_ASCII)
        wipe(digits)
        if not (in_range and rest_is_fill and pin.isdigit()):
            wipe(pin)
            raise MalformedPinBlock
        return pin
    finally:
        wipe(nibbles)
