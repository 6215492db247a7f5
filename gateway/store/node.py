"""A node: one gateway process that works on a database, by itself or beside others.

Beside others it holds its name by a lease, which every transaction renews. Whoever finds a lease at
its end raises the node's epoch: from then on no transaction of the process that held it goes
through, whatever it believes, because each begins by changing the node's row under its own epoch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gateway.store.errors import Away, Fenced
from gateway.store.lease import ENDLESS, Lease
from gateway.terms.errors import SpecificationError


class Node:
    """What every transaction of this process stands under.

    An embedded database has one process, which a lock on its file sees to; there is no lease.
    """

    def __init__(self, lease: Lease = ENDLESS) -> None:
        self.lease = lease
        self.name = lease.name

    @contextmanager
    def transaction(self, engine: Engine) -> Iterator[Connection]:
        """Begin a transaction and commit it in the end."""
        with engine.begin() as connection:
            yield connection

    def has_committed(self, engine: Engine) -> bool:
        """Tell whether the last transaction stands, when its commit was not answered."""
        raise NotImplementedError("an embedded database answers every commit")


@dataclass(frozen=True, slots=True)
class Membership:
    """What a node is to the others: its name, its DE 41 and how long its lease is, in seconds."""

    name: str
    terminal: str
    lease_s: float


class LeasedNode(Node):
    """One of several nodes; `join` first.

    The lease runs from before the transaction that renewed it.
    """

    def __init__(self, membership: Membership) -> None:
        super().__init__(Lease(membership.name, membership.lease_s))
        self._values: dict[str, object] = {
            "name": membership.name,
            "terminal": membership.terminal,
            "lease": int(membership.lease_s * 1000),
        }
        self._epoch = 0
        self._batch = 0  # the last that stands
        self._tried = 0

    def join(self, engine: Engine) -> None:
        """Take the name, and with it everything that a process of this name left.

        Such a process, should it live, is fenced. Raises `SpecificationError` when another node has
        this station, and `Away` when the database cannot be reached.
        """
        started = monotonic()
        try:
            with _connected(engine) as connection, connection.begin():
                row = connection.execute(_JOIN, self._values).one()
        except IntegrityError:
            rule = "is another node's; each node has a DE 41 of its own"
            raise SpecificationError(self.name, "station.terminal", rule) from None
        self._epoch, self._batch = row
        self.lease.begin(started)

    @contextmanager
    def transaction(self, engine: Engine) -> Iterator[Connection]:
        """Begin a transaction under this process's epoch, renew the lease, commit in the end.

        Raises `Away` before it began and `Fenced` when another node, or another process of this
        name, has taken over.
        """
        started = monotonic()
        self._tried = self._batch + 1
        with _connected(engine) as connection, connection.begin():
            values = {**self._values, "epoch": self._epoch, "batch": self._tried}
            if connection.execute(_RENEW, values).rowcount != 1:
                raise Fenced(f"node {self.name} was taken over")
            yield connection
        self._batch = self._tried
        self.lease.renew(started)

    def has_committed(self, engine: Engine) -> bool:
        """Tell whether the last transaction stands; raises as `transaction` does."""
        with _connected(engine) as connection, connection.begin():
            row = connection.execute(_READ, self._values).one_or_none()
        if row is None or row.epoch != self._epoch:
            raise Fenced(f"node {self.name} was taken over")
        self._batch = int(row.batch)
        return self._batch == self._tried

    def leave(self, engine: Engine) -> None:
        """Give the name back, so that others take over at once what is left."""
        with _connected(engine) as connection, connection.begin():
            connection.execute(_LEAVE, {**self._values, "epoch": self._epoch})


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """Give a connection; raises `Away` where there is none to be had."""
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise Away(type(getattr(error, "orig", error)).__name__) from None
    with connection:
        yield connection


NOW = "(extract(epoch from clock_timestamp()) * 1000)::bigint"  # ms, by the database's clock

_JOIN = text(
    "INSERT INTO operations_nodes (name, terminal, epoch, batch, lease_ends_at) "  # noqa: S608 - ours
    f"VALUES (:name, :terminal, 1, 0, {NOW} + :lease) ON CONFLICT (name) DO UPDATE SET "
    "terminal = :terminal, epoch = operations_nodes.epoch + 1, "
    f"lease_ends_at = {NOW} + :lease RETURNING epoch, batch"
)
_RENEW = text(
    f"UPDATE operations_nodes SET batch = :batch, lease_ends_at = {NOW} + :lease "  # noqa: S608
    "WHERE name = :name AND epoch = :epoch"
)
# Locked: a transaction of ours that the server has not ended yet is waited for.
_READ = text("SELECT epoch, batch FROM operations_nodes WHERE name = :name FOR UPDATE")
_LEAVE = text(
    "UPDATE operations_nodes SET epoch = epoch + 1, lease_ends_at = NULL "
    "WHERE name = :name AND epoch = :epoch"
)
