"""What stands in a field: text, packed digits or bytes.

The codec works on the message read as Latin-1, one character a byte, because regular expressions
and slices of `str` then give the values of text fields without another step. `raw` always means
such a piece of the message.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from gateway.iso8583.ebcdic import CodePage, Transcoder, transcoder

Value = str | bytes

# The character classes of ISO 8583:1987, 4.3. `z` is the code set of track 2: D separates where
# two digits share a byte, = where each has its own.
CLASSES = {
    "n": ("0-9", "only the digits 0 to 9"),
    "a": ("A-Za-z", "only ASCII letters"),
    "an": ("0-9A-Za-z", "only ASCII letters and digits"),
    "ans": (" -~", "only printable ASCII characters"),
    "z": ("0-9=", "only the digits 0 to 9 and ="),
}
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


class BadContent(Exception):
    """Internal to this room: content breaks `rule` at byte `offset` of the field.

    `part` is the way to the subfield that is at fault, " SM" or " 2", where it is one.
    """

    def __init__(self, offset: int, rule: str, part: str = "") -> None:
        super().__init__(rule)
        self.offset = offset
        self.rule = rule
        self.part = part


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

    def value_pattern(self, least: int, most: int) -> str | None:
        """Expression for exactly the good values that `put` writes, where there is one."""

    def put(self, value: str) -> str:
        """Give the raw form of a value that `value_pattern` has found good."""


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
        check_class(raw, self.pattern, self.rule)
        return self.lift(raw, count)

    def lift(self, raw: str, count: int) -> str:  # noqa: ARG002 - the count is the length of raw
        """Give the value of a good raw form."""
        return raw

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        text = text_of(value)
        check_class(text, self.pattern, self.rule)
        return len(text), text

    def value_pattern(self, least: int, most: int) -> str:
        """Expression for the good values."""
        return f"[{self.pattern}]{{{least},{most}}}"

    def put(self, value: str) -> str:
        """Give the raw form of a good value."""
        return value


@dataclass(frozen=True, slots=True)
class EbcdicText:
    """EBCDIC text of the same characters as `Text`."""

    pattern: str
    rule: str
    code_page: CodePage
    transcoder: Transcoder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "transcoder", transcoder(self.code_page))

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return count

    def raw_pattern(self, count: int) -> str:
        """Expression for the good raw forms of `count` units."""
        good = "".join(re.findall(f"[{self.pattern}]", _PRINTABLE))
        return f"[{escaped(self.transcoder.raw(good))}]{{{count}}}"

    def read(self, raw: str, count: int) -> str:  # noqa: ARG002 - the count is the length of raw
        """Give the value; raises `BadContent`."""
        text = self.transcoder.text(raw)
        check_class(text, self.pattern, self.rule)
        return text

    def lift(self, raw: str, count: int) -> str:  # noqa: ARG002 - the count is the length of raw
        """Give the value of a good raw form."""
        return self.transcoder.text(raw)

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        text = text_of(value)
        check_class(text, self.pattern, self.rule)
        return len(text), self.transcoder.raw(text)

    def value_pattern(self, least: int, most: int) -> str:
        """Expression for the good values."""
        return f"[{self.pattern}]{{{least},{most}}}"

    def put(self, value: str) -> str:
        """Give the raw form of a good value."""
        return self.transcoder.raw(value)


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes, as they are or, with `is_hex`, as two ASCII hex digits each; counts bytes."""

    is_hex: bool = False

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return 2 * count if self.is_hex else count

    def raw_pattern(self, count: int) -> str:
        """Expression for the good raw forms of `count` units."""
        return f"[0-9A-F]{{{2 * count}}}" if self.is_hex else rf"[\x00-\xff]{{{count}}}"

    def read(self, raw: str, count: int) -> bytes:
        """Give the value; raises `BadContent`."""
        if self.is_hex:
            check_class(raw, "0-9A-F", "only the hex digits 0 to 9 and A to F")
        return self.lift(raw, count)

    def lift(self, raw: str, count: int) -> bytes:  # noqa: ARG002 - the count is that of raw
        """Give the value of a good raw form."""
        return bytes.fromhex(raw) if self.is_hex else raw.encode("latin-1")

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        if not isinstance(value, bytes):
            raise BadContent(0, "the value is bytes")
        return len(value), value.hex().upper() if self.is_hex else value.decode("latin-1")

    def value_pattern(self, least: int, most: int) -> None:
        """Give None: expressions are for text."""

    def put(self, value: str) -> str:
        """Never called, as there is no `value_pattern`."""
        raise NotImplementedError


def text_of(value: Value) -> str:
    """Give a value that is text; raises `BadContent`."""
    if not isinstance(value, str):
        raise BadContent(0, "the value is text")
    return value


def good_length(text: str, pattern: str) -> int:
    """Count the leading characters of the class."""
    found = _leading(pattern)(text)
    assert found
    return found.end()


@cache
def _leading(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(f"[{pattern}]*").match


def check_class(text: str, pattern: str, rule: str) -> None:
    """Check that all characters are of the class; raises `BadContent`."""
    good = good_length(text, pattern)
    if good < len(text):
        raise BadContent(good, rule)


def escaped(raw: str) -> str:
    """Write characters for use inside the brackets of an expression."""
    return "".join(rf"\x{ord(character):02x}" for character in raw)
