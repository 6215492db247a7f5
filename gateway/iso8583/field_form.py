"""A field on the wire: length indicator and content, read and written strictly."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import NoReturn

from gateway.iso8583.dialect import Dialect
from gateway.iso8583.errors import MalformedMessage, UnencodableMessage
from gateway.iso8583.field_content import (
    BadContent,
    Content,
    PackedDigits,
    Text,
    Value,
    content_of,
)

Convert = Callable[[str], Value]
Write = Callable[[Value], str]
# Up to here a variable field becomes an alternation of its lengths inside a plan's expression;
# every LL field of ISO 8583:1987 is shorter.
_ALTERNATIVES_MAX = 40


@dataclass(frozen=True, slots=True)
class FieldForm:
    """One data element of one dialect, ready to be read and written.

    `lengths` maps each good length indicator, as it stands in the message, to its count, and
    `indicators` the other way; both are empty for a fixed field of `count_max` units.
    """

    data_element: int
    content: Content
    count_max: int
    indicator_bytes: int
    lengths: Mapping[str, int]
    indicators: Mapping[int, str]
    lengths_rule: str

    @property
    def place(self) -> str:
        """How errors name the field."""
        return f"DE {self.data_element}"

    def read(self, text: str, start: int) -> tuple[Value, int]:
        """Give value and end of the field that begins at `start`; raises `MalformedMessage`."""
        count, begin = self._read_length(text, start)
        end = begin + self.content.size(count)
        if end > len(text):
            raise MalformedMessage(self.place, start, "the message ends inside this field")
        try:
            return self.content.read(text[begin:end], count), end
        except BadContent as bad:
            raise MalformedMessage(self.place, begin + bad.offset, bad.rule) from None

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
        hint = "" if indicator.isprintable() else "length looks binary or BCD"
        if self.lengths_rule.startswith("BCD"):
            hint = "length looks like ASCII digits" if re.match("[0-9]", indicator) else ""
        raise MalformedMessage(self.place, start, f"the length is not {self.lengths_rule}", hint)

    def write(self, value: Value) -> str:
        """Give the field as it stands in a message; raises `UnencodableMessage`."""
        try:
            count, raw = self.content.write(value)
        except BadContent as bad:
            raise UnencodableMessage(self.place, bad.rule) from None
        if not self.lengths and count != self.count_max:
            raise UnencodableMessage(self.place, f"the length is {self.count_max}")
        if self.lengths and count not in self.indicators:
            raise UnencodableMessage(self.place, f"the length is 1 to {self.count_max}")
        return self.indicators.get(count, "") + raw

    # ------------------------------------------------------------ parts of a plan

    @property
    def piece(self) -> str | None:
        """Expression with one group for exactly the good forms of the field, where there is one."""
        if not self.lengths:
            pattern = self.content.raw_pattern(self.count_max)
            return pattern and f"({pattern})"
        if self.count_max > _ALTERNATIVES_MAX:
            return None
        return f"({_alternation(self._alternatives())})"

    def _alternatives(self) -> dict[str, str]:
        return {
            indicator: self.content.raw_pattern(count) or ""
            for indicator, count in self.lengths.items()
        }

    @property
    def lift(self) -> Convert | None:
        """What makes a value of the group of `piece`; None where the group is the value."""
        if isinstance(self.content, Text):
            return itemgetter(slice(self.indicator_bytes, None)) if self.lengths else None
        if not self.lengths:
            return partial(self.content.lift, count=self.count_max)
        return partial(_lift, self.lengths, self.indicator_bytes, self.content)

    @property
    def checked(self) -> str | None:
        """Expression for the good values of a field written without further checks."""
        if not isinstance(self.content, Text | PackedDigits):
            return None
        least = 1 if self.lengths else self.count_max
        return f"[{self.content.pattern}]{{{least},{self.count_max}}}"

    @property
    def put(self) -> Write | None:
        """What writes a value that is checked; None where the value is what is written."""
        if isinstance(self.content, Text) and not self.lengths:
            return None
        if isinstance(self.content, Text | PackedDigits):
            indicators = self.indicators or {self.count_max: ""}
            return partial(_put, indicators, self.content.put)
        return self.write


def _lift(lengths: Mapping[str, int], indicator_bytes: int, content: Content, group: str) -> Value:
    return content.lift(group[indicator_bytes:], lengths[group[:indicator_bytes]])


def _put(indicators: Mapping[int, str], put: Callable[[str], str], value: Value) -> str:
    assert isinstance(value, str)
    return indicators[len(value)] + put(value)


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


def field_forms(dialect: Dialect) -> dict[int, FieldForm]:
    """Compile every data element of a dialect."""
    return {data_element: _form(dialect, data_element) for data_element in dialect.fields}


def _form(dialect: Dialect, data_element: int) -> FieldForm:
    specification = dialect.fields[data_element]
    kind, digits, length_max = specification.form
    pad_left = dialect.odd_digits_pad == "left"
    counts = range(1, length_max + 1) if digits else ()
    indicators = {count: _indicator(count, digits, dialect.lengths) for count in counts}
    return FieldForm(
        data_element,
        content_of(kind, specification.charset, dialect.numeric, pad_left=pad_left),
        length_max,
        indicator_bytes=len(indicators.get(1, "")),
        lengths={indicator: count for count, indicator in indicators.items()},
        indicators=indicators,
        lengths_rule=_lengths_rule(dialect.lengths, digits, length_max),
    )


def _indicator(count: int, digits: int, lengths: str) -> str:
    if lengths == "bcd":
        return bytes.fromhex(f"{count:0{digits + digits % 2}d}").decode("latin-1")
    return f"{count:0{digits}d}"


def _lengths_rule(lengths: str, digits: int, length_max: int) -> str:
    form = "BCD digits" if lengths == "bcd" else "ASCII digits"
    return f"{form} from {1:0{digits}d} to {length_max}" if digits else ""
