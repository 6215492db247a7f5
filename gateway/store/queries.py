"""What is read back from the store; every function runs on a reader's thread."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, literal_column, select

from gateway.financial.account import FinancialAccount
from gateway.linking.link import Link, LinkState, PinSession
from gateway.operations.exchange import Exchange
from gateway.operations.facts import Fact, OperationKind, OperationState, from_json
from gateway.operations.notice import Notice
from gateway.operations.operation import Operation, replay
from gateway.social.card import SocialCard
from gateway.store import notices, tables
from gateway.store.keeping import losses
from gateway.store.sealing import Sealer
from gateway.store.statements import Lookup
from gateway.terms.errors import LocalError
from gateway.terms.numbers import AgencyCode, LinkId, OperationId, PinSessionId, SsCardNumber
from gateway.terms.sides import PinPurpose

ExchangesOf = Callable[[OperationKind], Iterable[Exchange]]


@dataclass(frozen=True, slots=True)
class Linked:
    """A link with the halves of both sides, and a PIN session that was asked for along with it."""

    link: Link
    card: SocialCard
    account: FinancialAccount
    session: PinSession | None = None


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
        names = {"link": link.value if link else "", "session": session.value if session else ""}
        row = _ASKED.one(self._connection, channel=channel, key=key, **names)
        assert row is not None  # one there is, whatever is missing in it
        digest, resource, card, account = row[:4]
        stored = None if digest is None else StoredKey(digest, resource)
        if row[_LINK_AT] is None or card is None or account is None:
            return stored, None
        found = _session(row[_SESSION_AT:]) if row[_SESSION_AT] is not None else None
        return stored, self._linked(row[_LINK_AT:_SESSION_AT], card, account, found)

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
        return _session(row) if row else None

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
                linked = self._linked(rows[link], cards[link][1], accounts[link][1])
                found[linked.link.id] = linked
        return found

    def _linked(
        self, row: Sequence[Any], card: bytes, account: bytes, session: PinSession | None = None
    ) -> Linked:
        link = _link(row)
        return self._with_losses(
            Linked(
                link,
                self._sealer.open_card(link.id, card),
                self._sealer.open_account(link.id, account),
                session,
            )
        )

    def _with_losses(self, linked: Linked) -> Linked:
        """Add the losses of card and account, over whichever link they were reported."""
        card, account = linked.card, linked.account
        of_card, of_account = losses(self._connection, self._sealer, card, account)
        link, since = linked.link.id, linked.link.created_at
        if of_card is not None and not of_card.concerns(link, since):
            of_card = None
        if of_account is not None and not of_account.concerns(link, since):
            of_account = None
        if (of_card, of_account) == (card.loss, account.loss):
            return linked
        card, account = replace(card, loss=of_card), replace(account, loss=of_account)
        return replace(linked, card=card, account=account)

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


def _link(row: Sequence[Any]) -> Link:
    reference, agency, channel, state, created_at, activated_at = row
    return Link(
        LinkId(reference),
        AgencyCode(agency),
        channel,
        LinkState(state),
        datetime.fromisoformat(created_at),
        datetime.fromisoformat(activated_at) if activated_at else None,
    )


def _session(row: Sequence[Any]) -> PinSession:
    reference, link, purpose, nonce, kid, expires_at, is_used = row
    return PinSession(
        PinSessionId(reference),
        LinkId(link),
        PinPurpose(purpose),
        nonce,
        kid,
        datetime.fromisoformat(expires_at),
        bool(is_used),
    )
