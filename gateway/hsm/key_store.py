"""The key store of one side: a directory that only its security module reads.

::

    master.key   the key block protection key, 64 hexadecimal digits, mode 0600
    keys.toml    side, stage and zones, with every key as an X9.143 key block
    data.key     the data key of the gateway process (`gateway.hsm.data_key`), not read here

Side, stage, purpose and, for a PIN key, the zone's format and account rule stand in the label of
each key block, under its MAC. So a key of the other side, of a test store, of another zone or
for another purpose is refused although it unwraps, and a zone's format cannot be edited alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from joserfc.jwk import ECKey

from gateway.hsm.ciphers import KeptCipher, cipher_of
from gateway.hsm.key_block import ALGORITHM_LETTER, Header, KeyBlockError, KeyUse, unwrap
from gateway.hsm.private_files import read_private
from gateway.pinblock.zone import Algorithm, Zone, parse_zone
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import PinPurpose, Side
from gateway.terms.specification import parse_toml

MASTER_KEY_FILE = "master.key"
KEYS_FILE = "keys.toml"
MASTER_KEY_BYTES = 32

# X9.143 usages: retail MAC key, both ways; asymmetric key agreement, derivation only.
MAC_KEY_USE = KeyUse("M3", "T", "C")
ENVELOPE_KEY_USE = KeyUse("K3", "E", "X")


class Stage(StrEnum):
    """Whether a store's keys may be known to others."""

    TEST = "test"
    LIVE = "live"

    @property
    def exportability(self) -> str:
        """Exportability that each key block of the store must have."""
        # Test keys are given to the simulators in clear; live keys never leave.
        return "E" if self is Stage.TEST else "N"


def pin_key_use(algorithm: Algorithm) -> KeyUse:
    """Say what the key block of an outgoing zone's PIN key must say: encipher only."""
    return KeyUse("P0", ALGORITHM_LETTER[algorithm], "E")


@dataclass(frozen=True, slots=True)
class Labels:
    """Writes the labels of one side's and stage's key blocks."""

    side: Side
    stage: Stage

    def pin(self, zone: Zone) -> str:
        """Label of a zone's PIN key."""
        return self._join("pin", zone.name, zone.format, zone.account)

    def mac(self, zone_name: str) -> str:
        """Label of a zone's MAC key."""
        return self._join("mac", zone_name)

    def envelope(self, purpose: PinPurpose, not_after: date) -> str:
        """Label of the key to which customers' browsers encipher PINs of a purpose."""
        return self._join("envelope", purpose, not_after.isoformat())

    def _join(self, *parts: str) -> str:
        return "/".join((self.side, self.stage, *parts))


@dataclass(frozen=True, slots=True)
class EnvelopeKey:
    """The private key for envelopes of one purpose.

    `public_jwk` is its public half as a JSON Web Key (RFC 7517), `kid` the RFC 7638 thumbprint.
    """

    purpose: PinPurpose
    not_after: date
    private_key: EllipticCurvePrivateKey = field(repr=False)
    public_jwk: dict[str, str]

    @classmethod
    def of(cls, purpose: PinPurpose, not_after: date, private_key: EllipticCurvePrivateKey) -> Self:
        """Build from the private key alone."""
        public = ECKey.import_key(private_key.public_key())
        members = public.as_dict(private=False)
        jwk = {name: str(members[name]) for name in ("kty", "crv", "x", "y")}
        jwk |= {"kid": public.thumbprint(), "use": "enc", "alg": "ECDH-ES"}
        return cls(purpose, not_after, private_key, jwk)

    @property
    def kid(self) -> str:
        """The key's id."""
        return self.public_jwk["kid"]


@dataclass(frozen=True, slots=True)
class _ZoneKeys:
    zone: Zone
    pin_header: Header
    mac_header: Header
    pin_cipher: KeptCipher = field(repr=False)
    mac_key: bytes = field(repr=False)


class KeyStore:
    """The unwrapped keys of a side; each is given out for its one purpose only."""

    def __init__(
        self, labels: Labels, zones: Mapping[str, _ZoneKeys], envelopes: Mapping[str, EnvelopeKey]
    ) -> None:
        self._labels = labels
        self._zones = zones
        self._envelopes = envelopes

    @property
    def side(self) -> Side:
        """The side whose keys these are."""
        return self._labels.side

    @property
    def stage(self) -> Stage:
        """Whether these are test keys."""
        return self._labels.stage

    @property
    def zone_names(self) -> tuple[str, ...]:
        """The zones with keys here."""
        return tuple(self._zones)

    @property
    def envelope_keys(self) -> tuple[EnvelopeKey, ...]:
        """The current envelope key of each purpose of this side."""
        return tuple(self._envelopes.values())

    def envelope_key(self, purpose: PinPurpose) -> EnvelopeKey | None:
        """Give the current envelope key of a purpose; `None` when this side has no such PIN."""
        return self._envelopes.get(purpose)

    def pin_cipher(self, zone_name: str) -> tuple[Zone, KeptCipher]:
        """Give a zone and its PIN key; raises `LocalError` for an unknown zone."""
        keys = self._of(zone_name)
        zone = keys.zone
        keys.pin_header.require(
            pin_key_use(zone.algorithm), self.stage.exportability, self._labels.pin(zone)
        )
        return zone, keys.pin_cipher

    def mac_key(self, zone_name: str) -> bytes:
        """Give a zone's MAC key, 16 bytes; raises `LocalError` for an unknown zone."""
        keys = self._of(zone_name)
        keys.mac_header.require(MAC_KEY_USE, self.stage.exportability, self._labels.mac(zone_name))
        return keys.mac_key

    def _of(self, zone_name: str) -> _ZoneKeys:
        keys = self._zones.get(zone_name)
        if keys is None:
            raise LocalError("no such zone in this key store")
        return keys


def open_store(directory: Path, side: Side) -> KeyStore:
    """Open the store of a side and check every key in it.

    Raises `SpecificationError` naming file, key and rule: wrong permissions, a missing file, a
    key of the other side or for another purpose.
    """
    master = read_master_key(directory / MASTER_KEY_FILE)
    file = directory / KEYS_FILE
    document = parse_toml(read_private(file), str(file))
    return _Reader(master, str(file)).store(document, side)


def read_master_key(file: Path) -> bytes:
    """Read a key block protection key; raises `SpecificationError`."""
    text = read_private(file).strip()
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * MASTER_KEY_BYTES}}}", text):
        raise SpecificationError(str(file), "", "must be 64 hexadecimal digits")
    return bytes.fromhex(text)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Unwraps the keys of one file under one master key."""

    master: bytes = field(repr=False)
    file: str

    def store(self, document: Mapping[str, Any], side: Side) -> KeyStore:
        if document.get("side") != side.value:
            raise SpecificationError(self.file, "side", f"must be {side.value}, as asked for")
        try:
            stage = Stage(document.get("stage", ""))
        except ValueError:
            raise SpecificationError(self.file, "stage", "must be test or live") from None
        labels = Labels(side, stage)
        zones = {
            name: self._zone_keys(name, table, labels)
            for name, table in self._table(document, "zones").items()
        }
        envelopes = {
            purpose: self._envelope_key(PinPurpose(purpose), block, labels)
            for purpose, block in self._table(document, "envelopes").items()
            if self._check_purpose(purpose, side)
        }
        return KeyStore(labels, zones, envelopes)

    def _table(self, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = document.get(name, {})
        if not isinstance(table, dict):
            raise SpecificationError(self.file, name, "must be a table")
        return table

    def _zone_keys(self, name: str, table: Mapping[str, Any], labels: Labels) -> _ZoneKeys:
        place = f"zones.{name}"
        if not isinstance(table, dict):
            raise SpecificationError(self.file, place, "must be a table")
        declared = {key: table[key] for key in table.keys() - {"pin_key", "mac_key"}}
        zone = parse_zone({"name": name} | declared, f"{self.file}: {place}")
        pin_header, pin_key = self._unwrap(table.get("pin_key"), f"{place}.pin_key")
        mac_header, mac_key = self._unwrap(table.get("mac_key"), f"{place}.mac_key")
        self._require(
            pin_header,
            (pin_key_use(zone.algorithm), labels.stage.exportability, labels.pin(zone)),
            f"{place}.pin_key",
        )
        self._require(
            mac_header,
            (MAC_KEY_USE, labels.stage.exportability, labels.mac(name)),
            f"{place}.mac_key",
        )
        if pin_key == mac_key:
            raise SpecificationError(self.file, place, "PIN key and MAC key must differ")
        return _ZoneKeys(zone, pin_header, mac_header, cipher_of(zone.algorithm, pin_key), mac_key)

    def _check_purpose(self, purpose: str, side: Side) -> bool:
        if purpose not in {known.value for known in PinPurpose if known.side is side}:
            raise SpecificationError(
                self.file, f"envelopes.{purpose}", f"is no PIN purpose of side {side.value}"
            )
        return True

    def _envelope_key(self, purpose: PinPurpose, block: object, labels: Labels) -> EnvelopeKey:
        place = f"envelopes.{purpose}"
        header, scalar = self._unwrap(block, place)
        try:
            not_after = date.fromisoformat(header.label.rpartition("/")[2])
        except ValueError:
            raise SpecificationError(self.file, place, "label must end in a date") from None
        self._require(
            header,
            (ENVELOPE_KEY_USE, labels.stage.exportability, labels.envelope(purpose, not_after)),
            place,
        )
        private_key = derive_private_key(int.from_bytes(scalar), SECP256R1())
        return EnvelopeKey.of(purpose, not_after, private_key)

    def _unwrap(self, block: object, place: str) -> tuple[Header, bytes]:
        if not isinstance(block, str):
            raise SpecificationError(self.file, place, "must be a key block")
        try:
            return unwrap(self.master, block)
        except KeyBlockError as error:
            raise SpecificationError(self.file, place, str(error)) from None

    def _require(self, header: Header, expected: tuple[KeyUse, str, str], place: str) -> None:
        try:
            header.require(*expected)
        except KeyBlockError as error:
            raise SpecificationError(self.file, place, str(error)) from None
