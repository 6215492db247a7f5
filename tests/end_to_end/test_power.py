"""The model of a power cut bites: it spares what was synced, and nothing else."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from random import Random  # noqa: TID251 - seeded: what is lost repeats

import pytest
from torture.disk import ABOUT, FaultyDisk
from torture.preloaded import environment

MOMENTS, LOSSES = 4, 25
WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=" + sys.argv[2])
database.execute("PRAGMA wal_autocheckpoint=40")
database.execute("CREATE TABLE told (number INTEGER)")
for line in sys.stdin:
    for number in range(int(line), int(line) + 50):
        database.execute("INSERT INTO told VALUES (?)", (number,))
        print(number, flush=True)
"""


@pytest.mark.parametrize(("synchronous", "is_lost"), [("FULL", False), ("OFF", True)])
def test_a_power_cut_takes_what_was_not_synced_and_only_that(tmp_path, synchronous, is_lost):
    """What SQLite committed with FULL is there whatever is lost; with OFF some of it is not."""
    disk, chance = FaultyDisk(tmp_path), Random(8583)  # noqa: S311 - no secret
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / ABOUT, synchronous],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(disk.library, **disk.settings),
        text=True,
    )
    lost = []
    with writer:
        for moment in range(MOMENTS):
            writer.stdin.write(f"{50 * moment}\n")
            writer.stdin.flush()
            told = [int(writer.stdout.readline()) for _ in range(20)][-1]
            copy = disk.copied(writer.pid, tmp_path / ABOUT, tmp_path / f"{moment}")
            for _ in range(30):
                writer.stdout.readline()
            lost += [
                told - numbers_in(copy.after_loss(chance, tmp_path / "left")) + 1
                for _ in range(LOSSES)
            ]

    assert (max(lost) > 0) is is_lost


def numbers_in(database):
    """Count the rows in a database that lost its power; none where not even the table is left."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            return connection.execute("SELECT count(*) FROM told").fetchone()[0]
        except sqlite3.Error:
            return 0
