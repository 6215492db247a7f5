"""Owners of operations, one at a time on a link, nodes, and indexes for a long history."""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import LONG, text

revision = "0002"
down_revision = "0001"

_AT_WORK = sa.text("is_at_rest IS false")


def upgrade() -> None:
    """Add what several nodes on one database need; what runs keeps its link to itself."""
    op.add_column(
        "operations_operations",
        sa.Column("owner", text(64), nullable=False, server_default=""),
    )
    op.add_column("operations_operations", sa.Column("holds", text(30)))
    op.execute(_HOLD)
    _create_indexes()
    op.create_table(
        "operations_nodes",
        sa.Column("name", text(64), primary_key=True),
        sa.Column("terminal", text(8), nullable=False, unique=True),
        sa.Column("epoch", LONG, nullable=False),
        sa.Column("batch", LONG, nullable=False),
        sa.Column("lease_ends_at", LONG),
    )


# The newest that runs on each link; an SS account that follows holds nothing back.
_HOLD = """
UPDATE operations_operations SET holds = link
WHERE id IN (
    SELECT max(id) FROM operations_operations
    WHERE is_at_rest IS false AND kind <> 'ss-account' GROUP BY link
)
"""


def _create_indexes() -> None:
    op.drop_index("ix_operations_operations_is_at_rest", "operations_operations")
    op.create_index(
        "operations_unfinished",
        "operations_operations",
        ["owner"],
        sqlite_where=sa.text("is_at_rest IS 0"),
        postgresql_where=_AT_WORK,
    )
    op.create_index("operations_by_state", "operations_operations", ["state", "updated_at"])
    op.create_index("one_operation_at_a_time", "operations_operations", ["holds"], unique=True)
    op.create_index(
        op.f("ix_operations_idempotency_keys_created_at"),
        "operations_idempotency_keys",
        ["created_at"],
    )
    op.drop_index("ix_linking_pin_sessions_link", "linking_pin_sessions")
    op.create_index("newest_pin_session", "linking_pin_sessions", ["link", "purpose", "id"])
