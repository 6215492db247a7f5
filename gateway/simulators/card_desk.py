"""A simulated bureau's rules for cards that are ordered, made, handed over and cancelled."""

from dataclasses import dataclass
from typing import Final

from gateway.regions.rules import PinRules, ReplacementRules
from gateway.regions.vocabulary import CarryOver
from gateway.simulators.desk import Outcome
from gateway.simulators.population import CardState, PinState
from gateway.simulators.records import CardOrder, CardRecord
from gateway.terms.response_codes import ResponseCode

_APPROVED: Final = ResponseCode.APPROVED
_NOT_NOW: Final = ResponseCode.STATE_DOES_NOT_ALLOW


@dataclass(frozen=True, slots=True)
class CardTerms:
    """What the region says of a new card; what it leaves to the bureau is kept here."""

    replacement: ReplacementRules
    pin: PinRules

    @property
    def carried_over(self) -> str:
        """Subfield CO: what the new card takes over."""
        rules = self.replacement
        each = {"P": rules.ss_pin, "L": rules.links, "M": rules.mobile}
        kept = [letter for letter, rule in each.items() if rule is not CarryOver.DROPPED]
        return "".join(kept) or "-"


def order(card: CardRecord, kind: str, reason: str, due: str) -> Outcome:
    """Take an order down; a lost card is replaced after its formal loss only."""
    if card.state is CardState.CANCELLED:
        return Outcome.refused(ResponseCode.RESTRICTED, "CARD_NOT_USABLE")
    if kind == "T":
        return Outcome(_APPROVED, {"CS": card.state, "OS": "H", "DU": due} if due else {"OS": "H"})
    if card.order is not None:
        return Outcome.refused(_NOT_NOW, "REPLACEMENT_BEGUN")
    if reason == "L" and card.state is not CardState.FORMAL_LOSS:
        return Outcome.refused(_NOT_NOW, "LOSS_NOT_FORMAL")
    card.order = CardOrder(f"R{card.number[1:]}", due)
    return Outcome(_APPROVED, {"CS": card.state, **progress(card)})


def progress(card: CardRecord) -> dict[str, str]:
    """Tell how far the ordered card is."""
    ordered = card.order
    if ordered is None:
        return {"OS": "N"}
    told = {"OS": "W" if ordered.is_made else "P", "ON": ordered.number}
    return told | ({"DU": ordered.due} if ordered.due else {})


def collect(card: CardRecord, terms: CardTerms, number: str) -> CardRecord | Outcome:
    """Hand over the card that was made under its number; what stood in its place is over."""
    if card.order is None or not card.order.is_made:
        return Outcome.refused(_NOT_NOW, "NO_CARD_WAITING")
    carried = "-" if card.is_application else terms.carried_over
    keeps_pin = "P" in carried
    new = CardRecord(
        number,
        card.holder,
        CardState.NOT_ACTIVATED if card.is_application else CardState.NORMAL,
        card.pin_state if keeps_pin else PinState[terms.pin.starts.name],
        card.pin if keeps_pin else None,
        card.contact_mobile if "M" in carried else None,
    )
    card.state, card.order = CardState.CANCELLED, None
    return new


def cancel(card: CardRecord) -> Outcome:
    """End a card for good."""
    if card.state is CardState.CANCELLED:
        return Outcome.refused(_NOT_NOW, "ALREADY_SO")
    card.state = CardState.CANCELLED
    return Outcome(_APPROVED, {"CS": card.state})
