"""The store as the event loop sees it: old rows go, dead nodes are followed, failures are told."""

import asyncio
import socket
import threading
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from gateway.app import storage as module
from gateway.app import store_main
from gateway.app.settings import NodeSettings, RetentionSettings, StoreSettings
from gateway.app.storage import Storage
from gateway.app.store_process import StoreProcess
from gateway.hsm.data_key import DATA_KEY_FILE, create_data_key, load_data_key
from gateway.linking.kinds import EXCHANGES
from gateway.operations.facts import Opened, OperationKind
from gateway.operations.operation import open_operation
from gateway.store import chores, client, questions
from gateway.store.errors import Broken
from gateway.store.lease import Lease
from gateway.store.questions import Chore
from gateway.store.unit import KeyUsed, Progress, Unit
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.numbers import LinkId, OperationId
from gateway.terms.sides import Side

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module", name="keys")
def _keys(tmp_path_factory):
    """Give the directory of each side's data key."""
    directories = {side: tmp_path_factory.mktemp(side.value, numbered=False) for side in Side}
    for side, directory in directories.items():
        create_data_key(directory / DATA_KEY_FILE, side)
    return directories


@pytest.fixture
def settings_of(keys):
    """Give the maker of as much of the settings as the store asks for."""

    def made(store, name="gateway", lease_s=2.0):
        return SimpleNamespace(
            store=store,
            node=NodeSettings(name=name, lease_s=lease_s),
            station=SimpleNamespace(terminal=f"TERM{name[:4].upper():0>4}"),
            module=lambda side: SimpleNamespace(key_store=keys[side]),
        )

    return made


@pytest.fixture
def embedded(settings_of, tmp_path):
    return settings_of(StoreSettings(path=tmp_path / "gateway.db"))


@pytest.fixture
def shared(settings_of, postgresql):
    """Give the maker of settings of nodes on a fresh database."""
    postgresql.sql("DROP DATABASE IF EXISTS nodes WITH (FORCE)")
    postgresql.sql("CREATE DATABASE nodes")
    return partial(settings_of, StoreSettings(url=postgresql.url("nodes")))


class Thread(threading.Thread):
    """The store's process as a thread of this one: the same code, and no interpreter to start."""

    def __init__(self):
        super().__init__(target=self._serve)
        self._line, self.given = socket.socketpair()
        self.start()

    def _serve(self):
        with self._line:
            store_main.main(self._line)

    def wait(self, timeout=None):
        self.join(timeout)


@pytest.fixture(autouse=True)
def _lives(monkeypatch):
    """Let the thread end where the process would end all of its threads."""
    monkeypatch.setattr(store_main, "die", lambda: None)


def in_loop(main):
    """Run `main(open)`; `open` opens a storage that is closed in the end."""

    async def run():
        async with AsyncExitStack() as stack:

            async def open_(settings, fail=[].append):
                thread = Thread()
                storage = Storage(settings, StoreProcess(thread, thread.given), fail)
                await storage.open(stack)
                return storage

            return await main(open_)

    return asyncio.run(run())


async def have(things):
    return bool(things)


async def until(probe, *, gone=False):
    """Look again and again until there is something, or nothing any more."""
    async with asyncio.timeout(10):
        while bool(await probe()) is gone:  # noqa: ASYNC110 - of what no event tells
            await asyncio.sleep(0.01)


async def keep(storage, unit):
    told = asyncio.get_running_loop().create_future()
    storage.journal.submit(unit, told.set_result)
    assert await told is None


def operation(number):
    opened = Opened(OperationKind.SS_ACCOUNT, LinkId(f"lnk_{number:026d}"), NOW)
    identity = OperationId(f"op_{number:026d}")
    return open_operation(identity, opened, EXCHANGES[opened.kind])


def test_what_need_not_be_kept_any_more_goes_by_itself(embedded, monkeypatch):
    """By the configured number of days, while the gateway serves."""
    monkeypatch.setattr(module, "_PURGE_EVERY_S", 0.01)
    old = KeyUsed("online-bank", "old", bytes(32), "op_1", NOW - timedelta(days=91))
    young = KeyUsed("online-bank", "young", bytes(32), "op_1", NOW - timedelta(days=89))

    async def main(open_):
        storage = await open_(embedded)
        await keep(storage, Unit(records=(old, young)))
        purging = asyncio.create_task(storage.purge(RetentionSettings(), lambda: NOW))
        old_key = partial(storage.read, questions.key("online-bank", "old"))
        await until(old_key, gone=True)
        purging.cancel()
        return await storage.read(questions.key("online-bank", "young"))

    assert in_loop(main) is not None


@pytest.mark.parametrize("kind", ["chore", "trace numbers"])
def test_whoever_stopped_waiting_for_the_journal_is_not_told(embedded, monkeypatch, kind):
    """A task that was cancelled while the journal was at work leaves no error behind."""
    may_go_on, errors = threading.Event(), []
    monkeypatch.setattr(chores, "held", lambda _: may_go_on.wait(10), raising=False)
    monkeypatch.setattr(chores, "given", lambda _, value: value, raising=False)

    async def main(open_):
        storage = await open_(embedded)
        asyncio.get_running_loop().set_exception_handler(lambda _, what: errors.append(what))
        storage.journal.run(Chore("held"), lambda _: None)
        given = storage.run(Chore("given", (1,)))
        work = given if kind == "chore" else storage.traces("core", "TERM0001")
        waiting = asyncio.create_task(work)
        await asyncio.sleep(0)  # it has asked
        waiting.cancel()
        may_go_on.set()
        if kind != "chore":
            given.close()
        return await storage.run(Chore("given", (2,)))

    assert in_loop(main) == 2
    assert errors == []


def test_a_dead_node_is_followed_by_another(shared, postgresql, monkeypatch):
    """Its lease ends, its epoch is raised, and what it left is resumed elsewhere, once."""
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)
    monkeypatch.setattr(Lease, "may_judge", True)  # the other has been there for long
    taken, failed = [], []

    async def main(open_):
        dead = await open_(shared(name="dead"), failed.append)
        other = await open_(shared(name="other"))
        await keep(dead, Unit((Progress(operation(1), 0),)))
        dead.journal.connection.abort()
        await asyncio.to_thread(dead._process.child.wait)
        postgresql.sql("UPDATE operations_nodes SET lease_ends_at = 1 WHERE name = 'dead'", "nodes")
        following = asyncio.create_task(
            other.take_over(lambda operations, _: taken.extend(operations), lambda: 10)
        )
        await until(lambda: have(taken))
        following.cancel()

    in_loop(main)
    assert [each.id for each in taken] == [operation(1).id]
    assert [type(each) for each in failed] == [Broken]


def test_what_was_left_is_resumed_part_by_part(embedded, monkeypatch):
    """All of it, once each, the oldest first."""
    monkeypatch.setattr(module, "_RESUMED_AT_ONCE", 2)
    parts = []

    async def main(open_):
        storage = await open_(embedded)
        await keep(storage, Unit(tuple(Progress(operation(n), 0) for n in range(1, 6))))
        left = await storage.left_behind()
        await storage.resume_own(left, lambda operations, _: parts.append(operations))

    in_loop(main)
    assert parts == [[operation(1), operation(2)], [operation(3), operation(4)], [operation(5)]]


def test_what_is_begun_while_the_rest_is_resumed_is_not_resumed_itself(embedded, monkeypatch):
    """What this process began runs here already: resumed as well, it would be reversed."""
    monkeypatch.setattr(module, "_RESUMED_AT_ONCE", 1)
    resumed = []

    async def main(open_):
        storage = await open_(embedded)
        await keep(storage, Unit(tuple(Progress(operation(n), 0) for n in (1, 2))))
        left = await storage.left_behind()
        await keep(storage, Unit((Progress(operation(3), 0),)))
        await storage.resume_own(left, lambda operations, _: resumed.extend(operations))

    in_loop(main)
    assert resumed == [operation(1), operation(2)]


def test_a_node_without_room_takes_nothing_over(shared):
    """What it cannot hold in memory waits for another."""

    async def main(open_):
        leaving = await open_(shared(name="leaving"))
        await keep(leaving, Unit((Progress(operation(1), 0),)))
        await leaving.journal.close()
        await asyncio.to_thread(leaving._process.child.wait)
        other = await open_(shared(name="other"))
        taken = []
        await other._look(lambda operations, _: taken.extend(operations), lambda: 0)
        return taken

    assert in_loop(main) == []


def test_a_fenced_node_hears_of_it_while_it_has_nothing_to_write(shared):
    """The renewal of its lease is refused, and the process must stop."""
    failed = []

    async def main(open_):
        await open_(shared(), failed.append)
        await open_(shared())  # another process of the same name
        await until(lambda: have(failed))

    in_loop(main)
    assert "Fenced" in str(failed[0])


def test_a_store_that_hangs_is_said_to_and_so_is_its_return(embedded, monkeypatch):
    """In what readiness says, and in one line of the log each."""
    monkeypatch.setattr(client, "LOOK_S", 0.005)
    may_go_on = threading.Event()
    monkeypatch.setattr(chores, "held", lambda _: may_go_on.wait(10), raising=False)

    async def unusable(storage):
        return storage.why_unusable

    async def main(open_):
        storage = await open_(embedded)
        storage.journal.run(Chore("held"), lambda _: None)
        storage.journal.submit(Unit(), lambda _: None)
        await until(partial(unusable, storage))
        why = storage.why_unusable
        may_go_on.set()
        await until(partial(unusable, storage), gone=True)
        return why

    with capture_logs() as lines:
        why = in_loop(main)
    assert why.startswith("the store has not answered for")
    assert [line["event"] for line in lines] == ["store-silent", "store-answers-again"]


def test_a_chore_that_fails_is_its_callers_error(embedded, monkeypatch):
    """A mistake of ours comes out where the chore was asked for, and ends the store."""
    failed = []

    def mistaken(_connection):
        raise LocalError("mistaken")

    monkeypatch.setattr(chores, "mistaken", mistaken, raising=False)

    async def main(open_):
        storage = await open_(embedded, failed.append)
        with pytest.raises(Broken, match="LocalError"):
            await storage.run(Chore("mistaken"))
        await until(lambda: have(failed))

    in_loop(main)


def test_what_is_wrong_with_the_database_is_told_by_the_gateway(embedded, tmp_path):
    """The store's process finds it: file, key and rule come out here."""
    (tmp_path / "gateway.db").write_bytes(b"not a database at all " * 200)

    async def main(open_):
        with pytest.raises(SpecificationError, match="cannot be opened") as refused:
            await open_(embedded)
        return refused.value.key

    assert in_loop(main) == "store.path"


def test_a_missing_data_key_is_named(embedded, keys, tmp_path):
    """It is the store's process that reads it, and nobody else."""
    keys = {**keys, Side.FINANCIAL: tmp_path}
    embedded.module = lambda side: SimpleNamespace(key_store=keys[side])

    async def main(open_):
        with pytest.raises(SpecificationError, match=r"data\.key") as refused:
            await open_(embedded)
        return refused.value.file

    assert in_loop(main) == str(tmp_path / DATA_KEY_FILE)


def test_values_are_fingerprinted_here_as_in_the_store(embedded, keys):
    """The key for that is told; what opens sealed rows is not."""

    async def main(open_):
        storage = await open_(embedded)
        return {side: storage.fingerprint(side)(b"value") for side in Side}

    stored = {s: load_data_key(keys[s] / DATA_KEY_FILE, s).fingerprint(b"value") for s in Side}
    assert in_loop(main) == stored


def test_trace_numbers_of_two_nodes_never_meet(shared):
    """Each has blocks of its own from one counter, and says its own DE 41."""

    async def main(open_):
        nodes = [await open_(shared(name=name)) for name in ("a", "b")]
        traces = [await node.traces("bureau", f"GATEWAY{n}") for n, node in enumerate(nodes)]
        return [each.allocate(NOW) for each in traces]

    first, second = in_loop(main)
    assert (first.terminal, second.terminal) == ("GATEWAY0", "GATEWAY1")
    assert first.stan != second.stan
