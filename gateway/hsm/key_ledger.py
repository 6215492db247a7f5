"""The ledger of a key store: its zones, and every key it has or ever had. Values only, no files.

A key is *pending* until it is activated, then *current*; the one before it is *previous* for a
while (a MAC key verifies what is still in flight, an envelope key opens what browsers enciphered
before) or gone at once. Of a *retired* or *revoked* key its check value is kept, so that it never
comes back (PCI PIN 3.1, requirement 17); the key itself is not.

The whole text is sealed under the master key: states, dates and versions cannot be edited.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import ClassVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.hsm.key_purpose import KeyPurpose, Slot, Stage
from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS
from gateway.pinblock.zone import Zone
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import PinPurpose, Side
from gateway.terms.specification import parse_toml, structure

PREVIOUS_MAC_KEY_LIFE = timedelta(seconds=PREVIOUS_MAC_KEY_SECONDS)
VERSIONS_OF_HEADER = 36 * 36  # a key block's header has two characters for the version

_SEAL = "\nseal = "
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class KeyState(StrEnum):
    """Where a key stands in its life."""

    PENDING = "pending"
    CURRENT = "current"
    PREVIOUS = "previous"
    RETIRED = "retired"
    REVOKED = "revoked"

    @property
    def is_gone(self) -> bool:
        """Tell whether the key itself is not kept any more."""
        return self in {KeyState.RETIRED, KeyState.REVOKED}


class KeyRefused(LocalError):
    """What was asked for cannot be done with the keys as they are; says why."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key: `block` is its X9.143 key block under the master key, empty once it is gone.

    `ends` is the instant at which a previous key stops to be of use.
    """

    zone: str
    purpose: KeyPurpose
    version: int
    state: KeyState
    algorithm: str
    check_value: str
    created: date
    change_due: date
    ends: datetime | None = None
    block: str = field(default="", repr=False)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if self.state.is_gone is bool(self.block):
            raise ValueError("a key block is there exactly while the key is not retired or revoked")
        if (self.state is KeyState.PREVIOUS) is (self.ends is None):
            raise ValueError("ends is given exactly for a previous key")

    @property
    def slot(self) -> Slot:
        """The place of the key."""
        return Slot(self.zone, self.purpose)

    @property
    def header_version(self) -> str:
        """The version as two characters, for the header of the key block."""
        high, low = divmod(self.version % VERSIONS_OF_HEADER, len(_DIGITS))
        return _DIGITS[high] + _DIGITS[low]

    def gone(self, state: KeyState) -> "KeyRecord":
        """Destroy the key and keep what is known of it."""
        return replace(self, state=state, block="", ends=None)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Zones and keys of one side; `generation` counts the times that the store was written."""

    side: Side
    stage: Stage
    master_check_value: str
    generation: int = 0
    audit_head: str = ""
    zones: tuple[Zone, ...] = ()
    keys: tuple[KeyRecord, ...] = ()

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    # ------------------------------------------------------------ questions

    def zone(self, name: str) -> Zone:
        """Give a zone; raises `KeyRefused` when it is not declared."""
        for zone in self.zones:
            if zone.name == name:
                return zone
        declared = ", ".join(zone.name for zone in self.zones) or "none"
        raise KeyRefused(f"no such zone in this key store; declared are: {declared}")

    def of(self, slot: Slot) -> Iterator[KeyRecord]:
        """Give every key that a slot has or had, oldest first."""
        return (record for record in self.keys if record.slot == slot)

    def find(self, slot: Slot, state: KeyState) -> KeyRecord | None:
        """Give the key of a slot in a state, of which there is one at most."""
        return next((record for record in self.of(slot) if record.state is state), None)

    def held(self, slot: Slot, state: KeyState) -> KeyRecord:
        """Give the key of a slot in a state; raises `KeyRefused` when there is none."""
        record = self.find(slot, state)
        if record is None:
            raise KeyRefused(f"{slot} has no {state} key")
        return record

    def next_version(self, slot: Slot) -> int:
        """Give the number of the next key of a slot: versions only ever grow."""
        return 1 + max((record.version for record in self.of(slot)), default=0)

    # ------------------------------------------------------------ changes

    def with_zone(self, zone: Zone) -> "Ledger":
        """Declare a zone; raises `KeyRefused` for a second one of the name."""
        if any(known.name == zone.name for known in self.zones):
            raise KeyRefused("this zone is declared already")
        return replace(self, zones=(*self.zones, zone))

    def with_pending(self, new: KeyRecord) -> "Ledger":
        """Take a key in; raises `KeyRefused` for one that is or was here, or when one waits.

        No two zones share a key and no key has two purposes (PCI PIN 3.1, requirements 17, 19).
        """
        if self.find(new.slot, KeyState.PENDING) is not None:
            raise KeyRefused(f"{new.slot} has a pending key already: activate or retire it")
        for record in self.keys:
            if (record.check_value, record.algorithm) == (new.check_value, new.algorithm):
                raise KeyRefused(
                    f"this check value is that of {record.slot} version {record.version}: "
                    "a key is used in one place and once"
                )
        return replace(self, keys=(*self.keys, new))

    def activated(self, slot: Slot, now: datetime) -> "Ledger":
        """Make the pending key the current one; raises `KeyRefused` when there is none."""
        pending = self.held(slot, KeyState.PENDING)

        def moved(record: KeyRecord) -> KeyRecord:
            if record is pending:
                return replace(record, state=KeyState.CURRENT)
            if record.slot == slot and record.state is KeyState.CURRENT:
                return _superseded(record, now)
            if record.slot == slot and record.state is KeyState.PREVIOUS:
                return record if _still_opens(record, now) else record.gone(KeyState.RETIRED)
            return record

        return replace(self, keys=tuple(map(moved, self.keys)))

    def ended(self, slot: Slot, version: int, state: KeyState) -> "Ledger":
        """Retire or revoke one key; raises `KeyRefused` when that cannot be."""
        found = next((record for record in self.of(slot) if record.version == version), None)
        if found is None or found.state.is_gone:
            raise KeyRefused(f"{slot} has no key of this version")
        if found.state is KeyState.CURRENT and state is KeyState.RETIRED:
            raise KeyRefused("a current key is rotated, or revoked when it is compromised")
        keys = (record.gone(state) if record is found else record for record in self.keys)
        return replace(self, keys=tuple(keys))

    def replaced(self, old: KeyRecord, new: KeyRecord) -> "Ledger":
        """Put a record in the place of another."""
        return replace(self, keys=tuple(new if key == old else key for key in self.keys))


def _superseded(record: KeyRecord, now: datetime) -> KeyRecord:
    """Say what becomes of a current key when another takes its place."""
    if record.purpose is KeyPurpose.MAC:
        return replace(record, state=KeyState.PREVIOUS, ends=now + PREVIOUS_MAC_KEY_LIFE)
    end_of_last_day = datetime.combine(record.change_due, time.max, UTC).replace(microsecond=0)
    if record.purpose is KeyPurpose.ENVELOPE and end_of_last_day > now:
        return replace(record, state=KeyState.PREVIOUS, ends=end_of_last_day)
    # Nothing that comes in is under the old one: what is of no use is not kept.
    return record.gone(KeyState.RETIRED)


def _still_opens(record: KeyRecord, now: datetime) -> bool:
    """Tell whether a previous key stays beside a newer previous one: envelope keys may."""
    return record.purpose is KeyPurpose.ENVELOPE and record.ends is not None and record.ends > now


# ---------------------------------------------------------------- text


def write_ledger(ledger: Ledger, master: bytes) -> str:
    """Write a ledger as TOML, sealed under the master key."""
    lines = [
        "# Written by `gateway keys` and by the security module; sealed: an edit is refused.",
        f'side = "{ledger.side}"',
        f'stage = "{ledger.stage}"',
        f"generation = {ledger.generation}",
        f'master_check_value = "{ledger.master_check_value}"',
        f'audit_head = "{ledger.audit_head}"',
    ]
    for zone in ledger.zones:
        lines += ["", "[[zones]]", *_assignments(zone, _ZONE_MEMBERS)]
    for record in ledger.keys:
        lines += ["", "[[keys]]", *_assignments(record, _KEY_MEMBERS)]
    body = "\n".join(lines) + "\n"
    return f'{body}\n[sealed]{_SEAL}"{_seal(master, body)}"\n'


def read_ledger(text: str, master: bytes, file: str) -> Ledger:
    """Read a ledger and check its seal; raises `SpecificationError` naming file, key and rule."""
    body, _, _ = text.rpartition(f"\n[sealed]{_SEAL}")
    values = parse_toml(text, file)
    sealed = values.pop("sealed", None)
    given = sealed.get("seal") if isinstance(sealed, dict) else None
    if not isinstance(given, str) or not hmac.compare_digest(
        given.encode(), _seal(master, body).encode()
    ):
        rule = "does not fit: the file was edited, or sealed under another master key"
        raise SpecificationError(file, "sealed.seal", rule)
    ledger = structure(Ledger, values, file)
    _check(ledger, file)
    return ledger


def _check(ledger: Ledger, file: str) -> None:
    zones = {zone.name for zone in ledger.zones}
    keyed = (purpose for purpose in PinPurpose if purpose.key is purpose)
    pins = {purpose.value for purpose in keyed if purpose.side is ledger.side}
    for index, record in enumerate(ledger.keys):
        owners = pins if record.purpose is KeyPurpose.ENVELOPE else zones
        if record.zone not in owners:
            what = "PIN purpose" if record.purpose is KeyPurpose.ENVELOPE else "zone"
            raise SpecificationError(
                file, f"keys.{index}", f"is no {what} of side {ledger.side.value}"
            )


def _seal(master: bytes, body: str) -> str:
    key = HKDF(SHA256(), 32, salt=None, info=b"sscard-gateway key store seal").derive(master)
    return hmac.digest(key, body.encode(), "sha256").hex().upper()


_ZONE_MEMBERS = ("name", "format", "algorithm", "account", "security_control")
_KEY_MEMBERS = tuple(member.name for member in fields(KeyRecord))


def _assignments(value: object, members: tuple[str, ...]) -> Iterator[str]:
    for name in members:
        member = getattr(value, name)
        if member is None or member == "":
            continue
        # TOML has dates, instants and integers of its own; every text of ours is plain ASCII.
        bare = isinstance(member, date | int)
        yield f"{name} = {_plain(member)}" if bare else f'{name} = "{member}"'


def _plain(member: date | int) -> str:
    return str(member) if isinstance(member, int) else member.isoformat()
