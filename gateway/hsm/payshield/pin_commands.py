"""PIN commands: translation (CA, CC), and FW and BK as probes for weak PINs.

Neither CA nor CC looks at the excluded PIN tables; FW and BK do, and answer 86
(``reference/pin-and-keys.md`` 5.3). What FW and BK are meant to give, a PVV or an offset, says
something about the PIN: it is checked for its form and thrown away.
"""

from dataclasses import dataclass
from typing import ClassVar

from gateway.hsm.payshield.command import HostCommand
from gateway.hsm.payshield.fields import AnswerReader, FieldError, digits, of_form
from gateway.hsm.payshield.framing import BrokenMessage
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.pinblock.formats import PIN_DIGITS_MAX, PIN_DIGITS_MIN, PinBlockFormat

EXCLUDED_MAX = 99  # two digits of count

# 34, format 2, is not here: it may not be translated (PCI PIN 3.1, requirement 3-3).
FORMAT_CODES = {
    PinBlockFormat.ISO_0: "01",
    PinBlockFormat.ISO_1: "05",
    PinBlockFormat.ISO_3: "47",
    PinBlockFormat.ISO_4: "48",
}
_ACCOUNT_DIGITS = 12
_WHOLE_ACCOUNT = r"[0-9]{12,19}"
_PIN_LENGTH_MAX = "12"


def format_code(format_: PinBlockFormat) -> str:
    """Give the HSM's code of a format; raises `FieldError` for one that it does not have."""
    if format_ not in FORMAT_CODES:
        raise FieldError(f"payment HSM: PIN block format {format_} is not one that it has")
    return FORMAT_CODES[format_]


def account_field(account: str, *formats: PinBlockFormat) -> str:
    """Write the account number: the 12 rightmost digits without check digit.

    Where no format binds an account the field is there all the same, as zeros. With format 4 it
    is the whole number and a semicolon, which is general knowledge, not in the reference.
    """
    if not account:
        return "0" * _ACCOUNT_DIGITS
    if PinBlockFormat.ISO_4 in formats:
        return of_form("account", account, _WHOLE_ACCOUNT) + ";"
    return digits("account", account[-13:-1], _ACCOUNT_DIGITS)


def block_field(format_: PinBlockFormat, block: bytes) -> str:
    """Write a PIN block in hexadecimal; raises `FieldError` when it has not the format's size."""
    if len(block) != format_.block_bytes:
        raise FieldError("payment HSM: PIN block has not the size of its format")
    return block.hex().upper()


@dataclass(frozen=True, slots=True, repr=False)
class EncipheredBlock:
    """A PIN block that a channel sent: under which key, in which format, for which account."""

    key: HostKey
    role: KeyRole
    format: PinBlockFormat
    block: bytes
    account: str


@dataclass(frozen=True, slots=True, repr=False)
class TranslatedPin:
    """The PIN block under the destination key, and how many digits the PIN has."""

    block: bytes
    pin_digits: int


@dataclass(frozen=True, slots=True, repr=False)
class TranslatePin(HostCommand[TranslatedPin]):
    """CC: translate a PIN from one ZPK to another.

    Fields: source key, destination key, maximum PIN length 2n, source block, source format 2n,
    destination format 2n, account. Answer CD: PIN length 2n, block, format 2n.
    """

    source: EncipheredBlock
    key: HostKey
    format: PinBlockFormat

    code: ClassVar[str] = "CC"

    def pack(self) -> bytes:
        """Write the fields; raises `FieldError`."""
        source = self.source
        return "".join(
            (
                source.key.token,
                self.key.token,
                _PIN_LENGTH_MAX,
                block_field(source.format, source.block),
                format_code(source.format),
                format_code(self.format),
                account_field(source.account, source.format, self.format),
            )
        ).encode("ascii")

    def unpack(self, error_code: str, fields: bytes) -> TranslatedPin:
        """Read the answer; raises `BrokenMessage` also for a block of another format."""
        del error_code
        answer = AnswerReader(fields)
        pin_digits = int(answer.digits("PIN length", 2))
        block = answer.hexadecimal("PIN block", 2 * self.format.block_bytes)
        code = answer.digits("PIN block format", 2)
        answer.end()
        if code != format_code(self.format) or not PIN_DIGITS_MIN <= pin_digits <= PIN_DIGITS_MAX:
            raise BrokenMessage("payment HSM: translated block is not of the format asked for")
        return TranslatedPin(bytes.fromhex(block), pin_digits)


@dataclass(frozen=True, slots=True, repr=False)
class TranslateTerminalPin(TranslatePin):
    """CA: translate a PIN from a terminal's key (TPK) to a ZPK; fields and answer (CB) as CC."""

    code: ClassVar[str] = "CA"


@dataclass(frozen=True, slots=True, repr=False)
class ExcludedPins:
    """The local excluded PIN table: `*`, count 2n, length 2n, PINs one after the other."""

    pins: tuple[str, ...]

    def pack(self) -> str:
        """Write the table, or nothing without PINs; raises `FieldError`."""
        if not self.pins:
            return ""
        length = len(self.pins[0])
        if len(self.pins) > EXCLUDED_MAX or not PIN_DIGITS_MIN <= length <= PIN_DIGITS_MAX:
            raise FieldError("payment HSM: excluded PINs must be at most 99, of 4 to 12 digits")
        table = "".join(digits("excluded PIN", pin, length) for pin in self.pins)
        return f"*{len(self.pins):02d}{length:02d}{table}"


@dataclass(frozen=True, slots=True, repr=False)
class ProbeByPvv(HostCommand[None]):
    """FW: generate a PVV of a customer-selected PIN.

    Fields: key type 3, key, PVK pair, block, format 2n, account, PVKI 1n, excluded PIN table.
    Answer FX: PVV 4n, which is not kept.
    """

    source: EncipheredBlock
    pvk: HostKey
    excluded: ExcludedPins
    pvki: str = "1"

    code: ClassVar[str] = "FW"

    def pack(self) -> bytes:
        """Write the fields; raises `FieldError`."""
        fields = f"{_probed(self.source, self.pvk)}{_account(self.source)}"
        return f"{fields}{digits('PVKI', self.pvki, 1)}{self.excluded.pack()}".encode("ascii")

    def unpack(self, error_code: str, fields: bytes) -> None:
        """Make sure that it is an answer; raises `BrokenMessage`."""
        del error_code
        answer = AnswerReader(fields)
        answer.digits("PVV", 4)
        answer.end()


@dataclass(frozen=True, slots=True, repr=False)
class ProbeByOffset(HostCommand[None]):
    """BK: generate an IBM offset of a customer-selected PIN.

    Fields: key type 3, key, PVK, block, format 2n, check length 2n, account 12n, decimalisation
    table 16, PIN validation data 12, excluded PIN table. Answer BL: offset 12, which is not kept.
    """

    source: EncipheredBlock
    pvk: HostKey
    excluded: ExcludedPins
    check_length: int
    decimalisation_table: str
    validation_data: str

    code: ClassVar[str] = "BK"

    def pack(self) -> bytes:
        """Write the fields; raises `FieldError`."""
        return "".join(
            (
                _probed(self.source, self.pvk),
                digits("check length", f"{self.check_length:02d}", 2),
                # This field has 12 digits whatever the format.
                account_field(self.source.account),
                of_form("decimalisation table", self.decimalisation_table, r"[0-9A-F]{16}"),
                of_form("PIN validation data", self.validation_data, r"[0-9A-FN]{12}"),
                self.excluded.pack(),
            )
        ).encode("ascii")

    def unpack(self, error_code: str, fields: bytes) -> None:
        """Make sure that it is an answer; raises `BrokenMessage`."""
        del error_code
        answer = AnswerReader(fields)
        answer.hexadecimal("offset", 12)
        answer.end()


def _probed(source: EncipheredBlock, pvk: HostKey) -> str:
    key = f"{source.key.type_code(source.role)}{source.key.token}{pvk.token}"
    return f"{key}{block_field(source.format, source.block)}{format_code(source.format)}"


def _account(source: EncipheredBlock) -> str:
    return account_field(source.account, source.format)
