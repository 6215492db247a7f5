"""The bytes of a message as hex, sensitive ones as ``**``, with a caret under one place."""

from collections.abc import Iterable, Iterator

from gateway.iso8583.describe import Row

_COLUMNS = 16
_HIDDEN = "**"
_CARET = "^^"
_MTI = "MTI"


def hex_lines(data: bytes, rows: Iterable[Row], caret: int | None = None) -> list[str]:
    """Write `data` sixteen bytes a line; `rows` are as printed, `caret` is a byte's offset.

    A byte is shown where it belongs to a row whose value is shown whole, or to the bitmap.
    Everything else is hidden, and so are the bytes that were not understood: whatever they are,
    they may be a card number.
    """
    return list(_lines(data, _shown(len(data), list(rows)), caret))


def _lines(data: bytes, shown: list[bool], caret: int | None) -> Iterator[str]:
    end = max(len(data), -1 if caret is None else caret + 1)
    for start in range(0, end, _COLUMNS):
        places = range(start, min(start + _COLUMNS, len(data)))
        cells = (f"{data[at]:02x}" if shown[at] else _HIDDEN for at in places)
        yield f"{start:04x}  {' '.join(cells)}".rstrip()
        if caret is not None and start <= caret < start + _COLUMNS:
            yield " " * (6 + 3 * (caret - start)) + _CARET


def _shown(size: int, rows: list[Row]) -> list[bool]:
    shown = [False] * size
    begins = [row.offset for row in rows if row.place != _MTI]
    for row in rows:
        # The bitmap has no row: it is what lies between the MTI and the first field.
        end = row.offset + row.length
        if row.place == _MTI and begins:
            end = begins[0]
        # Subfields come after the field that they are in, and decide about their own bytes. A
        # container's own value is empty; what no subfield takes of it stays hidden.
        whole = bool(row.value) and "*" not in row.value
        shown[row.offset : end] = [whole] * (min(end, size) - row.offset)
    return shown
