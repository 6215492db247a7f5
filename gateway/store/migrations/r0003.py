"""Notices to channels of operations that came to an outcome."""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table of what channels are still to be told."""
    op.create_table(
        "operations_notices",
        sa.Column("id", text(40), primary_key=True),
        sa.Column("channel", text(64), nullable=False),
        sa.Column("operation", text(29), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", text(32), nullable=False),
        sa.Column("due_at", text(32)),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    op.create_index("operations_notices_waiting", "operations_notices", ["channel", "due_at"])
