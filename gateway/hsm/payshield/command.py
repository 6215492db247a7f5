"""What every host command is: a code, fields to send, and an answer to read."""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

A = TypeVar("A")


class HostCommand(ABC, Generic[A]):
    """A request with its fields as typed values; `A` is what its answer is read as."""

    __slots__ = ()

    code: ClassVar[str]

    @abstractmethod
    def pack(self) -> bytes:
        """Write the fields; raises `FieldError`."""

    def pack_after_lmk(self) -> bytes:
        """Write the fields that stand after the identifier of the LMK; most commands have none."""
        return b""

    @abstractmethod
    def unpack(self, error_code: str, fields: bytes) -> A:
        """Read the fields of an answer; raises `BrokenMessage`.

        `error_code` is 00, or that of a warning.
        """
