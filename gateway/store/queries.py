"""What is read back from the store; every function runs on a reader's thread."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, or_, select

from gateway.financial.account import FinancialAccount
from gateway.linking.link import Link, LinkState, PinSession
from gateway.operations.exchange import Exchange
from gateway.operations.facts import Fact, OperationKind, OperationState, from_json
from gateway.operations.notice import Notice
from gateway.operations.operation import Operation, replay
from gateway.social.card import SocialCard
from gateway.store import notices, tables
from gateway.store.sealing import Sealer
from gateway.terms.errors import LocalError
from gateway.terms.numbers import AgencyCode, LinkId, OperationId, PinSessionId, SsCardNumber
from gateway.terms.sides import PinPurpose

ExchangesOf = Callable[[OperationKind], Iterable[Exchange]]


@dataclass(frozen=True, slots=True)
class Linked:
    """A link with the halves of both sides."""

    link: Link
    card: SocialCard
    account: FinancialAccount


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What an Idempotency-Key stands for."""

    request_digest: bytes
    resource: str


class Queries:
    """Reads over one connection; rows of a side are opened with that side's key."""

    def __init__(self, connection: Connection, sealer: Sealer, exchanges_of: ExchangesOf) -> None:
        self._connection = connection
        self._sealer = sealer
        self._exchanges_of = exchanges_of

    def linked(self, link: LinkId) -> Linked | None:
        """Read a link with both halves, or None."""
        row = self._one(_LINK, id=link.value)
        card = self._one(_CARD, link=link.value)
        account = self._one(_ACCOUNT, link=link.value)
        if row is None or card is None or account is None:
            return None
        return Linked(
            _link(row),
            self._sealer.open_card(link, card.sealed),
            self._sealer.open_account(link, account.sealed),
        )

    def link_holding(self, number: SsCardNumber) -> LinkId | None:
        """Find the link that holds a card now, or None."""
        row = self._one(_HOLDING, fingerprint=self._sealer.card_fingerprint(number))
        return LinkId(row.link) if row else None

    def key(self, channel: str, key: str) -> StoredKey | None:
        """Read what an Idempotency-Key of a channel stands for, or None."""
        row = self._one(_KEY, channel=channel, key=key)
        return StoredKey(row.request_digest, row.resource) if row else None

    def session(self, session: PinSessionId) -> PinSession | None:
        """Read a PIN session, or None."""
        row = self._one(_SESSION, id=session.value)
        return _session(row) if row else None

    def newest_session(self, link: LinkId, purpose: PinPurpose) -> PinSession | None:
        """Read the newest session of a link for a PIN, or None; only that one is valid."""
        row = self._one(_NEWEST_SESSION, link=link.value, purpose=purpose.value)
        return _session(row) if row else None

    def operation(self, operation: OperationId) -> Operation | None:
        """Fold an operation from its facts, or None."""
        bodies = self._connection.execute(_FACTS, {"operation": operation.value}).scalars().all()
        return replay(operation, _facts(bodies), self._exchanges_of) if bodies else None

    def unfinished(self, unknown_since: datetime) -> list[Operation]:
        """Fold every operation that a restart must go on with.

        Besides those not at rest, PIN operations whose outcome became unknown after
        `unknown_since`: a newer attempt must wait until the old one can no longer be delivered.
        """
        table = tables.operations
        recent = and_(
            table.c.state == OperationState.UNKNOWN.value,
            table.c.updated_at >= unknown_since.isoformat(),
        )
        query = select(table.c.id).where(or_(table.c.is_at_rest.is_(False), recent))
        identifiers = self._connection.execute(query.order_by(table.c.id)).scalars().all()
        found = (self.operation(OperationId(identifier)) for identifier in identifiers)
        return [operation for operation in found if operation is not None]

    def manual(self, after: OperationId | None, count_max: int) -> list[Operation]:
        """Fold the operations that wait for a person, oldest first, beginning after one of them."""
        values = {"after": after.value if after else "", "most": count_max}
        identifiers = self._connection.execute(_MANUAL, values).scalars().all()
        found = (self.operation(OperationId(identifier)) for identifier in identifiers)
        return [operation for operation in found if operation is not None]

    def manual_count(self) -> int:
        """Count the operations that wait for a person."""
        return int(self._connection.execute(_MANUAL_COUNT).scalar_one())

    def notices(self, channel: str, count_max: int) -> list[Notice]:
        """Read what a channel is still to be told, the first due first."""
        return notices.waiting(self._connection, channel, count_max)

    def counter(self, name: str) -> int:
        """Read a counter, beginning it at zero when it is new."""
        row = self._one(_COUNTER, name=name)
        if row is not None:
            return int(row.next)
        self._connection.execute(tables.counters.insert(), {"name": name, "next": 0})
        self._connection.commit()
        return 0

    def _one(self, query: Select[Any], **values: object) -> Row[Any] | None:
        return self._connection.execute(query, values).one_or_none()


# Built once: putting a statement together costs four times as much as running it.
_LINK = tables.links.select().where(tables.links.c.id == bindparam("id"))
_CARD = tables.cards.select().where(tables.cards.c.link == bindparam("link"))
_ACCOUNT = tables.accounts.select().where(tables.accounts.c.link == bindparam("link"))
_HOLDING = tables.cards.select().where(
    tables.cards.c.card_fingerprint == bindparam("fingerprint"), tables.cards.c.holds
)
_KEY = tables.idempotency_keys.select().where(
    tables.idempotency_keys.c.channel == bindparam("channel"),
    tables.idempotency_keys.c.key == bindparam("key"),
)
_SESSION = tables.pin_sessions.select().where(tables.pin_sessions.c.id == bindparam("id"))
_NEWEST_SESSION = (
    tables.pin_sessions.select()
    .where(
        tables.pin_sessions.c.link == bindparam("link"),
        tables.pin_sessions.c.purpose == bindparam("purpose"),
    )
    .order_by(tables.pin_sessions.c.id.desc())
    .limit(1)
)
_IS_MANUAL = tables.operations.c.state == OperationState.MANUAL.value
_MANUAL = (
    select(tables.operations.c.id)
    .where(_IS_MANUAL, tables.operations.c.id > bindparam("after"))
    .order_by(tables.operations.c.id)
    .limit(bindparam("most"))
)
_MANUAL_COUNT = select(func.count(tables.operations.c.id)).where(_IS_MANUAL)
_FACTS = (
    select(tables.facts.c.body)
    .where(tables.facts.c.operation == bindparam("operation"))
    .order_by(tables.facts.c.sequence)
)
_COUNTER = tables.counters.select().where(tables.counters.c.name == bindparam("name"))


def _facts(bodies: Iterable[str]) -> Iterator[Fact]:
    for body in bodies:
        try:
            members = json.loads(body)
        except ValueError:
            raise LocalError("the journal holds a row that is not JSON") from None
        yield from map(from_json, members)


def _link(row: Row[Any]) -> Link:
    return Link(
        LinkId(row.id),
        AgencyCode(row.agency),
        row.channel,
        LinkState(row.state),
        datetime.fromisoformat(row.created_at),
        datetime.fromisoformat(row.activated_at) if row.activated_at else None,
    )


def _session(row: Row[Any]) -> PinSession:
    return PinSession(
        PinSessionId(row.id),
        LinkId(row.link),
        PinPurpose(row.purpose),
        row.nonce,
        row.kid,
        datetime.fromisoformat(row.expires_at),
        row.is_used,
    )
