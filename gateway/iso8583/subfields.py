"""The subfields of a data element, as its dialect declares them: read and written strictly.

A field of text is divided after its characters are read, so that offsets count characters (bytes
in multibyte text); a binary field is divided as it stands, its parts in the dialect's own forms.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from gateway.iso8583 import ber_tlv
from gateway.iso8583.errors import MalformedMessage, UnencodableMessage
from gateway.iso8583.field_content import BadContent, Content, Value
from gateway.iso8583.field_form import ASCII, FieldForm, Writing, form_of
from gateway.iso8583.field_specification import FieldSpecification, Subfields
from gateway.iso8583.packed_digits import PackedDigits

Parts = Mapping[str, "Value | Parts"]
_USAGE_TAG, _USAGE_LENGTH_DIGITS = "a 2", 3
_EMV = Writing(numeric="bcd", pad_left=True)  # EMV Book 3, 4.3: n to the right, ans in ASCII
_ENDS = "the field ends inside this subfield"


class Subfield(NamedTuple):
    """One subfield where it stands in a field; `offset` and `length` are those of its value.

    `key` is its tag, or the name of its position.
    """

    key: str
    offset: int
    length: int
    value: Value


class Structure:
    """The subfields of one field, ready to be read and written."""

    def __init__(self, specification: FieldSpecification, writing: Writing) -> None:
        """Compile; raises `ValueError` with the rule that the declaration breaks."""
        subfields = specification.subfields
        assert subfields
        self._charset = specification.charset
        self._is_binary = specification.form.kind == "b"
        inside = replace(writing, is_hex=False) if self._is_binary else ASCII
        self._check_kinds(subfields)
        self._layout = _LAYOUTS[subfields.layout].of(subfields, inside)
        self.inner = {
            key: Structure(part, inside) for key, part in subfields.parts.items() if part.subfields
        }

    def _check_kinds(self, subfields: Subfields) -> None:
        if subfields.layout == "ber-tlv" and not self._is_binary:
            raise ValueError("ber-tlv divides a binary field")
        for part in subfields.parts.values():
            if part.form.kind == "b" and not self._is_binary:
                raise ValueError("a binary subfield stands in a binary field")
            if part.charset and not self._is_binary and part.charset != self._charset:
                raise ValueError("a subfield has the charset of its field")

    # ------------------------------------------------------------ read

    def readings(self, value: Value) -> Iterator[Subfield]:
        """Read one subfield after the other; raises `BadContent` after the last good one."""
        for subfield in self._layout.read(self._raw(value)):
            inner = self.inner.get(subfield.key)
            if inner:
                inner.check(subfield)
            yield subfield

    def check(self, subfield: Subfield) -> None:
        """Check a subfield that is divided itself; raises `BadContent`."""
        try:
            self.unpack(subfield.value)
        except BadContent as bad:
            part = f" {subfield.key}{bad.part}"
            raise BadContent(subfield.offset + bad.offset, bad.rule, part) from None

    def unpack(self, value: Value) -> dict[str, "Value | Parts"]:
        """Give the subfields by their keys, divided ones as mappings; raises `BadContent`."""
        found: dict[str, Value | Parts] = {}
        for key, _, _, part in self.readings(value):
            inner = self.inner.get(key)
            found[key] = inner.unpack(part) if inner else part
        return found

    # ------------------------------------------------------------ write

    def pack(self, parts: Parts) -> Value:
        """Give the value of the field; raises `BadContent`."""
        values = {key: self._packed(key, part) for key, part in parts.items()}
        return self._value(self._layout.write(values))

    def _packed(self, key: str, part: "Value | Parts") -> Value:
        inner = self.inner.get(key)
        if inner and isinstance(part, Mapping):
            try:
                return inner.pack(part)
            except BadContent as bad:
                raise BadContent(bad.offset, bad.rule, f" {key}{bad.part}") from None
        if isinstance(part, Mapping):
            raise BadContent(0, "this subfield is not divided", f" {key}")
        return part

    # ------------------------------------------------------------ value and raw form

    def _raw(self, value: Value) -> str:
        if isinstance(value, bytes):
            return value.decode("latin-1")
        return value.encode(self._charset).decode("latin-1") if self._charset else value

    def _value(self, raw: str) -> Value:
        if self._is_binary:
            return raw.encode("latin-1")
        return raw.encode("latin-1").decode(self._charset) if self._charset else raw


# ---------------------------------------------------------------- layouts


@dataclass(frozen=True, slots=True)
class _Positional:
    forms: Mapping[str, FieldForm]

    @classmethod
    def of(cls, subfields: Subfields, writing: Writing) -> Self:
        if subfields.tag or subfields.length_digits:
            raise ValueError("tag and length_digits are for tlv and ltv")
        parts = subfields.parts.items()
        return cls({key: form_of(key, part, writing) for key, part in parts})

    def read(self, raw: str) -> Iterator[Subfield]:
        start = 0
        for key, form in self.forms.items():
            if start and start == len(raw):
                return
            value, end = _read(form, raw, start)
            begin = start + form.indicator_bytes
            yield Subfield(key, begin, end - begin, value)
            start = end
        if start < len(raw):
            raise BadContent(start, "bytes follow the last subfield")

    def write(self, values: Mapping[str, Value]) -> str:
        keys = list(self.forms)[: len(values)]
        if not values or set(keys) != set(values):
            raise BadContent(0, "the subfields are the first of those declared, without a gap")
        return "".join(_write(self.forms[key], values[key]) for key in keys)


@dataclass(frozen=True, slots=True)
class _Tagged:
    """Tag, length and value; with `length_first` the length counts the tag too."""

    tag: FieldForm
    lengths: Mapping[str, int]
    indicators: Mapping[int, str]
    contents: Mapping[str, Content]
    counts: Mapping[str, Mapping[int, int]]  # by tag, of the good sizes in bytes
    length_first: bool

    @classmethod
    def of(cls, subfields: Subfields, writing: Writing) -> Self:
        tag, digits = _tag_of(subfields)
        tag_form = form_of("tag", FieldSpecification("Tag", tag), writing)
        indicators = writing.indicators(digits, 10**digits - 1)
        contents, counts = {}, {}
        for key, part in subfields.parts.items():
            _check_tag(tag_form, key, is_usage=subfields.layout == "usage")
            contents[key] = writing.content(part.form.kind, part.charset)
            counts[key] = _counts(form_of(key, part, writing))
        lengths = {indicator: count for count, indicator in indicators.items()}
        is_ltv = subfields.layout == "ltv"
        return cls(tag_form, lengths, indicators, contents, counts, length_first=is_ltv)

    def read(self, raw: str) -> Iterator[Subfield]:
        return _each_once(self._next, raw)

    def _next(self, raw: str, start: int) -> Subfield:
        if self.length_first:
            length, at = self._length(raw, start)
            tag, at = self._tag(raw, at)
            length -= self.tag.content.size(self.tag.count_max)
        else:
            tag, at = self._tag(raw, start)
            length, at = self._length(raw, at)
        count = self.counts[tag].get(length)
        if count is None:
            raise BadContent(start, "the dialect does not allow this length", f" {tag}")
        if at + length > len(raw):
            raise BadContent(start, _ENDS, f" {tag}")
        try:
            value = self.contents[tag].read(raw[at : at + length], count)
        except BadContent as bad:
            raise BadContent(at + bad.offset, bad.rule, f" {tag}") from None
        return Subfield(tag, at, length, value)

    def _tag(self, raw: str, start: int) -> tuple[str, int]:
        tag, end = _read(self.tag, raw, start)
        # The tag is the peer's: the error says where it stands, not what it is.
        if tag not in self.contents:
            raise BadContent(start, "the dialect does not have this tag")
        return str(tag), end

    def _length(self, raw: str, start: int) -> tuple[int, int]:
        end = start + len(self.indicators[1])
        length = self.lengths.get(raw[start:end])
        if length is None:
            raise BadContent(start, "the length of a subfield is not as the dialect writes it")
        return length, end

    def write(self, values: Mapping[str, Value]) -> str:
        return "".join(self._put(tag, value) for tag, value in values.items())

    def _put(self, tag: str, value: Value) -> str:
        if tag not in self.contents:
            raise BadContent(0, "the dialect does not have this tag")
        try:
            _, raw = self.contents[tag].write(value)
        except BadContent as bad:
            raise BadContent(0, bad.rule, f" {tag}") from None
        if len(raw) not in self.counts[tag]:
            raise BadContent(0, "the dialect does not allow this length", f" {tag}")
        head = self.tag.write(tag)
        if self.length_first:
            return self.indicators[len(head) + len(raw)] + head + raw
        return head + self.indicators[len(raw)] + raw


def _each_once(read: Callable[[str, int], Subfield], raw: str) -> Iterator[Subfield]:
    """Read tagged subfields up to the end, none of them twice."""
    start, seen = 0, set()
    while start < len(raw):
        subfield = read(raw, start)
        if subfield.key in seen:
            raise BadContent(start, "this tag came before", f" {subfield.key}")
        seen.add(subfield.key)
        yield subfield
        start = subfield.offset + subfield.length


@dataclass(frozen=True, slots=True)
class _BerTlv:
    """BER-TLV objects, each tag and length in its shortest form."""

    tags: Mapping[str, str]  # by raw form
    forms: Mapping[str, FieldForm]
    counts: Mapping[str, Mapping[int, int]]

    @classmethod
    def of(cls, subfields: Subfields, _: Writing) -> Self:
        if subfields.tag or subfields.length_digits:
            raise ValueError("tag and length_digits are for tlv and ltv")
        tags = {ber_tlv.raw_tag(tag): tag for tag in subfields.parts}
        for tag, part in subfields.parts.items():
            inner = part.subfields and part.subfields.layout
            if inner != ("ber-tlv" if ber_tlv.is_constructed(tag) else None):
                raise ValueError("a constructed tag, and no other, is divided as ber-tlv")
        forms = {tag: form_of(tag, part, _EMV) for tag, part in subfields.parts.items()}
        return cls(tags, forms, {tag: _counts(form) for tag, form in forms.items()})

    def read(self, raw: str) -> Iterator[Subfield]:
        return _each_once(self._next, raw)

    def _next(self, raw: str, start: int) -> Subfield:
        end = ber_tlv.tag_end(raw, start)
        tag = self.tags.get(raw[start:end])
        if tag is None:
            raise BadContent(start, "the dialect does not have this tag")
        length, at = ber_tlv.length_at(raw, end)
        count = self.counts[tag].get(length)
        if count is None:
            raise BadContent(start, "the dialect does not allow this length", f" {tag}")
        if at + length > len(raw):
            raise BadContent(start, _ENDS, f" {tag}")
        try:
            value = self.forms[tag].content.read(raw[at : at + length], count)
        except BadContent as bad:
            raise BadContent(at + bad.offset, bad.rule, f" {tag}") from None
        return Subfield(tag, at, length, value)

    def write(self, values: Mapping[str, Value]) -> str:
        return "".join(self._put(tag, value) for tag, value in values.items())

    def _put(self, tag: str, value: Value) -> str:
        form = self.forms.get(tag)
        if form is None:
            raise BadContent(0, "the dialect does not have this tag")
        try:
            _, raw = form.content.write(value)
        except BadContent as bad:
            raise BadContent(0, bad.rule, f" {tag}") from None
        if len(raw) not in self.counts[tag]:
            raise BadContent(0, "the dialect does not allow this length", f" {tag}")
        return ber_tlv.raw_tag(tag) + ber_tlv.raw_length(len(raw)) + raw


_LAYOUTS: dict[str, type[_Positional] | type[_Tagged] | type[_BerTlv]] = {
    "ber-tlv": _BerTlv,
    "positional": _Positional,
    "tlv": _Tagged,
    "ltv": _Tagged,
    "usage": _Tagged,
}


def _tag_of(subfields: Subfields) -> tuple[str, int]:
    if subfields.layout == "usage":
        if subfields.tag or subfields.length_digits:
            raise ValueError("tag and length_digits are for tlv and ltv")
        return _USAGE_TAG, _USAGE_LENGTH_DIGITS
    if not subfields.tag or not subfields.length_digits:
        raise ValueError("tlv and ltv need tag and length_digits")
    return subfields.tag, subfields.length_digits


def _check_tag(tag: FieldForm, key: str, *, is_usage: bool) -> None:
    try:
        tag.write(key)
    except UnencodableMessage:
        raise ValueError("a tag is not of the declared format") from None
    if tag.lengths or (is_usage and not key.isupper()):
        raise ValueError("a tag has a fixed length, and a usage is two capital letters")


def _counts(form: FieldForm) -> dict[int, int]:
    """Map the good sizes in bytes to counts."""
    counts = list(form.indicators) or [form.count_max]
    sizes = {form.content.size(count): count for count in counts}
    if len(sizes) < len(counts):
        raise ValueError("packed digits behind a tag have a fixed length")
    return sizes


def _read(form: FieldForm, raw: str, start: int) -> tuple[Value, int]:
    part = "" if form.place == "tag" else f" {form.place}"
    try:
        return form.read(raw, start)
    except MalformedMessage as error:
        raise BadContent(error.offset, error.rule.replace("message", "field"), part) from None


def _write(form: FieldForm, value: Value) -> str:
    try:
        return form.write(value)
    except UnencodableMessage as error:
        raise BadContent(0, error.rule, f" {form.place}") from None


# ---------------------------------------------------------------- a divided field


@dataclass(frozen=True, slots=True)
class Divided:
    """The content of a field whose subfields are checked; its value stays whole."""

    whole: Content
    structure: Structure

    def size(self, count: int) -> int:
        """Bytes taken by `count` units."""
        return self.whole.size(count)

    def raw_pattern(self, count: int) -> None:
        """Give None: no expression tells good subfields from bad."""

    def read(self, raw: str, count: int) -> Value:
        """Give the value; raises `BadContent`."""
        value = self.whole.read(raw, count)
        try:
            self._check(value)
        except BadContent as bad:
            offset = bad.offset // 2 if isinstance(self.whole, PackedDigits) else bad.offset
            raise BadContent(offset, bad.rule, bad.part) from None
        return value

    def lift(self, raw: str, count: int) -> Value:
        """Give the value of a good raw form."""
        return self.whole.lift(raw, count)

    def write(self, value: Value) -> tuple[int, str]:
        """Give count and raw form; raises `BadContent`."""
        written = self.whole.write(value)
        self._check(value)
        return written

    def value_pattern(self, least: int, most: int) -> None:
        """Give None: every value is read again."""

    def put(self, value: str) -> str:
        """Never called, as there is no `value_pattern`."""
        raise NotImplementedError

    def _check(self, value: Value) -> None:
        for _ in self.structure.readings(value):
            pass


def divided_form_of(place: str, specification: FieldSpecification, writing: Writing) -> FieldForm:
    """Compile one field, with its subfields where it has any; raises `ValueError`."""
    form = form_of(place, specification, writing)
    if not specification.subfields:
        return form
    return replace(form, content=Divided(form.content, Structure(specification, writing)))
