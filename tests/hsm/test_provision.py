"""Fresh test stores, and what of them a simulator is given."""

import tomllib
from datetime import UTC, date, datetime

import pytest

from gateway.hsm.ciphers import tdes
from gateway.hsm.data_key import load_data_key
from gateway.hsm.key_block import check_value
from gateway.hsm.key_purpose import Stage
from gateway.hsm.key_store import open_store
from gateway.hsm.provision import create_test_store, export_for_simulator
from gateway.pinblock.zone import Algorithm, parse_zone
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import Side

MADE = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
AES_ZONE = {
    "name": "aes",
    "format": "iso-4",
    "algorithm": "aes",
    "account": "pan",
    "security_control": "2000000000000000",
}
SM4_ZONE = AES_ZONE | {"name": "national", "format": "sm4-pan", "algorithm": "sm4"}


def test_new_store_opens_with_a_zone_of_each_algorithm(tmp_path):
    """Zones under AES and SM4 have keys of their own kind, and keep their DE 53."""
    zones = [parse_zone(table, "test") for table in (AES_ZONE, SM4_ZONE)]

    create_test_store(tmp_path / "store", Side.FINANCIAL, zones, date(2099, 12, 31), MADE)
    store = open_store(tmp_path / "store", Side.FINANCIAL)

    assert [store.pin_cipher(zone.name)[0] for zone in zones] == zones
    assert store.stage is Stage.TEST
    assert load_data_key(tmp_path / "store" / "data.key", Side.FINANCIAL)


def test_store_is_for_its_owner_only(stores):
    """Every file of a store, and the directory, is closed to others."""
    directory = stores[Side.SOCIAL]

    assert {file.stat().st_mode & 0o077 for file in [directory, *directory.iterdir()]} == {0}


def test_existing_store_is_never_overwritten(new_store):
    """Making a store where one is refuses, and leaves it as it was."""
    store = new_store(Side.SOCIAL)
    before = (store / "keys.toml").read_text()

    with pytest.raises(SpecificationError, match="is there already"):
        create_test_store(store, Side.SOCIAL, [], date(2099, 12, 31), MADE)

    assert (store / "keys.toml").read_text() == before


def test_simulator_gets_the_keys_of_its_zone(new_store, tmp_path):
    """The simulator's file holds the very keys of the store, with check values and zone."""
    directory, file = new_store(Side.SOCIAL), tmp_path / "simulator.toml"

    export_for_simulator(directory, Side.SOCIAL, "bureau", file)
    values = tomllib.loads(file.read_text())

    store = open_store(directory, Side.SOCIAL)
    pin_key, mac_key = bytes.fromhex(values["zone_pin_key"]), bytes.fromhex(values["zone_mac_key"])
    assert store.mac_key("bureau").key == mac_key
    assert store.pin_cipher("bureau")[1].encrypt(bytes(8)) == tdes(pin_key).encrypt(bytes(8))
    assert (values["zone_pin_format"], values["zone_security_control"]) == (
        "iso-1",
        "1600000000000000",
    )
    assert check_value(Algorithm.TDES, pin_key) in file.read_text()
    assert check_value(Algorithm.TDES, mac_key) in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_tdes_keys_have_odd_parity(new_store, tmp_path):
    """Far sides may refuse a DES key of even parity."""
    export_for_simulator(new_store(Side.SOCIAL), Side.SOCIAL, "bureau", tmp_path / "keys")
    values = tomllib.loads((tmp_path / "keys").read_text())

    octets = bytes.fromhex("".join(values[f"zone_{name}_key"] for name in ("pin", "mac", "kek")))

    assert {octet.bit_count() % 2 for octet in octets} == {1}


def test_live_store_exports_nothing(new_store, tmp_path, monkeypatch):
    """A store that is not marked as a test store gives no key in clear."""
    store = new_store(Side.SOCIAL)
    monkeypatch.setattr("gateway.hsm.key_store.KeyStore.stage", Stage.LIVE)

    with pytest.raises(LocalError, match="only keys of a test store"):
        export_for_simulator(store, Side.SOCIAL, "bureau", tmp_path / "keys")

    assert not (tmp_path / "keys").exists()


def test_test_store_that_calls_itself_live_exports_nothing(new_store, tmp_path):
    """Turning the mark does not help: the file is sealed."""
    store = new_store(Side.SOCIAL)
    file = store / "keys.toml"
    file.write_text(file.read_text().replace('stage = "test"', 'stage = "live"'))

    with pytest.raises(SpecificationError, match="does not fit"):
        export_for_simulator(store, Side.SOCIAL, "bureau", tmp_path / "keys")


def test_unknown_zone_is_not_exported(new_store, tmp_path):
    """There is nothing to export of a zone of the other side."""
    with pytest.raises(LocalError, match="no such zone"):
        export_for_simulator(new_store(Side.SOCIAL), Side.SOCIAL, "core", tmp_path / "keys")
