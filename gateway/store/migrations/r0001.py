"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import LONG, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table in an empty database."""
    _create_operations()
    _create_linking()
    _create_sides()


def _create_operations() -> None:
    op.create_table(
        "operations_operations",
        sa.Column("id", text(29), primary_key=True),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("link", text(30), nullable=False, index=True),
        sa.Column("state", text(12), nullable=False),
        sa.Column("is_at_rest", sa.Boolean, nullable=False, index=True),
        sa.Column("opened_at", text(32), nullable=False),
        sa.Column("updated_at", text(32), nullable=False),
    )
    op.create_table(
        "operations_facts",
        sa.Column("operation", text(29), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "operations_idempotency_keys",
        sa.Column("channel", text(64), primary_key=True),
        sa.Column("key", text(255), primary_key=True),
        sa.Column("request_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("resource", text(30), nullable=False),
        sa.Column("created_at", text(32), nullable=False),
    )
    op.create_table(
        "operations_counters",
        sa.Column("name", text(64), primary_key=True),
        sa.Column("next", LONG, nullable=False),
    )


def _create_linking() -> None:
    op.create_table(
        "linking_links",
        sa.Column("id", text(30), primary_key=True),
        sa.Column("agency", text(8), nullable=False),
        sa.Column("channel", text(64), nullable=False),
        sa.Column("state", text(8), nullable=False),
        sa.Column("created_at", text(32), nullable=False),
        sa.Column("activated_at", text(32)),
    )
    op.create_table(
        "linking_pin_sessions",
        sa.Column("id", text(30), primary_key=True),
        sa.Column("link", text(30), nullable=False, index=True),
        sa.Column("purpose", text(16), nullable=False),
        sa.Column("nonce", text(64), nullable=False),
        sa.Column("kid", text(64), nullable=False),
        sa.Column("expires_at", text(32), nullable=False),
        sa.Column("is_used", sa.Boolean, nullable=False),
    )


def _create_sides() -> None:
    op.create_table(
        "social_cards",
        sa.Column("link", text(30), primary_key=True),
        sa.Column("card_fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("holds", sa.Boolean),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("card_fingerprint", "holds", name="one_active_link_per_card"),
    )
    op.create_table(
        "financial_accounts",
        sa.Column("link", text(30), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
