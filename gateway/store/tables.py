"""The tables, in one group per room. No foreign key crosses from one group to another.

Numbers of persons, cards and accounts stand in the `sealed` columns of the two sides only.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

operations = Table(
    "operations_operations",
    metadata,
    Column("id", String(29), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("link", String(30), nullable=False, index=True),
    Column("state", String(12), nullable=False),
    Column("is_at_rest", Boolean, nullable=False, index=True),
    Column("opened_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
)

facts = Table(
    "operations_facts",
    metadata,
    Column("operation", String(29), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)

idempotency_keys = Table(
    "operations_idempotency_keys",
    metadata,
    Column("channel", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_digest", LargeBinary(32), nullable=False),
    Column("resource", String(30), nullable=False),
    Column("created_at", String(32), nullable=False),
)

counters = Table(
    "operations_counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("next", Integer, nullable=False),
)

links = Table(
    "linking_links",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("agency", String(8), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("state", String(8), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("activated_at", String(32)),
)

pin_sessions = Table(
    "linking_pin_sessions",
    metadata,
    Column("id", String(30), primary_key=True),
    Column("link", String(30), nullable=False, index=True),
    Column("purpose", String(16), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("kid", String(64), nullable=False),
    Column("expires_at", String(32), nullable=False),
    Column("is_used", Boolean, nullable=False),
)

# One active link per card: a card that is held stands here once. `holds` is NULL, which is
# never equal to itself, once the link has ended.
cards = Table(
    "social_cards",
    metadata,
    Column("link", String(30), primary_key=True),
    Column("card_fingerprint", LargeBinary(32), nullable=False),
    Column("holds", Boolean),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("card_fingerprint", "holds", name="one_active_link_per_card"),
)

accounts = Table(
    "financial_accounts",
    metadata,
    Column("link", String(30), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
