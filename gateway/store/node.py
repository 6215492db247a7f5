"""A node: one gateway process that works on a database, by itself or beside others."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine


class Node:
    """What every transaction of this process stands under.

    An embedded database has one process, which a lock on its file sees to; there is no lease.
    """

    renew_every_s: float | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def alone(cls) -> "Node":
        """Give the node of an embedded database."""
        return cls("")

    @contextmanager
    def transaction(self, engine: Engine) -> Iterator[Connection]:
        """Begin a transaction and commit it in the end."""
        with engine.begin() as connection:
            yield connection

    def has_committed(self, engine: Engine) -> bool:
        """Tell whether the last transaction stands, when its commit was not answered."""
        raise NotImplementedError("an embedded database answers every commit")
