"""The key store of one side: a directory that only its security module reads.

::

    master.key   the key block protection key, or a systemd credential in its place
    keys.toml    side, stage, zones and keys, sealed under the master key (`key_ledger`)
    audit.log    what was done to it, by whom, chained by hashes (`audit`)
    data.key     the data key of the gateway process (`data_key`), not read here

Every key is an X9.143 key block under the master key, and is asked at every use whether it is for
that use: usage, algorithm, mode of use, exportability, version and the label of side and purpose.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from joserfc.jwk import ECKey

from gateway.hsm.audit import AUDIT_FILE, DONE, AuditLine, read_audit
from gateway.hsm.ciphers import KeptCipher, cipher_of
from gateway.hsm.key_block import Header, KeyBlockError, KeyUse, check_value, unwrap
from gateway.hsm.key_ledger import KeyRecord, KeyState, Ledger, read_ledger
from gateway.hsm.key_purpose import (
    ENVELOPE_KEY_USE,
    KeyPurpose,
    Labels,
    Slot,
    Stage,
    algorithms_of,
    key_use,
)
from gateway.hsm.master_key import read_master_key
from gateway.hsm.private_files import locked, read_private
from gateway.pinblock.encipherer import Encipher, encipherer
from gateway.pinblock.translator import Translate, translator
from gateway.pinblock.zone import Algorithm, Zone
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import PinPurpose, Side

KEYS_FILE = "keys.toml"
DAY_SECONDS = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


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

    def is_over(self, now: float) -> bool:
        """Tell whether its last day, in UTC, is past; `now` in seconds since the epoch."""
        return now // DAY_SECONDS > self.not_after.toordinal() - _EPOCH_ORDINAL


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that was unwrapped, with what its key block says of it."""

    record: KeyRecord
    header: Header
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the key block of a key must say for its place in a store."""

    use: KeyUse
    exportability: str
    label: str
    key_version: str

    def require(self, header: Header) -> None:
        """Raise `KeyBlockError` unless a key block says all this."""
        header.require(self.use, self.exportability, self.label)
        if header.key_version != self.key_version:
            raise KeyBlockError("key is of another version than the store says")


@dataclass(frozen=True, slots=True)
class PinKey:
    """A zone and its PIN key, ready for use."""

    zone: Zone
    cipher: KeptCipher = field(repr=False)
    encipher: Encipher = field(repr=False)
    security_control: str
    held: HeldKey = field(repr=False)
    expected: Expected = field(repr=False)


class KeyStore:
    """The unwrapped keys of a side; each is given out for its one purpose only."""

    def __init__(self, ledger: Ledger, keys: tuple[HeldKey, ...]) -> None:
        self._labels = Labels(ledger.side, ledger.stage)
        self._ledger = ledger
        self._zones = {zone.name: zone for zone in ledger.zones}
        self._held = {(held.record.slot, held.record.state): held for held in keys}
        self._pins = {
            tuple(held.record.slot): self._pin_key(held)
            for held in self._in(KeyState.CURRENT)
            if held.record.purpose in {KeyPurpose.PIN, KeyPurpose.CHANNEL_PIN}
        }
        self._translators: dict[tuple[str, str], Translate] = {}  # as many as pairs of zones
        opening = [held for held in keys if held.record.purpose is KeyPurpose.ENVELOPE]
        # The current one of a purpose before its predecessors; a pending one opens nothing yet.
        opening.sort(key=lambda held: held.record.version, reverse=True)
        self._envelopes = {
            (key.purpose, key.kid): key
            for key in (
                envelope_key(held) for held in opening if held.record.state is not KeyState.PENDING
            )
        }

    @property
    def side(self) -> Side:
        """The side whose keys these are."""
        return self._labels.side

    @property
    def stage(self) -> Stage:
        """Whether these are test keys."""
        return self._labels.stage

    @property
    def ledger(self) -> Ledger:
        """What is known of every key, without the keys."""
        return self._ledger

    @property
    def zone_names(self) -> tuple[str, ...]:
        """The zones declared here."""
        return tuple(self._zones)

    @property
    def pads(self) -> tuple[str, ...]:
        """The zones that have a key of a channel's PIN pads."""
        channel = KeyPurpose.CHANNEL_PIN
        return tuple(name for name in self._zones if (name, channel) in self._pins)

    # ------------------------------------------------------------ envelopes

    @property
    def envelope_keys(self) -> tuple[EnvelopeKey, ...]:
        """The current envelope key of each purpose of this side."""
        keys = map(self.envelope_key, PinPurpose)
        return tuple(key for key in keys if key is not None)

    def envelope_key(self, purpose: PinPurpose, kid: str | None = None) -> EnvelopeKey | None:
        """Give the current envelope key of a purpose, or the one named by `kid`.

        A previous key opens until its last day. `None` when this side has no such PIN or key.
        """
        if kid is not None:
            return self._envelopes.get((purpose, kid))
        if self._current(Slot(purpose, KeyPurpose.ENVELOPE)) is None:
            return None
        return next((key for key in self._envelopes.values() if key.purpose is purpose), None)

    # ------------------------------------------------------------ zones

    def pin_cipher(self, zone_name: str) -> tuple[Zone, KeptCipher]:
        """Give a zone and its PIN key; raises `LocalError` for a zone without one."""
        key = self.pin_key(zone_name)
        return key.zone, key.cipher

    def pin_key(self, zone_name: str) -> PinKey:
        """Give a zone's PIN key, ready for use; raises as `pin_cipher`."""
        return self._pin(zone_name, KeyPurpose.PIN)

    def channel_cipher(self, zone_name: str) -> tuple[Zone, KeptCipher]:
        """Give a zone and the key of its channel's PIN pads; raises as `pin_cipher`."""
        key = self._pin(zone_name, KeyPurpose.CHANNEL_PIN)
        return key.zone, key.cipher

    def translator(self, channel_name: str, zone_name: str) -> Translate:
        """Give what makes a channel's PIN blocks a zone's; raises as `translator`, `pin_cipher`."""
        source, target = self.channel_cipher(channel_name), self.pin_cipher(zone_name)
        found = self._translators.get((channel_name, zone_name))
        if found is None:
            found = translator(*source, *target)
            self._translators[channel_name, zone_name] = found
        return found

    def mac_key(self, zone_name: str) -> HeldKey:
        """Give a zone's MAC key; raises `LocalError` for a zone without one."""
        return self.key(Slot(zone_name, KeyPurpose.MAC))

    def previous_mac_key(self, zone_name: str, now: datetime) -> HeldKey | None:
        """Give the MAC key before the current one, while messages in flight may still have it.

        It verifies what comes in; nothing is sent under it.
        """
        held = self._held.get((Slot(zone_name, KeyPurpose.MAC), KeyState.PREVIOUS))
        if held is None or held.record.ends is None or now >= held.record.ends:
            return None
        self._require(held)
        return held

    def key(self, slot: Slot, state: KeyState = KeyState.CURRENT) -> HeldKey:
        """Give the key of a zone's slot; raises `LocalError` when there is none in this state."""
        if slot.zone not in self._zones:
            raise LocalError("no such zone in this key store")
        held = self._held.get((slot, state))
        if held is None:
            raise LocalError(f"{slot} has no {state} key")
        self._require(held)
        return held

    def _pin(self, zone_name: str, purpose: KeyPurpose) -> PinKey:
        found = self._pins.get((zone_name, purpose))
        if found is None:
            self.key(Slot(zone_name, purpose))  # says why there is none
            raise LocalError("no PIN key of this zone is ready")
        found.expected.require(found.held.header)
        return found

    def _pin_key(self, held: HeldKey) -> PinKey:
        zone = self._zones[held.record.zone]
        cipher = cipher_of(zone.algorithm, held.key)
        return PinKey(
            zone,
            cipher,
            encipherer(zone, cipher),
            zone.security_control_information,
            held,
            _expected(held, self._zones, self._labels),
        )

    def _current(self, slot: Slot) -> HeldKey | None:
        return self._held.get((slot, KeyState.CURRENT))

    def _in(self, state: KeyState) -> Iterator[HeldKey]:
        return (held for held in self._held.values() if held.record.state is state)

    def _require(self, held: HeldKey) -> None:
        require(held, self._zones, self._labels)


def require(held: HeldKey, zones: Mapping[str, Zone], labels: Labels) -> None:
    """Raise `KeyBlockError` unless a key is exactly what its place in the store is for."""
    _expected(held, zones, labels).require(held.header)


def _expected(held: HeldKey, zones: Mapping[str, Zone], labels: Labels) -> Expected:
    record, exportability = held.record, labels.stage.exportability
    if record.state is KeyState.PENDING and held.header.exportability == "E":
        # A key that we made for the far side leaves, under a key, until it is activated.
        exportability = "E"
    use, label = _use_and_label(record, zones, labels)
    return Expected(use, exportability, label, record.header_version)


def _use_and_label(
    record: KeyRecord, zones: Mapping[str, Zone], labels: Labels
) -> tuple[KeyUse, str]:
    if record.purpose is KeyPurpose.ENVELOPE:
        return ENVELOPE_KEY_USE, labels.envelope(PinPurpose(record.zone), record.change_due)
    zone = zones[record.zone]
    algorithm = Algorithm(record.algorithm)
    if algorithm not in algorithms_of(record.purpose, zone):
        raise KeyBlockError("key is for another purpose: algorithm")
    return key_use(record.purpose, algorithm), labels.zone_key(record.purpose, zone)


def envelope_key(held: HeldKey) -> EnvelopeKey:
    """Build the key for envelopes from what was unwrapped."""
    private_key = derive_private_key(int.from_bytes(held.key), SECP256R1())
    return EnvelopeKey.of(PinPurpose(held.record.zone), held.record.change_due, private_key)


# ---------------------------------------------------------------- opening


@dataclass(frozen=True, slots=True)
class Opened:
    """Everything read from a store's directory while it was locked."""

    store: KeyStore
    master: bytes = field(repr=False)
    audit: tuple[AuditLine, ...] = ()


def open_store(directory: Path, side: Side) -> KeyStore:
    """Open the store of a side and check every key in it.

    Raises `SpecificationError` naming file, key and rule: wrong permissions, a missing file, an
    edited one, a key of the other side or for another purpose, a store older than its audit.
    """
    with locked(directory, for_writing=False):
        return read_store(directory, side).store


def read_store(directory: Path, side: Side) -> Opened:
    """Read the store in a directory that the caller has locked; raises as `open_store`."""
    master = read_master_key(directory, side)
    file = directory / KEYS_FILE
    ledger = read_ledger(read_private(file), master, str(file))
    if ledger.side is not side:
        raise SpecificationError(str(file), "side", f"must be {side.value}, as asked for")
    audit = read_audit(directory)
    _check_age(ledger, audit, directory)
    keys = tuple(_unwrapped(ledger, index, master, str(file)) for index in _held_keys(ledger))
    _check_distinct(keys, str(file))
    return Opened(KeyStore(ledger, keys), master, audit)


def _held_keys(ledger: Ledger) -> Iterator[int]:
    return (index for index, record in enumerate(ledger.keys) if not record.state.is_gone)


def _unwrapped(ledger: Ledger, index: int, master: bytes, file: str) -> HeldKey:
    record = ledger.keys[index]
    place = f"keys.{index} ({record.slot} version {record.version})"
    zones = {zone.name: zone for zone in ledger.zones}
    try:
        header, key = unwrap(master, record.block)
        held = HeldKey(record, header, key)
        require(held, zones, Labels(ledger.side, ledger.stage))
    except KeyBlockError as error:
        raise SpecificationError(file, place, str(error)) from None
    if value_of(held) != record.check_value:
        raise SpecificationError(file, place, "check value differs")
    return held


def value_of(held: HeldKey) -> str:
    """Give the check value of a key; that of an envelope key is the start of its kid."""
    if held.record.purpose is KeyPurpose.ENVELOPE:
        return envelope_check_value(envelope_key(held))
    return check_value(Algorithm(held.record.algorithm), held.key)


def envelope_check_value(key: EnvelopeKey) -> str:
    """Give what names an envelope key in lists: the first 8 characters of its kid."""
    return key.kid[:8]


def _check_distinct(keys: tuple[HeldKey, ...], file: str) -> None:
    seen: dict[bytes, Slot] = {}
    for held in keys:
        other = seen.setdefault(held.key, held.record.slot)
        if other != held.record.slot:
            raise SpecificationError(
                file, str(held.record.slot), f"has the key of {other}: they must differ"
            )


def _check_age(ledger: Ledger, audit: tuple[AuditLine, ...], directory: Path) -> None:
    """Find out whether the audit lost its end, or the store is older than its audit says."""
    hashes = [line.hash for line in audit]
    if ledger.audit_head not in hashes:
        raise SpecificationError(
            str(directory / AUDIT_FILE), "", "does not hold the store's last action: was cut off"
        )
    later = audit[hashes.index(ledger.audit_head) + 1 :]
    if any(line.outcome == DONE and line.generation > ledger.generation for line in later):
        raise SpecificationError(
            str(directory / KEYS_FILE), "generation", "is older than the audit: was put back"
        )
