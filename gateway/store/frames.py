"""Frames between the gateway's process and the store's: a length and what `marshal` makes of it.

Both ends are of one release and one interpreter, parent and child, over a socket that only the
child inherits: so `marshal` may be spoken, and `pickle` for what few requests need. Each frame is a
list of tuples, each of which begins with what it is.
"""

import marshal
from struct import Struct
from typing import Any, Final

from gateway.store.errors import Broken, Conflict
from gateway.terms.errors import LocalError, Unavailable

_LENGTH = Struct(">I")
Item = tuple[Any, ...]

# From the gateway: what is to be done. Each but the last two has a number by which it is answered.
UNIT, QUERY, CHORE, BEAT, CLOSE = range(5)
# From the store: what became of it.
STANDS, ANSWER, FAILED, STATE, LOST = range(5)


def frame(items: list[Item]) -> bytes:
    """Make the bytes of one frame."""
    body = marshal.dumps(items)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Takes bytes as they come, and gives what whole frames hold."""

    def __init__(self) -> None:
        self._received = bytearray()

    def take(self, data: bytes) -> list[Item]:
        """Give the items of every frame that these bytes complete, in order."""
        received, items = self._received, []
        received += data
        start = 0
        while len(received) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(received, start)
            end = start + _LENGTH.size + length
            if len(received) < end:
                break
            items += marshal.loads(received[start + _LENGTH.size : end])  # noqa: S302 - of our own
            start = end
        del received[:start]
        return items


_KINDS: Final = {kind.__name__: kind for kind in (Broken, Conflict, LocalError, Unavailable)}


def plain_error(error: Exception) -> tuple[str, str]:
    """Give an error's kind and text; of one that was not foreseen its kind alone.

    Its own text may repeat a row.
    """
    for kind in type(error).__mro__:
        if kind.__name__ in _KINDS:
            return kind.__name__, str(error)
    return LocalError.__name__, f"the store failed: {type(error).__name__}"


def error_of(kind: str, text: str) -> Exception:
    """Make the error of what `plain_error` gave."""
    return _KINDS[kind](text)
