"""Losses by card and by account: those that stand with a link are moved when they change."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table of each side."""
    for side, key in (("social", "card_fingerprint"), ("financial", "account_fingerprint")):
        op.create_table(
            f"{side}_losses",
            sa.Column(key, sa.LargeBinary(32), primary_key=True),
            sa.Column("sealed", sa.LargeBinary, nullable=False),
        )
