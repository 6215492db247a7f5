"""A notice to a channel that an operation came to an outcome for which nobody waits any more.

It is recorded with the outcome itself, so that both are durable or neither, and delivered at
least once: whoever receives it tells repetitions by the notice's id. Form and names follow the
Standard Webhooks specification; the body holds references and stable words only.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.operations.facts import OperationKind, OperationState, Settled
from gateway.operations.operation import Operation
from gateway.operations.recovery import is_beyond
from gateway.terms.numbers import OperationId
from gateway.terms.refusals import Refusal

ATTEMPT_MAX = timedelta(seconds=10)  # to connect, send and hear the status
RETRY_FIRST = timedelta(seconds=15)  # longer than an attempt: no two of one notice overlap
RETRY_MAX = timedelta(minutes=5)  # a receiver that is back hears of everything within this
HORIZON = timedelta(hours=24)  # as that of the exchanges: a person must look then


class NoticeType(StrEnum):
    """What came to its outcome: an operation, or the SS account that follows an activation."""

    OPERATION = "operation.settled"
    SS_ACCOUNT = "ss-account.settled"


@dataclass(frozen=True, slots=True)
class SettledOperation:
    """Which operation it was, and what became of it; `code` says why one has failed.

    Of an SS account that follows it is the activation.
    """

    operation: str
    state: OperationState
    code: Refusal | None


@dataclass(frozen=True, slots=True)
class NoticeBody:
    """What a channel is posted: the outcome, and when it was recorded."""

    type: NoticeType
    timestamp: datetime
    data: SettledOperation

    def __str__(self) -> str:
        """Write it as JSON text."""
        return json.dumps(asdict(self), separators=(",", ":"), default=_plain)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a channel is to be told; `attempts` were begun, and the next is due at `due_at`."""

    id: str
    channel: str
    operation: OperationId
    body: str
    created_at: datetime
    due_at: datetime
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class NoticeTried:
    """Record: an attempt begins, and when the next is due unless this one is heard of."""

    notice: str
    attempts: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeDelivered:
    """Record: the channel has the notice, which need not be kept."""

    notice: str


@dataclass(frozen=True, slots=True)
class NoticeGivenUp:
    """Record: the channel did not take the notice until the horizon; it is kept, and not tried."""

    notice: str
    attempts: int


NoticeRecord = Notice | NoticeTried | NoticeDelivered | NoticeGivenUp


def _plain(value: datetime | Refusal) -> str:
    return value.isoformat() if isinstance(value, datetime) else value.value


def notice_of(operation: Operation, sequence: int, channel: str) -> Notice:
    """Write the notice of the outcome that is the operation's fact number `sequence`."""
    settled = operation.facts[sequence]
    assert isinstance(settled, Settled)
    follows = operation.kind is OperationKind.SS_ACCOUNT and operation.cause is not None
    told = operation.cause if follows and operation.cause is not None else operation.id
    body = NoticeBody(
        NoticeType.SS_ACCOUNT if follows else NoticeType.OPERATION,
        settled.at,
        SettledOperation(told.value, settled.state, settled.refusal),
    )
    return Notice(
        f"msg_{operation.id.value.removeprefix('op_')}_{sequence}",
        channel,
        told,
        str(body),
        settled.at,
        settled.at,
    )


def attempt(notice: Notice, now: datetime) -> NoticeTried | NoticeGivenUp:
    """Begin an attempt, with the pause after it that doubles each time; none beyond the horizon.

    It is recorded before anything is sent, so that a process that dies meanwhile, or another one
    on the same database, does not try at once again.
    """
    if is_beyond(HORIZON, now - notice.created_at, tried=_tried_for(notice)):
        return NoticeGivenUp(notice.id, notice.attempts)
    return NoticeTried(notice.id, notice.attempts + 1, now + _pause_after(notice.attempts))


def _pause_after(attempts: int) -> timedelta:
    return min(RETRY_FIRST * (1 << min(attempts, _DOUBLINGS_MAX)), RETRY_MAX)


def _tried_for(notice: Notice) -> timedelta:
    growing = range(min(notice.attempts, _DOUBLINGS_MAX))
    rest = (notice.attempts - len(growing)) * RETRY_MAX
    return sum(map(_pause_after, growing), timedelta()) + rest


def seconds_until_due(notice: Notice, now: datetime) -> float:
    """Tell how long a notice waits; none where the clock was set back further than any pause."""
    waits = notice.due_at - now
    return waits.total_seconds() if timedelta() < waits <= RETRY_MAX else 0.0


_DOUBLINGS_MAX = 16  # far beyond RETRY_MAX, and small enough never to overflow a timedelta
