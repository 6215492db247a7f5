"""Makes key stores with fresh test keys, and gives a simulator its copy of them.

A live store is never made here: its keys come from components and from the other party, by
ceremony.
"""

import secrets
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from gateway.hsm.data_key import DATA_KEY_FILE, create_data_key
from gateway.hsm.key_block import Header, KeyUse, check_value, unwrap, wrap
from gateway.hsm.key_store import (
    ENVELOPE_KEY_USE,
    KEYS_FILE,
    MAC_KEY_USE,
    MASTER_KEY_BYTES,
    MASTER_KEY_FILE,
    Labels,
    Stage,
    open_store,
    pin_key_use,
    read_master_key,
)
from gateway.hsm.private_files import read_private, write_private
from gateway.pinblock.zone import Algorithm, Zone
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose, Side
from gateway.terms.specification import parse_toml

_KEY_BYTES = {Algorithm.TDES: 16, Algorithm.AES: 16, Algorithm.SM4: 16}
_SCALAR_BYTES = 32


def create_test_store(directory: Path, side: Side, zones: Iterable[Zone], not_after: date) -> None:
    """Make a test store in a new or empty directory, with fresh keys for these zones.

    `not_after` is the last day of the envelope keys. Raises `SpecificationError` when a store is
    there already: keys are never overwritten.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    master = secrets.token_bytes(MASTER_KEY_BYTES)
    write_private(directory / MASTER_KEY_FILE, master.hex() + "\n")
    maker = _KeyMaker(master, Labels(side, Stage.TEST))
    text = "\n".join(
        [
            "# Test keys: whoever holds master.key may export them in clear.",
            f'side = "{side.value}"',
            f'stage = "{Stage.TEST.value}"',
            *maker.envelopes(not_after),
            *(line for zone in zones for line in maker.zone(zone)),
            "",
        ]
    )
    write_private(directory / KEYS_FILE, text)
    create_data_key(directory / DATA_KEY_FILE, side)


def export_for_simulator(directory: Path, side: Side, zone_name: str, file: Path) -> None:
    """Write a zone's PIN and MAC key in clear hexadecimal into a new file of mode 0600.

    For the simulator of the far side, which has no part in our key store. Raises `LocalError`
    unless it is a test store and has the zone.
    """
    store = open_store(directory, side)  # refuses what is not right before anything is exported
    if store.stage is not Stage.TEST:
        raise LocalError("only keys of a test store can be exported in clear")
    zone, _ = store.pin_cipher(zone_name)
    pin_key, mac_key = _clear_keys(directory, zone_name)
    write_private(
        file,
        "\n".join(
            [
                "# TEST keys in clear, for a simulator.",
                f"# Zone {zone_name}: {zone.format}, {zone.algorithm}, account {zone.account}.",
                f"# Check values {check_value(zone.algorithm, pin_key)} (PIN)",
                f"# and {check_value(Algorithm.TDES, mac_key)} (MAC).",
                f'zone_pin_key = "{pin_key.hex().upper()}"',
                f'zone_mac_key = "{mac_key.hex().upper()}"',
                "",
            ]
        ),
    )


def _clear_keys(directory: Path, zone_name: str) -> tuple[bytes, bytes]:
    """Unwrap both keys of a zone of a store that was opened, hence checked, just before."""
    master = read_master_key(directory / MASTER_KEY_FILE)
    file = directory / KEYS_FILE
    table = parse_toml(read_private(file), str(file))["zones"][zone_name]
    (_, pin_key), (_, mac_key) = (unwrap(master, table[name]) for name in ("pin_key", "mac_key"))
    return pin_key, mac_key


class _KeyMaker:
    """Makes keys and wraps them under one master key."""

    def __init__(self, master: bytes, labels: Labels) -> None:
        self._master = master
        self._labels = labels

    def envelopes(self, not_after: date) -> list[str]:
        """One key for each PIN of the side."""
        lines = ["", "[envelopes]"]
        for purpose in (purpose for purpose in PinPurpose if purpose.side is self._labels.side):
            scalar = generate_private_key(SECP256R1()).private_numbers().private_value
            label = self._labels.envelope(purpose, not_after)
            block = self._wrap(ENVELOPE_KEY_USE, label, scalar.to_bytes(_SCALAR_BYTES))
            lines.append(f'{purpose} = "{block}"')
        return lines

    def zone(self, zone: Zone) -> list[str]:
        """PIN key and MAC key of a zone, with its declaration."""
        pin_key = _fresh_key(zone.algorithm)
        mac_key = _fresh_key(Algorithm.TDES)
        pin_block = self._wrap(pin_key_use(zone.algorithm), self._labels.pin(zone), pin_key)
        mac_block = self._wrap(MAC_KEY_USE, self._labels.mac(zone.name), mac_key)
        control = zone.security_control
        return [
            "",
            f"[zones.{zone.name}]",
            f'format = "{zone.format}"',
            f'algorithm = "{zone.algorithm}"',
            f'account = "{zone.account}"',
            *([f'security_control = "{control}"'] if control else []),
            f'pin_key = "{pin_block}"',
            f'mac_key = "{mac_block}"',
        ]

    def _wrap(self, use: KeyUse, label: str, key: bytes) -> str:
        header = Header(use, Stage.TEST.exportability, optional=(("LB", label),))
        return wrap(self._master, header, key)


def _fresh_key(algorithm: Algorithm) -> bytes:
    """Draw a key; for TDES with odd parity, as far sides may check (ANSI X3.92)."""
    key = secrets.token_bytes(_KEY_BYTES[algorithm])
    if algorithm is not Algorithm.TDES:
        return key
    return bytes(byte ^ (byte.bit_count() + 1) % 2 for byte in key)
