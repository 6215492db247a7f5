"""Many fields at once: what a plan does must equal reading or writing them one by one.

A plan is an optimisation only. Where it finds anything wrong it gives None, and the codec goes
through the fields one by one to say what. Neighbours that are packed digits of a fixed number are
one block: turned to digits, or to bytes, in one step.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from gateway.iso8583.field_content import Value
from gateway.iso8583.field_form import Convert, FieldForm, Step, Write
from gateway.iso8583.packed_digits import PackedDigits, hex_of

_Match = Callable[[str, int], re.Match[str] | None]


class DecodePlan:
    """Reads the fields of one bitmap: one expression per run, a step for each field between."""

    def __init__(self, forms: Sequence[FieldForm], data_elements: Sequence[int]) -> None:
        self._data_elements = tuple(data_elements)
        self._segments: list[tuple[_Match, Step | None]] = []
        self._lifts: list[tuple[int, Convert]] = []
        self._blocks: list[tuple[int, slice, Callable[[str], tuple[str, ...]]]] = []
        self._compile(forms)
        # From the last to the first: each block moves the values behind it.
        self._blocks.reverse()

    def _compile(self, forms: Sequence[FieldForm]) -> None:
        run: list[str] = []
        # The index is that of the value, where a block counts as one.
        for index, block in enumerate(_blocks(forms)):
            form = block[0]
            if form.piece is None:
                self._segments.append((re.compile("".join(run)).match, form.step))
                run = []
            else:
                run.append(f"({''.join(member.piece or '' for member in block)})")
                if len(block) > 1:
                    self._blocks.append((index, slice(index, index + 1), _unpacker(block)))
                elif form.lift:
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
        for index, place, unpack in self._blocks:
            values[place] = unpack(values[index])
        return dict(zip(self._data_elements, values, strict=True))


class EncodePlan:
    """Writes one set of fields behind its bitmap."""

    def __init__(
        self, bitmap: str, forms: Sequence[FieldForm], data_elements: Sequence[int]
    ) -> None:
        pairs = list(zip(data_elements, forms, strict=True))
        checks = {de: form.checked for de, form in pairs if form.checked}
        self._bitmap = bitmap
        self._values = itemgetter(*data_elements)
        self._checked = itemgetter(*checks)
        # A line end is in no class, so that the joined values can only be good one by one.
        self._good = re.compile("\n".join(checks.values())).fullmatch
        self._puts: list[tuple[int, Write]] = []
        self._blocks: list[tuple[slice, Callable[[tuple[str, ...]], str]]] = []
        index = 0
        for block in _blocks(forms):
            if len(block) > 1:
                self._blocks.append((slice(index, index + len(block)), _packer(block)))
            elif block[0].put:
                self._puts.append((index, block[0].put))
            index += len(block)
        # From the last to the first: each block moves the values behind it.
        self._blocks.reverse()

    @staticmethod
    def suits(forms: Sequence[FieldForm]) -> bool:
        """Tell whether there are enough text fields for a plan to be of use."""
        return sum(form.checked is not None for form in forms) > 1

    def encode(self, fields: Mapping[int, Value]) -> str | None:
        """Give bitmap and fields as they stand in a message; None where anything is wrong."""
        try:
            good = self._good("\n".join(self._checked(fields)))
        except TypeError:  # bytes where text should be
            return None
        if not good:
            return None
        parts = list(self._values(fields))
        for index, put in self._puts:
            parts[index] = put(parts[index])
        for place, pack in self._blocks:
            parts[place] = (pack(tuple(parts[place])),)
        parts.insert(0, self._bitmap)
        return "".join(parts)


def _blocks(forms: Sequence[FieldForm]) -> Iterator[list[FieldForm]]:
    """Give packed neighbours together and every other field alone."""
    for is_packed, group in groupby(forms, lambda form: form.is_packed):
        if is_packed:
            yield list(group)
        else:
            yield from ([form] for form in group)


def _unpacker(block: Sequence[FieldForm]) -> Callable[[str], tuple[str, ...]]:
    slices, end = [], 0
    for form in block:
        assert isinstance(form.content, PackedDigits)
        begin, end = end, end + 2 * form.content.size(form.count_max)
        pad = end - begin - form.count_max
        left = form.content.pad_left
        slices.append(slice(begin + pad, end) if left else slice(begin, end - pad))
    return partial(_unpack, itemgetter(*slices))


def _unpack(cut: Callable[[str], tuple[str, ...]], raw: str) -> tuple[str, ...]:
    return cut(hex_of(raw))


def _packer(block: Sequence[FieldForm]) -> Callable[[tuple[str, ...]], str]:
    return partial(_pack, "".join(_template(form) for form in block))


def _template(form: FieldForm) -> str:
    assert isinstance(form.content, PackedDigits)
    if form.count_max % 2 == 0:
        return "%s"
    return form.content.filler + "%s" if form.content.pad_left else "%s" + form.content.filler


def _pack(template: str, values: tuple[str, ...]) -> str:
    return bytes.fromhex(template % values).decode("latin-1")
