"""The tables, in one group per room. No foreign key crosses from one group to another.

Numbers of persons, cards and accounts stand in the `sealed` columns of the two sides only. A change
of a table here goes with a revision in ``migrations``; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()


def text(length: int) -> TypeEngine[str]:
    """Give a column of references or instants: compared byte by byte on every database."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


# 64 bits everywhere; SQLite's INTEGER has them, and its BIGINT would be another declared type.
LONG = BigInteger().with_variant(Integer(), "sqlite")

# `owner` is the node that carries the operation on. `holds` is the link while no other operation
# may begin on it, and NULL, which is never equal to itself, from then on.
operations = Table(
    "operations_operations",
    metadata,
    Column("id", text(29), primary_key=True),
    Column("kind", text(32), nullable=False),
    Column("link", text(30), nullable=False, index=True),
    Column("state", text(12), nullable=False),
    Column("is_at_rest", Boolean, nullable=False),
    Column("opened_at", text(32), nullable=False),
    Column("updated_at", text(32), nullable=False),
    Column("owner", text(64), nullable=False, server_default=""),
    Column("holds", text(30)),
    Index("operations_by_state", "state", "updated_at"),
    Index("one_operation_at_a_time", "holds", unique=True),
)

# Partial, so that it is as small as what is unfinished, however long the history.
Index(
    "operations_unfinished",
    operations.c.owner,
    sqlite_where=operations.c.is_at_rest.is_(False),
    postgresql_where=operations.c.is_at_rest.is_(False),
)

facts = Table(
    "operations_facts",
    metadata,
    Column("operation", text(29), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)

idempotency_keys = Table(
    "operations_idempotency_keys",
    metadata,
    Column("channel", text(64), primary_key=True),
    Column("key", text(255), primary_key=True),
    Column("request_digest", LargeBinary(32), nullable=False),
    Column("resource", text(30), nullable=False),
    Column("created_at", text(32), nullable=False, index=True),
)

# `due_at` is NULL once a notice was given up; one that was delivered is deleted.
notices = Table(
    "operations_notices",
    metadata,
    Column("id", text(40), primary_key=True),
    Column("channel", text(64), nullable=False),
    Column("operation", text(29), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", text(32), nullable=False),
    Column("due_at", text(32)),
    Column("attempts", Integer, nullable=False),
    Index("operations_notices_waiting", "channel", "due_at"),
)

counters = Table(
    "operations_counters",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("next", LONG, nullable=False),
)

# `epoch` counts the processes that have borne the node's name, and whoever fenced one; `batch`
# its transactions; `lease_ends_at` is in milliseconds of the database's clock, NULL once fenced.
nodes = Table(
    "operations_nodes",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("terminal", text(8), nullable=False, unique=True),
    Column("epoch", LONG, nullable=False),
    Column("batch", LONG, nullable=False),
    Column("lease_ends_at", LONG),
)

links = Table(
    "linking_links",
    metadata,
    Column("id", text(30), primary_key=True),
    Column("agency", text(8), nullable=False),
    Column("channel", text(64), nullable=False),
    Column("state", text(8), nullable=False),
    Column("created_at", text(32), nullable=False),
    Column("activated_at", text(32)),
)

pin_sessions = Table(
    "linking_pin_sessions",
    metadata,
    Column("id", text(30), primary_key=True),
    Column("link", text(30), nullable=False),
    Column("purpose", text(16), nullable=False),
    Column("nonce", text(64), nullable=False),
    Column("kid", text(64), nullable=False),
    Column("expires_at", text(32), nullable=False),
    Column("is_used", Boolean, nullable=False),
    Index("newest_pin_session", "link", "purpose", "id"),
)

# One active link per card: a card that is held stands here once. `holds` is NULL, which is
# never equal to itself, once the link has ended.
cards = Table(
    "social_cards",
    metadata,
    Column("link", text(30), primary_key=True),
    Column("card_fingerprint", LargeBinary(32), nullable=False),
    Column("holds", Boolean),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("card_fingerprint", "holds", name="one_active_link_per_card"),
)

# The newest loss of a card or an account, whichever links lead to it: one that is reported holds
# for the next link too.
card_losses = Table(
    "social_losses",
    metadata,
    Column("card_fingerprint", LargeBinary(32), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

account_losses = Table(
    "financial_losses",
    metadata,
    Column("account_fingerprint", LargeBinary(32), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

accounts = Table(
    "financial_accounts",
    metadata,
    Column("link", text(30), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
