"""Text in a multibyte character set: GB18030 and GBK."""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.iso8583.field_content import BadContent, Value, text_of

# Controls, line ends and marks that turn the direction of writing: a name or an address has none,
# and a log line or a screen must not be steered by a peer.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_STEERING_RULE = "control characters are not text"


@dataclass(frozen=True, slots=True)
class MultibyteText:
    """Text in a character set that leaves ASCII as it is; the count is of bytes."""

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
            raise BadContent(len(self._encode(text[: found.start()])[0]), _STEERING_RULE)

    def lift(self, raw: str, count: int) -> str:
        """Give the value of a good raw form."""
        return self.read(raw, count)

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        text = text_of(value)
        try:
            # What can be written is read back as it was: a test goes through all of Unicode.
            raw = text if text.isascii() else self._encode(text)[0].decode("latin-1")
        except UnicodeEncodeError:
            raise BadContent(0, f"a character is not in {self.charset}") from None
        if not text.isprintable():
            self._refuse_steering(text)
        return len(raw), raw

    def value_pattern(self, least: int, most: int) -> None:
        """Give None: the length in bytes is known only when the text is encoded."""

    def put(self, value: str) -> str:
        """Never called, as there is no `value_pattern`."""
        raise NotImplementedError
