"""Take-over: what a dead node left is carried on by the others, each operation by one of them.

Each function is a chore of the journal: it stands in a transaction under its own node's epoch.
"""

from sqlalchemy import Connection, text

from gateway.store.node import NOW
from gateway.terms.numbers import OperationId

CLAIM_MAX = 500  # operations at a time, so that nodes share what a dead one left


def fence_dead(connection: Connection, node: str) -> list[str]:
    """Raise the epoch of every other node whose lease is at its end; gives their names."""
    return list(connection.execute(_FENCE, {"node": node}).scalars())


def claim(connection: Connection, node: str, count_max: int) -> list[OperationId]:
    """Make this node the owner of some unfinished operations of a node that is gone."""
    dead = connection.execute(_FIND).scalar()
    if dead is None:
        return []
    values = {"node": node, "dead": dead, "most": min(count_max, CLAIM_MAX)}
    return [OperationId(row) for row in connection.execute(_CLAIM, values).scalars()]


# One that stopped inside a transaction has its row locked until the server ends that.
_FENCE = text(
    "UPDATE operations_nodes SET epoch = epoch + 1, lease_ends_at = NULL "  # noqa: S608 - ours
    "WHERE name IN (SELECT name FROM operations_nodes "
    f"WHERE lease_ends_at < {NOW} AND name <> :node FOR UPDATE SKIP LOCKED) RETURNING name"
)
# The row of the dead node is locked: should it come back now, it waits and finds what is left.
_FIND = text(
    "SELECT name FROM operations_nodes WHERE lease_ends_at IS NULL AND EXISTS "
    "(SELECT 1 FROM operations_operations WHERE owner = name AND is_at_rest IS false) "
    "ORDER BY name LIMIT 1 FOR UPDATE SKIP LOCKED"
)
_CLAIM = text(
    "UPDATE operations_operations SET owner = :node WHERE id IN "
    "(SELECT id FROM operations_operations WHERE owner = :dead AND is_at_rest IS false "
    "ORDER BY id LIMIT :most) RETURNING id"
)
