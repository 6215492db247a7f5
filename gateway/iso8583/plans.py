"""Many fields at once: what a plan does must equal reading or writing them one by one.

A plan is an optimisation only. Where it finds anything wrong it gives None, and the codec goes
through the fields one by one to say what.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from gateway.iso8583.field_content import Value
from gateway.iso8583.field_form import Convert, FieldForm, Write

_Step = Callable[[str, int], tuple[Value, int]]
_Match = Callable[[str, int], re.Match[str] | None]


class DecodePlan:
    """Reads the fields of one bitmap: one expression per run, a step for each field between."""

    def __init__(self, forms: Sequence[FieldForm]) -> None:
        self._data_elements = tuple(form.data_element for form in forms)
        self._segments: list[tuple[_Match, _Step | None]] = []
        self._lifts: list[tuple[int, Convert]] = []
        run: list[str] = []
        for index, form in enumerate(forms):
            if form.piece is None:
                self._segments.append((re.compile("".join(run)).match, form.read))
                run = []
                continue
            run.append(form.piece)
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
        return dict(zip(self._data_elements, values, strict=True))


class EncodePlan:
    """Writes one set of fields behind its bitmap."""

    def __init__(self, bitmap: str, forms: Sequence[FieldForm]) -> None:
        checks = {form.data_element: form.checked for form in forms if form.checked}
        self._bitmap = bitmap
        self._values = itemgetter(*(form.data_element for form in forms))
        self._checked = itemgetter(*checks)
        # A line end is in no class, so that the joined values can only be good one by one.
        self._good = re.compile("\n".join(checks.values())).fullmatch
        self._puts: list[tuple[int, Write]] = [
            (index, form.put) for index, form in enumerate(forms) if form.put
        ]

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
        parts.insert(0, self._bitmap)
        return "".join(parts)
