"""What one decision makes durable: facts of operations, records of a side, keys of requests."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table

from gateway.financial.account import AccountRecord, FinancialAccount
from gateway.linking.kinds import BARS_WHILE_MANUAL, BESIDE_OTHERS
from gateway.linking.link import Link, LinkChanged, LinkState, PinSession, SessionUsed
from gateway.operations.exchange import AWAITING
from gateway.operations.facts import OperationState, to_json
from gateway.operations.notice import (
    Notice,
    NoticeDelivered,
    NoticeGivenUp,
    NoticeRecord,
    NoticeTried,
)
from gateway.operations.operation import Operation
from gateway.social.card import CardRecord, SocialCard
from gateway.store import notices, tables
from gateway.store.keeping import keep
from gateway.store.sealing import Sealer
from gateway.store.statements import Update, insert, update
from gateway.terms.errors import LocalError
from gateway.terms.numbers import OperationId


@dataclass(frozen=True, slots=True)
class Progress:
    """An operation with the number of its facts that are in the journal already.

    `is_let_go` says that a restart has nothing to do for it any more, although it is unknown.
    """

    operation: Operation
    recorded: int
    is_let_go: bool = False


@dataclass(frozen=True, slots=True)
class KeyUsed:
    """Record: an Idempotency-Key stands for this resource from now on."""

    channel: str
    key: str
    request_digest: bytes
    resource: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LetGo:
    """Record: an operation of unknown outcome holds its link no more; a restart leaves it be."""

    operation: OperationId


@dataclass(frozen=True, slots=True)
class Unit:
    """All that becomes durable together or not at all.

    What opens something may be refused while the database has no room: nobody counts on it yet.
    """

    progress: tuple[Progress, ...] = ()
    records: tuple[object, ...] = ()
    may_be_refused: bool = False


Rows = list[Mapping[str, Any]]


class Changed(LocalError):
    """A row that was to be changed is not there any more as it was: another was faster."""


class Batch:
    """The rows of many units, gathered per statement so that each is executed once."""

    def __init__(self, sealer: Sealer, node: str = "") -> None:
        self._sealer = sealer
        self._node = node
        self._inserts: dict[Table, Rows] = defaultdict(list)
        self._updates: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        self._spent = 0
        self._kept: list[CardRecord | AccountRecord] = []
        self._notices: list[NoticeRecord] = []

    def add(self, unit: Unit) -> None:
        """Take in a unit; raises `LocalError` for a record that no table keeps."""
        for progress in unit.progress:
            self._add_progress(progress)
        for record in unit.records:
            self._add_record(record)

    def write(self, connection: Connection) -> None:
        """Execute the gathered statements on a connection inside the caller's transaction.

        Raises `Changed` when a PIN session was spent already, or another node delivers a notice.
        """
        for table, rows in self._inserts.items():
            insert(connection, table, rows)
        for name, changes in self._updates.items():
            changed = update(connection, _UPDATES[name], list(changes.values()))
            if name == "session" and changed != self._spent:
                raise Changed("a PIN session was spent already")
        for kept in self._kept:
            if not keep(connection, self._sealer, kept):
                raise Changed("what both sides kept of the link is gone")
        if not notices.write(connection, self._notices):
            raise Changed("another node tells the channel")

    def _add_progress(self, progress: Progress) -> None:
        operation = progress.operation
        fresh = operation.facts[progress.recorded :]
        key = operation.id.value
        if fresh:
            body = _encode([to_json(fact) for fact in fresh])
            row = {"operation": key, "sequence": progress.recorded, "body": body}
            self._inserts[tables.facts].append(row)
        rests = progress.is_let_go or is_at_rest(operation)
        moving = {
            "id": key,
            "state": operation.state.value,
            "is_at_rest": rests,
            "updated_at": operation.updated_at.isoformat(),
            "owner": self._node,
        }
        if progress.recorded:
            lets_go = rests and not still_bars(operation)
            self._updates["operation"][key] = {**moving, "lets_go": lets_go}
            return
        holds = operation.kind not in BESIDE_OTHERS and not rests
        opening = {
            "kind": operation.kind.value,
            "link": operation.link.value,
            "opened_at": operation.opened_at.isoformat(),
            "holds": operation.link.value if holds else None,
        }
        self._inserts[tables.operations].append({**moving, **opening})

    def _add_record(self, record: object) -> None:
        match record:
            case Link():
                self._inserts[tables.links].append(_link_row(record))
            case SocialCard():
                self._inserts[tables.cards].append(self._card_row(record))
            case FinancialAccount():
                sealed = self._sealer.seal_account(record)
                row = {"link": record.link.value, "sealed": sealed}
                self._inserts[tables.accounts].append(row)
            case PinSession():
                self._open_session(record)
            case KeyUsed():
                self._inserts[tables.idempotency_keys].append(_key_row(record))
            case _:
                self._add_change(record)

    def _add_change(self, record: object) -> None:
        match record:
            case LinkChanged():
                self._change_link(record)
            case SessionUsed():
                self._spent += 1
                self._change("session", record.session.value)
            case LetGo():
                self._change("let-go", record.operation.value)
            case Notice() | NoticeTried() | NoticeDelivered() | NoticeGivenUp():
                self._notices.append(record)
            case _ if isinstance(record, CardRecord | AccountRecord):
                self._kept.append(record)
            case _:
                raise LocalError(f"no table keeps a {type(record).__name__}")

    def _open_session(self, session: PinSession) -> None:
        """Keep a session and end the earlier ones, whatever time of day those were opened at."""
        row = _session_row(session)
        self._inserts[tables.pin_sessions].append(row)
        ended = self._updates["session-ended"]
        ended[f"{row['link']} {row['purpose']}"] = row

    def _change(self, name: str, key: str, **values: object) -> None:
        self._updates[name][key] = {_UPDATES[name].columns[0]: key, **values}

    def _card_row(self, card: SocialCard) -> Mapping[str, Any]:
        return {
            "link": card.link.value,
            "card_fingerprint": self._sealer.card_fingerprint(card.number),
            "holds": True,
            "sealed": self._sealer.seal_card(card),
        }

    def _change_link(self, change: LinkChanged) -> None:
        link = change.link.value
        self._change("link", link, state=change.state.value)
        if change.state is LinkState.PENDING:
            self._change("card-held", link)
        elif change.state.holds_card:
            self._change("link-activated", link, activated_at=change.at.isoformat())
        else:
            self._change("card-released", link)
            # Whoever read the link while it was active sets no PIN through it any more.
            self._change("sessions-of-link", link)


def is_at_rest(operation: Operation) -> bool:
    """Tell whether a restart has nothing to do for the operation.

    An unknown PIN outcome rests once it was let go: until then a newer attempt must wait.
    """
    if not operation.state.is_left_alone:
        return False
    return all(exchange.state not in AWAITING for exchange in operation.exchanges.values())


def still_bars(operation: Operation) -> bool:
    """Tell whether others on the link wait for an operation although it is at rest."""
    return operation.kind in BARS_WHILE_MANUAL and operation.state is OperationState.MANUAL


_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: `dumps` makes one a call

# What lets its link go never holds it again: another operation may have begun.
_UPDATES = {
    "operation": Update(
        tables.operations,
        ("id", "state", "is_at_rest", "updated_at", "owner", "lets_go"),
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


def _link_row(link: Link) -> Mapping[str, Any]:
    return {
        "id": link.id.value,
        "agency": link.agency.value,
        "channel": link.channel,
        "state": link.state.value,
        "created_at": link.created_at.isoformat(),
        "activated_at": link.activated_at and link.activated_at.isoformat(),
    }


def _session_row(session: PinSession) -> Mapping[str, Any]:
    return {
        "id": session.id.value,
        "link": session.link.value,
        "purpose": session.purpose.value,
        "nonce": session.nonce,
        "kid": session.kid,
        "expires_at": session.expires_at.isoformat(),
        "is_used": session.is_used,
    }


def _key_row(used: KeyUsed) -> Mapping[str, Any]:
    return {
        "channel": used.channel,
        "key": used.key,
        "request_digest": used.request_digest,
        "resource": used.resource,
        "created_at": used.at.isoformat(),
    }
