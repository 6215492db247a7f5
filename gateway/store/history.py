"""A long history made by SQL alone: for measuring how cost grows with it, in SQLite."""

from sqlalchemy import Engine, text

ROWS_EACH = 5  # rows that a set-PIN operation leaves: itself, two of facts, a key and a session


def make_history(engine: Engine, operations: int) -> None:
    """Insert the rows of so many settled set-PIN operations, all older than any reference."""
    with engine.begin() as connection:
        for statement in _STATEMENTS:
            connection.execute(text(_NUMBERS.format(operations) + statement))


_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
_AT = "'2026-01-01T00:00:00.' || printf('%06d', i % 1000000) || '+00:00'"
_LINK = "'lnk_' || printf('%026d', i)"
_STATEMENTS = (
    (
        "INSERT INTO operations_operations "  # noqa: S608 - of our own words
        "(id, kind, link, state, is_at_rest, opened_at, updated_at, owner, holds) "
        f"SELECT 'op_' || printf('%026d', i), 'set-ss-pin', {_LINK}, 'succeeded', true, {_AT}, "
        f"{_AT}, '', NULL FROM n WHERE true"
    ),
    (
        "INSERT INTO operations_facts (operation, sequence, body) "
        "SELECT 'op_' || printf('%026d', i), 2 * j, "
        "'[' || printf('%.*c', 300 - 60 * j, 'x') || ']' "
        "FROM n, (SELECT 0 AS j UNION ALL SELECT 1) WHERE true"
    ),
    (
        "INSERT INTO operations_idempotency_keys "  # noqa: S608 - of our own words
        "(channel, key, request_digest, resource, created_at) SELECT 'online-bank', "
        f"lower(hex(randomblob(16))), zeroblob(32), 'op_' || printf('%026d', i), {_AT} "
        "FROM n WHERE true"
    ),
    (
        "INSERT INTO linking_pin_sessions "  # noqa: S608 - of our own words
        "(id, link, purpose, nonce, kid, expires_at, is_used) SELECT 'pse_' || printf('%026d', i), "
        f"{_LINK}, 'ss-pin', printf('%022d', i), 'kid-of-twenty-two-chars', {_AT}, true "
        "FROM n WHERE true"
    ),
)
