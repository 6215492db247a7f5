"""What was said on every connection: kept as it came, decoded and masked when somebody reads it."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from gateway.iso8583.codec import Codec
from gateway.iso8583.describe import describe
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import PrivateSubfield
from gateway.simulators.pin import without_pin_block

ENTRIES_MAX: Final = 5_000  # 20 MB at the largest message of 4 KB


class Direction(StrEnum):
    """Which way a message went, seen from the far side; an event is what happened otherwise."""

    RECEIVED = "received"
    SENT = "sent"
    EVENT = "event"


class Entry(NamedTuple):
    """One message or event; `said` is the message without its PIN block.

    One that had a block is kept as the fields that are left of it, and is written as bytes again
    when somebody reads it.
    """

    sequence: int
    at: datetime
    connection: int
    direction: Direction
    name: str
    note: str
    said: bytes | Message


class Journal:
    """The newest entries of one far side."""

    def __init__(self, codec: Codec, subfields: Mapping[str, PrivateSubfield]) -> None:
        self._codec = codec
        self._subfields = subfields
        self._entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self._sequence = 0

    def message(  # noqa: PLR0913, PLR0917 - one line of a journal has that many columns
        self,
        at: datetime,
        connection: int,
        direction: Direction,
        name: str,
        message: Message,
        data: bytes,
        note: str = "",
    ) -> None:
        """Enter a message with the bytes it came or went as; no PIN block is kept."""
        kept = without_pin_block(self._codec, message)
        said = data if kept is message else kept
        self._sequence += 1
        self._entries.append(Entry(self._sequence, at, connection, direction, name, note, said))

    def event(self, at: datetime, connection: int, note: str) -> None:
        """Enter what happened; `note` holds place and rule, never a value."""
        self._sequence += 1
        self._entries.append(Entry(self._sequence, at, connection, Direction.EVENT, "", note, b""))

    @property
    def last(self) -> int:
        """Sequence number of the newest entry, 0 before the first."""
        return self._sequence

    def read(self, after: int = 0) -> list[dict[str, Any]]:
        """Give the entries behind a sequence number, decoded and masked, oldest first."""
        return [self._decoded(entry) for entry in self._entries if entry.sequence > after]

    def clear(self) -> None:
        """Forget the entries; the sequence goes on."""
        self._entries.clear()

    def _decoded(self, entry: Entry) -> dict[str, Any]:
        head = {
            "sequence": entry.sequence,
            "at": entry.at.isoformat(timespec="milliseconds"),
            "connection": entry.connection,
            "direction": entry.direction,
        }
        if not entry.said:
            return head | {"note": entry.note}
        said = entry.said
        data = said if isinstance(said, bytes) else self._codec.encode(said)
        rows = describe(self._codec, data, self._subfields).rows
        fields = [{"place": row.place, "name": row.name, "value": row.value} for row in rows]
        return head | {"message": entry.name, "note": entry.note, "fields": fields}
