"""The fixed header between length and message on institution links, its parts as declared."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Interval, Len
from pydantic import ConfigDict

from gateway.iso8583.errors import MalformedFrame

_PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True)
class HeaderPart:
    """One part of the header, `length` in bytes.

    ``constant``: always `value`, in hex. ``free``: `value`, in hex, of ours; any bytes of a peer's,
    given back in the answer. ``length``: ASCII digits counting header and message. ``destination``
    and ``source``: `value` is ours as text, left-justified and filled with blanks.
    """

    name: str
    kind: Literal["constant", "free", "length", "destination", "source"]
    length: Annotated[int, Interval(ge=1, le=32)]
    value: str = ""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def flaw(self) -> str:
        """Give the rule that the declaration breaks, if it breaks one."""
        if self.kind == "length":
            return "the length is computed" if self.value else ""
        try:
            self.own()
        except ValueError:
            return "hex text, or at most as many ASCII characters as the part has bytes"
        return ""

    def own(self) -> bytes:
        """Give our own bytes; raises `ValueError` where the value does not fill the part."""
        if self.kind in {"destination", "source"}:
            data = self.value.encode("ascii").ljust(self.length)
        else:
            data = bytes.fromhex(self.value)
        if len(data) != self.length or not self._is_good(data, data):
            raise ValueError(self.name)
        return data

    def refused(self, data: bytes, total: int) -> str:
        """Give the rule that a peer's bytes break, if they break one."""
        if self.kind == "length":
            good = data == b"%0*d" % (self.length, total)
            return "" if good else "the length in the header is not that of header and message"
        if self._is_good(data, self.own()):
            return ""
        if self.kind == "constant":
            return "this part of the header is always the same"
        return "an institution is ASCII text, left-justified and filled with blanks"

    def _is_good(self, data: bytes, own: bytes) -> bool:
        if self.kind == "constant":
            return data == own
        if self.kind == "free":
            return True
        return data[:1] != b" " and all(byte in _PRINTABLE for byte in data)


@dataclass(frozen=True, slots=True)
class InstitutionHeader:
    """The header of a dialect, its parts in order."""

    parts: Annotated[tuple[HeaderPart, ...], Len(1, 32)]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def flaw(self) -> tuple[str, str] | None:
        """Give key and rule of what is wrong with the declaration, if anything is."""
        for index, part in enumerate(self.parts):
            rule = part.flaw()
            if rule:
                return f"parts.{index}.value", rule
        kinds = [part.kind for part in self.parts]
        lengths = {part.length for part in self.parts if part.kind in {"destination", "source"}}
        if any(kinds.count(kind) > 1 for kind in ("length", "destination", "source")):
            return "parts", "one length, one destination and one source at most"
        if ("destination" in kinds) != ("source" in kinds) or len(lengths) > 1:
            return "parts", "destination and source come together and are of one length"
        return None

    @property
    def bytes_(self) -> int:
        """Number of bytes of the header."""
        return sum(part.length for part in self.parts)

    def own(self) -> bytes:
        """Give the header of our own requests, its length not filled in."""
        return b"".join(bytes(p.length) if p.kind == "length" else p.own() for p in self.parts)

    def filled(self, header: bytes, message_bytes: int) -> bytes:
        """Fill in the length, for a message of so many bytes."""
        total = len(header) + message_bytes
        return b"".join(
            b"%0*d" % (part.length, total)
            if part.kind == "length"
            else header[at : at + part.length]
            for part, at in self._places()
        )

    def answer(self, header: bytes) -> bytes:
        """Give the header of an answer: destination and source have changed places."""
        places = {part.kind: slice(at, at + part.length) for part, at in self._places()}
        if "source" not in places:
            return header
        swapped = bytearray(header)
        swapped[places["destination"]] = header[places["source"]]
        swapped[places["source"]] = header[places["destination"]]
        return bytes(swapped)

    def check(self, header: bytes, message_bytes: int, offset: int) -> None:
        """Check a peer's header that begins at `offset` of its frame; raises `MalformedFrame`."""
        total = len(header) + message_bytes
        for part, at in self._places():
            rule = part.refused(header[at : at + part.length], total)
            if rule:
                raise MalformedFrame(offset + at, rule)

    def _places(self) -> list[tuple[HeaderPart, int]]:
        places, at = [], 0
        for part in self.parts:
            places.append((part, at))
            at += part.length
        return places
