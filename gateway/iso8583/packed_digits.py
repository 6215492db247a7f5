"""Digits two a byte (BCD), and signed amounts of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.iso8583.field_content import (
    BadContent,
    Content,
    Value,
    check_class,
    escaped,
    good_length,
    text_of,
)

PACKED_CLASSES = {
    "n": ("0-9", "only the digits 0 to 9"),
    "z": ("0-9D", "only the digits 0 to 9 and D"),
}
_SIGNS = "CD"
_SIGN_RULE = "a signed amount begins with C for credit or D for debit"


@dataclass(frozen=True, slots=True)
class PackedDigits:
    """Digits, two a byte; with an odd number of them one half of a byte is the `filler`."""

    pattern: str
    rule: str
    pad_left: bool
    filler: str = "0"

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return (count + 1) // 2

    def raw_pattern(self, count: int) -> str:
        """Expression for the good raw forms of `count` units."""
        digits = _expand(self.pattern)
        whole = f"[{_bytes(high + low for high in digits for low in digits)}]{{{count // 2}}}"
        if count % 2 == 0:
            return whole
        if self.pad_left:
            return f"[{_bytes(self.filler + digit for digit in digits)}]{whole}"
        return f"{whole}[{_bytes(digit + self.filler for digit in digits)}]"

    def read(self, raw: str, count: int) -> str:
        """Give the value; raises `BadContent`."""
        digits = hex_of(raw)
        odd = len(digits) - count
        pad, value = (
            (digits[:odd], digits[odd:]) if self.pad_left else (digits[count:], digits[:count])
        )
        if pad not in {"", self.filler}:
            offset = 0 if self.pad_left else len(raw) - 1
            rule = "zero" if self.filler == "0" else f"the filler {self.filler}"
            raise BadContent(offset, f"the unused half of a byte is not {rule}")
        good = good_length(value, self.pattern)
        if good < len(value):
            raise BadContent((good + odd * self.pad_left) // 2, self.rule)
        return value

    def lift(self, raw: str, count: int) -> str:
        """Give the value of a good raw form."""
        digits = hex_of(raw)
        return digits[len(digits) - count :] if self.pad_left else digits[:count]

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        text = text_of(value)
        check_class(text, self.pattern, self.rule)
        return len(text), self.put(text)

    def value_pattern(self, least: int, most: int) -> str:
        """Expression for the good values."""
        return f"[{self.pattern}]{{{least},{most}}}"

    def put(self, value: str) -> str:
        """Give the raw form of a good value."""
        if len(value) % 2:
            value = self.filler + value if self.pad_left else value + self.filler
        return bytes.fromhex(value).decode("latin-1")


@dataclass(frozen=True, slots=True)
class SignedAmount:
    """A sign, C or D, in the dialect's characters, then digits in its form of digits; ``x+n``.

    The value is the sign and the digits: ``C00000150``; both are counted.
    """

    sign: Content
    digits: Content

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return 1 + self.digits.size(count - 1)

    def raw_pattern(self, count: int) -> str:
        """Expression for the good raw forms of `count` units."""
        signs = "".join(self.sign.put(sign) for sign in _SIGNS)
        return f"[{escaped(signs)}]{self.digits.raw_pattern(count - 1)}"

    def read(self, raw: str, count: int) -> str:
        """Give the value; raises `BadContent`."""
        sign = str(self.sign.read(raw[:1], 1))
        check_class(sign, _SIGNS, _SIGN_RULE)
        try:
            return sign + str(self.digits.read(raw[1:], count - 1))
        except BadContent as bad:
            raise BadContent(1 + bad.offset, bad.rule) from None

    def lift(self, raw: str, count: int) -> str:
        """Give the value of a good raw form."""
        return f"{self.sign.lift(raw[:1], 1)!s}{self.digits.lift(raw[1:], count - 1)!s}"

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        text = text_of(value)
        check_class(text[:1] or "?", _SIGNS, _SIGN_RULE)
        count, raw = self.digits.write(text[1:])
        return 1 + count, self.sign.put(text[:1]) + raw

    def value_pattern(self, least: int, most: int) -> str:
        """Expression for the good values."""
        return f"[{_SIGNS}]{self.digits.value_pattern(least - 1, most - 1)}"

    def put(self, value: str) -> str:
        """Give the raw form of a good value."""
        return self.sign.put(value[:1]) + self.digits.put(value[1:])


def hex_of(raw: str) -> str:
    """Give the half bytes of a raw form as hex digits, in capitals."""
    return raw.encode("latin-1").hex().upper()


def _expand(pattern: str) -> str:
    return "0123456789" + pattern[3:]


def _bytes(pairs: Iterable[str]) -> str:
    return "".join(rf"\x{pair.lower()}" for pair in pairs)
