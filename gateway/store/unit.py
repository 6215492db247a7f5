"""What one decision makes durable: facts of operations, records of a side, keys of requests.

It is decided in the gateway's process and written by the store's; `Packed` is what crosses.
"""

import pickle
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from gateway.linking.kinds import BARS_WHILE_MANUAL, BESIDE_OTHERS
from gateway.linking.link import PinSession, SessionUsed
from gateway.operations.facts import OperationState, to_json
from gateway.operations.operation import Operation
from gateway.terms import instants
from gateway.terms.numbers import OperationId
from gateway.terms.values import value


@value(frozen=True, slots=True)
class Progress:
    """An operation with the number of its facts that are in the journal already.

    `is_let_go` says that a restart has nothing to do for it any more, although it is unknown.
    """

    operation: Operation
    recorded: int
    is_let_go: bool = False


@value(frozen=True, slots=True)
class KeyUsed:
    """Record: an Idempotency-Key stands for this resource from now on."""

    channel: str
    key: str
    request_digest: bytes
    resource: str
    at: datetime


@value(frozen=True, slots=True)
class LetGo:
    """Record: an operation of unknown outcome holds its link no more; a restart leaves it be."""

    operation: OperationId


@value(frozen=True, slots=True)
class Unit:
    """All that becomes durable together or not at all.

    What opens something may be refused while the database has no room: nobody counts on it yet.
    """

    progress: tuple[Progress, ...] = ()
    records: tuple[object, ...] = ()
    may_be_refused: bool = False


Opening = tuple[str, str, str, str | None]
"""Kind, link, instant, and the link that is held, of an operation that opens."""

Step = tuple[str, int, str, str, bool, str, bool, Opening | None]
"""An operation moves: its id, how many facts stood before, the new ones as JSON, its state, whether
it rests, when that was, and whether it lets its link go."""


class Packed(NamedTuple):
    """A unit as it crosses: `steps` and `plain` hold plain values, `others` pickled records.

    Each of `plain` begins with what it is, and goes on with a row's values or its key.
    """

    may_be_refused: bool
    steps: list[Step]
    plain: list[tuple[Any, ...]]
    others: bytes


def pack(unit: Unit) -> Packed:
    """Make a unit ready to cross.

    Records that few requests have cross as objects: pickling one takes some ten times as long.
    """
    plain, others = [], []
    for record in unit.records:
        packer = _PACKERS.get(type(record))
        if packer is None:
            others.append(record)
        else:
            plain.append(packer(record))
    steps = [_step(progress) for progress in unit.progress]
    return Packed(unit.may_be_refused, steps, plain, pickle.dumps(others) if others else b"")


def _step(progress: Progress) -> Step:
    operation, recorded = progress.operation, progress.recorded
    fresh = operation.facts[recorded:]
    rests = progress.is_let_go or operation.is_at_rest
    return (
        operation.id.value,
        recorded,
        to_json(fresh) if fresh else "",
        operation.state._value_,
        rests,
        instants.written(operation.updated_at),
        rests and not still_bars(operation),
        None if recorded else _opening(operation, rests=rests),
    )


def _opening(operation: Operation, *, rests: bool) -> Opening:
    link = operation.link.value
    holds = None if rests or operation.kind in BESIDE_OTHERS else link
    return operation.kind._value_, link, instants.written(operation.opened_at), holds


def _session_row(session: PinSession) -> tuple[Any, ...]:
    return (
        OPENED,
        session.id.value,
        session.link.value,
        session.purpose.value,
        session.nonce,
        session.kid,
        session.expires_at.isoformat(),
        session.is_used,
    )


def _key_row(used: KeyUsed) -> tuple[Any, ...]:
    return (
        KEY,
        used.channel,
        used.key,
        used.request_digest,
        used.resource,
        instants.written(used.at),
    )


KEY, OPENED, SPENT, LET_GO = "key", "opened", "spent", "let-go"
_PACKERS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    KeyUsed: _key_row,
    PinSession: _session_row,
    SessionUsed: lambda used: (SPENT, used.session.value),
    LetGo: lambda let_go: (LET_GO, let_go.operation.value),
}


def still_bars(operation: Operation) -> bool:
    """Tell whether others on the link wait for an operation although it is at rest."""
    return operation.kind in BARS_WHILE_MANUAL and operation.state is OperationState.MANUAL
