"""Statements of many rows: every row is written, whatever their number."""

import pytest
from sqlalchemy import select

from gateway.store import tables
from gateway.store.statements import ROWS_MAX, Update, insert, update

COUNTERS, COLUMNS = tables.counters, ("name", "next")
SET = Update(COUNTERS, COLUMNS, "next = v.column2")
RAISE = Update(COUNTERS, COLUMNS, "next = v.column2", "next < v.column2")


def rows_of(number):
    return [(f"c{index}", index) for index in range(number)]


def stored(connection):
    return dict(map(tuple, connection.execute(select(COUNTERS.c.name, COUNTERS.c.next))))


@pytest.mark.parametrize("number", [1, 2, 3, 16, 17, ROWS_MAX - 1, ROWS_MAX, ROWS_MAX + 1, 200])
def test_every_row_is_inserted_and_changed(store, number):
    """Whatever statements it takes."""
    with store.database.engine.begin() as connection:
        insert(connection, COUNTERS, COLUMNS, rows_of(number))
        inserted = stored(connection)
        changes = [(name, value + 1_000) for name, value in inserted.items()]
        changed = update(connection, SET, changes)
        after = stored(connection)

    assert inserted == {f"c{index}": index for index in range(number)}
    assert changed == number
    assert after == {name: value + 1_000 for name, value in inserted.items()}


def test_only_what_meets_the_condition_is_changed_and_counted(store):
    """Whoever must change every row sees that one was not there as it was."""
    with store.database.engine.begin() as connection:
        insert(connection, COUNTERS, COLUMNS, rows_of(3))
        raised = [("c0", 5), ("c2", 1), ("none", 9)]
        changed = update(connection, RAISE, raised)
        after = stored(connection)

    assert changed == 1
    assert after == {"c0": 5, "c1": 1, "c2": 2}
