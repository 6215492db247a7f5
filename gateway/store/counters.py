"""Counters whose blocks belong to whoever reserved them, whatever other nodes reserve."""

from sqlalchemy import Connection, text

_RESERVE = text(
    "INSERT INTO operations_counters (name, next) VALUES (:name, :size) "
    "ON CONFLICT (name) DO UPDATE SET next = operations_counters.next + :size "
    "RETURNING next"
)


def reserve(connection: Connection, name: str, size: int) -> int:
    """Take the next `size` numbers of a counter, begun at zero when it is new; gives the first."""
    following = connection.execute(_RESERVE, {"name": name, "size": size}).scalar_one()
    return int(following) - size
