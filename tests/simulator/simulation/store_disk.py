"""The same as `Disk` through the real store: SQLAlchemy on SQLite in memory.

A history told on either has the same trace.
"""

from functools import cache

from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

from gateway.linking.kinds import EXCHANGES
from gateway.store import counters
from gateway.store.batch import Batch
from gateway.store.errors import Changed, Conflict
from gateway.store.queries import Queries
from gateway.store.sealing import Sealer
from gateway.store.tables import metadata
from gateway.store.unit import pack
from simulation.disk import Disk


class _PlainKey:
    """A data key of the simulated module: no secret, so nothing is enciphered."""

    def __init__(self, name):
        self._name = name.encode()

    def seal(self, plaintext, context):
        return b"%s|%s|" % (self._name, context) + plaintext

    def open(self, sealed, context):
        head = b"%s|%s|" % (self._name, context)
        assert sealed.startswith(head)
        return sealed[len(head) :]

    def fingerprint(self, value):
        return (self._name + value).ljust(32)[:32]


@cache
def _connection():
    """Give the database of this process; each history finds it empty."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    metadata.create_all(engine)
    return engine.connect()


class StoreDisk(Disk):
    """The same through the real tables, statements and queries."""

    def __init__(self, watch):
        super().__init__(watch)
        self._sealer = Sealer(_PlainKey("social"), _PlainKey("financial"))
        self._connection = _connection()
        with self._connection.begin():
            for table in metadata.sorted_tables:
                self._connection.exec_driver_sql(f"DELETE FROM {table.name}")  # noqa: S608 - ours

    def reserve(self, name, size):
        with self._connection.begin():
            first = counters.reserve(self._connection, name, size)
        assert first == super().reserve(name, size)
        return first

    def begin_counters(self, names, first):
        super().begin_counters(names, first)
        with self._connection.begin():
            for name in names:
                counters.reserve(self._connection, name, first)

    def commit(self, units):
        try:
            self._write(units)
        except (Changed, IntegrityError):
            stored = [self._write_alone(unit) for unit in units]
        else:
            stored = [None] * len(units)
        modelled = super().commit(units)
        assert [type(each) for each in stored] == [type(each) for each in modelled]
        return stored

    def run(self, query):
        with self._connection.begin():
            return query(Queries(self._connection, self._sealer, EXCHANGES.__getitem__))

    def claim(self, identifiers, node):
        super().claim(identifiers, node)
        table = metadata.tables["operations_operations"]
        values = [each.value for each in identifiers]
        with self._connection.begin():
            self._connection.execute(
                table.update().where(table.c.id.in_(values)).values(owner=node)
            )

    def _write(self, units):
        rows = Batch(self._sealer, self.node)
        for unit in units:
            rows.add(pack(unit))
        with self._connection.begin():
            rows.write(self._connection)

    def _write_alone(self, unit):
        try:
            self._write([unit])
        except (Changed, IntegrityError):
            return Conflict("the unit breaks a uniqueness rule of the store")
        return None
