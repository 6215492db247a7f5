"""MAC commands M6 and M8: the retail MAC of a whole message, 4 or 8 bytes."""

from dataclasses import dataclass
from typing import ClassVar

from gateway.hsm.mac import MacPadding
from gateway.hsm.payshield.command import HostCommand
from gateway.hsm.payshield.fields import AnswerReader, FieldError
from gateway.hsm.payshield.keys import HostKey, KeyRole

DATA_BYTES_MAX = 0x7D00  # 32,000, what one block of the command takes; ours have some 1,000
_MAC_BYTES = {4: "0", 8: "1"}  # MAC size: 8 or 16 hexadecimal digits

_ONLY_BLOCK = "0"  # mode flag: first, middle and last blocks are for longer data
_BINARY = "0"  # input format flag
_RETAIL = "3"  # ISO 9797-1 algorithm 3


@dataclass(frozen=True, slots=True, repr=False)
class GenerateMac(HostCommand[bytes]):
    """M6: mode, input format, MAC size, algorithm, padding, key type 3, key, length 4h, data.

    There is no initial vector, for the data are one block. Answer M7: the MAC in hexadecimal.
    """

    key: HostKey
    role: KeyRole
    padding: MacPadding
    data: bytes
    mac_bytes: int = 8

    code: ClassVar[str] = "M6"

    def pack(self) -> bytes:
        """Write the fields; raises `FieldError`."""
        if not 0 < len(self.data) <= DATA_BYTES_MAX or self.mac_bytes not in _MAC_BYTES:
            raise FieldError("payment HSM: data must be 1 to 32,000 bytes, a MAC 4 or 8")
        flags = f"{_ONLY_BLOCK}{_BINARY}{_MAC_BYTES[self.mac_bytes]}{_RETAIL}{self.padding.value}"
        key = f"{self.key.type_code(self.role)}{self.key.token}"
        return f"{flags}{key}{len(self.data):04X}".encode("ascii") + self.data

    def unpack(self, error_code: str, fields: bytes) -> bytes:
        """Give the MAC; raises `BrokenMessage`."""
        del error_code
        answer = AnswerReader(fields)
        mac = answer.hexadecimal("MAC", 2 * self.mac_bytes)
        answer.end()
        return bytes.fromhex(mac)


@dataclass(frozen=True, slots=True, repr=False)
class VerifyMac(HostCommand[None]):
    """M8: the fields of M6, and the MAC in hexadecimal. Answer M9: error code only."""

    generated: GenerateMac
    mac: bytes

    code: ClassVar[str] = "M8"

    def pack(self) -> bytes:
        """Write the fields; raises `FieldError`."""
        if len(self.mac) != self.generated.mac_bytes:
            raise FieldError("payment HSM: MAC has not the length that was agreed")
        return self.generated.pack() + self.mac.hex().upper().encode("ascii")

    def unpack(self, error_code: str, fields: bytes) -> None:
        """Make sure that there are no fields; raises `BrokenMessage`."""
        del error_code
        AnswerReader(fields).end()
