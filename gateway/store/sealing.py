"""A side's rows at rest: enciphered as a whole with that side's own data key.

The context bound into each sealed row is its table and link, so that a row copied onto another
link or into the other side's table does not open.
"""

import json
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.financial.account import FinancialAccount
from gateway.social.card import SocialCard
from gateway.store.members import (
    Members,
    account_members,
    account_of,
    card_members,
    card_of,
    loss_members,
    loss_of,
)
from gateway.terms.losses import Loss
from gateway.terms.numbers import (
    LinkId,
    Pan,
    SsCardNumber,
)


class DataKey(Protocol):
    """What a side's data key offers; the security room implements it."""

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encipher and authenticate `plaintext` together with `context`."""

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Undo `seal`; raises `LocalError` when row, context or key do not belong together."""

    def fingerprint(self, value: bytes) -> bytes:
        """Give a keyed hash of 32 bytes for look-ups of equal values."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Both sides' data keys, each used for its own tables only."""

    social: DataKey
    financial: DataKey

    def card_fingerprint(self, number: SsCardNumber) -> bytes:
        """Give the keyed hash under which a card is found."""
        return self.social.fingerprint(number.value.encode())

    def account_fingerprint(self, pan: Pan) -> bytes:
        """Give the keyed hash under which an account is found."""
        return self.financial.fingerprint(pan.value.encode())

    def seal_card(self, card: SocialCard) -> bytes:
        """Encipher the social half of a link."""
        return self.social.seal(
            _dump(card_members(card)), _context("social_cards", card.link.value)
        )

    def open_card(self, link: LinkId, sealed: bytes) -> SocialCard:
        """Decipher the social half of a link."""
        return card_of(link, self.members_of_card(link.value, sealed))

    def members_of_card(self, link: str, sealed: bytes) -> Members:
        """Decipher the social half of a link, and give its members by their names."""
        return _load(self.social.open(sealed, _context("social_cards", link)))

    def seal_account(self, account: FinancialAccount) -> bytes:
        """Encipher the financial half of a link."""
        members = account_members(account)
        return self.financial.seal(
            _dump(members), _context("financial_accounts", account.link.value)
        )

    def seal_card_loss(self, fingerprint: bytes, loss: Loss) -> bytes:
        """Encipher the loss of a card."""
        return self.social.seal(_dump(loss_members(loss)), _lost("social", fingerprint))

    def open_card_loss(self, fingerprint: bytes, sealed: bytes) -> Loss:
        """Decipher the loss of a card."""
        return loss_of(self.members_of_card_loss(fingerprint, sealed))

    def members_of_card_loss(self, fingerprint: bytes, sealed: bytes) -> Members:
        """Decipher the loss of a card, and give its members by their names."""
        return _load(self.social.open(sealed, _lost("social", fingerprint)))

    def seal_account_loss(self, fingerprint: bytes, loss: Loss) -> bytes:
        """Encipher the loss of an account."""
        return self.financial.seal(_dump(loss_members(loss)), _lost("financial", fingerprint))

    def open_account_loss(self, fingerprint: bytes, sealed: bytes) -> Loss:
        """Decipher the loss of an account."""
        return loss_of(self.members_of_account_loss(fingerprint, sealed))

    def members_of_account_loss(self, fingerprint: bytes, sealed: bytes) -> Members:
        """Decipher the loss of an account, and give its members by their names."""
        return _load(self.financial.open(sealed, _lost("financial", fingerprint)))

    def open_account(self, link: LinkId, sealed: bytes) -> FinancialAccount:
        """Decipher the financial half of a link."""
        return account_of(link, self.members_of_account(link.value, sealed))

    def members_of_account(self, link: str, sealed: bytes) -> Members:
        """Decipher the financial half of a link, and give its members by their names."""
        return _load(self.financial.open(sealed, _context("financial_accounts", link)))


def _dump(members: dict[str, object]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _load(text: bytes) -> dict[str, Any]:
    # As text: bytes would be searched for their encoding first. What was sealed is one value.
    members: dict[str, Any] = _DECODER.raw_decode(text.decode())[0]
    return members


_DECODER = json.JSONDecoder()


def _context(table: str, link: str) -> bytes:
    return f"{table}/{link}".encode()


def _lost(side: str, fingerprint: bytes) -> bytes:
    return f"{side}_losses/{fingerprint.hex()}".encode()
