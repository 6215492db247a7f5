"""What becomes of a card or an account: the row of its link, and the loss that outlives links.

A loss is kept by the card or account itself, in a table of its own side, so that whichever link
leads there finds it. One that an earlier release kept with the link moves there when it changes.
"""

from dataclasses import replace

from sqlalchemy import (
    Column,
    Connection,
    bindparam,
    delete,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from gateway.financial import account as financial
from gateway.financial.account import (
    AccountLossConfirmed,
    AccountLossKept,
    AccountLossLifted,
    AccountRecord,
)
from gateway.social import card as social
from gateway.social.card import (
    CardRecord,
    CardReplaced,
    SsLossConfirmed,
    SsLossKept,
    SsLossLifted,
)
from gateway.store import tables
from gateway.store.members import Members
from gateway.store.sealing import Sealer
from gateway.store.statements import Lookup

_ON_LOSS = (
    SsLossKept | SsLossLifted | SsLossConfirmed | CardReplaced,
    AccountLossKept | AccountLossLifted | AccountLossConfirmed,
)


def keep(connection: Connection, sealer: Sealer, record: CardRecord | AccountRecord) -> bool:
    """Take a record into what its own side keeps; False when the link's row is gone.

    The rows are locked, so that of a loss and a late cancellation neither overwrites the other.
    """
    table = tables.cards if isinstance(record, CardRecord) else tables.accounts
    rows = select(table.c.sealed).where(table.c.link == record.link.value).with_for_update()
    sealed: bytes | None = connection.execute(rows).scalar_one_or_none()
    if sealed is None:
        return False
    if isinstance(record, CardRecord):
        _keep_card(connection, sealer, record, sealed)
    else:
        _keep_account(connection, sealer, record, sealed)
    return True


def losses(connection: Connection, sealer: Sealer, number: str, pan: str) -> dict[str, Members]:
    """Read the losses of a card and of an account, each from its own side's table."""
    one, other = (
        sealer.social.fingerprint(number.encode()),
        sealer.financial.fingerprint(pan.encode()),
    )
    found = {}
    for side, sealed in _LOSSES.all(connection, card=one, account=other):
        opener = sealer.members_of_card_loss if side == "card" else sealer.members_of_account_loss
        found[side] = opener(one if side == "card" else other, sealed)
    return found


def _keep_card(connection: Connection, sealer: Sealer, record: CardRecord, sealed: bytes) -> None:
    table, card = tables.cards, sealer.open_card(record.link, sealed)
    fingerprint = sealer.card_fingerprint(card.number)
    if isinstance(record, _ON_LOSS) or card.loss:
        stored = _stored(connection, _CARD_LOSS, fingerprint)
        card = replace(card, loss=sealer.open_card_loss(fingerprint, stored)) if stored else card
        loss = social.keep(card, record).loss
        stored = sealer.seal_card_loss(fingerprint, loss) if loss else None
        _store(connection, _CARD_LOSS, fingerprint, stored)
    card = social.keep(card, record)
    values = {"sealed": sealer.seal_card(card)}
    if isinstance(record, CardReplaced):
        values["card_fingerprint"] = sealer.card_fingerprint(card.number)
    connection.execute(update(table).where(table.c.link == record.link.value).values(values))


def _keep_account(
    connection: Connection, sealer: Sealer, record: AccountRecord, sealed: bytes
) -> None:
    table, account = tables.accounts, sealer.open_account(record.link, sealed)
    fingerprint = sealer.account_fingerprint(account.pan)
    if isinstance(record, _ON_LOSS) or account.loss:
        stored = _stored(connection, _ACCOUNT_LOSS, fingerprint)
        if stored:
            account = replace(account, loss=sealer.open_account_loss(fingerprint, stored))
        loss = financial.keep(account, record).loss
        stored = sealer.seal_account_loss(fingerprint, loss) if loss else None
        _store(connection, _ACCOUNT_LOSS, fingerprint, stored)
    values = {"sealed": sealer.seal_account(financial.keep(account, record))}
    connection.execute(update(table).where(table.c.link == record.link.value).values(values))


def _stored(connection: Connection, key: Column[bytes], fingerprint: bytes) -> bytes | None:
    rows = select(key.table.c.sealed).where(key == fingerprint).with_for_update()
    sealed: bytes | None = connection.execute(rows).scalar_one_or_none()
    return sealed


def _store(
    connection: Connection, key: Column[bytes], fingerprint: bytes, sealed: bytes | None
) -> None:
    if sealed is None:
        connection.execute(delete(key.table).where(key == fingerprint))
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {key.name: fingerprint, "sealed": sealed}
    put = insert(key.table).values(values)
    connection.execute(put.on_conflict_do_update(index_elements=[key], set_={"sealed": sealed}))


_CARD_LOSS = tables.card_losses.c.card_fingerprint
_ACCOUNT_LOSS = tables.account_losses.c.account_fingerprint
_LOSSES = Lookup(
    union_all(
        select(literal_column("'card'"), tables.card_losses.c.sealed).where(
            bindparam("card") == _CARD_LOSS
        ),
        select(literal_column("'account'"), tables.account_losses.c.sealed).where(
            bindparam("account") == _ACCOUNT_LOSS
        ),
    )
)
