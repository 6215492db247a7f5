"""Error codes of the HSM: what they mean, and whose fault they are.

The codes are those of the public codec that the reference names (``reference/pin-and-keys.md``
5.2). The same code may mean another thing in another command, so the command is always part of
the question.
"""

from gateway.hsm.pin_protocol import PinRefusal
from gateway.terms.errors import LocalError, Unavailable

NO_ERROR = "00"


class HostError(LocalError):
    """The HSM did not carry out a command, and would not if it were asked again."""

    def __init__(self, command: str, error_code: str) -> None:
        super().__init__(_text(command, error_code))
        self.command = command
        self.error_code = error_code


class HostUnavailable(Unavailable):
    """The HSM cannot carry out a command now; nothing was changed."""

    def __init__(self, command: str, error_code: str) -> None:
        super().__init__(_text(command, error_code))
        self.command = command
        self.error_code = error_code


def is_carried_out(command: str, error_code: str) -> bool:
    """Tell whether a command was carried out, be it with a warning."""
    return error_code == NO_ERROR or (command, error_code) in _WARNINGS


def error_of(command: str, error_code: str) -> HostError | HostUnavailable:
    """Give the error for an error code: the HSM's own trouble, or what we asked for."""
    kind = HostUnavailable if error_code in _TROUBLE else HostError
    return kind(command, error_code)


def pin_refusal(error: HostError) -> PinRefusal | None:
    """Give what an error of a PIN command says about the PIN itself, if it says that."""
    return _PIN_REFUSALS.get((error.command, error.error_code))


def meaning(command: str, error_code: str) -> str:
    """Say what an error code of a command means; a code outside the list is said to be one."""
    own = _OF_COMMAND.get(command, {})
    return own.get(error_code) or _MEANINGS.get(error_code) or "a code that is not documented"


def _text(command: str, error_code: str) -> str:
    # Codes are two letters or digits of the HSM's own list, never something that we sent.
    return f"payment HSM: {command} failed with {error_code}: {meaning(command, error_code)}"


# The key was imported though its parity is not right; the offset was made though the PVK is not
# of single length.
_WARNINGS = frozenset({("A6", "01"), ("BK", "02")})

_PROBES = ("FW", "BK")
_TRANSLATIONS = ("CA", "CC")
_PIN_REFUSALS = {
    # A block that is no PIN block, a PIN shorter or longer than agreed.
    **{(command, code): PinRefusal.FORMAT for command in _PROBES for code in ("20", "24", "81")},
    **{(command, code): PinRefusal.FORMAT for command in _TRANSLATIONS for code in ("20", "24")},
    **{(command, "86"): PinRefusal.TRIVIAL for command in _PROBES},
}

# The HSM's own trouble, or the line's. 13, 17 and the licences are not here: they stay until
# a person does something, and an alarm is better than retries.
_TROUBLE = frozenset({"39", "40", "41", "42", "90", "91", "92"})

_PROBE_MEANINGS = {
    "03": "excluded PIN count is not right",
    "10": "parity of the PIN block key is not right",
    "11": "parity of the PIN verification key is not right",
    "81": "length of the PIN is not that of the excluded PINs",
    "86": "PIN is in the global or the local excluded PIN table",
}
_MAC_MEANINGS = {
    "01": "MAC differs",
    "02": "mode flag is not one that it takes",
    "03": "input format flag is not one that it takes",
    "04": "MAC algorithm is not one that it takes",
    "05": "key type is not one that it takes",
    "06": "message length is not right",
    "09": "padding method is not one that it takes",
    "10": "parity of the MAC key is not right",
}
_OF_COMMAND = {
    "A0": {"10": "parity of the ZMK is not right"},
    "A6": {"01": "parity of the imported key is not right", "10": "parity of the ZMK is not right"},
    "A8": {"10": "parity of the ZMK is not right", "11": "parity of the key is not right"},
    "BU": {"04": "key type code is not one that it takes", "05": "key length flag is not right"},
    "FW": _PROBE_MEANINGS,
    "BK": _PROBE_MEANINGS,
    "M6": _MAC_MEANINGS,
    "M8": _MAC_MEANINGS,
}
_MEANINGS = {
    "01": "verification failed",
    "10": "parity of the source key is not right",
    "11": "parity of the destination key is not right, or it is all zeros",
    "12": "user storage is empty",
    "13": "LMK identifier is not right",
    "14": "PIN under the LMK is not valid",
    "15": "input is not valid: form, characters or amount of data",
    "16": "console or printer is not ready",
    "17": "HSM is not in the authorised state for this",
    "18": "document format is not loaded",
    "19": "Diebold table is not valid",
    "20": "PIN block does not hold valid values",
    "21": "index is out of range",
    "22": "account number is not valid",
    "23": "PIN block format is not valid, or PCI HSM does not allow the translation",
    "24": "PIN is shorter than 4 or longer than 12 digits",
    "25": "decimalisation table is not valid",
    "26": "key scheme is not valid",
    "27": "key length does not fit",
    "28": "key type is not valid",
    "29": "key may not be used for this",
    "30": "reference number is not valid",
    "31": "too few solicitation entries",
    "33": "LMK key change storage is corrupted",
    "39": "HSM suspects fraud",
    "40": "checksum of the firmware is not right",
    "41": "hardware or software of the HSM has failed",
    "42": "DES of the HSM has failed",
    "47": "algorithm is not licensed",
    "49": "private key is not right",
    "51": "message header is not valid",
    "65": "transaction key scheme is none",
    "67": "command is not licensed",
    "68": "command is disabled",
    "69": "PIN block format is disabled",
    "74": "digest information is not valid",
    "75": "single-length key poses as a longer one",
    "76": "length of the public key is not right",
    "77": "clear data block is not right",
    "78": "length of the private key is not right",
    "79": "hash algorithm is not right",
    "80": "amount of data is not what was said",
    "82": "length of the check value is not right",
    "83": "key block has a wrong form",
    "84": "check value of the key block differs",
    "90": "parity of the data received is wrong",
    "91": "longitudinal check of the data received is wrong",
    "92": "count of the data received is wrong",
    "A1": "LMK schemes do not go together",
    "A2": "LMK identifiers do not go together",
    "A3": "LMK identifiers of the key blocks do not go together",
    "A4": "MAC of the key block differs",
    "A5": "key length does not fit",
    "A6": "key usage of the key block does not fit",
    "A7": "algorithm of the key block does not fit",
    "A8": "mode of use of the key block does not fit",
    "A9": "key version number is not right",
    "AA": "exportability is not right",
    "AB": "number of optional blocks is not right",
    "AC": "optional block is not right",
    "AD": "key status block is not right",
    "AE": "start date is not right",
    "AF": "end date is not right",
    "B0": "encryption mode is not right",
    "B1": "authentication mode is not right",
    "B2": "key block is not right",
    "B3": "number of optional blocks is not right",
    "B4": "data of an optional block are not right",
    "B5": "components do not go together",
    "B6": "key status blocks do not go together",
    "B7": "change field is not right",
    "B8": "old value is not right",
    "B9": "new value is not right",
    "BA": "key block has no key status block",
    "BB": "wrapping key is not right",
    "BC": "optional block occurs twice",
    "BD": "key types do not go together",
}
