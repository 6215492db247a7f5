"""A side's rows at rest: enciphered as a whole with that side's own data key.

The context bound into each sealed row is its table and link, so that a row copied onto another
link or into the other side's table does not open.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gateway.financial.account import AccountOwner, FinancialAccount
from gateway.social.card import CardHolder, FormerNumber, SocialCard
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    CustomerNumber,
    EcardNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
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
        return self.social.seal(_dump(_card_members(card)), _context("social_cards", card.link))

    def open_card(self, link: LinkId, sealed: bytes) -> SocialCard:
        """Decipher the social half of a link."""
        members = _load(self.social.open(sealed, _context("social_cards", link)))
        mobile, address = members["mobile"], members.get("address")
        holder = members.get("holder")
        return SocialCard(
            link,
            SsCardNumber(members["number"]),
            AgencyCode(members["agency"]),
            Mobile(mobile),
            Address(address) if address else None,
            CardHolder(*_person(holder)) if holder else None,
            _loss_with_link(members.get("loss")),
            members.get("replacing", False),
            EcardNumber(members["ecard"]) if "ecard" in members else None,
            tuple(
                FormerNumber(SsCardNumber(number), datetime.fromisoformat(until))
                for number, until in members.get("former", ())
            ),
        )

    def seal_account(self, account: FinancialAccount) -> bytes:
        """Encipher the financial half of a link."""
        members = _account_members(account)
        return self.financial.seal(_dump(members), _context("financial_accounts", account.link))

    def seal_card_loss(self, fingerprint: bytes, loss: Loss) -> bytes:
        """Encipher the loss of a card."""
        return self.social.seal(_dump(_loss_members(loss)), _lost("social", fingerprint))

    def open_card_loss(self, fingerprint: bytes, sealed: bytes) -> Loss:
        """Decipher the loss of a card."""
        return _opened_loss(self.social.open(sealed, _lost("social", fingerprint)))

    def seal_account_loss(self, fingerprint: bytes, loss: Loss) -> bytes:
        """Encipher the loss of an account."""
        return self.financial.seal(_dump(_loss_members(loss)), _lost("financial", fingerprint))

    def open_account_loss(self, fingerprint: bytes, sealed: bytes) -> Loss:
        """Decipher the loss of an account."""
        return _opened_loss(self.financial.open(sealed, _lost("financial", fingerprint)))

    def open_account(self, link: LinkId, sealed: bytes) -> FinancialAccount:
        """Decipher the financial half of a link."""
        members = _load(self.financial.open(sealed, _context("financial_accounts", link)))
        customer, owner = CustomerNumber(members["customer"]), members.get("owner")
        known = AccountOwner(customer, *_person(owner)) if owner else None
        loss = _loss_with_link(members.get("loss"))
        return FinancialAccount(link, Pan(members["pan"]), customer, known, loss)


def _card_members(card: SocialCard) -> dict[str, object]:
    members: dict[str, object] = {
        "number": card.number.value,
        "agency": card.agency.value,
        "mobile": card.mobile.value,
    }
    if card.address is not None:
        members["address"] = card.address.value
    if card.holder is not None:
        members["holder"] = _person_members(card.holder)
    if card.replacing:
        members["replacing"] = True
    if card.ecard is not None:
        members["ecard"] = card.ecard.value
    if card.former:
        members["former"] = [[each.number.value, each.until.isoformat()] for each in card.former]
    return members


def _account_members(account: FinancialAccount) -> dict[str, object]:
    members: dict[str, object] = {"pan": account.pan.value, "customer": account.customer.value}
    if account.owner is not None:
        members["owner"] = _person_members(account.owner)
    return members


def _person_members(person: CardHolder | AccountOwner) -> dict[str, str | None]:
    return {
        "name": person.name.value,
        "citizen_id": person.citizen_id.value,
        "mobile": person.mobile.value if person.mobile else None,
    }


def _person(members: dict[str, str]) -> tuple[PersonName, CitizenId, Mobile | None]:
    mobile = members["mobile"]
    return (
        PersonName(members["name"]),
        CitizenId(members["citizen_id"]),
        Mobile(mobile) if mobile else None,
    )


def _loss_members(loss: Loss) -> dict[str, object]:
    members: dict[str, object] = {
        "kind": loss.kind.value,
        "reference": loss.reference.value,
        "reported_at": loss.reported_at.isoformat(),
    }
    if loss.confirmed_at is not None:
        members["confirmed_at"] = loss.confirmed_at.isoformat()
    if loss.link is not None:
        members["link"] = loss.link.value
    if loss.earlier is not None:
        members["earlier"] = _loss_members(loss.earlier)
    return members


def _opened_loss(opened: bytes) -> Loss:
    return _loss_of(json.loads(opened))


def _loss_of(members: dict[str, Any]) -> Loss:
    confirmed_at, earlier = members.get("confirmed_at"), members.get("earlier")
    return Loss(
        LossKind(members["kind"]),
        OperationId(members["reference"]),
        datetime.fromisoformat(members["reported_at"]),
        _loss_of(earlier) if earlier else None,
        datetime.fromisoformat(confirmed_at) if confirmed_at else None,
        LinkId(members["link"]) if "link" in members else None,
    )


def _loss_with_link(stored: list[str] | None) -> Loss | None:
    """Read a loss as it stood in the row of its link before revision 0005 of the schema.

    Whether its far side had it was not kept: it holds nothing back that it did not then.
    """
    if not stored:
        return None
    kind, reference, reported_at, *earlier = stored
    at = datetime.fromisoformat(reported_at)
    return Loss(LossKind(kind), OperationId(reference), at, _loss_with_link(earlier), at)


def _dump(members: dict[str, object]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _load(text: bytes) -> dict[str, Any]:
    # As text: bytes would be searched for their encoding first.
    members: dict[str, Any] = json.loads(text.decode())
    return members


def _context(table: str, link: LinkId) -> bytes:
    return f"{table}/{link.value}".encode()


def _lost(side: str, fingerprint: bytes) -> bytes:
    return f"{side}_losses/{fingerprint.hex()}".encode()
