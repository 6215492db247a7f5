"""A field on the wire: length indicator and content, read and written strictly."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from operator import itemgetter
from typing import Literal, NoReturn

from gateway.iso8583.ebcdic import Characters, Transcoder
from gateway.iso8583.errors import MalformedMessage, UnencodableMessage
from gateway.iso8583.field_content import (
    CLASSES,
    BadContent,
    Binary,
    Content,
    EbcdicText,
    Text,
    Value,
)
from gateway.iso8583.field_specification import FieldSpecification, Kind
from gateway.iso8583.multibyte_text import MultibyteText
from gateway.iso8583.packed_digits import PACKED_CLASSES, PackedDigits, SignedAmount

Convert = Callable[[str], Value]
Write = Callable[[Value], str]
Step = Callable[[str, int], tuple[Value, int]]
Digits = Literal["ascii", "ebcdic", "bcd"]
Lengths = Literal["ascii", "ebcdic", "bcd", "binary"]
# Up to here a variable field becomes an alternation of its lengths inside a plan's expression;
# every LL field of ISO 8583:1987 is shorter.
_ALTERNATIVES_MAX = 40
_LENGTH_NAMES: dict[Lengths, str] = {
    "ascii": "ASCII digits",
    "ebcdic": "EBCDIC digits",
    "bcd": "BCD digits",
    "binary": "a binary number",
}
_EBCDIC = Transcoder("cp037")


@dataclass(frozen=True, slots=True)
class Writing:
    """How the values of a dialect's fields are written; see `Dialect` for each part."""

    text: Characters = "ascii"
    numeric: Digits = "ascii"
    lengths: Lengths = "ascii"
    is_hex: bool = False
    pad_left: bool = False
    filler: str = "0"

    def content(self, kind: Kind, charset: str | None = None) -> Content:
        """Choose how values of a kind are written."""
        if kind == "b":
            return Binary(self.is_hex)
        if kind == "x+n":
            return SignedAmount(self.content("a"), self.content("n"))
        if charset:
            return MultibyteText(charset)
        if self.numeric == "bcd" and kind in PACKED_CLASSES:
            return PackedDigits(*PACKED_CLASSES[kind], self.pad_left, self.filler)
        if self.text == "ascii":
            return Text(*CLASSES[kind])
        return EbcdicText(*CLASSES[kind], self.text)

    def indicators(self, digits: int, most: int) -> Mapping[int, str]:
        """Give the length indicators from 1 to `most` as they stand in a message."""
        return _indicators(self.lengths, digits, most)

    def indicator_rule(self, digits: int, most: int) -> str:
        """Say what a length indicator is."""
        least = "1" if self.lengths == "binary" else f"{1:0{digits}d}"
        return f"{_LENGTH_NAMES[self.lengths]} from {least} to {most}"


@cache
def _indicators(lengths: Lengths, digits: int, most: int) -> Mapping[int, str]:
    return {count: _indicator(lengths, digits, count) for count in range(1, most + 1)}


def _indicator(lengths: Lengths, digits: int, count: int) -> str:
    if lengths == "binary":
        return count.to_bytes(digits - 1, "big").decode("latin-1")
    if lengths == "bcd":
        return bytes.fromhex(f"{count:0{digits + digits % 2}d}").decode("latin-1")
    shown = f"{count:0{digits}d}"
    return _EBCDIC.raw(shown) if lengths == "ebcdic" else shown


ASCII = Writing()  # also the inside of a text field, once its characters are read


@dataclass(frozen=True, slots=True)
class FieldForm:
    """One data element of one dialect, ready to be read and written.

    `lengths` maps each good length indicator, as it stands in the message, to its count, and
    `indicators` the other way; both are empty for a fixed field of `count_max` units.
    """

    place: str
    content: Content
    count_max: int
    indicator_bytes: int
    lengths: Mapping[str, int]
    indicators: Mapping[int, str]
    lengths_rule: str

    def read(self, text: str, start: int) -> tuple[Value, int]:
        """Give value and end of the field that begins at `start`; raises `MalformedMessage`."""
        count, begin = self._read_length(text, start)
        end = begin + self.content.size(count)
        if end > len(text):
            raise MalformedMessage(self.place, start, "the message ends inside this field")
        try:
            return self.content.read(text[begin:end], count), end
        except BadContent as bad:
            raise MalformedMessage(self.place + bad.part, begin + bad.offset, bad.rule) from None

    def _read_length(self, text: str, start: int) -> tuple[int, int]:
        if not self.lengths:
            return self.count_max, start
        begin = start + self.indicator_bytes
        count = self.lengths.get(text[start:begin])
        return (count, begin) if count else self._refuse_length(text, start)

    def _refuse_length(self, text: str, start: int) -> NoReturn:
        indicator = text[start : start + self.indicator_bytes]
        if len(indicator) < self.indicator_bytes:
            raise MalformedMessage(self.place, start, "the message ends inside the length")
        rule = f"the length is not {self.lengths_rule}"
        raise MalformedMessage(self.place, start, rule, _guess(indicator, self.lengths_rule))

    def write(self, value: Value) -> str:
        """Give the field as it stands in a message; raises `UnencodableMessage`."""
        try:
            count, raw = self.content.write(value)
        except BadContent as bad:
            raise UnencodableMessage(self.place + bad.part, bad.rule) from None
        if not self.lengths and count != self.count_max:
            raise UnencodableMessage(self.place, f"the length is {self.count_max}")
        if self.lengths and count not in self.indicators:
            raise UnencodableMessage(self.place, f"the length is 1 to {self.count_max}")
        return self.indicators.get(count, "") + raw

    # ------------------------------------------------------------ parts of a plan

    @property
    def piece(self) -> str | None:
        """Expression for exactly the good forms of the field, where there is one."""
        if not self.lengths:
            return self.content.raw_pattern(self.count_max)
        if self.count_max > _ALTERNATIVES_MAX or self.content.raw_pattern(1) is None:
            return None
        return f"(?:{_alternation(self._alternatives())})"

    def _alternatives(self) -> dict[str, str]:
        return {
            indicator: self.content.raw_pattern(count) or ""
            for indicator, count in self.lengths.items()
        }

    @property
    def step(self) -> Step:
        """What reads the field by itself inside a plan: `read`, by the shortest way."""
        if not self.lengths or self.content.size(self.count_max) != self.count_max:
            return self.read
        return partial(_step, self, self.lengths, self.indicator_bytes, self.content.read)

    @property
    def lift(self) -> Convert | None:
        """What makes a value of what `piece` finds; None where that is the value."""
        content, skip = self.content, self.indicator_bytes
        if isinstance(content, Text):
            return itemgetter(slice(skip, None)) if self.lengths else None
        if not self.lengths:
            return partial(content.lift, count=self.count_max)
        return partial(_lift, self.lengths, skip, content)

    @property
    def checked(self) -> str | None:
        """Expression for the good values of a field written without further checks."""
        return self.content.value_pattern(1 if self.lengths else self.count_max, self.count_max)

    @property
    def put(self) -> Write:
        """What writes the field by itself inside a plan: `write`, by the shortest way."""
        if isinstance(self.content, Binary) and not self.content.is_hex and not self.lengths:
            return partial(_put_bytes, self)
        return self.write


def _step(
    form: FieldForm,
    lengths: Mapping[str, int],
    indicator_bytes: int,
    read: Callable[[str, int], Value],
    text: str,
    start: int,
) -> tuple[Value, int]:
    begin = start + indicator_bytes
    count = lengths.get(text[start:begin], 0)
    end = begin + count
    if count and end <= len(text):
        try:
            return read(text[begin:end], count), end
        except BadContent:
            pass
    return form.read(text, start)  # which says what is wrong


def _lift(lengths: Mapping[str, int], indicator_bytes: int, content: Content, raw: str) -> Value:
    return content.lift(raw[indicator_bytes:], lengths[raw[:indicator_bytes]])


def _put_bytes(form: FieldForm, value: Value) -> str:
    if type(value) is bytes and len(value) == form.count_max:
        return value.decode("latin-1")
    return form.write(value)  # which says what is wrong


def _alternation(alternatives: Mapping[str, str]) -> str:
    """Join alternatives by their first character, so that the engine tries few of them."""
    heads: dict[str, dict[str, str]] = {}
    for indicator, pattern in alternatives.items():
        heads.setdefault(indicator[:1], {})[indicator[1:]] = pattern
    branches = [
        re.escape(head) + (tails[""] if "" in tails else f"(?:{_alternation(tails)})")
        for head, tails in heads.items()
    ]
    return "|".join(branches)


def _guess(indicator: str, rule: str) -> str:
    """Say what a bad length indicator looks like."""
    if rule.startswith("ASCII") and indicator.isascii():
        return "" if indicator.isprintable() else "length looks binary or BCD"
    if not rule.startswith("ASCII") and re.match("[0-9]", indicator):
        return "length looks like ASCII digits"
    if not rule.startswith("EBCDIC") and re.fullmatch("[\xf0-\xf9]+", indicator):
        return "length looks like EBCDIC digits"
    return ""


def form_of(place: str, specification: FieldSpecification, writing: Writing) -> FieldForm:
    """Compile one field without its subfields."""
    kind, digits, most = specification.form
    content = writing.content(kind, specification.charset)
    indicators = writing.indicators(digits, most) if digits else {}
    return FieldForm(
        place,
        content,
        most + 1 if kind == "x+n" else most,
        indicator_bytes=len(indicators.get(1, "")),
        lengths={indicator: count for count, indicator in indicators.items()},
        indicators=indicators,
        lengths_rule=writing.indicator_rule(digits, most) if digits else "",
    )
