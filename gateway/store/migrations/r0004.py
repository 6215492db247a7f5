"""Longer names of kinds of operations: those of the businesses in the life of a card."""

from alembic import op

from gateway.store.tables import text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Widen the column; SQLite copies the table for it, with its indexes."""
    with op.batch_alter_table("operations_operations") as batch:
        batch.alter_column("kind", existing_type=text(16), type_=text(32), existing_nullable=False)
