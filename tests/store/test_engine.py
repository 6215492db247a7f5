"""Opening the database: durable settings, private files, one process, clear refusals."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.store import engine
from gateway.store.engine import Database
from gateway.terms.errors import SpecificationError

OPEN_AND_WAIT = """
import sys
from pathlib import Path
from sqlalchemy import text
from gateway.store.engine import Database
database = Database(Path(sys.argv[1]))
with database.engine.begin() as connection:
    connection.execute(text("INSERT INTO operations_counters VALUES ('committed', 1)"))
with database.engine.begin() as connection:
    connection.execute(text("INSERT INTO operations_counters VALUES ('being written', 1)"))
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "gateway.db"


def test_every_connection_is_durable(embedded):
    """WAL with synchronous=FULL (2): NORMAL may lose acknowledged commits at power loss."""
    connections = [embedded.database.engine.connect() for _ in range(2)]
    settings = [
        (
            connection.execute(text("PRAGMA journal_mode")).scalar(),
            connection.execute(text("PRAGMA synchronous")).scalar(),
        )
        for connection in connections
    ]
    for connection in connections:
        connection.close()

    assert settings == [("wal", 2)] * 2


def test_files_are_private(embedded, record):
    """Database, WAL and shared memory are for the owner's eyes only."""
    embedded.keep(record.link(1))

    files = [*embedded.path.parent.glob("gateway.db*")]
    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode)
        for file in files
        if not file.name.endswith(".lock")
    }
    assert modes == {"gateway.db": 0o600, "gateway.db-wal": 0o600, "gateway.db-shm": 0o600}


def test_a_new_directory_is_private(path):
    """The directory of the state is made when it is not there."""
    Database(path).close()

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


class Looks(list):
    """The pauses between looks at the lock, which take no time; `at` some, something is done."""

    def __init__(self):
        super().__init__()
        self.at = {}

    def pause(self, seconds):
        self.append(seconds)
        self.at.get(len(self), lambda: None)()


@pytest.fixture
def looks(monkeypatch):
    looks = Looks()
    monkeypatch.setattr(engine, "sleep", looks.pause)
    monkeypatch.setattr(engine, "monotonic", lambda: sum(looks))
    return looks


def test_a_second_handle_on_the_same_file_is_refused(path, looks):
    """The refusal names file and remedy; the first goes on working."""
    first = Database(path)

    with pytest.raises(SpecificationError, match="stop it first") as raised:
        Database(path)

    assert raised.value.file == str(path)
    assert sum(looks) == pytest.approx(2.0, abs=0.1)  # as long as the documents say
    with first.engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    first.close()
    Database(path).close()


@pytest.mark.parametrize("look", [1, 2, 50])
def test_a_successor_waits_for_its_predecessor(path, looks, look):
    """It has the file at the first look after the other has let go of it, and not before."""
    first = Database(path)
    looks.at = {look: first.close}

    Database(path).close()

    assert len(looks) == look


def test_a_successor_finds_what_a_killed_predecessor_had_committed(path, looks):
    """A process in the middle of a transaction: that does not stand, what was before does."""
    other = subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WAIT, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert other.stdout.readline() == b"open\n"

    def kill():
        other.kill()
        other.communicate()

    with pytest.raises(SpecificationError, match="another gateway has this database open"):
        Database(path)
    looks.at = {len(looks) + 1: kill}
    successor = Database(path)

    with successor.engine.connect() as connection:
        found = connection.execute(text("SELECT name FROM operations_counters")).scalars().all()
    successor.close()
    assert found == ["committed"]


def directory_is_a_file(path):
    path.parent.write_text("")


def file_is_a_directory(path):
    path.mkdir(parents=True)


def file_is_something_else(path):
    path.parent.mkdir()
    path.write_text("this is no database" * 100)


@pytest.mark.parametrize(
    "damage",
    [
        directory_is_a_file,
        file_is_a_directory,
        file_is_something_else,
    ],
)
def test_what_cannot_be_opened_is_named(path, damage):
    """Wrong configuration: file, key and remedy, and the file is left to be put right."""
    damage(path)

    for _attempt in range(2):  # a refused opening leaves no lock behind
        with pytest.raises(SpecificationError) as raised:
            Database(path)
        assert (raised.value.file, raised.value.key) == (str(path), "store.path")
        assert "another gateway" not in raised.value.rule


def test_what_was_written_is_there_at_the_next_opening(embedded, record):
    """Tables are made once and kept."""
    embedded.keep(record.link(1))
    embedded.close()

    again = Database(embedded.path)

    with again.engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM linking_links")).scalar()
    again.close()
    assert found == 1
