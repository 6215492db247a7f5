"""What is found in the store, as values; and how it crosses from the store's process."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.financial.account import FinancialAccount
from gateway.linking.link import Link, LinkState, PinSession
from gateway.social.card import SocialCard
from gateway.store.members import Members, account_of, card_of, loss_of
from gateway.terms.losses import Loss
from gateway.terms.numbers import AgencyCode, LinkId, PinSessionId
from gateway.terms.sides import PinPurpose
from gateway.terms.values import value


@value(frozen=True, slots=True)
class Linked:
    """A link with the halves of both sides, and a PIN session that was asked for along with it."""

    link: Link
    card: SocialCard
    account: FinancialAccount
    session: PinSession | None = None


@value(frozen=True, slots=True)
class StoredKey:
    """What an Idempotency-Key stands for."""

    request_digest: bytes
    resource: str


Asked = tuple[StoredKey | None, Linked | None]
Plain = tuple[Any, ...]


def asked_of(plain: Plain) -> Asked:
    """Read what a request asked for from the plain values in which it crosses."""
    key, found = plain
    return StoredKey(*key) if key else None, linked_of(*found) if found else None


def linked_of(
    link: Sequence[Any],
    card: Members,
    account: Members,
    losses: Mapping[str, Members],
    session: Sequence[Any] | None = None,
) -> Linked:
    """Put a link together: its row, both halves, losses by side and the row of a PIN session.

    The losses are of card and account, over whichever link they were reported.
    """
    read = link_of(link)
    one, other = card_of(read.id, card), account_of(read.id, account)
    if losses or one.loss or other.loss:
        one = replace(one, loss=_concerning(read, losses.get("card"), one.loss))
        other = replace(other, loss=_concerning(read, losses.get("account"), other.loss))
    return Linked(read, one, other, session_of(session) if session else None)


def _concerning(link: Link, stored: Members | None, loss: Loss | None) -> Loss | None:
    found = loss_of(stored) if stored else loss
    concerns = found is not None and found.concerns(link.id, link.created_at)
    return found if concerns else None


def link_of(row: Sequence[Any]) -> Link:
    """Read the row of a link."""
    reference, agency, channel, state, created_at, activated_at = row
    return Link(
        LinkId(reference),
        AgencyCode(agency),
        channel,
        _STATES[state],
        datetime.fromisoformat(created_at),
        datetime.fromisoformat(activated_at) if activated_at else None,
    )


def session_of(row: Sequence[Any]) -> PinSession:
    """Read the row of a PIN session."""
    reference, link, purpose, nonce, kid, expires_at, is_used = row
    return PinSession(
        PinSessionId(reference),
        LinkId(link),
        _PURPOSES[purpose],
        nonce,
        kid,
        datetime.fromisoformat(expires_at),
        bool(is_used),
    )


# To look a member up by calling its class takes ten times as long.
_STATES = {each.value: each for each in LinkState}
_PURPOSES = {each.value: each for each in PinPurpose}
