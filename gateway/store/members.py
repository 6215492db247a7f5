"""What is kept of a card, an account and a loss: their members by name, as they are enciphered."""

from datetime import datetime
from typing import Any

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

Members = dict[str, Any]


def card_of(link: LinkId, members: Members) -> SocialCard:
    """Read the social half of a link; raises `ValueError` or `KeyError` for what is none."""
    address, holder, ecard = members.get("address"), members.get("holder"), members.get("ecard")
    return SocialCard(
        link,
        SsCardNumber(members["number"]),
        AgencyCode(members["agency"]),
        Mobile(members["mobile"]),
        Address(address) if address else None,
        CardHolder(*_person(holder)) if holder else None,
        _loss_with_link(members.get("loss")),
        members.get("replacing", False),
        EcardNumber(ecard) if ecard else None,
        _former(members["former"]) if "former" in members else (),
    )


def _former(stored: list[list[str]]) -> tuple[FormerNumber, ...]:
    return tuple(
        FormerNumber(SsCardNumber(number), datetime.fromisoformat(until))
        for number, until in stored
    )


def account_of(link: LinkId, members: Members) -> FinancialAccount:
    """Read the financial half of a link; raises as `card_of` does."""
    customer, owner = CustomerNumber(members["customer"]), members.get("owner")
    known = AccountOwner(customer, *_person(owner)) if owner else None
    loss = _loss_with_link(members.get("loss"))
    return FinancialAccount(link, Pan(members["pan"]), customer, known, loss)


def card_members(card: SocialCard) -> dict[str, object]:
    """Write the social half of a link."""
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


def account_members(account: FinancialAccount) -> dict[str, object]:
    """Write the financial half of a link."""
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


def loss_members(loss: Loss) -> dict[str, object]:
    """Write a loss, and the one before it."""
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
        members["earlier"] = loss_members(loss.earlier)
    return members


def loss_of(members: dict[str, Any]) -> Loss:
    """Read a loss, and the one before it."""
    confirmed_at, earlier = members.get("confirmed_at"), members.get("earlier")
    return Loss(
        LossKind(members["kind"]),
        OperationId(members["reference"]),
        datetime.fromisoformat(members["reported_at"]),
        loss_of(earlier) if earlier else None,
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
