"""The schema through its revisions: every release's data comes up to this one, by command only."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from gateway.hsm.data_key import DataKey
from gateway.linking.kinds import EXCHANGES
from gateway.linking.link import LinkState
from gateway.operations.facts import OperationState
from gateway.store import migrations, schema
from gateway.store.counters import reserve
from gateway.store.engine import Database
from gateway.store.found import StoredKey
from gateway.store.postgresql import SharedDatabase
from gateway.store.queries import Queries
from gateway.store.sealing import Sealer
from gateway.store.tables import metadata
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import OperationId, PinSessionId

FIRST_RELEASE = Path(__file__).parent / "stored" / "release_1.sql"
SEALER = Sealer(DataKey(b"s" * 32), DataKey(b"f" * 32))  # with which its rows were sealed


@pytest.fixture
def stored(tmp_path):
    """Give a database file as the first release left it."""
    path = tmp_path / "gateway.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(FIRST_RELEASE.read_text())
    connection.close()
    return path


@pytest.fixture
def opened():
    databases = []

    def open_(path, take=schema.ensure):
        databases.append(Database(path, take))
        return databases[-1]

    yield open_
    for database in databases:
        database.close()


def indexes(database):
    with database.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        )
        return dict(map(tuple, rows))


def test_the_first_releases_data_comes_up_to_this_release(stored, opened, record):
    """Every row is read as it was: link, halves, session, key, counter, operations."""
    database = opened(stored, schema.upgrade)

    with database.engine.connect() as connection:
        queries = Queries(connection, SEALER, EXCHANGES.__getitem__)
        linked = queries.linked(record.link_id(1))
        operations = [queries.operation(OperationId(f"op_{n:026d}")) for n in (1, 2, 3)]
        unfinished = queries.unfinished()
        found = queries.key("online-bank", "key-1")
        session = queries.session(PinSessionId("pse_" + "0" * 25 + "1"))
        first = reserve(connection, "stan/bureau", 10_000)
    assert linked.link.state is LinkState.ACTIVE
    assert (linked.card, linked.account) == (record.card(1), record.account(1))
    assert [operation.state for operation in operations] == [
        OperationState.SUCCEEDED,
        OperationState.UNKNOWN,
        OperationState.PENDING,
    ]
    assert unfinished == operations[2:]
    assert found == StoredKey(bytes(32), operations[0].id.value)
    assert session.is_used
    assert first == 20_000


def test_an_upgraded_database_is_as_a_new_one(stored, tmp_path, opened):
    """Revisions and tables do not drift apart: neither column, nor constraint, nor index."""
    upgraded, new = opened(stored, schema.upgrade), opened(tmp_path / "new.db")

    for database in (upgraded, new):
        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert indexes(upgraded) == indexes(new)


def test_a_shared_database_comes_up_from_nothing_as_a_new_one(postgresql):
    """On PostgreSQL too revisions and tables do not drift apart, nor do indexes."""
    found = []
    for name, take in (("upgraded", schema.upgrade), ("made_new", schema.ensure)):
        postgresql.sql(f"CREATE DATABASE {name}")
        database = SharedDatabase(postgresql.url(name), take=take)
        with database.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            listed = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
            found.append(set(map(tuple, connection.execute(listed))))
        database.close()

    assert found[0] == found[1] != set()


def test_nodes_that_start_together_make_the_schema_once(postgresql):
    """The first of them makes it, the others wait and find it."""
    postgresql.sql("CREATE DATABASE together")
    with ThreadPoolExecutor(4) as pool:
        opening = [pool.submit(SharedDatabase, postgresql.url("together")) for _ in range(4)]

    with opening[0].result().engine.connect() as connection:
        revisions = connection.execute(text("SELECT count(*) FROM alembic_version")).scalar()
    for each in opening:
        each.result().close()
    assert revisions == 1


def test_what_ran_at_the_upgrade_goes_on_holding_its_link(stored, opened, record):
    """No second operation begins on a link because of an upgrade."""
    database = opened(stored, schema.upgrade)

    with database.engine.connect() as connection:
        held = connection.execute(text("SELECT id, holds FROM operations_operations")).all()
    assert dict(map(tuple, held)) == {
        "op_" + "0" * 25 + "1": None,
        "op_" + "0" * 25 + "2": None,
        "op_" + "0" * 25 + "3": record.link_id(1).value,
    }


def test_an_older_schema_is_refused_with_the_command_that_upgrades_it(stored, opened):
    """Nothing upgrades by itself, and the refused file is left as it was."""
    before = stored.read_bytes()

    with pytest.raises(SpecificationError, match="run: gateway store upgrade") as raised:
        opened(stored)

    assert (raised.value.file, raised.value.key) == (str(stored), "store")
    assert stored.read_bytes() == before
    assert opened(stored, schema.upgrade)  # it is not left locked either


@pytest.mark.parametrize("take", [schema.ensure, schema.upgrade])
def test_a_newer_schema_is_refused(tmp_path, opened, take):
    """An older release never writes to it, and never upgrades it."""
    path = tmp_path / "gateway.db"
    database = opened(path)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()

    with pytest.raises(SpecificationError, match="newer release"):
        opened(path, take)


def test_an_upgrade_that_is_repeated_changes_nothing(stored, opened):
    """The command may be given twice."""
    opened(stored, schema.upgrade).close()

    database = opened(stored)

    assert schema.upgrade(database.engine, "") == (schema.HEAD, schema.HEAD)


def test_an_upgrade_that_fails_leaves_the_release_before(stored, opened):
    """All of it is one transaction, changes of the schema included."""
    with sqlite3.connect(stored) as connection:
        connection.execute("CREATE TABLE operations_nodes (in_the_way INTEGER)")
    connection.close()
    with pytest.raises(SpecificationError):
        opened(stored, schema.upgrade)

    with sqlite3.connect(stored) as connection:
        columns = connection.execute("PRAGMA table_info(operations_operations)").fetchall()
    connection.close()
    assert "holds" not in [column[1] for column in columns]


def test_the_revisions_are_one_chain_and_all_named():
    """What a start accepts is the last of the chain."""
    place = str(Path(migrations.__file__).parent)
    script = ScriptDirectory(place, version_locations=[place])

    chain = [each.revision for each in script.walk_revisions()]

    assert tuple(reversed(chain)) == schema.REVISIONS
