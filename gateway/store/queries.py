"""What is read back from the store."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, literal_column, select

from gateway.linking.link import PinSession
from gateway.operations.exchange import Exchange
from gateway.operations.facts import Fact, OperationKind, OperationState, from_json
from gateway.operations.notice import Notice
from gateway.operations.operation import Operation, replay
from gateway.store import notices, tables
from gateway.store.found import Linked, Plain, StoredKey, asked_of, linked_of, session_of
from gateway.store.keeping import losses
from gateway.store.sealing import Sealer
from gateway.store.statements import Lookup
from gateway.terms.errors import LocalError
from gateway.terms.numbers import LinkId, OperationId, PinSessionId, SsCardNumber

ExchangesOf = Callable[[OperationKind], Iterable[Exchange]]


class Queries:
    """Reads over one connection; rows of a side are opened with that side's key."""

    def __init__(self, connection: Connection, sealer: Sealer, exchanges_of: ExchangesOf) -> None:
        self._connection = connection
        self._sealer = sealer
        self._exchanges_of = exchanges_of

    def linked(self, link: LinkId, session: PinSessionId | None = None) -> Linked | None:
        """Read a link with both halves, or None; a PIN session along with it where one is named."""
        return self.asked("", "", link, session)[1]

    def asked(
        self,
        channel: str,
        key: str,
        link: LinkId | None = None,
        session: PinSessionId | None = None,
    ) -> tuple[StoredKey | None, Linked | None]:
        """Read what a request names in one statement: its key, and a link as `linked` gives it."""
        return asked_of(
            self.asked_plain(
                channel, key, link.value if link else "", session.value if session else ""
            )
        )

    def asked_plain(self, channel: str, key: str, link: str, session: str) -> Plain:
        """Read the same, as the plain values of which `asked_of` makes it."""
        named = {"channel": channel, "key": key, "link": link, "session": session}
        row = _ASKED.one(self._connection, **named)
        assert row is not None  # one there is, whatever is missing in it
        digest, resource, card, account = row[:4]
        stored = None if digest is None else (digest, resource)
        if row[_LINK_AT] is None or card is None or account is None:
            return stored, None
        found = row[_SESSION_AT:] if row[_SESSION_AT] is not None else None
        return stored, (*self._halves(row[_LINK_AT:_SESSION_AT], card, account), found)

    def _halves(self, link: Sequence[Any], card: bytes, account: bytes) -> Plain:
        one = self._sealer.members_of_card(link[0], card)
        other = self._sealer.members_of_account(link[0], account)
        found = losses(self._connection, self._sealer, one["number"], other["pan"])
        return link, one, other, found

    def link_holding(self, number: SsCardNumber) -> LinkId | None:
        """Find the link that holds a card now, or None."""
        row = _HOLDING.one(self._connection, fingerprint=self._sealer.card_fingerprint(number))
        return LinkId(row[0]) if row else None

    def key(self, channel: str, key: str) -> StoredKey | None:
        """Read what an Idempotency-Key of a channel stands for, or None."""
        row = _KEY.one(self._connection, channel=channel, key=key)
        return StoredKey(*row) if row else None

    def session(self, session: PinSessionId) -> PinSession | None:
        """Read a PIN session, or None."""
        row = _SESSION.one(self._connection, id=session.value)
        return session_of(row) if row else None

    def operation(self, operation: OperationId) -> Operation | None:
        """Fold an operation from its facts, or None."""
        bodies = [row[0] for row in _FACTS.all(self._connection, operation=operation.value)]
        return replay(operation, _facts(bodies), self._exchanges_of) if bodies else None

    def holder(self, link: LinkId) -> OperationState | None:
        """Tell how far the operation is for which others on a link must wait, or None."""
        row = _HOLDER.one(self._connection, link=link.value)
        return OperationState(row[0]) if row else None

    def unfinished(self, node: str = "") -> list[Operation]:
        """Fold every operation that a restart of a node must go on with, oldest first.

        Among them are PIN operations of unknown outcome that were not let go: a newer attempt
        must wait until the old one can no longer be delivered.
        """
        rows = _UNFINISHED.all(self._connection, owner=node)
        return [
            replay(OperationId(identifier), _facts(body for _, body in of_one), self._exchanges_of)
            for identifier, of_one in groupby(rows, itemgetter(0))
        ]

    def unfinished_after(
        self, after: OperationId | None, count_max: int, node: str = ""
    ) -> list[OperationId]:
        """Name a part of what a restart of a node must go on with, beginning after one of them."""
        values = {"owner": node, "after": after.value if after else "", "most": count_max}
        return [OperationId(row[0]) for row in _UNFINISHED_PART.all(self._connection, **values)]

    def operations(self, identifiers: Iterable[OperationId]) -> list[Operation]:
        """Fold many operations; one that is not there is left out."""
        found = map(self.operation, identifiers)
        return [operation for operation in found if operation is not None]

    def all_linked(self, links: Iterable[LinkId]) -> dict[LinkId, Linked]:
        """Read many links with both halves; one that is not there is left out."""
        found: dict[LinkId, Linked] = {}
        wanted = iter(sorted({link.value for link in links}))
        while part := list(islice(wanted, _LINKS_AT_ONCE)):
            rows, cards, accounts = (
                {row[0]: row for row in self._connection.execute(query, {"links": part})}
                for query in (_LINKS, _CARDS, _ACCOUNTS)
            )
            for link in rows.keys() & cards.keys() & accounts.keys():
                halves = self._halves(tuple(rows[link]), cards[link][1], accounts[link][1])
                linked = linked_of(*halves)
                found[linked.link.id] = linked
        return found

    def manual(self, after: OperationId | None, count_max: int) -> list[Operation]:
        """Fold the operations that wait for a person, oldest first, beginning after one of them."""
        rows = _MANUAL.all(self._connection, after=after.value if after else "", most=count_max)
        return self.operations(OperationId(row[0]) for row in rows)

    def manual_count(self) -> int:
        """Count the operations that wait for a person."""
        ((counted,),) = _MANUAL_COUNT.all(self._connection)
        return int(counted)

    def notices(self, channel: str, count_max: int) -> list[Notice]:
        """Read what a channel is still to be told, the first due first."""
        return notices.waiting(self._connection, channel, count_max)


_LINKS_AT_ONCE = 500  # a statement; below any database's limit of parameters

# Built once: putting a statement together costs four times as much as running it.
_link_table, _card_table, _account_table = tables.links, tables.cards, tables.accounts
_LINKS = select(_link_table).where(_link_table.c.id.in_(bindparam("links", expanding=True)))
_CARD_COLUMNS = select(_card_table.c.link, _card_table.c.sealed)
_CARDS = _CARD_COLUMNS.where(_card_table.c.link.in_(bindparam("links", expanding=True)))
_ACCOUNT_COLUMNS = select(_account_table.c.link, _account_table.c.sealed)
_ACCOUNTS = _ACCOUNT_COLUMNS.where(_account_table.c.link.in_(bindparam("links", expanding=True)))
_HOLDING = Lookup(
    select(_card_table.c.link).where(
        _card_table.c.card_fingerprint == bindparam("fingerprint"), _card_table.c.holds
    )
)
_session_table, _key_table = tables.pin_sessions, tables.idempotency_keys
_key_columns = _key_table.c
_always = select(literal_column("1").label("one")).subquery("always")
# Each row is found by its key; one row there is always, whatever is not found.
_ASKED = Lookup(
    select(
        _key_table.c.request_digest,
        _key_table.c.resource,
        _card_table.c.sealed,
        _account_table.c.sealed,
        *_link_table.c,
        *_session_table.c,
    ).select_from(
        _always.outerjoin(
            _key_table,
            and_(
                _key_columns.channel == bindparam("channel"), _key_columns.key == bindparam("key")
            ),
        )
        .outerjoin(_link_table, _link_table.c.id == bindparam("link"))
        .outerjoin(_card_table, _card_table.c.link == _link_table.c.id)
        .outerjoin(_account_table, _account_table.c.link == _link_table.c.id)
        .outerjoin(_session_table, _session_table.c.id == bindparam("session"))
    )
)
_LINK_AT = 4
_SESSION_AT = _LINK_AT + len(_link_table.c)
_KEY = Lookup(
    select(tables.idempotency_keys.c.request_digest, tables.idempotency_keys.c.resource).where(
        tables.idempotency_keys.c.channel == bindparam("channel"),
        tables.idempotency_keys.c.key == bindparam("key"),
    )
)
_SESSION = Lookup(select(tables.pin_sessions).where(tables.pin_sessions.c.id == bindparam("id")))
_IS_MANUAL = tables.operations.c.state == OperationState.MANUAL.value
_MANUAL = Lookup(
    select(tables.operations.c.id)
    .where(_IS_MANUAL, tables.operations.c.id > bindparam("after"))
    .order_by(tables.operations.c.id)
    .limit(bindparam("most"))
)
_MANUAL_COUNT = Lookup(select(func.count(tables.operations.c.id)).where(_IS_MANUAL))
_HOLDER = Lookup(
    select(tables.operations.c.state).where(tables.operations.c.holds == bindparam("link"))
)
_FACTS = Lookup(
    select(tables.facts.c.body)
    .where(tables.facts.c.operation == bindparam("operation"))
    .order_by(tables.facts.c.sequence)
)
_UNFINISHED_PART = Lookup(
    select(tables.operations.c.id)
    .where(
        tables.operations.c.owner == bindparam("owner"),
        tables.operations.c.is_at_rest.is_(False),
        tables.operations.c.id > bindparam("after"),
    )
    .order_by(tables.operations.c.id)
    .limit(bindparam("most"))
)
_UNFINISHED = Lookup(
    select(tables.facts.c.operation, tables.facts.c.body)
    .join(tables.operations, tables.operations.c.id == tables.facts.c.operation)
    .where(
        tables.operations.c.owner == bindparam("owner"), tables.operations.c.is_at_rest.is_(False)
    )
    .order_by(tables.facts.c.operation, tables.facts.c.sequence)
)


def _facts(bodies: Iterable[str]) -> Iterator[Fact]:
    for body in bodies:
        try:
            members = json.loads(body)
        except ValueError:
            raise LocalError("the journal holds a row that is not JSON") from None
        yield from map(from_json, members)
