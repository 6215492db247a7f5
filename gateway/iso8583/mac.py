"""The message authentication code: where it stands and whether it is right. No ciphers here."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

from annotated_types import Len
from pydantic import ConfigDict

from gateway.iso8583.errors import MacMismatch
from gateway.terms.errors import LocalError

MAC_BYTES = 8  # DE 64 and DE 128 are b 64 (ISO 8583:1987)
MAC_DATA_ELEMENTS = frozenset({64, 128})
_PRIMARY_LAST = 64


class Mac(Protocol):
    """A MAC under one key: any number of bytes in, 8 bytes out."""

    def __call__(self, data: bytes, /) -> bytes:
        """Compute the MAC of `data`."""


@dataclass(frozen=True, slots=True)
class MacRule:
    """The MAC of a dialect: algorithm and padding of ISO/IEC 9797-1, and its data elements.

    Two data elements mean: the last one of the last bitmap present (ISO 8583:1987, 64 or 128).
    The MAC covers every byte of the message before itself, MTI and bitmap included.
    """

    algorithm: Literal["iso-9797-1-algorithm-3"]
    padding: Literal[1, 2]
    data_elements: Annotated[tuple[Literal[64, 128], ...], Len(1, 2)]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def data_element_for(self, others: Iterable[int]) -> int:
        """Name the data element that holds the MAC of a message with these `others`."""
        if max(others, default=0) > _PRIMARY_LAST:
            return self.data_elements[-1]
        return self.data_elements[0]


def mac_of(data: bytes, mac: Mac) -> bytes:
    """Compute 8 bytes; raises `LocalError` when `mac` gives another number of them."""
    code = mac(data)
    if len(code) != MAC_BYTES:
        raise LocalError("a MAC has 8 bytes")
    return code


def verify(data: bytes, mac: Mac) -> None:
    """Check that the last 8 bytes of `data` are the MAC of those before; raises `MacMismatch`."""
    # Constant time: an early exit would tell a forger how many bytes are right.
    if not hmac.compare_digest(mac_of(data[:-MAC_BYTES], mac), data[-MAC_BYTES:]):
        raise MacMismatch("does not belong to this message")
