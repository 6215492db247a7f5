"""The rows of many units, and the statements that write them."""

import pickle
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table

from gateway.financial.account import AccountRecord, FinancialAccount
from gateway.linking.link import Link, LinkChanged, LinkState
from gateway.operations.notice import (
    Notice,
    NoticeDelivered,
    NoticeGivenUp,
    NoticeRecord,
    NoticeTried,
)
from gateway.social.card import CardRecord, SocialCard
from gateway.store import notices, tables
from gateway.store.errors import Changed
from gateway.store.keeping import keep
from gateway.store.sealing import Sealer
from gateway.store.statements import Update, insert, update
from gateway.store.unit import KEY, LET_GO, OPENED, SPENT, Packed, Step
from gateway.terms.errors import LocalError

Row = tuple[Any, ...]


class Batch:
    """The rows of many units, gathered per statement so that each is executed once."""

    def __init__(self, sealer: Sealer, node: str = "") -> None:
        self._sealer = sealer
        self._node = node
        self._inserts: dict[Table, list[Row]] = defaultdict(list)
        self._updates: dict[str, dict[str, Row]] = defaultdict(dict)
        self._spent = 0
        self._kept: list[CardRecord | AccountRecord] = []
        self._notices: list[NoticeRecord] = []

    def add(self, packed: Packed) -> None:
        """Take in a unit; raises `LocalError` for a record that no table keeps."""
        for step in packed.steps:
            self._add_step(step)
        for record in packed.plain:
            self._add_plain(*record)
        others = pickle.loads(packed.others) if packed.others else ()  # noqa: S301 - our parent's
        for record in others:
            self._add_record(record)

    def write(self, connection: Connection) -> None:
        """Execute the gathered statements on a connection inside the caller's transaction.

        Raises `Changed` when a PIN session was spent already, or another node delivers a notice.
        """
        for table, rows in self._inserts.items():
            insert(connection, table, _COLUMNS[table], rows)
        for name, changes in self._updates.items():
            changed = update(connection, _UPDATES[name], list(changes.values()))
            if name == "session" and changed != self._spent:
                raise Changed("a PIN session was spent already")
        for kept in self._kept:
            if not keep(connection, self._sealer, kept):
                raise Changed("what both sides kept of the link is gone")
        if not notices.write(connection, self._notices):
            raise Changed("another node tells the channel")

    def _add_step(self, step: Step) -> None:
        key, recorded, body, state, rests, updated_at, lets_go, opening = step
        if body:
            self._inserts[tables.facts].append((key, recorded, body))
        moving = key, state, rests, updated_at, self._node
        if opening is None:
            self._updates["operation"][key] = (*moving, lets_go)
        else:
            self._inserts[tables.operations].append((*moving, *opening))

    def _add_plain(self, what: str, *values: Any) -> None:  # noqa: ANN401 - of a row
        if what == KEY:
            self._inserts[tables.idempotency_keys].append(values)
        elif what == OPENED:
            self._open_session(*values)
        elif what == SPENT:
            self._spent += 1
            self._change("session", values[0])
        else:
            assert what == LET_GO
            self._change("let-go", values[0])

    def _add_record(self, record: object) -> None:
        match record:
            case Link():
                self._inserts[tables.links].append(_link_row(record))
            case SocialCard():
                self._inserts[tables.cards].append(self._card_row(record))
            case FinancialAccount():
                sealed = self._sealer.seal_account(record)
                self._inserts[tables.accounts].append((record.link.value, sealed))
            case _:
                self._add_change(record)

    def _add_change(self, record: object) -> None:
        match record:
            case LinkChanged():
                self._change_link(record)
            case Notice() | NoticeTried() | NoticeDelivered() | NoticeGivenUp():
                self._notices.append(record)
            case _ if isinstance(record, CardRecord | AccountRecord):
                self._kept.append(record)
            case _:
                raise LocalError(f"no table keeps a {type(record).__name__}")

    def _open_session(self, session: str, link: str, purpose: str, *rest: object) -> None:
        """Keep a session and end the earlier ones, whatever time of day those were opened at."""
        self._inserts[tables.pin_sessions].append((session, link, purpose, *rest))
        self._updates["session-ended"][f"{link} {purpose}"] = link, purpose, session

    def _change(self, name: str, key: str, *values: object) -> None:
        self._updates[name][key] = key, *values

    def _card_row(self, card: SocialCard) -> Row:
        fingerprint = self._sealer.card_fingerprint(card.number)
        return card.link.value, fingerprint, True, self._sealer.seal_card(card)

    def _change_link(self, change: LinkChanged) -> None:
        link = change.link.value
        self._change("link", link, change.state.value)
        if change.state is LinkState.PENDING:
            self._change("card-held", link)
        elif change.state.holds_card:
            self._change("link-activated", link, change.at.isoformat())
        else:
            self._change("card-released", link)
            # Whoever read the link while it was active sets no PIN through it any more.
            self._change("sessions-of-link", link)


_MOVING = ("id", "state", "is_at_rest", "updated_at", "owner")
# What lets its link go never holds it again: another operation may have begun.
_UPDATES = {
    "operation": Update(
        tables.operations,
        (*_MOVING, "lets_go"),
        # What rests may be woken by any node, such as by a person's word: whoever writes, owns.
        "state = v.column2, updated_at = v.column4, owner = v.column5, "
        "is_at_rest = v.column3, "
        "holds = CASE WHEN v.column6 THEN NULL ELSE operations_operations.holds END",
    ),
    "let-go": Update(tables.operations, ("id",), "is_at_rest = true, holds = NULL"),
    "link": Update(tables.links, ("id", "state"), "state = v.column2"),
    "link-activated": Update(tables.links, ("id", "activated_at"), "activated_at = v.column2"),
    "card-held": Update(tables.cards, ("link",), "holds = true"),
    "card-released": Update(tables.cards, ("link",), "holds = NULL"),
    "session-ended": Update(
        tables.pin_sessions,
        ("link", "purpose", "id"),
        "is_used = true",
        "linking_pin_sessions.purpose = v.column2 AND linking_pin_sessions.id <> v.column3 "
        "AND NOT is_used",
    ),
    "sessions-of-link": Update(tables.pin_sessions, ("link",), "is_used = true", "NOT is_used"),
    "session": Update(tables.pin_sessions, ("id",), "is_used = true", "NOT is_used"),
}


def _link_row(link: Link) -> Row:
    return (
        link.id.value,
        link.agency.value,
        link.channel,
        link.state.value,
        link.created_at.isoformat(),
        link.activated_at and link.activated_at.isoformat(),
    )


_COLUMNS: Mapping[Table, tuple[str, ...]] = {
    tables.facts: ("operation", "sequence", "body"),
    tables.operations: (*_MOVING, "kind", "link", "opened_at", "holds"),
    tables.idempotency_keys: ("channel", "key", "request_digest", "resource", "created_at"),
    tables.pin_sessions: ("id", "link", "purpose", "nonce", "kid", "expires_at", "is_used"),
    tables.links: ("id", "agency", "channel", "state", "created_at", "activated_at"),
    tables.cards: ("link", "card_fingerprint", "holds", "sealed"),
    tables.accounts: ("link", "sealed"),
}
