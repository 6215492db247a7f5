"""The store as the event loop sees it: old rows go, dead nodes are followed, failures are told."""

import asyncio
import threading
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from gateway.app import storage as module
from gateway.app.settings import NodeSettings, RetentionSettings, StoreSettings
from gateway.app.storage import Storage, open_database, upgrade_database
from gateway.linking.kinds import EXCHANGES
from gateway.operations.facts import Opened, OperationKind
from gateway.operations.operation import open_operation
from gateway.store import schema
from gateway.store.unit import KeyUsed, Progress, Unit
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.numbers import LinkId, OperationId

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def settings_of(store, name="gateway", lease_s=2.0):
    station = SimpleNamespace(terminal=f"TERM{name[:4].upper():0>4}")
    node = NodeSettings(name=name, lease_s=lease_s)
    return SimpleNamespace(store=store, node=node, station=station)


@pytest.fixture
def embedded(tmp_path):
    return settings_of(StoreSettings(path=tmp_path / "gateway.db"))


@pytest.fixture
def shared(postgresql):
    """Give the maker of settings of nodes on a fresh database."""
    postgresql.sql("DROP DATABASE IF EXISTS nodes WITH (FORCE)")
    postgresql.sql("CREATE DATABASE nodes")
    return partial(settings_of, StoreSettings(url=postgresql.url("nodes")))


def in_loop(main):
    """Run `main(open)`; `open` opens a storage that is closed in the end."""

    async def run():
        async with AsyncExitStack() as stack:

            def open_(settings, fail=[].append):
                storage = Storage(settings, None, fail)
                storage.close_with(stack)
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
        storage = open_(embedded)
        await keep(storage, Unit(records=(old, young)))
        purging = asyncio.create_task(storage.purge(RetentionSettings(), lambda: NOW))
        old_key = partial(storage.read, lambda queries: queries.key("online-bank", "old"))
        await until(old_key, gone=True)
        purging.cancel()
        return await storage.read(lambda queries: queries.key("online-bank", "young"))

    assert in_loop(main) is not None


@pytest.mark.parametrize("kind", ["chore", "trace numbers"])
def test_whoever_stopped_waiting_for_the_journal_is_not_told(embedded, kind):
    """A task that was cancelled while the journal was at work leaves no error behind."""
    may_go_on, errors = threading.Event(), []

    async def main(open_):
        storage = open_(embedded)
        asyncio.get_running_loop().set_exception_handler(lambda _, what: errors.append(what))
        storage.journal.run(lambda _: may_go_on.wait(10), lambda _: None)
        work = storage.run(lambda _: 1) if kind == "chore" else storage.traces("core", "TERM0001")
        waiting = asyncio.create_task(work)
        await asyncio.sleep(0)  # it has asked
        waiting.cancel()
        may_go_on.set()
        return await storage.run(lambda _: 2)

    assert in_loop(main) == 2
    assert errors == []


def test_a_dead_node_is_followed_by_another(shared, monkeypatch):
    """Its lease ends, its epoch is raised, and what it left is resumed elsewhere, once."""
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)
    taken = []

    async def main(open_):
        dead, other = open_(shared(name="dead")), open_(shared(name="other"))
        await keep(dead, Unit((Progress(operation(1), 0),)))
        dead.node.renew_every_s = None  # it has stopped
        dead.journal.close()
        other.node._steady_since -= 100  # it has been there for long
        with dead._database.engine.begin() as connection:
            connection.execute(
                text("UPDATE operations_nodes SET lease_ends_at = 1 WHERE name = 'dead'")
            )
        following = asyncio.create_task(
            other.take_over(lambda operations, _: taken.extend(operations), lambda: 10)
        )
        await until(lambda: have(taken))
        following.cancel()

    in_loop(main)
    assert [each.id for each in taken] == [operation(1).id]


def test_what_was_left_is_resumed_part_by_part(embedded, monkeypatch):
    """All of it, once each, the oldest first."""
    monkeypatch.setattr(module, "_RESUMED_AT_ONCE", 2)
    parts = []

    async def main(open_):
        storage = open_(embedded)
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
        storage = open_(embedded)
        await keep(storage, Unit(tuple(Progress(operation(n), 0) for n in (1, 2))))
        left = await storage.left_behind()
        await keep(storage, Unit((Progress(operation(3), 0),)))
        await storage.resume_own(left, lambda operations, _: resumed.extend(operations))

    in_loop(main)
    assert resumed == [operation(1), operation(2)]


def test_a_node_without_room_takes_nothing_over(shared):
    """What it cannot hold in memory waits for another."""

    async def main(open_):
        leaving = open_(shared(name="leaving"))
        await keep(leaving, Unit((Progress(operation(1), 0),)))
        leaving.journal.close()
        leaving.node.leave(leaving._database.engine)
        other = open_(shared(name="other"))
        taken = []
        await other._look(lambda operations, _: taken.extend(operations), lambda: 0)
        return taken

    assert in_loop(main) == []


def test_a_fenced_node_hears_of_it_while_it_has_nothing_to_write(shared):
    """The renewal of its lease is refused, and the process must stop."""
    failed = []

    async def main(open_):
        open_(shared(), failed.append)
        open_(shared())  # another process of the same name
        await until(lambda: have(failed))

    in_loop(main)
    assert "Fenced" in str(failed[0])


def test_a_chore_that_fails_is_its_callers_error(embedded):
    """A mistake of ours comes out where the chore was asked for."""

    def mistaken(_connection):
        raise LocalError("mistaken")

    async def main(open_):
        with pytest.raises(LocalError):
            await open_(embedded).run(mistaken)

    in_loop(main)


def test_trace_numbers_of_two_nodes_never_meet(shared):
    """Each has blocks of its own from one counter, and says its own DE 41."""

    async def main(open_):
        nodes = [open_(shared(name=name)) for name in ("a", "b")]
        traces = [await node.traces("bureau", f"GATEWAY{n}") for n, node in enumerate(nodes)]
        return [each.allocate(NOW) for each in traces]

    first, second = in_loop(main)
    assert (first.terminal, second.terminal) == ("GATEWAY0", "GATEWAY1")
    assert first.stan != second.stan


def test_a_database_that_cannot_be_reached_is_named(postgresql):
    """Key, and what the server says against it."""
    url = f"host={postgresql.directory} user=gateway dbname=nowhere"

    with pytest.raises(SpecificationError, match="cannot be reached") as refused:
        open_database(StoreSettings(url=url))
    assert refused.value.key == "store.url"
    assert 'database "nowhere" does not exist' in refused.value.rule


@pytest.mark.parametrize(("mode", "rule"), [(None, "No such file"), (0o644, "chmod 600")])
def test_a_password_file_that_libpq_would_pass_over_is_refused(tmp_path, mode, rule):
    """Else the server's refusal of nobody's password would be all that is told."""
    file = tmp_path / "pgpass"
    if mode is not None:
        file.touch(mode)

    with pytest.raises(SpecificationError, match=rule) as refused:
        open_database(StoreSettings(url="postgresql://a@h/d", password_file=file))
    assert refused.value.key == "store.password_file"


@pytest.mark.parametrize(
    ("url", "rule"),
    [("postgresql://a:secret@h/d", "no password"), ("postgresql//a", "must be such as")],
)
def test_a_url_is_checked_without_repeating_it(url, rule):
    """A password belongs in a file of its own."""
    with pytest.raises(SpecificationError, match=rule) as refused:
        open_database(StoreSettings(url=url))
    assert "secret" not in str(refused.value)


def test_a_shared_database_is_upgraded_too(shared):
    """An empty one from nothing; a repeated command changes nothing."""
    settings = shared().store

    assert upgrade_database(settings) == (None, schema.HEAD)
    assert upgrade_database(settings) == (schema.HEAD, schema.HEAD)
