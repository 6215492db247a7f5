"""A described message on paper: text for people, JSON for programs; masked in both."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from gateway.app.message_tools.fitting import Tongue
from gateway.app.message_tools.hex_view import hex_lines
from gateway.iso8583.describe import Description, Row
from gateway.iso8583.errors import MalformedFrame, MalformedMessage


@dataclass(frozen=True, slots=True)
class Account:
    """One message and what can be said about it."""

    dialect: str
    data: bytes
    description: Description
    verdict: str = ""

    @classmethod
    def of(cls, tongue: Tongue, data: bytes) -> "Account":
        """Describe a message in a dialect."""
        description = tongue.describe(data)
        verdict = "" if description.error else tongue.verdict(data)
        return cls(tongue.dialect.name, data, description, verdict)

    @property
    def error(self) -> MalformedMessage | None:
        """Why the message is malformed, if it is."""
        return self.description.error

    def lines(self) -> Iterator[str]:
        """Write the message as text, with its bytes where something is wrong with them."""
        yield f"{self.dialect}, {len(self.data)} bytes"
        if self.verdict:
            yield self.verdict
        yield from table(self.description.rows)
        if self.error:
            yield f"stopped: {self.error}"
            yield from hex_lines(self.data, self.description.rows, self.error.offset)
            yield "longer values and names are masked: the flaw may be earlier than where it shows"

    def as_json(self) -> dict[str, Any]:
        """Give the same as values for JSON."""
        return {
            "dialect": self.dialect,
            "bytes": len(self.data),
            "message": self.verdict,
            "fields": [asdict(row) for row in self.description.rows],
            "error": error_json(self.error) if self.error else None,
        }


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Write rows as aligned columns: offset, length, place, value and name."""
    rows = list(rows)
    if not rows:
        return
    place = max(len(row.place) for row in rows)
    yield f"{'offset':>6} {'length':>6}  {'field':<{place}}  value"
    for row in rows:
        field = f"{row.place:<{place}}"
        value = f"{row.value}  " if row.value else ""
        yield f"{row.offset:>6} {row.length:>6}  {field}  {value}({row.name})"


def error_json(error: MalformedMessage | MalformedFrame) -> dict[str, Any]:
    """Give the parts of an error: place, offset, rule, hint."""
    place = error.place if isinstance(error, MalformedMessage) else "frame"
    return {"place": place, "offset": error.offset, "rule": error.rule, "hint": error.hint}
