"""What stands in a field: ASCII or multibyte text, packed digits or bytes.

The codec works on the message read as Latin-1, one character a byte, because regular expressions
and slices of `str` then give the values of text fields without another step. `raw` always means
such a piece of the message.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

Value = str | bytes

# The character classes of ISO 8583:1987, 4.3. `z` is the code set of track 2: D separates where
# two digits share a byte, = where each has its own.
_CLASSES = {
    "n": ("0-9", "only the digits 0 to 9"),
    "a": ("A-Za-z", "only ASCII letters"),
    "an": ("0-9A-Za-z", "only ASCII letters and digits"),
    "ans": (" -~", "only printable ASCII characters"),
    "z": ("0-9=", "only the digits 0 to 9 and ="),
}
_PACKED_CLASSES = {
    "n": ("0-9", "only the digits 0 to 9"),
    "z": ("0-9D", "only the digits 0 to 9 and D"),
}
# Controls, line ends and marks that turn the direction of writing: a name or an address has none,
# and a log line or a screen must not be steered by a peer.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class BadContent(Exception):
    """Internal to this room: content breaks `rule` at byte `offset` of the field."""

    def __init__(self, offset: int, rule: str) -> None:
        super().__init__(rule)
        self.offset = offset
        self.rule = rule


class Content(Protocol):
    """One way of writing a value; `count` is the unit that length indicators count."""

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""

    def raw_pattern(self, count: int) -> str | None:
        """Expression for exactly the good raw forms of `count` units, where there is one."""

    def read(self, raw: str, count: int) -> Value:
        """Give the value of `raw`; raises `BadContent`."""

    def lift(self, raw: str, count: int) -> Value:
        """Give the value of `raw` that `raw_pattern` has found good."""

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form of a value; raises `BadContent`."""


@dataclass(frozen=True, slots=True)
class Text:
    """ASCII text, one byte a character; `pattern` is the class of its characters."""

    pattern: str
    rule: str

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return count

    def raw_pattern(self, count: int) -> str:
        """Expression for the good raw forms of `count` units."""
        return f"[{self.pattern}]{{{count}}}"

    def read(self, raw: str, count: int) -> str:
        """Give the value; raises `BadContent`."""
        _check_class(raw, self.pattern, self.rule)
        return self.lift(raw, count)

    def lift(self, raw: str, count: int) -> str:  # noqa: ARG002 - the count is the length of raw
        """Give the value of a good raw form."""
        return raw

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        text = _text(value)
        _check_class(text, self.pattern, self.rule)
        return len(text), text

    def put(self, value: str) -> str:
        """Give the raw form of a value whose characters are of the class."""
        return value


@dataclass(frozen=True, slots=True)
class PackedDigits:
    """Digits, two a byte; an odd number of them with a zero nibble on one side."""

    pattern: str
    rule: str
    pad_left: bool

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return (count + 1) // 2

    def raw_pattern(self, count: int) -> str:
        """Expression for the good raw forms of `count` units."""
        bytes_ = [high + low for high in _expand(self.pattern) for low in _expand(self.pattern)]
        whole = f"[{_escape(bytes_)}]{{{count // 2}}}"
        if count % 2 == 0:
            return whole
        padded = [("0" + d if self.pad_left else d + "0") for d in _expand(self.pattern)]
        return f"[{_escape(padded)}]{whole}" if self.pad_left else f"{whole}[{_escape(padded)}]"

    def read(self, raw: str, count: int) -> str:
        """Give the value; raises `BadContent`."""
        digits = _hex(raw)
        pad = digits[: len(digits) - count] if self.pad_left else digits[count:]
        if pad not in {"", "0"}:
            offset = 0 if self.pad_left else len(raw) - 1
            raise BadContent(offset, "the unused half of a byte is not zero")
        good = _good(digits, self.pattern)
        if good < len(digits):
            raise BadContent(good // 2, self.rule)
        return self.lift(raw, count)

    def lift(self, raw: str, count: int) -> str:
        """Give the value of a good raw form."""
        digits = _hex(raw)
        return digits[len(digits) - count :] if self.pad_left else digits[:count]

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        text = _text(value)
        _check_class(text, self.pattern, self.rule)
        return len(text), self.put(text)

    def put(self, value: str) -> str:
        """Give the raw form of a value whose characters are of the class."""
        if len(value) % 2:
            value = "0" + value if self.pad_left else value + "0"
        return bytes.fromhex(value).decode("latin-1")


@dataclass(frozen=True, slots=True)
class EncodedText:
    """Text in a multibyte character set that leaves ASCII as it is; the count is of bytes."""

    charset: str
    _decode: Callable[[bytes], tuple[str, int]] = field(init=False, repr=False, compare=False)
    _encode: Callable[[str], tuple[bytes, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Looking a codec up costs as much as decoding a name.
        object.__setattr__(self, "_decode", codecs.getdecoder(self.charset))
        object.__setattr__(self, "_encode", codecs.getencoder(self.charset))

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return count

    def raw_pattern(self, count: int) -> None:
        """Give None: no expression tells good text from bad."""

    def read(self, raw: str, count: int) -> str:  # noqa: ARG002 - the count is the length of raw
        """Give the value; raises `BadContent`."""
        text = raw if raw.isascii() else self._read(raw.encode("latin-1"))
        # Characters newer than Python's tables count as not printable, so this is only the quick
        # way to pass.
        if not text.isprintable():
            self._refuse_steering(text)
        return text

    def _read(self, data: bytes) -> str:
        try:
            text, _ = self._decode(data)
        except UnicodeDecodeError as error:
            rule = f"not {self.charset} text, or a character is cut"
            raise BadContent(error.start, rule) from None
        if self._encode(text)[0] != data:
            raise BadContent(0, f"a {self.charset} character is not in its one standard form")
        return text

    def _refuse_steering(self, text: str) -> None:
        found = _STEERING.search(text)
        if found:
            offset = len(self._encode(text[: found.start()])[0])
            raise BadContent(offset, "control characters are not text")

    def lift(self, raw: str, count: int) -> str:
        """Give the value of a good raw form."""
        return self.read(raw, count)

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        try:
            raw = self._encode(_text(value))[0].decode("latin-1")
        except UnicodeEncodeError:
            raise BadContent(0, f"a character is not in {self.charset}") from None
        self.read(raw, len(raw))
        return len(raw), raw


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes as they are."""

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return count

    def raw_pattern(self, count: int) -> str:
        """Expression for the good raw forms of `count` units."""
        return rf"[\x00-\xff]{{{count}}}"

    def read(self, raw: str, count: int) -> bytes:
        """Give the value; raises `BadContent`."""
        return self.lift(raw, count)

    def lift(self, raw: str, count: int) -> bytes:  # noqa: ARG002 - the count is the length of raw
        """Give the value of a good raw form."""
        return raw.encode("latin-1")

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        if not isinstance(value, bytes):
            raise BadContent(0, "the value is bytes")
        return len(value), value.decode("latin-1")


def content_of(kind: str, charset: str, numeric: str, *, pad_left: bool) -> Content:
    """Choose the content of a field by its kind, charset and the dialect's form of digits."""
    if kind == "b":
        return Binary()
    if charset != "ascii":
        return EncodedText(charset)
    if numeric == "bcd" and kind in _PACKED_CLASSES:
        return PackedDigits(*_PACKED_CLASSES[kind], pad_left)
    return Text(*_CLASSES[kind])


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise BadContent(0, "the value is text")
    return value


def _hex(raw: str) -> str:
    return raw.encode("latin-1").hex().upper()


def _good(text: str, pattern: str) -> int:
    """Count the leading characters of the class."""
    found = re.match(f"[{pattern}]*", text)
    assert found
    return found.end()


def _check_class(text: str, pattern: str, rule: str) -> None:
    good = _good(text, pattern)
    if good < len(text):
        raise BadContent(good, rule)


def _expand(pattern: str) -> str:
    return "0123456789" + pattern[3:]


def _escape(bytes_: list[str]) -> str:
    return "".join(rf"\x{byte}" for byte in bytes_)
