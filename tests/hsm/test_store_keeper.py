"""The module takes keys that a far side sent, opens its store anew, and forgets no key."""

import asyncio
import signal
import time
from datetime import UTC, date, datetime

import pytest

from gateway.hsm.audit import Actor, read_audit
from gateway.hsm.ciphers import tdes
from gateway.hsm.client import SecurityModule
from gateway.hsm.key_block import check_value
from gateway.hsm.key_custody import custody
from gateway.hsm.key_ledger import KeyState
from gateway.hsm.key_material import fresh_key
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.hsm.protocol import BadRequest, KeyTaken, TakeKey
from gateway.hsm.soft_module import SoftModule
from gateway.hsm.store_keeper import CHANGES_MAX, StoreKeeper
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import LocalError
from gateway.terms.sides import Side

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MAC, PIN = Slot("bureau", KeyPurpose.MAC), Slot("bureau", KeyPurpose.PIN)


@pytest.fixture(name="store")
def _store(new_store):
    return new_store(Side.SOCIAL)


@pytest.fixture(name="keeper")
def _keeper(store):
    return StoreKeeper(store, Side.SOCIAL, NOW.timestamp)


def sent(store, key, slot=MAC, value=None):
    """Encipher a key under the zone's KEK, as the bureau does."""
    kek = open_store(store, Side.SOCIAL).key(Slot("bureau", KeyPurpose.KEK)).key
    value = check_value(Algorithm.TDES, key) if value is None else value
    return TakeKey(slot.zone, slot.purpose, tdes(kek).encrypt(key), value)


@pytest.mark.parametrize("slot", [MAC, PIN])
def test_key_is_pending_until_it_is_activated(keeper, store, slot):
    """Taking a key in changes nothing that is in use; activating it does."""
    key = fresh_key(Algorithm.TDES, 16)
    before = keeper.store.key(slot).key

    taken = keeper.take(sent(store, key, slot))
    between = keeper.store.key(slot).key
    keeper.activate(*slot)

    assert taken == KeyTaken(check_value(Algorithm.TDES, key))
    assert (between, keeper.store.key(slot).key) == (before, key)


def test_repeat_of_a_key_change_is_answered_as_the_first(keeper, store):
    """An 0810 that was lost brings the 0800 again: nothing new happens, before or after."""
    request = sent(store, fresh_key(Algorithm.TDES, 16))

    answers = [keeper.take(request), keeper.take(request)]
    keeper.activate(*MAC)
    answers.append(keeper.take(request))
    keeper.activate(*MAC)

    assert len(set(answers)) == 1
    assert [record.version for record in keeper.store.ledger.of(MAC)] == [1, 2]


def test_key_that_never_came_to_use_gives_way(keeper, store):
    """After a crash between taking and activating, the next key is taken all the same."""
    keeper.take(sent(store, fresh_key(Algorithm.TDES, 16)))

    taken = keeper.take(sent(store, fresh_key(Algorithm.TDES, 16)))

    states = [record.state for record in keeper.store.ledger.of(MAC)]
    assert states == [KeyState.CURRENT, KeyState.RETIRED, KeyState.PENDING]
    assert taken.check_value == keeper.store.ledger.held(MAC, KeyState.PENDING).check_value


def test_key_that_is_not_right_is_refused_without_saying_why(keeper, store):
    """Another check value, a weak key, the PIN key as MAC key: refused, and audited."""
    weak = bytes.fromhex("0101010101010101FEFEFEFEFEFEFEFE")
    known = keeper.store.key(PIN).key
    requests = [
        sent(store, fresh_key(Algorithm.TDES, 16), value="000000"),
        sent(store, weak, value=""),
        sent(store, known, value=""),
        TakeKey("core", KeyPurpose.MAC, bytes(16), ""),
    ]

    answers = [keeper.take(request) for request in requests]

    assert answers == [KeyTaken(None)] * 4
    assert keeper.store.ledger.find(MAC, KeyState.PENDING) is None
    assert [line.outcome for line in read_audit(store)][-4:] == ["refused"] * 4


def test_key_changes_are_bounded(keeper, store):
    """A far side that sends keys without end is refused after some."""
    request = sent(store, fresh_key(Algorithm.TDES, 16))

    answers = [keeper.take(request) for _ in range(CHANGES_MAX + 1)]

    assert [answer.check_value is None for answer in answers] == [False] * CHANGES_MAX + [True]


def test_zone_without_a_key_cannot_be_activated(keeper):
    """There must be a key to make current."""
    with pytest.raises(LocalError, match="no such zone"):
        keeper.activate("core", KeyPurpose.MAC)


def test_module_without_a_keeper_changes_no_key(store):
    """A module that only has keys given to it refuses to change them."""
    module = SoftModule(open_store(store, Side.SOCIAL), NOW.timestamp)

    with pytest.raises(BadRequest, match="not changed here"):
        module.activate_key("bureau", KeyPurpose.MAC)


def test_process_takes_a_key_over_its_socket(start, store):
    """The gateway asks over the socket; the key in use is the new one, on disk and in memory."""
    key = fresh_key(Algorithm.TDES, 16)

    async def change(socket):
        client = SecurityModule(socket)
        taken = await client.take_key(sent(store, key))
        await client.activate_key("bureau", KeyPurpose.MAC)
        session = await client.session_mac_key("bureau")
        with pytest.raises(BadRequest):
            await client.take_key(TakeKey("bureau", KeyPurpose.KEK, bytes(16), ""))
        client.close()
        return taken, session.key

    with start(store=store) as module:
        taken, in_use = asyncio.run(change(module.socket))

    assert taken.check_value == check_value(Algorithm.TDES, key)
    assert in_use == key == open_store(store, Side.SOCIAL).mac_key("bureau").key


def test_process_takes_a_rotated_store_up_on_sighup(start, store):
    """A custodian rotates, sends SIGHUP, and the module has the new key; no session is lost."""

    async def until_changed(module, before):
        client = SecurityModule(module.socket)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            now = (await client.session_mac_key("bureau")).key
            if now != before:
                break
            await asyncio.sleep(0.02)
        client.close()
        return now

    before = open_store(store, Side.SOCIAL).mac_key("bureau").key
    with start(store=store) as module:
        with custody(store, Side.SOCIAL, Actor("u", "o"), NOW) as held:
            held.generate(MAC, date(2099, 1, 1))
            held.activate(MAC)
        module.process.send_signal(signal.SIGHUP)
        after = asyncio.run(until_changed(module, before))

    assert after == open_store(store, Side.SOCIAL).mac_key("bureau").key != before


def test_process_goes_on_with_its_keys_when_the_store_is_not_right(start, store):
    """A store that cannot be opened is named on standard error, and the module keeps serving."""
    with start(store=store) as module:
        (store / "keys.toml").chmod(0o640)
        module.process.send_signal(signal.SIGHUP)
        said = module.process.stderr.readline().decode()
        client = SecurityModule(module.socket)
        key = asyncio.run(_key(client))

    assert "goes on with the keys it has" in said
    assert "chmod 600" in said
    assert len(key) == 16


def test_process_opens_its_store_anew_when_asked(start, store):
    """The gateway asks over the socket; a store that is not right changes nothing."""

    async def ask(socket):
        client = SecurityModule(socket)
        await client.reopen_store()
        after = (await client.session_mac_key("bureau")).key
        (store / "audit.log").unlink()
        with pytest.raises(BadRequest):
            await client.reopen_store()
        still = (await client.session_mac_key("bureau")).key
        client.close()
        return after, still

    with start(store=store) as module:
        with custody(store, Side.SOCIAL, Actor("u", "o"), NOW) as held:
            held.generate(MAC, date(2099, 1, 1))
            held.activate(MAC)
        after, still = asyncio.run(ask(module.socket))
        new = held.store.mac_key("bureau").key

    assert after == still == new


async def _key(client):
    key = (await client.session_mac_key("bureau")).key
    client.close()
    return key
