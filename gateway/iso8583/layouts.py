"""Where the fields of a message stand once the length of each is known.

The messages of a link are of few layouts: the same fields with the same lengths, over and over.
One expression then tells whether a message is of a layout and good, and one step cuts it up. Like a
plan, a layout is an optimisation only: where it gives None, the codec reads by the longer way.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

from gateway.iso8583.ebcdic import Transcoder
from gateway.iso8583.field_content import BadContent, Binary, EbcdicText, Text, Value
from gateway.iso8583.field_form import Convert, FieldForm
from gateway.iso8583.multibyte_text import MultibyteText
from gateway.iso8583.packed_digits import PackedDigits


class Layout:
    """One head (MTI and bitmaps) with one length of each field.

    `fields` gives each data element in order, with offset and length as in a `Reading` of `text`,
    a good message of the layout.
    """

    def __init__(
        self,
        mti: str,
        text: str,
        fields: Iterable[tuple[int, int, int]],
        forms: Mapping[int, FieldForm],
    ) -> None:
        self.mti = mti
        places = [_Place(forms[de], text, offset, length) for de, offset, length in fields]
        self._elements = tuple(de for de, _, _ in fields)
        head = re.escape(text[: places[0].offset])
        self._is_seen_as_is = not any(place.is_packed or place.code_page for place in places)
        good = head + "".join(place.pattern(is_group=self._is_seen_as_is) for place in places)
        self._good = re.compile(good, re.DOTALL).fullmatch
        # Values are slices of the text and, behind it, of other ways to see it.
        self._is_packed = any(place.is_packed for place in places)
        self._code_page = next(filter(None, (place.code_page for place in places)), None)
        seen = len(text) * (3 if self._is_packed else 1)
        slices = [place.slice(len(text), seen) for place in places]
        # One more, empty: of one slice there would be no tuple.
        self._cut: Callable[[str], tuple[Any, ...]] = itemgetter(*slices, slice(0, 0))
        by_element = list(zip(self._elements, places, strict=True))
        self._bytes = [(de, place.begin, place.end) for de, place in by_element if place.is_bytes]
        self._lifts = [(de, place.lift) for de, place in by_element if place.lift]
        self._wide = [(de, place.read) for de, place in by_element if place.is_multibyte]
        # Filling a copy is quicker than letting a dictionary grow.
        self._blank: dict[int, Any] = dict.fromkeys(self._elements)

    def decode(self, data: bytes, text: str) -> dict[int, Value] | None:
        """Give the fields of a message that is of this layout and good; None for another.

        `text` is `data` read as Latin-1.
        """
        found = self._good(text)
        if found is None:
            return None
        values = found.groups() if self._is_seen_as_is else self._cut(self._seen(data, text))
        fields = self._blank.copy()
        fields.update(zip(self._elements, values))  # noqa: B905 - of cut ones there is one more
        for de, begin, end in self._bytes:
            fields[de] = data[begin:end]
        try:
            for de, lift in self._lifts:
                fields[de] = lift(fields[de])
            for de, read in self._wide:
                if not fields[de].isascii():  # what is, the expression has found good
                    fields[de] = read(fields[de])
        except BadContent:
            return None
        return fields

    def _seen(self, data: bytes, text: str) -> str:
        """Give the text and, behind it, the other ways to see it that the slices count on."""
        if self._is_packed:
            text += data.hex().upper()
        if self._code_page is not None:
            text += self._code_page.text(text[: len(data)])
        return text


class _Place:
    """One field of a layout."""

    def __init__(self, form: FieldForm, text: str, offset: int, length: int) -> None:
        self.offset = offset
        self.begin = offset + form.indicator_bytes
        self.end = offset + length
        indicator = text[offset : self.begin]
        self._count = form.lengths.get(indicator, form.count_max)
        self._content = form.content
        self._indicator = indicator

    def pattern(self, *, is_group: bool) -> str:
        """Give the expression for the field; its value is a group of it where that is wanted."""
        raw = self._raw_pattern()
        return re.escape(self._indicator) + (f"({raw})" if is_group else raw)

    def _raw_pattern(self) -> str:
        """Give an expression that nothing but good forms fulfils, or more where `lift` checks.

        A count is exact, so that there is nothing to be gained by giving characters back.
        """
        raw = self._content.raw_pattern(self._count)
        if self.is_multibyte:
            raw = rf"[ -~\x80-\xff]{{{self._count}}}"
        elif raw is None or self.is_bytes:
            raw = f".{{{self.end - self.begin}}}"
        return raw.replace("}", "}+")

    @property
    def is_bytes(self) -> bool:
        return isinstance(self._content, Binary) and not self._content.is_hex

    @property
    def is_multibyte(self) -> bool:
        return isinstance(self._content, MultibyteText)

    @property
    def is_packed(self) -> bool:
        return isinstance(self._content, PackedDigits)

    @property
    def code_page(self) -> Transcoder | None:
        return self._content.transcoder if isinstance(self._content, EbcdicText) else None

    def slice(self, hexadecimal: int, characters: int) -> slice:
        """Give where the value is: in the text, in its hex digits or in its EBCDIC characters."""
        if isinstance(self._content, PackedDigits):
            begin, end = hexadecimal + 2 * self.begin, hexadecimal + 2 * self.end
            pad = end - begin - self._count
            return slice(begin + pad, end) if self._content.pad_left else slice(begin, end - pad)
        if isinstance(self._content, EbcdicText):
            return slice(characters + self.begin, characters + self.end)
        return slice(self.begin, self.end)

    @property
    def lift(self) -> Convert | None:
        """What makes a value of the slice; None where that is the value."""
        if self.is_bytes or self.is_multibyte:
            return None
        if isinstance(self._content, (Text, PackedDigits, EbcdicText)):
            return None
        if self._content.raw_pattern(1) is None:
            return self.read
        return partial(self._content.lift, count=self._count)

    @property
    def read(self) -> Convert:
        """What makes a value of the slice, and checks it."""
        return partial(self._content.read, count=self._count)
