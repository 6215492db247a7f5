"""What a store's keys are for: purpose, use and label of each, as its key block must say them.

A slot is one place for a key: a zone and a purpose, or a PIN's envelopes. Side, stage, purpose
and, for a PIN key, the zone's format and account rule stand in the label of the key block, under
its MAC (X9.143 optional block ``LB``). So a key of the other side, of a test store, of another
zone or for another purpose is refused although it unwraps.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from gateway.hsm.key_block import ALGORITHM_LETTER, KeyUse
from gateway.pinblock.zone import Algorithm, Zone
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose, Side


class Stage(StrEnum):
    """Whether a store's keys may be known to others."""

    TEST = "test"
    LIVE = "live"

    @property
    def exportability(self) -> str:
        """Exportability that each key in use must have."""
        # Test keys are given to the simulators in clear; live keys in use never leave.
        return "E" if self is Stage.TEST else "N"


class KeyPurpose(StrEnum):
    """What a key may be used for; one key has one."""

    PIN = "pin"  # enciphers PIN blocks for the far side
    CHANNEL_PIN = "pin-in"  # deciphers PIN blocks of a channel that has PIN pads
    MAC = "mac"  # both ways of a link
    KEK = "kek"  # deciphers keys that the far side sends by 0800 ("ZMK")
    KBPK = "kbpk"  # protects key blocks on the way to and from the far side
    ENVELOPE = "envelope"  # opens customers' envelopes


class Slot(NamedTuple):
    """A place for a key: `zone` is a zone's name or, for envelopes, the PIN that they hold."""

    zone: str
    purpose: KeyPurpose

    def __str__(self) -> str:
        return f"{self.zone}/{self.purpose}"


# X9.143 usages: P0 PIN encipherment, M1, M3 and M6 ISO/IEC 9797-1 MAC algorithms 1 and 3 and CMAC,
# K0 key encipherment, K1 key block protection, K3 asymmetric key agreement. Modes: E encipher,
# D decipher, C MAC both ways, B both, X derive.
ENVELOPE_KEY_USE = KeyUse("K3", "E", "X")
_USAGE_AND_MODE = {
    KeyPurpose.PIN: ("P0", "E"),
    KeyPurpose.CHANNEL_PIN: ("P0", "D"),
    KeyPurpose.KEK: ("K0", "D"),
    KeyPurpose.KBPK: ("K1", "B"),
}
# What links have under each cipher: the retail MAC, CMAC, CBC-MAC (`gateway.hsm.mac`).
_MAC_USAGE = {Algorithm.TDES: "M3", Algorithm.AES: "M6", Algorithm.SM4: "M1"}
# A key sent by 0800 is enciphered block by block, as only TDES and SM4 links have it; AES keys
# travel in key blocks, of which X9.143 has no version under SM4.
_ALGORITHMS = {
    KeyPurpose.KEK: (Algorithm.TDES, Algorithm.SM4),
    KeyPurpose.KBPK: (Algorithm.AES, Algorithm.TDES),
}


def algorithms_of(purpose: KeyPurpose, zone: Zone) -> tuple[Algorithm, ...]:
    """Say which ciphers a key of a zone may be for, the usual one first."""
    match purpose:
        case KeyPurpose.PIN | KeyPurpose.CHANNEL_PIN:
            return (zone.algorithm,)
        case KeyPurpose.MAC:
            # A link's MAC may be by another cipher than its PIN blocks: its dialect says by which.
            others = (cipher for cipher in Algorithm if cipher is not zone.algorithm)
            return (zone.algorithm, *others)
        case KeyPurpose.KEK | KeyPurpose.KBPK:
            return _ALGORITHMS[purpose]
        case KeyPurpose.ENVELOPE:
            raise LocalError("envelope keys belong to a PIN, not to a zone")


def key_use(purpose: KeyPurpose, algorithm: Algorithm) -> KeyUse:
    """Say what the key block of a zone's key must say."""
    if purpose is KeyPurpose.MAC:
        return KeyUse(_MAC_USAGE[algorithm], ALGORITHM_LETTER[algorithm], "C")
    usage, mode = _USAGE_AND_MODE[purpose]
    return KeyUse(usage, ALGORITHM_LETTER[algorithm], mode)


@dataclass(frozen=True, slots=True)
class Labels:
    """Writes the labels of one side's and stage's key blocks."""

    side: Side
    stage: Stage

    def zone_key(self, purpose: KeyPurpose, zone: Zone) -> str:
        """Label of a zone's key; a PIN key is bound to the zone's format and account rule."""
        if purpose in {KeyPurpose.PIN, KeyPurpose.CHANNEL_PIN}:
            return self._join(purpose, zone.name, zone.format, zone.account)
        return self._join(purpose, zone.name)

    def envelope(self, purpose: PinPurpose, not_after: date) -> str:
        """Label of the key to which customers' browsers encipher PINs of a purpose."""
        return self._join(KeyPurpose.ENVELOPE, purpose, not_after.isoformat())

    def _join(self, *parts: str) -> str:
        return "/".join((self.side, self.stage, *parts))
