"""Data element 90, original data elements: which message an advice or inquiry is about."""

import re
from dataclasses import dataclass
from typing import Self

from gateway.iso8583.errors import MalformedMessage
from gateway.iso8583.message import MTIS, Message, without_repeat

# Original MTI, STAN, DE 7, acquirer and forwarder: 4 + 6 + 10 + 11 + 11 digits (ISO 8583:1987).
_LAYOUT = re.compile(r"([0-9]{4})([0-9]{6})([0-9]{10})([0-9]{11})([0-9]{11})")
_INSTITUTION_DIGITS = 11


@dataclass(frozen=True, slots=True)
class OriginalData:
    """The trace of an original message; institutions are without leading zeros."""

    mti: str
    stan: str
    transmission_date_time: str
    acquirer: str
    forwarder: str

    @classmethod
    def of(cls, original: Message) -> Self:
        """Take the trace of a message; a repeat is traced as its first transmission."""
        return cls(
            without_repeat(original.mti),
            original.text(11),
            original.text(7),
            original.text(32).lstrip("0"),
            original.text(33).lstrip("0"),
        )

    @classmethod
    def parse(cls, data_element_90: str) -> Self:
        """Read DE 90; raises `MalformedMessage`."""
        found = _LAYOUT.fullmatch(data_element_90)
        if not found:
            raise MalformedMessage("DE 90", 0, "42 digits")
        if found[1] not in MTIS or found[1] != without_repeat(found[1]):
            raise MalformedMessage("DE 90", 0, "begins with the MTI of a first transmission")
        return cls(found[1], found[2], found[3], found[4].lstrip("0"), found[5].lstrip("0"))

    def build(self) -> str:
        """Write DE 90: institutions right-justified and filled with zeros."""
        institutions = self.acquirer.zfill(_INSTITUTION_DIGITS) + self.forwarder.zfill(
            _INSTITUTION_DIGITS
        )
        return self.mti + self.stan + self.transmission_date_time + institutions
