"""Notices to channels: rows that are inserted with an outcome and deleted when it was heard of."""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from sqlalchemy import Connection, Row, bindparam, select

from gateway.operations.notice import (
    Notice,
    NoticeDelivered,
    NoticeGivenUp,
    NoticeRecord,
    NoticeTried,
)
from gateway.store.tables import notices
from gateway.terms.numbers import OperationId


def write(connection: Connection, records: Iterable[NoticeRecord]) -> bool:
    """Write what became of notices inside the caller's transaction.

    Tells whether each attempt was the next one of its notice: another node may have been faster.
    """
    is_next = True
    for record in records:
        match record:
            case Notice():
                connection.execute(_INSERT, _row(record))
            case NoticeTried():
                due_at = record.due_at.isoformat()
                moved = {"b_id": record.notice, "attempts": record.attempts, "due_at": due_at}
                is_next &= connection.execute(_TRIED, moved).rowcount == 1
            case NoticeDelivered():
                connection.execute(_DELETE, {"b_id": record.notice})
            case NoticeGivenUp():
                ended = {"b_id": record.notice, "attempts": record.attempts}
                connection.execute(_GIVEN_UP, ended)
            case _:
                assert_never(record)
    return is_next


def waiting(connection: Connection, channel: str, count_max: int) -> list[Notice]:
    """Read a channel's notices that are still to be delivered, the first due first."""
    values = {"channel": channel, "most": count_max}
    return [_notice(row) for row in connection.execute(_WAITING, values)]


_INSERT = notices.insert()
_TRIED = (
    notices.update()
    .where(notices.c.id == bindparam("b_id"), notices.c.attempts == bindparam("attempts") - 1)
    .values(attempts=bindparam("attempts"), due_at=bindparam("due_at"))
)
_DELETE = notices.delete().where(notices.c.id == bindparam("b_id"))
# Without an instant at which it is due it is not waiting any more.
_GIVEN_UP = (
    notices.update()
    .where(notices.c.id == bindparam("b_id"))
    .values(attempts=bindparam("attempts"), due_at=None)
)
_WAITING = (
    select(notices)
    .where(notices.c.channel == bindparam("channel"), notices.c.due_at.is_not(None))
    .order_by(notices.c.due_at)
    .limit(bindparam("most"))
)


def _row(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "channel": notice.channel,
        "operation": notice.operation.value,
        "body": notice.body,
        "created_at": notice.created_at.isoformat(),
        "due_at": notice.due_at.isoformat(),
        "attempts": notice.attempts,
    }


def _notice(row: Row[tuple[object, ...]]) -> Notice:
    return Notice(
        row.id,
        row.channel,
        OperationId(row.operation),
        row.body,
        datetime.fromisoformat(row.created_at),
        datetime.fromisoformat(row.due_at),
        row.attempts,
    )
