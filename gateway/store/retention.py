"""Purge: what is older than it has to be kept is deleted a little at a time.

Each step is a chore of the journal, so that it waits for nobody and nobody waits long for it; it
deletes a bounded number of rows. What a person must still look at, or what is unfinished, stays.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, TextClause, bindparam, text

from gateway.store.questions import Horizon

STEP_MAX = 100  # operations, keys and sessions each: a few milliseconds of the journal's time


def purge(connection: Connection, horizon: Horizon) -> int:
    """Delete what is oldest beyond the horizon; gives how many rows, 0 when there is nothing left.

    An ended link goes with the last of its operations, and with it what both sides kept of it, a
    loss of its card too. That of an account stays: another link may lead to the account.
    """
    keys = {"before": horizon.keys.isoformat(), "most": STEP_MAX}
    operations = {"before": horizon.operations.isoformat(), "most": STEP_MAX}
    gone = sum(connection.execute(each, keys).rowcount for each in (_KEYS, _SESSIONS))
    gone += connection.execute(_NOTICES, operations).rowcount
    for state in _SETTLED:
        rows = connection.execute(_OLDEST, {**operations, "state": state}).all()
        if rows:
            gone += _purge_operations(connection, [row.id for row in rows])
            _purge_links(connection, sorted({row.link for row in rows}))
    return gone


def _purge_operations(connection: Connection, operations: Sequence[str]) -> int:
    connection.execute(_FACTS, {"operations": operations})
    return connection.execute(_OPERATIONS, {"operations": operations}).rowcount


def _purge_links(connection: Connection, links: Sequence[str]) -> None:
    ended = connection.execute(_ENDED, {"links": links}).scalars().all()
    if ended:
        for each in _OF_LINK:
            connection.execute(each, {"links": ended})


def _of_many(statement: str, name: str) -> TextClause:
    return text(statement).bindparams(bindparam(name, expanding=True))


_SETTLED = ("succeeded", "failed", "unknown")
_KEYS = text(
    "DELETE FROM operations_idempotency_keys WHERE (channel, key) IN (SELECT channel, key "
    "FROM operations_idempotency_keys WHERE created_at < :before ORDER BY created_at LIMIT :most)"
)
# References increase with time: the first are the oldest.
_SESSIONS = text(
    "DELETE FROM linking_pin_sessions WHERE id IN (SELECT id FROM (SELECT id, expires_at "
    "FROM linking_pin_sessions ORDER BY id LIMIT :most) AS oldest WHERE expires_at < :before)"
)
# Given up long ago, or its channel is not told any more; every other one was delivered by then.
_NOTICES = text(
    "DELETE FROM operations_notices WHERE id IN (SELECT id FROM operations_notices "
    "WHERE created_at < :before LIMIT :most)"
)
_OLDEST = text(
    "SELECT id, link FROM operations_operations WHERE state = :state AND is_at_rest "
    "AND updated_at < :before ORDER BY updated_at LIMIT :most"
)
_FACTS = _of_many("DELETE FROM operations_facts WHERE operation IN :operations", "operations")
_OPERATIONS = _of_many("DELETE FROM operations_operations WHERE id IN :operations", "operations")
_ENDED = _of_many(
    "SELECT id FROM linking_links WHERE id IN :links AND state IN ('failed', 'removed') AND NOT "
    "EXISTS (SELECT 1 FROM operations_operations WHERE link = linking_links.id)",
    "links",
)
# A loss is over, or its far side has it, once no operation of its link is left; a later link of the
# card is not its concern (`Loss.concerns`). Another one that leads to the card keeps it.
_CARD_LOSSES = _of_many(
    "DELETE FROM social_losses WHERE card_fingerprint IN "
    "(SELECT card_fingerprint FROM social_cards WHERE link IN :links) AND NOT EXISTS "
    "(SELECT 1 FROM social_cards AS other WHERE "
    "other.card_fingerprint = social_losses.card_fingerprint AND other.link NOT IN :links)",
    "links",
)
_OF_LINK = (
    _CARD_LOSSES,
    *(
        _of_many(f"DELETE FROM {table} WHERE {column} IN :links", "links")  # noqa: S608 - our names
        for table, column in (
            ("social_cards", "link"),
            ("financial_accounts", "link"),
            ("linking_pin_sessions", "link"),
            ("linking_links", "id"),
        )
    ),
)
