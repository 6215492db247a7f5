"""PIN blocks of one zone made into blocks of another, as often as they come.

What does not change from block to block is worked out once for a pair of zones. Where both have
blocks of eight bytes (formats 0, 1 and 3), the clear block stays in one buffer: it is deciphered
there, every byte is looked up in a table of what may stand in its place, it is changed in place,
enciphered from there and overwritten. A single byte is a number that the interpreter keeps at all
times, so nothing of the PIN is left over. Other pairs go through the PIN's digits.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.pinblock.formats import (
    CONTROLS,
    FILLINGS,
    LETTER_NIBBLES,
    PIN_DIGITS_MAX,
    PIN_DIGITS_MIN,
    BlockCipher,
    MalformedPinBlock,
    PinBlockFormat,
    account_field,
    wipe,
)
from gateway.pinblock.translation import check_formats
from gateway.pinblock.zone import Zone

_ZERO = ord("0")
_LOW_NIBBLE = 0x0F
_BLOCK_BYTES = 8
_NO_ACCOUNT = bytes(_BLOCK_BYTES)

Accepts = Callable[[bytearray], bool]


class Translate(Protocol):
    """Translates blocks from one zone to another; not safe to share between threads."""

    def __call__(
        self, block: bytes, account: str, fill: bytes, accepts: Accepts | None = None
    ) -> bytes | None:
        """Give the block of the other zone, or nothing when `accepts` says no to the PIN.

        `account` is what either zone binds, else empty; `fill` as for `formats.encipher`.
        `accepts` gets the PIN as ASCII digits, in a buffer that is overwritten afterwards. Raises
        `MalformedPinBlock`, and `ValueError` with the rule for an account that cannot be bound.
        """


def translator(
    source: Zone, deciphering: BlockCipher, target: Zone, enciphering: BlockCipher
) -> Translate:
    """Give what translates for a pair of zones; raises `ForbiddenTranslation`."""
    check_formats(source.format, target.format)
    if source.format in CONTROLS and target.format in CONTROLS:
        return _in_place(source.format, deciphering, target.format, enciphering)
    return _by_digits(source, deciphering, target, enciphering)


def _by_digits(
    source: Zone, deciphering: BlockCipher, target: Zone, enciphering: BlockCipher
) -> Translate:
    is_bound, becomes_bound = source.format.binds_account, target.format.binds_account

    def translate(
        block: bytes, account: str, fill: bytes, accepts: Accepts | None = None
    ) -> bytes | None:
        pin = source.decipher(deciphering, block, account if is_bound else "")
        try:
            if accepts is not None and not accepts(pin):
                return None
            return target.encipher(enciphering, pin, account if becomes_bound else "", fill)
        finally:
            wipe(pin)

    return translate


# ---------------------------------------------------------------- blocks of eight bytes


def _in_place(
    source: PinBlockFormat,
    deciphering: BlockCipher,
    target: PinBlockFormat,
    enciphering: BlockCipher,
) -> Translate:
    forms, zeros = _FORMS[source], bytes(2 * _BLOCK_BYTES - 1)
    is_bound, becomes_bound = source.binds_account, target.binds_account
    binds_any = is_bound or becomes_bound
    stays_as_it_is = source is target is PinBlockFormat.ISO_0  # for one account, as it must be
    decipher_into, encipher = deciphering.decrypt_block_into, enciphering.encrypt_block
    room = bytearray(zeros)
    clear = memoryview(room)[:_BLOCK_BYTES]

    def translate(
        block: bytes, account: str, fill: bytes, accepts: Accepts | None = None
    ) -> bytes | None:
        bound = account_field(account) if binds_any else _NO_ACCOUNT
        before = bound if is_bound else _NO_ACCOUNT
        if len(block) != _BLOCK_BYTES:
            raise MalformedPinBlock
        try:
            decipher_into(block, room)
            head, b1, b2, b3, b4, b5, b6, b7 = clear
            _, _, a2, a3, a4, a5, a6, a7 = before
            # Every byte is looked up, whichever of them is wrong.
            t1, t2, t3, t4, t5, t6, t7 = forms[head]
            first = t1[b1] & t2[b2 ^ a2] & t3[b3 ^ a3] & t4[b4 ^ a4]
            if not first & t5[b5 ^ a5] & t6[b6 ^ a6] & t7[b7 ^ a7]:
                raise MalformedPinBlock
            if accepts is not None and not _is_accepted(accepts, clear, before):
                return None
            if not stays_as_it_is:
                after = bound if becomes_bound else _NO_ACCOUNT
                _rewrite(clear, target, fill, before, after)
            return encipher(clear)
        finally:
            room[:] = zeros

    return translate


def _is_accepted(accepts: Accepts, clear: memoryview, account: bytes) -> bool:
    digits = clear[0] & _LOW_NIBBLE
    pin = bytearray(digits + digits % 2)
    try:
        for at in range(1, len(pin) // 2 + 1):
            pair = clear[at] ^ account[at]
            pin[2 * at - 2] = _ZERO + (pair >> 4)
            pin[2 * at - 1] = _ZERO + (pair & _LOW_NIBBLE)
        del pin[digits:]
        return accepts(pin)
    finally:
        wipe(pin)


def _rewrite(
    clear: memoryview, target: PinBlockFormat, fill: bytes, before: bytes, after: bytes
) -> None:
    """Give a block another control nibble, fill and account; its digits stay where they are."""
    digits = clear[0] & _LOW_NIBBLE
    filling = FILLINGS[target](fill)
    clear[0] = CONTROLS[target] << 4 | digits
    for at, bits in enumerate(_DIGIT_BITS[digits], 1):
        pair = (clear[at] ^ before[at]) & bits
        clear[at] = (pair | filling[at] & ~bits) ^ after[at]


_FILL_NIBBLES = {
    PinBlockFormat.ISO_0: range(0xF, 0x10),
    PinBlockFormat.ISO_1: range(0x10),
    PinBlockFormat.ISO_3: LETTER_NIBBLES,
}
_DIGIT_NIBBLES = range(10)
_LENGTHS = range(PIN_DIGITS_MIN, PIN_DIGITS_MAX + 1)
# Which bits of each byte behind the first hold digits, by the number of digits.
_DIGIT_BITS = tuple(
    tuple(0xFF if 2 * at <= digits else 0xF0 if 2 * at - 1 == digits else 0 for at in range(1, 8))
    for digits in range(PIN_DIGITS_MAX + 1)
)

_Bytes = tuple[int, ...]  # for every value of a byte, whether it may stand there


def _bytes_of(high: Iterable[int], low: Iterable[int]) -> _Bytes:
    may_stand = {left << 4 | right for left in high for right in low}
    return tuple(int(value in may_stand) for value in range(256))


def _form(digits: int, fill: range) -> tuple[_Bytes, ...]:
    """Say what may stand behind the first byte of a block whose PIN has so many digits."""
    pair, half = _bytes_of(_DIGIT_NIBBLES, _DIGIT_NIBBLES), _bytes_of(_DIGIT_NIBBLES, fill)
    filled = _bytes_of(fill, fill)
    return tuple({0xFF: pair, 0xF0: half, 0: filled}[bits] for bits in _DIGIT_BITS[digits])


def _forms(control: int, fill: range) -> tuple[tuple[_Bytes, ...], ...]:
    """Say the same for every value of the first byte; after a wrong one nothing may stand."""
    nothing = (_bytes_of((), ()),) * (_BLOCK_BYTES - 1)
    right = {control << 4 | digits: _form(digits, fill) for digits in _LENGTHS}
    return tuple(right.get(head, nothing) for head in range(256))


_FORMS = {format_: _forms(CONTROLS[format_], fill) for format_, fill in _FILL_NIBBLES.items()}
