"""PIN blocks: ISO 9564-1:2017 formats 0, 1, 3 and 4, and the 16-byte form used with SM4.

Layouts and known answers are in ``reference/pin-and-keys.md`` 1.1, 1.4 and 8.1. Format 2 is left
out on purpose: it lives between reader and chip card only (PCI PIN 3.1, requirement 3-2).

A builder raises `ValueError`, whose text is the rule, when *we* ask for something that cannot
be built. Everything that may be wrong with a block from a peer is the one `MalformedPinBlock`,
because an answer that says which check failed is an oracle on the PIN.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from gateway.terms.errors import PeerError
from gateway.terms.response_codes import ResponseCode

PIN_DIGITS_MIN = 4  # ISO 9564-1:2017, 8.1
PIN_DIGITS_MAX = 12
ACCOUNT_DIGITS_MIN = 13  # formats 0 and 3: twelve digits and the check digit after them
ACCOUNT_DIGITS_MAX = 19  # ISO/IEC 7812-1
FILL_BYTES = 8  # of chance that any format takes at most
LETTER_NIBBLES = range(0xA, 0x10)  # what format 3 fills up with

_ZERO = ord("0")
_LOW_NIBBLE = 0x0F
_ALL_F, _ALL_A = b"\xff", b"\xaa"  # what formats 0 and 4 fill up with, as bytes

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

    def encrypt(self, block: Octets) -> bytes:
        """Encipher whole blocks."""

    def decrypt(self, block: bytes | bytearray) -> bytearray:
        """Decipher whole blocks into a buffer that is the caller's to overwrite."""

    @property
    def encrypt_block(self) -> Callable[[Octets | memoryview], bytes]:
        """Encipher just one block; that it is one is for the caller to know."""

    @property
    def decrypt_block_into(self) -> Callable[[Octets, bytearray], int]:
        """Decipher just one block into a buffer of two blocks less a byte; else as above."""


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
    clear = cipher.decrypt(block)
    try:
        return parse(format_, clear, account)
    finally:
        wipe(clear)


def build(format_: PinBlockFormat, pin: Octets, account: str, fill: bytes) -> bytearray:
    """Build the clear block of every format but 4, which never exists in clear as a whole."""
    match format_:
        case PinBlockFormat.ISO_0:
            return _bound(_pin_field(0, pin, FILLINGS[format_](fill)), account)
        case PinBlockFormat.ISO_1:
            return _pin_field(1, pin, FILLINGS[format_](fill))
        case PinBlockFormat.ISO_3:
            return _bound(_pin_field(3, pin, FILLINGS[format_](fill)), account)
        case PinBlockFormat.SM4_PAN:
            return _bound(_sm4_pin_field(pin), account)
        case PinBlockFormat.SM4_NO_PAN:
            return _sm4_pin_field(pin)
        case PinBlockFormat.ISO_4:
            raise ValueError("format 4 has no clear block (ISO 9564-1, 9.4.2)")


def parse(format_: PinBlockFormat, clear: bytearray, account: str) -> bytearray:
    """Take the PIN out of a clear block, as `build` made it; raises `MalformedPinBlock`.

    The block is overwritten by its PIN field.
    """
    match format_:
        case PinBlockFormat.ISO_0:
            return _checked_pin(_FIELD_0, _bound(clear, account))
        case PinBlockFormat.ISO_1:
            return _checked_pin(_FIELD_1, clear)
        case PinBlockFormat.ISO_3:
            return _checked_pin(_FIELD_3, _bound(clear, account))
        case PinBlockFormat.SM4_PAN:
            return _checked_pin(_FIELD_SM4, _bound(clear, account))
        case PinBlockFormat.SM4_NO_PAN:
            return _checked_pin(_FIELD_SM4, clear)
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
    return _pin_field(4, pin, bytearray(_ALL_A * 8 + fill[:FILL_BYTES]))


def parse_format_4_pin_field(field: bytearray) -> bytearray:
    """Take the PIN out of a format 4 PIN field; the random half is not looked at."""
    return _checked_pin(_FIELD_4, memoryview(field)[:8])


def _encipher_format_4(cipher: BlockCipher, pin: Octets, account: str, fill: bytes) -> bytes:
    """Two passes with one key: E(K, E(K, PIN field) XOR account field)."""
    field = format_4_pin_field(pin, fill)
    try:
        block_a = bytearray(cipher.encrypt(field))
    finally:
        wipe(field)
    _xor(block_a, format_4_account_field(account))
    return cipher.encrypt(block_a)


def _decipher_format_4(cipher: BlockCipher, block: bytes, account: str) -> bytearray:
    """Undo the two passes; a wrong account shows as garbage in the PIN field."""
    block_a = cipher.decrypt(block)
    _xor(block_a, format_4_account_field(account))
    field = cipher.decrypt(block_a)
    try:
        return parse_format_4_pin_field(field)
    finally:
        wipe(field)


def check_pin(pin: Octets) -> None:
    """Raise `ValueError` unless a PIN is 4 to 12 ASCII digits."""
    if not PIN_DIGITS_MIN <= len(pin) <= PIN_DIGITS_MAX or not pin.isdigit():
        raise ValueError("PIN must be 4 to 12 ASCII digits (ISO 9564-1, 8.1)")


def _check_account(account: str, digits_min: int) -> None:
    digits = len(account) if account.isascii() and account.isdigit() else 0
    if not digits_min <= digits <= ACCOUNT_DIGITS_MAX:
        raise ValueError(f"account must be {digits_min} to {ACCOUNT_DIGITS_MAX} decimal digits")


def _pin_field(control: int, pin: Octets, field: bytearray) -> bytearray:
    """Put control nibble, length nibble and digits over the fill (9.3.2.2, 9.3.3, 9.3.5.2)."""
    check_pin(pin)
    field[0] = control << 4 | len(pin)
    return write_digits(field, pin)


def _sm4_pin_field(pin: Octets) -> bytearray:
    """Length as two BCD digits, PIN in BCD, `F` to 16 bytes (pin-and-keys.md 1.4)."""
    check_pin(pin)
    field = bytearray(_ALL_F * 16)
    tens, ones = divmod(len(pin), 10)
    field[0] = tens << 4 | ones
    return write_digits(field, pin)


def write_digits(field: bytearray, pin: Octets) -> bytearray:
    """Pack digits behind the first byte, in place: no copy of the PIN is made on the way."""
    at, digits = 1, iter(pin)
    for high, low in zip(digits, digits, strict=False):
        field[at] = (high & _LOW_NIBBLE) << 4 | low & _LOW_NIBBLE
        at += 1
    if len(pin) % 2:
        field[at] = (pin[-1] & _LOW_NIBBLE) << 4 | field[at] & _LOW_NIBBLE
    return field


def _letters(fill: bytes) -> bytearray:
    """Random nibbles A to F of format 3, from its fourth byte on: no PIN ends before that.

    Eight bytes are taken as one number in base 36, whose first five digits are even to 2**-38; a
    remainder of each byte would not be.
    """
    number, letters = int.from_bytes(fill[:FILL_BYTES]), bytearray(8)
    for at in range(3, 8):
        number, pair = divmod(number, len(_LETTER_PAIRS))
        letters[at] = _LETTER_PAIRS[pair]
    return letters


def _bound(block: bytearray, account: str) -> bytearray:
    """XOR the account field of formats 0 and 3 into the last eight bytes of a block."""
    _xor(block, account_field(account))
    return block


def _xor(block: bytearray, field: bytes) -> None:
    """XOR a field into the end of a block, in place."""
    begin = len(block) - len(field)
    if begin < 0:
        raise MalformedPinBlock
    for at, byte in enumerate(field, begin):
        block[at] ^= byte


def _checked_pin(layout: re.Pattern[bytes], field: bytearray | memoryview) -> bytearray:
    if layout.fullmatch(field) is None:
        raise MalformedPinBlock
    length = _PIN_DIGITS[field[0]]
    pin = bytearray(length + length % 2)
    for at in range(0, length, 2):
        pair = field[1 + at // 2]
        pin[at] = _ZERO + (pair >> 4)
        pin[at + 1] = _ZERO + (pair & _LOW_NIBBLE)
    del pin[length:]
    return pin


# ---------------------------------------------------------------- layouts


_LETTER_PAIRS = bytes(high << 4 | low for high in LETTER_NIBBLES for low in LETTER_NIBBLES)
FILLINGS: Mapping[PinBlockFormat, Callable[[bytes], bytearray]] = {
    PinBlockFormat.ISO_0: lambda _: bytearray(_ALL_F * 8),
    PinBlockFormat.ISO_1: lambda fill: bytearray(fill[:8]),
    PinBlockFormat.ISO_3: _letters,
}
"""What a PIN of format 0, 1 or 3 is written over: 8 bytes, made of chance where it is random."""

CONTROLS = {PinBlockFormat.ISO_0: 0, PinBlockFormat.ISO_1: 1, PinBlockFormat.ISO_3: 3}
"""Control nibble of the formats that have blocks of eight bytes."""

_DIGIT_PAIRS = bytes(high << 4 | low for high in range(10) for low in range(10))
_LENGTHS = range(PIN_DIGITS_MIN, PIN_DIGITS_MAX + 1)
# Number of digits by the first byte of a PIN field that has the right form.
_PIN_DIGITS = {control << 4 | length: length for control in (0, 1, 3, 4) for length in _LENGTHS}
_PIN_DIGITS |= {0x10: 10, 0x11: 11, 0x12: 12}


def _one_of(values: Iterable[int]) -> bytes:
    """Write a class of bytes; in ranges, because a pattern is compiled byte by byte."""
    ranges: list[list[int]] = []
    for value in sorted(values):
        if ranges and value == ranges[-1][1] + 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return b"[%s]" % b"".join(b"\\x%02x-\\x%02x" % (first, last) for first, last in ranges)


def _layout(heads: Sequence[int], size: int, fill: Sequence[int]) -> re.Pattern[bytes]:
    """Write what a PIN field of a format may look like, for each length of a PIN.

    `heads` are the first bytes for PINs of 4 to 12 digits, `fill` the nibbles that may fill up.
    """
    pairs = _one_of(_DIGIT_PAIRS)
    half = _one_of(digit << 4 | nibble for digit in range(10) for nibble in fill)
    filled = _one_of(high << 4 | low for high in fill for low in fill)
    lengths = zip(heads, _LENGTHS, strict=True)
    return re.compile(
        b"|".join(
            _one_of((head,))
            + pairs + b"{%d}" % (length // 2)
            + half + b"{%d}" % (length % 2)
            + filled + b"{%d}" % (size - 1 - (length + 1) // 2)
            for head, length in lengths
        )
    )  # fmt: skip


def _heads(control: int) -> tuple[int, ...]:
    return tuple(control << 4 | length for length in _LENGTHS)


_FIELD_0 = _layout(_heads(0), 8, (0xF,))
_FIELD_1 = _layout(_heads(1), 8, range(16))
_FIELD_3 = _layout(_heads(3), 8, LETTER_NIBBLES)
_FIELD_SM4 = _layout((*range(4, 10), 0x10, 0x11, 0x12), 16, (0xF,))
# The random half of format 4 is not looked at.
_FIELD_4 = _layout(_heads(4), 8, (0xA,))
