"""A key change by network management, DE 70 = 101 (``reference/domain.md`` 4.3).

The far side sends a new key in an 0800, enciphered under the zone's key encipherment key: DE 53
says which key it is for, DE 48 carries it under ``NK`` and its check value under ``KV``. We ask
for one by an 0820. The 0810 to a new MAC key carries the new key's MAC.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.iso8583 import private_data
from gateway.iso8583.errors import MalformedMessage, RefusedMessage
from gateway.iso8583.message import Message

KEY_CHANGE = "key-change"
KEY_REQUEST = "key-request"
NEW_KEY = "NK"
CHECK_VALUE = "KV"
# What was sent under the old MAC key arrives within an answer's time and its repeats (60 s); the
# double of it covers a far side that changes over a little later.
PREVIOUS_MAC_KEY_SECONDS = 120.0
_DOUBLE_LENGTH = "6"  # second digit of DE 53; single DES keys (0, in DE 96) are not taken
_REST = "0" * 14


class ChangedKey(StrEnum):
    """Which key of the zone is changed: first digit of DE 53."""

    PIN = "1"
    MAC = "2"

    @property
    def security_control(self) -> str:
        """DE 53 of a key change, or of the request for one."""
        return self.value + _DOUBLE_LENGTH + _REST


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A new key as it came: enciphered, with its check value where one was sent."""

    key: ChangedKey
    enciphered: bytes = field(repr=False)
    check_value: str


def read_key_change(request: Message) -> KeyChange:
    """Read an 0800 that brings a key; raises `RefusedMessage`."""
    key = read_changed_key(request)
    try:
        subfields = private_data.unpack(request.text(48))
        enciphered = bytes.fromhex(subfields[NEW_KEY])
    except (KeyError, MalformedMessage, ValueError):
        raise RefusedMessage("DE 48 NK", "not an enciphered key") from None
    return KeyChange(key, enciphered, subfields.get(CHECK_VALUE, ""))


def read_changed_key(request: Message) -> ChangedKey:
    """Read which key DE 53 means; raises `RefusedMessage`."""
    for key in ChangedKey:
        if request.text(53) == key.security_control:
            return key
    raise RefusedMessage("DE 53", "1 or 2 for PIN or MAC key, 6 for double length, zeros")
