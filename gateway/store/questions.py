"""What the gateway's process asks of the store's, each as a value that crosses by its name.

Nothing here needs the database's library: who asks loads none of it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.linking.link import PinSession
from gateway.operations.facts import OperationState
from gateway.operations.notice import Notice
from gateway.operations.operation import Operation
from gateway.store.found import Asked, Linked, StoredKey
from gateway.terms.numbers import LinkId, OperationId, PinSessionId, SsCardNumber

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.store.queries import Queries

T = TypeVar("T")

_NAMED_AT_ONCE = 10_000  # operations; some 10 ms of reading


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """A question about what is on disk: a function below, or a method of `Queries`, by its name."""

    name: str
    arguments: tuple[Any, ...] = ()

    def __call__(self, queries: "Queries") -> T:
        """Answer it."""
        composed = _COMPOSED.get(self.name)
        answer = partial(composed, queries) if composed else getattr(queries, self.name)
        return answer(*self.arguments)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Chore(Generic[T]):
    """Something of the store's own that is done in a transaction by itself, by its name."""

    name: str
    arguments: tuple[Any, ...] = ()

    def __call__(self, connection: "Connection") -> T:
        """Do it inside the caller's transaction."""
        chore = getattr(import_module("gateway.store.chores"), self.name)
        return chore(connection, *self.arguments)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Horizon:
    """From before when keys with their PIN sessions, and operations, are not kept any more.

    A key must lead to its operation, so keys never outlive those.
    """

    keys: datetime
    operations: datetime


def asked(
    channel: str, key: str, link: LinkId | None = None, session: PinSessionId | None = None
) -> Query[Asked]:
    """Ask for what a request names: its key, and a link with a PIN session along with it."""
    return Query("asked", (channel, key, link, session))


def linked(link: LinkId) -> Query[Linked | None]:
    """Ask for a link with both halves."""
    return Query("linked", (link,))


def holding(number: SsCardNumber) -> Query[Linked | None]:
    """Ask for the link that holds a card now."""
    return Query("holding", (number,))


def key(channel: str, name: str) -> Query[StoredKey | None]:
    """Ask what an Idempotency-Key of a channel stands for."""
    return Query("key", (channel, name))


def session(reference: PinSessionId) -> Query[PinSession | None]:
    """Ask for a PIN session."""
    return Query("session", (reference,))


def operation(reference: OperationId) -> Query[Operation | None]:
    """Ask for an operation."""
    return Query("operation", (reference,))


def followed(reference: OperationId) -> Query[tuple[Operation | None, Operation | None]]:
    """Ask for an operation and for the one that followed it."""
    return Query("followed", (reference,))


def with_link(reference: OperationId) -> Query[tuple[Operation | None, Linked | None]]:
    """Ask for an operation and for the link that it is about."""
    return Query("with_link", (reference,))


def with_links(
    references: Iterable[OperationId],
) -> Query[tuple[list[Operation], dict[LinkId, Linked]]]:
    """Ask for many operations and for the links that they are about."""
    return Query("with_links", (list(references),))


def faster(
    channel: str, name: str, link: LinkId | None
) -> Query[tuple[bool, OperationState | None]]:
    """Ask whether a key is used, and how far the operation is that holds a link."""
    return Query("faster", (channel, name, link))


def left_behind(node: str) -> Query[list[OperationId]]:
    """Ask for the names of all that a restart of a node must go on with, the oldest first."""
    return Query("left_behind", (node,))


def manual(after: OperationId | None, count_max: int) -> Query[list[Operation]]:
    """Ask for operations that wait for a person, the oldest first."""
    return Query("manual", (after, count_max))


def manual_count() -> Query[int]:
    """Ask how many operations wait for a person."""
    return Query("manual_count")


def notices(channel: str, count_max: int) -> Query[list[Notice]]:
    """Ask what a channel is still to be told, the first due first."""
    return Query("notices", (channel, count_max))


def reserve(counter: str, size: int) -> Chore[int]:
    """Have the next numbers of a counter taken; gives the first."""
    return Chore("reserve", (counter, size))


def purge(horizon: Horizon) -> Chore[int]:
    """Have what is older than it has to be kept deleted, a little of it; gives how many rows."""
    return Chore("purge", (horizon,))


def fence_dead(node: str) -> Chore[list[str]]:
    """Have nodes fenced off whose lease is at its end; gives their names."""
    return Chore("fence_dead", (node,))


def claim(node: str, count_max: int) -> Chore[list[OperationId]]:
    """Have a node made the owner of what a dead one left."""
    return Chore("claim", (node, count_max))


# ------------------------------------------------------------------ questions of several parts


def _holding(queries: "Queries", number: SsCardNumber) -> Linked | None:
    held = queries.link_holding(number)
    return queries.linked(held) if held else None


def _followed(
    queries: "Queries", reference: OperationId
) -> tuple[Operation | None, Operation | None]:
    found = queries.operation(reference)
    follow_up = found.follow_up if found else None
    return found, queries.operation(follow_up) if follow_up else None


def _with_link(
    queries: "Queries", reference: OperationId
) -> tuple[Operation | None, Linked | None]:
    found = queries.operation(reference)
    return found, queries.linked(found.link) if found else None


def _with_links(
    queries: "Queries", references: list[OperationId]
) -> tuple[list[Operation], dict[LinkId, Linked]]:
    found = queries.operations(references)
    return found, queries.all_linked(each.link for each in found)


def _faster(
    queries: "Queries", channel: str, name: str, link: LinkId | None
) -> tuple[bool, OperationState | None]:
    return queries.key(channel, name) is not None, queries.holder(link) if link else None


def _left_behind(queries: "Queries", node: str) -> list[OperationId]:
    found: list[OperationId] = []
    while part := queries.unfinished_after(found[-1] if found else None, _NAMED_AT_ONCE, node):
        found += part
    return found


_COMPOSED: dict[str, Callable[..., Any]] = {
    "holding": _holding,
    "followed": _followed,
    "with_link": _with_link,
    "with_links": _with_links,
    "faster": _faster,
    "left_behind": _left_behind,
}
