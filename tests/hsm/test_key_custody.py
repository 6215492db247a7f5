"""Every action on a store is checked, audited and on disk, whatever happens in between."""

import os
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.hsm import key_block
from gateway.hsm.audit import Actor, read_audit
from gateway.hsm.ciphers import aes, sm4, tdes
from gateway.hsm.key_block import Header, KeyBlockError, KeyUse, check_value, unwrap, wrap
from gateway.hsm.key_custody import NewKey, custody
from gateway.hsm.key_foundation import Foundation
from gateway.hsm.key_ledger import KeyRefused, KeyState
from gateway.hsm.key_material import UnfitKey, fresh_key
from gateway.hsm.key_purpose import KeyPurpose, Slot, Stage
from gateway.hsm.key_store import open_store
from gateway.pinblock.zone import Algorithm, parse_zone
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import Side

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
DUE = date(2027, 11, 21)
ACTOR = Actor("gateway", "测试甲")
PIN, MAC, KEK, KBPK = (Slot("bureau", KeyPurpose(name)) for name in ("pin", "mac", "kek", "kbpk"))
ENVELOPE = Slot("ss-pin", KeyPurpose.ENVELOPE)
ZONE = {"name": "bureau", "format": "iso-1", "algorithm": "tdes", "account": "none"}
MASTER = bytes(range(32))


@pytest.fixture(name="live")
def _live(tmp_path):
    """Give a live store with a zone and no key."""
    directory = tmp_path / "live"
    Foundation(Side.SOCIAL, Stage.LIVE, MASTER).lay(directory, ACTOR, NOW, {})
    with custody(directory, Side.SOCIAL, ACTOR, NOW) as store:
        store.declare(parse_zone(ZONE, "test"))
    return directory


@pytest.fixture(name="held")
def _held(live):
    with custody(live, Side.SOCIAL, ACTOR, NOW) as store:
        yield store


def give(held, slot, key, algorithm=Algorithm.TDES):
    """Put a clear key in and activate it."""
    held.take(NewKey(slot, algorithm, key, DUE), "import-components")
    held.activate(slot)


def test_key_goes_from_pending_to_current_to_gone(held):
    """A PIN key that was superseded is not kept; its record and check value are."""
    first = held.generate(PIN, DUE)
    held.activate(PIN)
    second = held.generate(PIN, DUE)
    held.activate(PIN)

    old, new = held.ledger.of(PIN)

    assert (old.state, old.block, old.version) == (KeyState.RETIRED, "", 1)
    assert (new.state, new.version) == (KeyState.CURRENT, 2)
    assert [old.check_value, new.check_value] == [first.check_value, second.check_value]


@pytest.mark.parametrize(
    ("zone", "use"),
    [
        ({}, KeyUse("M3", "T", "C")),
        ({"format": "iso-4", "algorithm": "aes", "account": "pan"}, KeyUse("M6", "A", "C")),
        ({"format": "sm4-no-pan", "algorithm": "sm4"}, KeyUse("M1", "4", "C")),
    ],
)
def test_mac_key_is_for_the_cipher_of_its_zone(held, zone, use):
    """AES and SM4 links have MAC keys of their own kind, and the store gives them out as such."""
    control = {"security_control": "9900000000000000"} if zone else {}
    declared = parse_zone(ZONE | zone | control | {"name": "far"}, "test")
    held.declare(declared)
    slot = Slot("far", KeyPurpose.MAC)
    held.generate(slot, DUE)
    held.activate(slot)

    mac_key = held.store.mac_key("far")

    assert mac_key.header.use == use
    assert mac_key.record.algorithm == declared.algorithm.value


def test_mac_key_may_be_for_another_cipher_than_the_pin_key(held):
    """A link whose dialect has CMAC over AES may still carry TDES PIN blocks, and other ways."""
    for algorithm in (Algorithm.AES, Algorithm.SM4, Algorithm.TDES):
        record = held.generate(MAC, DUE, algorithm=algorithm)
        held.activate(MAC)
        assert record.algorithm == algorithm.value
        assert held.store.mac_key("bureau").record.version == record.version
    with pytest.raises(KeyRefused, match="has no key of aes"):
        held.generate(PIN, DUE, algorithm=Algorithm.AES)


def test_sm4_mac_key_comes_under_an_sm4_kek(held):
    """As by 0800: the key is for the cipher of the key that it comes under."""
    kek, theirs = fresh_key(Algorithm.SM4, 16), fresh_key(Algorithm.SM4, 16)
    give(held, KEK, kek, Algorithm.SM4)

    held.take_enciphered(MAC, sm4(kek).encrypt(theirs), DUE, check_value(Algorithm.SM4, theirs))
    held.activate(MAC)

    assert held.store.mac_key("bureau").key == theirs
    assert held.store.mac_key("bureau").record.algorithm == "sm4"


def test_mac_key_is_previous_for_a_while(held):
    """What is in flight under the old MAC key can still be verified."""
    for _ in range(3):
        held.generate(MAC, DUE)
        held.activate(MAC)

    states = [record.state.value for record in held.ledger.of(MAC)]

    assert states == ["retired", "previous", "current"]
    assert held.ledger.find(MAC, KeyState.PREVIOUS).ends == NOW + timedelta(seconds=120)


def test_envelope_keys_overlap_until_their_last_day(live):
    """More than one old envelope key may still open; one whose day is over goes at a rotation."""
    for days, due in ((0, 10), (5, 400), (6, 500), (11, 600)):
        now = NOW + timedelta(days=days)
        with custody(live, Side.SOCIAL, ACTOR, now) as held:
            held.generate(ENVELOPE, (NOW + timedelta(days=due)).date())
            held.activate(ENVELOPE)

    states = [record.state.value for record in held.ledger.of(ENVELOPE)]

    assert states == ["retired", "previous", "previous", "current"]


def test_check_value_of_another_zone_is_refused(held):
    """No two zones share a key (PCI PIN requirement 17), and none comes back after its time."""
    held.declare(parse_zone(ZONE | {"name": "other"}, "test"))
    key = fresh_key(Algorithm.TDES, 16)
    give(held, PIN, key)

    for slot in (Slot("other", KeyPurpose.PIN), MAC):
        with pytest.raises(KeyRefused, match="check value is that of bureau/pin version 1"):
            held.take(NewKey(slot, Algorithm.TDES, key, DUE), "import-components")
    held.end(PIN, 1, KeyState.REVOKED, "lost")
    with pytest.raises(KeyRefused, match="a key is used in one place and once"):
        held.take(NewKey(PIN, Algorithm.TDES, key, DUE), "import-components")


@pytest.mark.parametrize(
    ("slot", "algorithm", "length", "rule"),
    [
        (PIN, "aes", 16, "has no key of aes"),
        (MAC, "tdes", 24, "retail MAC key has 16 bytes"),
        (KEK, "aes", 16, "has no key of aes"),
        (KBPK, "sm4", 16, "has no key of sm4"),
        (Slot("core", KeyPurpose.PIN), "tdes", 16, "no such zone"),
    ],
)
def test_key_that_does_not_fit_its_place_is_refused(held, slot, algorithm, length, rule):
    """Cipher and length are the zone's and the purpose's."""
    key = fresh_key(Algorithm(algorithm), length)

    with pytest.raises(LocalError, match=rule):
        held.take(NewKey(slot, Algorithm(algorithm), key, DUE), "import-components")


def test_unfit_key_is_refused(held):
    """A weak key is refused however it comes."""
    weak = bytes.fromhex("0101010101010101FEFEFEFEFEFEFEFE")

    with pytest.raises(UnfitKey, match="weak"):
        held.take(NewKey(PIN, Algorithm.TDES, weak, DUE), "import-components")


def test_second_pending_key_is_refused(held):
    """One key waits at a time: nobody activates another than they think."""
    held.generate(PIN, DUE)

    with pytest.raises(KeyRefused, match="has a pending key already"):
        held.generate(PIN, DUE)


def test_nothing_pending_cannot_be_activated(held):
    """A rotation needs the new key first."""
    with pytest.raises(LocalError, match="has no pending key"):
        held.activate(MAC)


@pytest.mark.parametrize("day", [NOW.date(), date(2020, 1, 1)])
def test_day_of_the_next_change_lies_ahead(held, day):
    """A key that is due already when it comes is a mistyped date."""
    with pytest.raises(KeyRefused, match="in the future"):
        held.generate(PIN, day)


def test_current_key_is_not_retired(held):
    """A zone is not left without a key by mistake; a compromised one is revoked."""
    held.generate(PIN, DUE)
    held.activate(PIN)

    with pytest.raises(KeyRefused, match="rotated, or revoked"):
        held.end(PIN, 1, KeyState.RETIRED)
    with pytest.raises(KeyRefused, match="no key of this version"):
        held.end(PIN, 2, KeyState.REVOKED)


def test_envelope_key_of_the_other_side_is_refused(held):
    """The social store makes no key for the financial PIN."""
    with pytest.raises(KeyRefused, match="no such PIN"):
        held.generate(Slot("financial-pin", KeyPurpose.ENVELOPE), DUE)


# ---------------------------------------------------------------- from and to the far side


def test_far_sides_key_block_is_taken_in_and_keeps_its_check_value(held):
    """A block under the zone's KBPK becomes ours, under the master key and not exportable."""
    kbpk, key = fresh_key(Algorithm.AES, 32), fresh_key(Algorithm.TDES, 16)
    give(held, KBPK, kbpk, Algorithm.AES)
    block = wrap(kbpk, Header(KeyUse("P0", "T", "B"), "E"), key)

    record = held.take_block(PIN, block, DUE, check_value(Algorithm.TDES, key))
    held.activate(PIN)

    header, inside = unwrap(MASTER, held.ledger.held(PIN, KeyState.CURRENT).block)
    assert (inside, header.use, header.exportability) == (key, KeyUse("P0", "T", "E"), "N")
    assert record.check_value == check_value(Algorithm.TDES, key)


@pytest.mark.parametrize(
    ("use", "expected", "rule"),
    [
        (KeyUse("M3", "T", "C"), None, "usage or algorithm"),
        (KeyUse("P0", "A", "E"), None, "usage or algorithm"),
        (KeyUse("P0", "T", "D"), None, "mode of use"),
        (KeyUse("P0", "T", "E"), "000000", "another check value"),
    ],
)
def test_far_sides_key_block_for_another_purpose_is_refused(held, use, expected, rule):
    """A MAC key is not taken in for PINs, nor a key that is not the one announced."""
    kbpk, key = fresh_key(Algorithm.AES, 32), fresh_key(Algorithm.TDES, 16)
    give(held, KBPK, kbpk, Algorithm.AES)
    block = wrap(kbpk, Header(use), key)

    with pytest.raises(LocalError, match=rule):
        held.take_block(PIN, block, DUE, expected or check_value(Algorithm.TDES, key))
    assert held.ledger.find(PIN, KeyState.PENDING) is None


@pytest.mark.parametrize(
    ("algorithm", "length", "version"), [("aes", 32, "D"), ("tdes", 16, "B"), ("tdes", 24, "B")]
)
def test_own_key_leaves_as_a_key_block_until_it_is_activated(held, algorithm, length, version):
    """A key made for the far side can be exported while it waits, and never afterwards."""
    kbpk = fresh_key(Algorithm(algorithm), length)
    give(held, KBPK, kbpk, Algorithm(algorithm))
    held.generate(PIN, DUE, exportable=True)

    header, key = unwrap(kbpk, held.export_block(PIN))
    held.activate(PIN)

    assert (header.version, header.use, header.exportability) == (
        version,
        KeyUse("P0", "T", "D"),
        "N",
    )
    record = held.ledger.held(PIN, KeyState.CURRENT)
    assert check_value(Algorithm.TDES, key) == record.check_value
    assert unwrap(MASTER, record.block)[0].exportability == "N"
    with pytest.raises(LocalError, match="has no pending key"):
        held.export_block(PIN)


def test_key_that_was_not_made_to_leave_does_not(held):
    """Without the word when it was made, a key stays."""
    give(held, KBPK, fresh_key(Algorithm.AES, 32), Algorithm.AES)
    held.generate(PIN, DUE)

    with pytest.raises(KeyRefused, match="not made to be exported"):
        held.export_block(PIN)


def test_key_is_not_exported_under_a_weaker_one(held):
    """Requirement 11: a double-length KBPK does not carry an AES key block of more strength."""
    zone = ZONE | {
        "name": "aes",
        "format": "iso-4",
        "algorithm": "aes",
        "account": "pan",
        "security_control": "2" * 16,
    }
    held.declare(parse_zone(zone, "test"))
    slot = Slot("aes", KeyPurpose.KBPK)
    give(held, slot, fresh_key(Algorithm.TDES, 16))
    held.generate(Slot("aes", KeyPurpose.PIN), DUE, exportable=True)

    with pytest.raises(KeyBlockError, match="stronger than the key that protects it"):
        held.export_block(Slot("aes", KeyPurpose.PIN))


def test_enciphered_key_is_taken_in_under_the_zones_kek(held):
    """TDES in ECB mode under the KEK, as an 0800 brings it; its check value is compared."""
    kek, key = fresh_key(Algorithm.TDES, 16), fresh_key(Algorithm.TDES, 16)
    give(held, KEK, kek)

    record = held.take_enciphered(
        MAC, tdes(kek).encrypt(key), DUE, check_value(Algorithm.TDES, key)
    )

    assert record.check_value == check_value(Algorithm.TDES, key)
    assert unwrap(MASTER, record.block)[1] == key


@pytest.mark.parametrize(
    ("spoil", "expected", "rule"),
    [
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "", "even parity|weak|repeat"),
        (lambda data: data[:-1], "", "whole blocks"),
        (lambda data: data + data[:8], "", "weaker key"),
        (lambda data: data, "123456", "another check value"),
        (lambda _: b"", "", "has 16 or 24 bytes"),
    ],
)
def test_enciphered_key_that_is_not_right_is_refused(held, spoil, expected, rule):
    """Neither a spoilt one, nor one of another length, nor one with another check value."""
    kek = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    key = bytes.fromhex("F1381320EC83D36B169BDCD5B32AAE8F")
    give(held, KEK, kek)

    with pytest.raises(LocalError, match=rule):
        held.take_enciphered(MAC, spoil(tdes(kek).encrypt(key)), DUE, expected)
    assert held.ledger.find(MAC, KeyState.PENDING) is None


# ---------------------------------------------------------------- audit and disk


def test_every_action_has_its_lines_and_no_key_in_them(live):
    """Each action is begun and done, a refused one refused; keys are named by check values."""
    with custody(live, Side.SOCIAL, ACTOR, NOW) as held:
        key = fresh_key(Algorithm.TDES, 16)
        held.take(NewKey(PIN, Algorithm.TDES, key, DUE), "import-components", {"custodians": 2})
        held.activate(PIN)
        held.end(PIN, 1, KeyState.REVOKED, "drill")
        with pytest.raises(KeyRefused):
            held.end(PIN, 1, KeyState.RETIRED)

    lines = read_audit(live)

    told = [(line.action, line.outcome) for line in lines]
    assert told == [
        ("create", "begun"),
        ("create", "done"),
        ("declare", "begun"),
        ("declare", "done"),
        ("import-components", "begun"),
        ("import-components", "done"),
        ("rotate", "begun"),
        ("rotate", "done"),
        ("revoke", "begun"),
        ("revoke", "done"),
        ("retire", "refused"),
    ]
    assert lines[5].details["check_value"] == check_value(Algorithm.TDES, key)
    text = (live / "audit.log").read_text().upper()
    assert key.hex().upper() not in text
    assert MASTER.hex().upper() not in text


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("survives", range(12))
def test_crash_at_any_write_leaves_a_store_that_opens(live, monkeypatch, survives):
    """Whatever write the process died at, the store is the old or the new one, and goes on."""
    before = open_store(live, Side.SOCIAL).ledger.generation
    calls, real = [], os.fsync

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > survives:
            raise Crash
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with custody(live, Side.SOCIAL, ACTOR, NOW) as held:
        try:
            held.generate(PIN, DUE)
            held.activate(PIN)
        except Crash:
            pass
    monkeypatch.undo()

    after = open_store(live, Side.SOCIAL).ledger

    assert before <= after.generation <= before + 2
    assert len(list(after.of(PIN))) == (after.generation > before)
    with custody(live, Side.SOCIAL, ACTOR, NOW) as held:
        held.generate(MAC, DUE)
    assert open_store(live, Side.SOCIAL).ledger.generation == after.generation + 1


def test_crash_test_reaches_every_write(live, monkeypatch):
    """Two actions put eight things on disk: the test above dies at each of them."""
    calls, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(0), real(descriptor)))

    with custody(live, Side.SOCIAL, ACTOR, NOW) as held:
        held.generate(PIN, DUE)
        held.activate(PIN)

    assert len(calls) == 8


def test_store_is_never_laid_over_another(live):
    """An existing store stays, whole."""
    with pytest.raises(SpecificationError, match="is there already"):
        Foundation(Side.SOCIAL, Stage.LIVE, bytes(32)).lay(live, ACTOR, NOW, {})

    assert open_store(live, Side.SOCIAL).stage is Stage.LIVE


def test_master_key_may_lie_outside_of_the_store(tmp_path, monkeypatch):
    """For a systemd credential the key is written where the operator says, and not in the store."""
    file = tmp_path / "social-master.key"
    foundation = Foundation(Side.SOCIAL, Stage.LIVE, MASTER, file)
    foundation.lay(tmp_path / "store", ACTOR, NOW, {})
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("gateway.hsm.master_key.os.environ", os.environ)

    store = open_store(tmp_path / "store", Side.SOCIAL)

    assert store.ledger.master_check_value == key_block.check_value(Algorithm.AES, MASTER)
    assert not (tmp_path / "store" / "master.key").exists()
    assert aes(MASTER).block_bytes == 16
