"""Diagnostic commands: NC asks the HSM what it is, B2 has it say something back."""

from dataclasses import dataclass
from typing import ClassVar

from gateway.hsm.payshield.command import HostCommand
from gateway.hsm.payshield.fields import AnswerReader, FieldError
from gateway.hsm.payshield.framing import BrokenMessage

ECHO_BYTES_MAX = 0x7FFF  # four hexadecimal digits, and room for the rest in a frame
_CHECK_VALUE_DIGITS = 16


@dataclass(frozen=True, slots=True)
class HsmIdentity:
    """What the HSM says of itself: check value of its LMK, and its firmware."""

    lmk_check_value: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Diagnose(HostCommand[HsmIdentity]):
    """NC: perform diagnostics. Answer ND: LMK check value 16h, firmware number."""

    code: ClassVar[str] = "NC"

    def pack(self) -> bytes:
        """There are no fields."""
        return b""

    def unpack(self, error_code: str, fields: bytes) -> HsmIdentity:
        """Read the answer; raises `BrokenMessage`."""
        del error_code
        answer = AnswerReader(fields)
        return HsmIdentity(
            answer.hexadecimal("LMK check value", _CHECK_VALUE_DIGITS),
            answer.rest("firmware", r"[0-9A-Za-z. -]{1,32}"),
        )


@dataclass(frozen=True, slots=True)
class Echo(HostCommand[bytes]):
    """B2: length 4h, data. Answer B3: the same data."""

    data: bytes

    code: ClassVar[str] = "B2"

    def pack(self) -> bytes:
        """Write the fields; raises `FieldError`."""
        if len(self.data) > ECHO_BYTES_MAX:
            raise FieldError("payment HSM: echo has too much data")
        return f"{len(self.data):04X}".encode("ascii") + self.data

    def unpack(self, error_code: str, fields: bytes) -> bytes:
        """Give the data; raises `BrokenMessage` when they are not what was sent."""
        del error_code
        if fields != self.data:
            raise BrokenMessage("payment HSM: echo is not what was said")
        return fields
