"""What one decision makes durable: facts of operations, records of a side, keys of requests."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select

from gateway.financial.account import FinancialAccount, OwnerKept
from gateway.linking.link import Link, LinkChanged, PinSession, SessionUsed
from gateway.operations.exchange import AWAITING, ExchangeState
from gateway.operations.facts import OperationState, to_json
from gateway.operations.notice import (
    Notice,
    NoticeDelivered,
    NoticeGivenUp,
    NoticeRecord,
    NoticeTried,
)
from gateway.operations.operation import Operation
from gateway.social.card import HolderKept, SocialCard
from gateway.store import notices, tables
from gateway.store.sealing import Sealer
from gateway.terms.errors import LocalError


@dataclass(frozen=True, slots=True)
class Progress:
    """An operation with the number of its facts that are in the journal already."""

    operation: Operation
    recorded: int


@dataclass(frozen=True, slots=True)
class KeyUsed:
    """Record: an Idempotency-Key stands for this resource from now on."""

    channel: str
    key: str
    request_digest: bytes
    resource: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BlockReserved:
    """Record: numbers below `next` of a counter are spent, used or not."""

    counter: str
    next: int


@dataclass(frozen=True, slots=True)
class Unit:
    """All that becomes durable together or not at all."""

    progress: tuple[Progress, ...] = ()
    records: tuple[object, ...] = ()


Rows = list[Mapping[str, Any]]


class Batch:
    """The rows of many units, gathered per statement so that each is executed once."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._inserts: dict[Table, Rows] = defaultdict(list)
        self._updates: dict[str, Rows] = defaultdict(list)
        self._kept: list[HolderKept | OwnerKept] = []
        self._notices: list[NoticeRecord] = []

    def add(self, unit: Unit) -> None:
        """Take in a unit; raises `LocalError` for a record that no table keeps."""
        for progress in unit.progress:
            self._add_progress(progress)
        for record in unit.records:
            self._add_record(record)

    def write(self, connection: Connection) -> None:
        """Execute the gathered statements on a connection inside the caller's transaction."""
        for table, rows in self._inserts.items():
            connection.execute(_INSERTS[table], rows)
        for name, rows in self._updates.items():
            connection.execute(_UPDATES[name], rows)
        for kept in self._kept:
            self._keep(connection, kept)
        notices.write(connection, self._notices)

    def _add_progress(self, progress: Progress) -> None:
        operation = progress.operation
        fresh = operation.facts[progress.recorded :]
        key = operation.id.value
        if fresh:
            body = json.dumps([to_json(fact) for fact in fresh], separators=(",", ":"))
            row = {"operation": key, "sequence": progress.recorded, "body": body}
            self._inserts[tables.facts].append(row)
        moving = {
            "state": operation.state.value,
            "is_at_rest": is_at_rest(operation),
            "updated_at": operation.updated_at.isoformat(),
        }
        if progress.recorded:
            self._updates["operation"].append({"b_id": key, **moving})
            return
        opening = {
            "id": key,
            "kind": operation.kind.value,
            "link": operation.link.value,
            "opened_at": operation.opened_at.isoformat(),
        }
        self._inserts[tables.operations].append({**opening, **moving})

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
                self._inserts[tables.pin_sessions].append(_session_row(record))
            case KeyUsed():
                self._inserts[tables.idempotency_keys].append(_key_row(record))
            case _:
                self._add_change(record)

    def _add_change(self, record: object) -> None:
        match record:
            case LinkChanged():
                self._change_link(record)
            case SessionUsed():
                self._updates["session"].append({"b_id": record.session.value})
            case BlockReserved():
                self._updates["counter"].append({"b_name": record.counter, "next": record.next})
            case HolderKept() | OwnerKept():
                self._kept.append(record)
            case Notice() | NoticeTried() | NoticeDelivered() | NoticeGivenUp():
                self._notices.append(record)
            case _:
                raise LocalError(f"no table keeps a {type(record).__name__}")

    def _card_row(self, card: SocialCard) -> Mapping[str, Any]:
        return {
            "link": card.link.value,
            "card_fingerprint": self._sealer.card_fingerprint(card.number),
            "holds": True,
            "sealed": self._sealer.seal_card(card),
        }

    def _change_link(self, change: LinkChanged) -> None:
        row = {"b_id": change.link.value, "state": change.state.value}
        self._updates["link"].append(row)
        if change.state.holds_card:
            activated = {"b_id": change.link.value, "activated_at": change.at.isoformat()}
            self._updates["link-activated"].append(activated)
        else:
            self._updates["card-released"].append({"b_link": change.link.value})

    def _keep(self, connection: Connection, kept: HolderKept | OwnerKept) -> None:
        """Add what a far side told of a person to the sealed row of its own side."""
        table = tables.cards if isinstance(kept, HolderKept) else tables.accounts
        where = table.c.link == kept.link.value
        sealed = connection.execute(select(table.c.sealed).where(where)).scalar_one()
        if isinstance(kept, HolderKept):
            card = replace(self._sealer.open_card(kept.link, sealed), holder=kept.holder)
            sealed = self._sealer.seal_card(card)
        else:
            account = replace(self._sealer.open_account(kept.link, sealed), owner=kept.owner)
            sealed = self._sealer.seal_account(account)
        connection.execute(table.update().where(where).values(sealed=sealed))


def is_at_rest(operation: Operation) -> bool:
    """Tell whether a restart has nothing to do for the operation.

    An unknown PIN outcome rests: its PIN block is gone with the process that held it.
    """
    states = {exchange.state for exchange in operation.exchanges.values()}
    if operation.state is OperationState.UNKNOWN:
        return ExchangeState.UNKNOWN in states
    return operation.state.is_left_alone and AWAITING.isdisjoint(states)


# Built once: putting a statement together costs more than running it.
_INSERTS = {table: table.insert() for table in tables.metadata.tables.values()}
_UPDATES = {
    "operation": tables.operations.update()
    .where(tables.operations.c.id == bindparam("b_id"))
    .values({name: bindparam(name) for name in ("state", "is_at_rest", "updated_at")}),
    "link": tables.links.update()
    .where(tables.links.c.id == bindparam("b_id"))
    .values(state=bindparam("state")),
    "link-activated": tables.links.update()
    .where(tables.links.c.id == bindparam("b_id"))
    .values(activated_at=bindparam("activated_at")),
    "card-released": tables.cards.update()
    .where(tables.cards.c.link == bindparam("b_link"))
    .values(holds=None),
    "session": tables.pin_sessions.update()
    .where(tables.pin_sessions.c.id == bindparam("b_id"))
    .values(is_used=True),
    "counter": tables.counters.update()
    .where(tables.counters.c.name == bindparam("b_name"))
    .values(next=bindparam("next")),
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
