"""Many fields at once: what a plan does must equal reading or writing them one by one.

A plan is an optimisation only. Where it finds anything wrong it gives None, and the codec goes
through the fields one by one to say what.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from gateway.iso8583.ebcdic import Transcoder
from gateway.iso8583.field_content import EbcdicText, Text, Value
from gateway.iso8583.field_form import Convert, FieldForm, Step, Write
from gateway.iso8583.packed_digits import PackedDigits, hex_of

_Match = Callable[[str, int], re.Match[str] | None]


class DecodePlan:
    """Reads the fields of one bitmap: one expression per run, a step for each field between."""

    def __init__(self, forms: Sequence[FieldForm], data_elements: Sequence[int]) -> None:
        self.data_elements = tuple(data_elements)
        self._segments: list[tuple[_Match, Step | None]] = []
        self._lifts: list[tuple[int, Convert]] = []
        run: list[str] = []
        for index, form in enumerate(forms):
            if form.piece is None:
                self._segments.append((re.compile("".join(run)).match, form.step))
                run = []
            else:
                run.append(f"({form.piece})")
                if form.lift:
                    self._lifts.append((index, form.lift))
        self._segments.append((re.compile("".join(run)).match, None))

    def decode(self, text: str, start: int) -> dict[int, Value] | None:
        """Give the fields from `start` to the end of `text`; None where anything is wrong."""
        values: list[Any] = []
        for match, step in self._segments:
            found = match(text, start)
            if found is None:
                return None
            values += found.groups()
            start = found.end()
            if step:
                value, start = step(text, start)
                values.append(value)
        if start != len(text):
            return None
        for index, lift in self._lifts:
            values[index] = lift(values[index])
        return dict(zip(self.data_elements, values, strict=True))


class EncodePlan:
    """Writes one set of fields behind its bitmap.

    Neighbours in the same characters are one block: packed, or put into EBCDIC, in one step.
    """

    def __init__(
        self, bitmap: str, forms: Sequence[FieldForm], data_elements: Sequence[int]
    ) -> None:
        pairs = zip(data_elements, forms, strict=True)
        checks = {de: form.checked or "" for de, form in pairs if _characters(form)}
        self._bitmap = bitmap
        self._checked = itemgetter(*checks)
        # A line end is in no class, so that the joined values can only be good one by one.
        self._good = re.compile("\n".join(checks.values())).fullmatch
        self._headed: list[tuple[int, Mapping[int, str]]] = []
        self._framed: list[tuple[int, Mapping[int, str], Mapping[int, str]]] = []
        self._alone: list[tuple[int, int, Write]] = []
        self._blocks: list[tuple[int, int, Callable[[str], str]]] = []
        index = 0
        for characters, group in groupby(forms, _characters):
            begin = index
            for form in group:
                if characters:
                    self._frame(index, form, characters)
                else:
                    self._alone.append((index, data_elements[index], form.put))
                index += 1
            if isinstance(characters, Transcoder):
                self._blocks.append((begin, index, characters.raw))
            elif characters == _PACKED:
                self._blocks.append((begin, index, _pack))
        # From the last to the first: each block moves the values behind it.
        self._blocks.reverse()

    def _frame(self, index: int, form: FieldForm, characters: "Transcoder | str") -> None:
        """Note what stands before and behind the value of a field, where anything does."""
        counts = form.indicators or {form.count_max: ""}
        heads = {count: _unwritten(raw, characters) for count, raw in counts.items()}
        tails = dict.fromkeys(counts, "")
        if isinstance(form.content, PackedDigits):
            for count in counts:
                if count % 2 and form.content.pad_left:
                    heads[count] += form.content.filler
                elif count % 2:
                    tails[count] = form.content.filler
        if any(heads.values()) and not any(tails.values()):
            self._headed.append((index, heads))
        elif any(tails.values()):
            self._framed.append((index, heads, tails))

    @staticmethod
    def suits(forms: Sequence[FieldForm]) -> bool:
        """Tell whether there are enough text fields for a plan to be of use."""
        return sum(_characters(form) != _ALONE for form in forms) > 1

    def encode(self, fields: Mapping[int, Value]) -> str | None:
        """Give bitmap and fields as they stand in a message; None where anything is wrong."""
        parts = list(self._checked(fields))
        try:
            good = self._good("\n".join(parts))
        except TypeError:  # bytes where text should be
            return None
        if not good:
            return None
        for index, data_element, write in self._alone:
            parts.insert(index, write(fields[data_element]))
        for index, heads in self._headed:
            parts[index] = heads[len(parts[index])] + parts[index]
        for index, heads, tails in self._framed:
            value = parts[index]
            count = len(value)
            parts[index] = heads[count] + value + tails[count]
        for begin, end, finish in self._blocks:
            parts[begin:end] = [finish("".join(parts[begin:end]))]
        parts.insert(0, self._bitmap)
        return "".join(parts)


_TEXT, _PACKED, _ALONE = "text", "packed", ""


def _characters(form: FieldForm) -> "Transcoder | str":
    """Name what the values of a field and of its neighbours are written in together."""
    content = form.content
    if isinstance(content, EbcdicText):
        return content.transcoder
    if isinstance(content, PackedDigits):
        return _PACKED
    return _TEXT if isinstance(content, Text) else _ALONE


def _unwritten(indicator: str, characters: "Transcoder | str") -> str:
    """Give what a block turns into a length indicator."""
    if isinstance(characters, Transcoder):
        return characters.text(indicator)
    return hex_of(indicator) if characters == _PACKED else indicator


def _pack(digits: str) -> str:
    return bytes.fromhex(digits).decode("latin-1")
