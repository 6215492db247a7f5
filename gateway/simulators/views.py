"""The state of bureau and core as the control port shows it: numbers masked, PINs never."""

from typing import Any

from gateway.simulators.core import AccountRecord
from gateway.simulators.links import Link, Links
from gateway.simulators.records import CardRecord
from gateway.terms.masking import mask, mask_name


def card_view(card: CardRecord, links: Links) -> dict[str, Any]:
    """Show one card."""
    return {
        "card": mask(card.number),
        "name": mask_name(card.holder.name),
        "citizen_id": mask(card.holder.citizen_id),
        "mobile": mask(card.holder.mobile),
        "contact_mobile": mask(card.contact_mobile) if card.contact_mobile else None,
        "card_state": card.state.name.lower(),
        "pin_state": card.pin_state.name.lower(),
        "wrong_tries": card.wrong_tries,
        "ss_account_follows_at": card.follows_at.isoformat() if card.follows_at else None,
        "links": [_link_view(link) for link in links.of(card.number)],
    }


def account_view(account: AccountRecord, links: Links) -> dict[str, Any]:
    """Show one account."""
    return {
        "account": mask(account.pan),
        "customer": mask(account.customer),
        "name": mask_name(account.holder.name),
        "citizen_id": mask(account.holder.citizen_id),
        "mobile": mask(account.holder.mobile),
        "account_state": account.state.name.lower(),
        "pin_is_set": account.pin is not None,
        "services": sorted(account.services),
        "links": [_link_view(link) for link in links.of(account.pan)],
    }


def _link_view(link: Link) -> dict[str, Any]:
    return {"link": link.link_id, "active": link.active}
