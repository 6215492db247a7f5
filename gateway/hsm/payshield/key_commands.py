"""Key commands: generate (A0), import (A6), export (A8), check value (BU).

No key is ever clear: it is under the HSM's LMK, or under a zone master key (ZMK) that is itself
under the LMK.
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.hsm.payshield.command import HostCommand
from gateway.hsm.payshield.fields import AnswerReader, of_form
from gateway.hsm.payshield.framing import BrokenMessage
from gateway.hsm.payshield.keys import HostKey, KeyRole, KeyScheme

_CHECK_VALUE_DIGITS = 6
_KEY_BLOCK_TYPE = "FFF"
PARITY_WARNING = "01"


@dataclass(frozen=True, slots=True)
class KeyBlockUse:
    """What a generated key is for, in its key block.

    `algorithm` is letter and length as the command has them, T2 for double-length TDES.
    """

    usage: str
    algorithm: str
    mode: str
    key_version: str = "00"
    exportability: str = "N"

    def pack(self) -> str:
        """Write `#`, usage 2, algorithm 2, mode 1, version 2, exportability 1, no blocks 2."""
        use = f"{self.usage}{self.algorithm}{self.mode}{self.key_version}{self.exportability}"
        form = r"[0-9A-Z]{2}[A-Z][0-9][A-Z][0-9A-Za-z]{2}[ENS]"
        return f"#{of_form('use of the key', use, form)}00"


@dataclass(frozen=True, slots=True, repr=False)
class ExportUnder:
    """The ZMK under which a key is to be given out, and the scheme."""

    zmk: HostKey
    scheme: KeyScheme


@dataclass(frozen=True, slots=True, repr=False)
class GeneratedKey:
    """A key under the LMK, under a ZMK where that was asked for, and its check value."""

    key: HostKey
    exported: HostKey | None
    check_value: str


@dataclass(frozen=True, slots=True, repr=False)
class GenerateKey(HostCommand[GeneratedKey]):
    """A0: mode 1, key type 3, LMK scheme 1, [`;0` ZMK, scheme 1], [LMK, use of the key].

    A key under a key-block LMK has a `use`, one under a variant LMK a `role`. Answer A1: key,
    [key under the ZMK], check value 6h.
    """

    scheme: KeyScheme
    role: KeyRole
    use: KeyBlockUse | None = None
    export: ExportUnder | None = None

    code: ClassVar[str] = "A0"

    def pack(self) -> bytes:
        """Write the fields that stand before the LMK identifier."""
        mode = "1" if self.export else "0"
        key_type = _KEY_BLOCK_TYPE if self.use else self.role.value
        fields = f"{mode}{key_type}{self.scheme.value}"
        if self.export:
            fields += f";0{self.export.zmk.token}{self.export.scheme.value}"
        return fields.encode("ascii")

    def pack_after_lmk(self) -> bytes:
        """Write the fields that stand after the LMK identifier; raises `FieldError`."""
        return self.use.pack().encode("ascii") if self.use else b""

    def unpack(self, error_code: str, fields: bytes) -> GeneratedKey:
        """Read the answer; raises `BrokenMessage`."""
        del error_code
        answer = AnswerReader(fields)
        key = answer.key("key")
        exported = answer.key("key under the ZMK") if self.export else None
        return GeneratedKey(key, exported, _check_value(answer))


@dataclass(frozen=True, slots=True, repr=False)
class ImportedKey:
    """A key under the LMK and its check value; `parity_is_right` is advice only."""

    key: HostKey
    check_value: str
    parity_is_right: bool


@dataclass(frozen=True, slots=True, repr=False)
class ImportKey(HostCommand[ImportedKey]):
    """A6: key type 3, ZMK, key under the ZMK, LMK scheme 1. Answer A7: key, check value 6h."""

    role: KeyRole
    zmk: HostKey
    key: HostKey
    scheme: KeyScheme

    code: ClassVar[str] = "A6"

    def pack(self) -> bytes:
        """Write the fields."""
        # The scheme of the result says which kind of LMK this is.
        under_key_block = self.scheme is KeyScheme.KEY_BLOCK
        key_type = _KEY_BLOCK_TYPE if under_key_block else self.role.value
        return f"{key_type}{self.zmk.token}{self.key.token}{self.scheme.value}".encode("ascii")

    def unpack(self, error_code: str, fields: bytes) -> ImportedKey:
        """Read the answer; raises `BrokenMessage`."""
        answer = AnswerReader(fields)
        key = answer.key("key")
        return ImportedKey(key, _check_value(answer), error_code != PARITY_WARNING)


@dataclass(frozen=True, slots=True, repr=False)
class ExportedKey:
    """A key under a ZMK and its check value."""

    key: HostKey
    check_value: str


@dataclass(frozen=True, slots=True, repr=False)
class ExportKey(HostCommand[ExportedKey]):
    """A8: key type 3, ZMK, key, scheme 1. Answer A9: key under the ZMK, check value 6h."""

    role: KeyRole
    key: HostKey
    under: ExportUnder

    code: ClassVar[str] = "A8"

    def pack(self) -> bytes:
        """Write the fields."""
        key = f"{self.key.type_code(self.role)}{self.under.zmk.token}{self.key.token}"
        return f"{key}{self.under.scheme.value}".encode("ascii")

    def unpack(self, error_code: str, fields: bytes) -> ExportedKey:
        """Read the answer; raises `BrokenMessage`."""
        del error_code
        answer = AnswerReader(fields)
        key = answer.key("key under the ZMK")
        if key.token[0] != self.under.scheme.value:
            raise BrokenMessage("payment HSM: exported key is not of the scheme asked for")
        return ExportedKey(key, _check_value(answer))


@dataclass(frozen=True, slots=True, repr=False)
class CheckKey(HostCommand[str]):
    """BU: key type code FF, length flag 1, key, `;` key type 3, `;` reserved 00, value type 1.

    Answer BV: check value of 6 digits, which is type 1; public examples of it with 16 exist, so
    that more digits than 6 are taken and cut.
    """

    role: KeyRole
    key: HostKey

    code: ClassVar[str] = "BU"

    def pack(self) -> bytes:
        """Write the fields."""
        key = f"FF{self.key.length_flag}{self.key.token};{self.key.type_code(self.role)}"
        return f"{key};001".encode("ascii")

    def unpack(self, error_code: str, fields: bytes) -> str:
        """Give the check value; raises `BrokenMessage`."""
        del error_code
        answer = AnswerReader(fields)
        return answer.rest("check value", r"[0-9A-F]{6}([0-9A-F]{10})?")[:_CHECK_VALUE_DIGITS]


def _check_value(answer: AnswerReader) -> str:
    """Take the check value, which is the last field."""
    value = answer.hexadecimal("check value", _CHECK_VALUE_DIGITS)
    answer.end()
    return value
