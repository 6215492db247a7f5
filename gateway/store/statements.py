"""Statements put together once for each database: writes of many rows, and look-ups.

A statement of many rows costs a fraction of as many statements: each one that the driver executes
lets go of the interpreter and must get it back from another thread. A batch of the usual
size is one statement for each table; rows beyond that are cut into powers of two, so that few texts
are ever prepared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Dialect, Select, Table
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]
Given = Callable[[Mapping[str, Any]], Any]
"""Makes of values by name what the driver takes."""
ROWS_MAX = 64  # a statement: some 600 values at most, far below any database's limit
# Up to here each number of rows has a statement of its own: what 32 callers have under way makes
# batches of some ten, and both drivers keep a hundred statements prepared.
_ROWS_EACH = 16


@dataclass(frozen=True, slots=True)
class Update:
    """A change of rows found by their key, the first of `columns`.

    `assignments` name the table's own columns bare and the new values ``v.column2`` and so on, as
    SQL calls the columns of a VALUES list; `condition` may narrow down which rows change.
    """

    table: Table
    columns: tuple[str, ...]
    assignments: str
    condition: str = "true"

    def text(self, rows: str) -> str:
        """Give the statement for a VALUES list."""
        key = f"{self.table.name}.{self.columns[0]}"
        return (
            f"UPDATE {self.table.name} SET {self.assignments} "  # noqa: S608 - names of our own
            f"FROM (VALUES {rows}) AS v WHERE {key} = v.column1 AND {self.condition}"
        )


class Lookup:
    """A query whose rows come straight from the driver, as tuples in the order of its columns.

    A row of SQLAlchemy's costs several times as much as SQLite takes to find it.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, Given]] = {}

    def all(self, connection: Connection, **values: object) -> list[tuple[Any, ...]]:
        """Give every row found; `values` are those of its bound parameters."""
        compiled = self._compiled.get(connection.dialect.name)
        text, given = compiled or self._compile(connection.dialect)
        driver: Any = connection.connection.driver_connection
        return list(driver.execute(text, given(values)).fetchall())

    def one(self, connection: Connection, **values: object) -> tuple[Any, ...] | None:
        """Give the row found, or None; there is one at most."""
        rows = self.all(connection, **values)
        return rows[0] if rows else None

    def _compile(self, dialect: Dialect) -> tuple[str, Given]:
        compiled = self._statement.compile(dialect=dialect)
        names, fixed = compiled.positiontup, compiled.params
        # Of its parameters some have a value already, such as a limit.
        own = {name: value for name, value in fixed.items() if value is not None}
        given: Given = lambda values: {**own, **values}  # noqa: E731
        if names is not None:
            order = tuple(names)
            given = lambda values: [values.get(name, fixed[name]) for name in order]  # noqa: E731
            if len(order) > 1 and not own:
                given = itemgetter(*order)
        self._compiled[dialect.name] = str(compiled), given
        return self._compiled[dialect.name]


def insert(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Insert rows, each with the values of these columns, in the order given."""
    for part in _parts(rows):
        text = _insert_text(table, columns, len(part), connection.dialect.name)
        execute(connection, text, tuple(chain.from_iterable(part)))


def update(connection: Connection, change: Update, rows: Sequence[Row]) -> int:
    """Change rows, each key once and with the values of its columns; gives how many there were."""
    changed = 0
    for part in _parts(rows):
        text = _update_text(change, len(part), connection.dialect.name)
        changed += execute(connection, text, tuple(chain.from_iterable(part)))
    return changed


def execute(connection: Connection, text: str, values: tuple[Any, ...] = ()) -> int:
    """Have the driver itself execute a statement; gives how many rows it changed.

    What SQLAlchemy adds costs as much again. Raises `DBAPIError` as it does, without its values.
    """
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    errors = dialect.loaded_dbapi.Error
    try:
        return int(driver.execute(text, values).rowcount)
    except errors as error:
        is_away = dialect.is_disconnect(error, driver, None)
        if is_away:
            connection.invalidate(error)
        raise DBAPIError.instance(
            text,
            None,
            error,
            errors,
            hide_parameters=True,
            connection_invalidated=is_away,
            dialect=dialect,
        ) from None


def _parts(rows: Sequence[Row]) -> list[Sequence[Row]]:
    parts, start, size = [], 0, ROWS_MAX
    while (left := len(rows) - start) > _ROWS_EACH:
        while size > left:
            size //= 2
        parts.append(rows[start : start + size])
        start += size
    return [*parts, rows[start:]] if left else parts


@cache
def _insert_text(table: Table, columns: tuple[str, ...], size: int, dialect: str) -> str:
    names = ", ".join(f'"{column}"' for column in columns)
    rows = _list(len(columns), size, dialect)
    return f"INSERT INTO {table.name} ({names}) VALUES {rows}"  # noqa: S608 - names of our own


@cache
def _update_text(change: Update, size: int, dialect: str) -> str:
    return change.text(_list(len(change.columns), size, dialect))


def _list(width: int, size: int, dialect: str) -> str:
    mark = "?" if dialect == "sqlite" else "%s"
    row = f"({', '.join([mark] * width)})"
    return ", ".join([row] * size)
