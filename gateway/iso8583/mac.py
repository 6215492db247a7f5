"""The message authentication code: where it stands and whether it is right. No ciphers here."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

from annotated_types import Interval, Len
from pydantic import ConfigDict, StringConstraints

from gateway.iso8583.errors import MacMismatch
from gateway.terms.errors import LocalError

MAC_BYTES = 8  # DE 64 and DE 128 are b 64 (ISO 8583:1987)
MAC_PRIMARY, MAC_SECONDARY = 64, 128  # the last of the first bitmap and of the second
MAC_DATA_ELEMENTS = frozenset({MAC_PRIMARY, MAC_SECONDARY})
_TRUNCATED_BYTES = 4

Algorithm = Literal[
    "iso-9797-1-algorithm-1",  # CBC-MAC under DES or TDES, by the length of the key (ANSI X9.9)
    "iso-9797-1-algorithm-3",  # the retail MAC (ANSI X9.19)
    "cmac-tdes",  # NIST SP 800-38B
    "cmac-aes",
    "sm4-cbc-mac",  # GB/T 32907 in CBC, 16-byte blocks, left half
]


class Mac(Protocol):
    """A MAC under one key: any number of bytes in, 8 bytes out."""

    def __call__(self, data: bytes, /) -> bytes:
        """Compute the MAC of `data`."""


@dataclass(frozen=True, slots=True)
class MacRule:
    """The MAC of a dialect: its algorithm, what it covers and where it stands.

    `padding` is the method of ISO/IEC 9797-1, 0 for CMAC, which has its own. Two data elements
    mean: the last one of the last bitmap present (ISO 8583:1987, 64 or 128). Without `covers` the
    MAC is over every byte of the message but its own; with it, over the data elements named (0 is
    the MTI), as they stand in the message with their lengths, with the bytes of `separator` (hex)
    between them, those absent left out. `form`: ``full`` is 8 bytes, ``left-4`` the left 4 and 4
    zeros, ``left-4-hex`` the left 4 as 8 hex digits in ASCII.
    """

    algorithm: Algorithm
    padding: Literal[0, 1, 2]
    data_elements: Annotated[tuple[Literal[64, 128], ...], Len(1, 2)]
    covers: tuple[Annotated[int, Interval(ge=0, le=192)], ...] = ()
    separator: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2})*$")] = ""
    form: Literal["full", "left-4", "left-4-hex"] = "full"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def flaw(self) -> tuple[str, str] | None:
        """Give key and rule of what does not fit together, if anything does not."""
        if list(self.data_elements) != sorted(set(self.data_elements)):
            return "data_elements", "in ascending order, each once"
        if (self.padding == 0) != self.algorithm.startswith("cmac"):
            return "padding", "1 or 2, and 0 for CMAC"
        if MAC_DATA_ELEMENTS & set(self.covers) or list(self.covers) != sorted(set(self.covers)):
            return "covers", "in ascending order, each once, without 64 and 128"
        if self.separator and not self.covers:
            return "separator", "stands between data elements that covers names"
        return None

    def data_element_for(self, others: Iterable[int]) -> int:
        """Name the data element that holds the MAC of a message with these `others`."""
        if max(others, default=0) > MAC_PRIMARY:
            return self.data_elements[-1]
        return self.data_elements[0]

    def code(self, data: bytes, mac: Mac) -> bytes:
        """Give the 8 bytes of the MAC field over the covered `data`.

        Raises `LocalError` when `mac` gives another number of bytes.
        """
        return self.field(mac(data))

    def field(self, code: bytes) -> bytes:
        """Give the 8 bytes of the MAC field for a full MAC; raises `LocalError` for no 8 bytes."""
        if len(code) != MAC_BYTES:
            raise LocalError("a MAC has 8 bytes")
        if self.form == "full":
            return code
        left = code[:_TRUNCATED_BYTES]
        return left.hex().upper().encode("ascii") if self.form == "left-4-hex" else left + bytes(4)

    def verify(self, data: bytes, mac: Mac, found: bytes) -> None:
        """Check that `found` is the MAC field over the covered `data`; raises `MacMismatch`."""
        code = mac(data)
        if self.form != "full" or len(code) != MAC_BYTES:
            code = self.field(code)
        # Constant time: an early exit would tell a forger how many bytes are right.
        if not hmac.compare_digest(code, found):
            raise MacMismatch("does not belong to this message")
