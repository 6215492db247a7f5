"""Makes key stores with fresh test keys, and gives a simulator its copy of them.

A live store is never made here: its keys come from components and from the other party, by
ceremony (`gateway.hsm.key_custody`).
"""

import secrets
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import Custody, custody
from gateway.hsm.key_foundation import Foundation
from gateway.hsm.key_purpose import KeyPurpose, Slot, Stage
from gateway.hsm.key_store import open_store
from gateway.hsm.master_key import MASTER_KEY_BYTES
from gateway.hsm.private_files import write_private
from gateway.pinblock.zone import Zone
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose, Side

_ACTOR = Actor("-", "test store")
_ZONE_KEYS = (KeyPurpose.PIN, KeyPurpose.MAC, KeyPurpose.KEK)


def create_test_store(
    directory: Path, side: Side, zones: Iterable[Zone], not_after: date, now: datetime
) -> None:
    """Make a test store in a new or empty directory, with fresh keys for these zones.

    `not_after` is the last day of every key. Raises `SpecificationError` when a store is there
    already: keys are never overwritten.
    """
    foundation = Foundation(side, Stage.TEST, secrets.token_bytes(MASTER_KEY_BYTES))
    foundation.lay(directory, _ACTOR, now, {})
    with custody(directory, side, _ACTOR, now) as store:
        for purpose in (each for each in PinPurpose if each.key is each and each.side is side):
            _add(store, Slot(purpose, KeyPurpose.ENVELOPE), not_after)
        for zone in zones:
            store.declare(zone)
            for kind in _ZONE_KEYS:
                _add(store, Slot(zone.name, kind), not_after)


def export_for_simulator(directory: Path, side: Side, zone_name: str, file: Path) -> None:
    """Write a zone's keys in clear hexadecimal into a new file of mode 0600.

    For the simulator of the far side, which has no part in our key store. Raises `LocalError`
    unless it is a test store and has the zone.
    """
    store = open_store(directory, side)  # refuses what is not right before anything is exported
    if store.stage is not Stage.TEST:
        raise LocalError("only keys of a test store can be exported in clear")
    zone, _ = store.pin_cipher(zone_name)
    keys = {kind: store.key(Slot(zone_name, kind)) for kind in _ZONE_KEYS}
    lines = [
        "# TEST keys in clear, for a simulator.",
        f"# Zone {zone_name}: {zone.format}, {zone.algorithm}, account {zone.account}.",
        f'zone_pin_format = "{zone.format}"',
        f'zone_security_control = "{zone.security_control_information}"',
    ]
    for kind, held in keys.items():
        lines += [
            f"# Check value {held.record.check_value}",
            f'zone_{kind}_key = "{held.key.hex().upper()}"',
        ]
    write_private(file, "\n".join((*lines, "")))


def _add(store: Custody, slot: Slot, not_after: date) -> None:
    store.generate(slot, not_after)
    store.activate(slot)
