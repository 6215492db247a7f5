"""A simulated bureau's rules for the loss of an SS account: reported, made formal, cancelled."""

from datetime import datetime
from typing import Final

from gateway.regions.rules import LossRules
from gateway.simulators.desk import Outcome
from gateway.simulators.population import CardState
from gateway.simulators.records import CardRecord
from gateway.terms.response_codes import ResponseCode

_APPROVED: Final = ResponseCode.APPROVED
_NOT_NOW: Final = ResponseCode.STATE_DOES_NOT_ALLOW
_LOST: Final = {"T": CardState.TEMPORARY_LOSS, "F": CardState.FORMAL_LOSS}


def report(card: CardRecord, kind: str, reference: str, ends_at: datetime | None) -> Outcome:
    """Take a card out of use; a formal loss stays formal, under the newest report's reference.

    A temporary one ends by itself at `ends_at`, where the region has it end.
    """
    if card.state is CardState.CANCELLED:
        return Outcome.refused(ResponseCode.RESTRICTED, "CARD_NOT_USABLE")
    if card.state not in _LOST.values():
        card.before_loss = card.state
    if card.state is not CardState.FORMAL_LOSS:
        card.state = _LOST[kind]
    card.loss_reference, card.loss_ends_at = reference, ends_at
    return Outcome(_APPROVED, {"CS": card.state})


def expire(card: CardRecord, now: datetime) -> None:
    """Put a card into use again when its temporary loss has ended by itself."""
    is_over = card.loss_ends_at is not None and card.loss_ends_at <= now
    if is_over and card.state is CardState.TEMPORARY_LOSS:
        card.state, card.loss_reference, card.loss_ends_at = card.before_loss, "", None


def cancel(card: CardRecord, reference: str, rules: LossRules) -> Outcome:
    """Put a card into use again, if the loss that is named is the one in force."""
    if card.state not in _LOST.values():
        return Outcome.refused(_NOT_NOW, "ALREADY_SO")
    if card.state is CardState.FORMAL_LOSS and not rules.formal_can_be_cancelled:
        return Outcome.refused(_NOT_NOW, "LOSS_FORMAL")
    if card.order is not None and rules.cancel_before_replacement_only:
        return Outcome.refused(_NOT_NOW, "REPLACEMENT_BEGUN")
    if card.loss_reference != reference:
        return Outcome.refused(_NOT_NOW, "ANOTHER_LOSS")
    card.state, card.loss_reference = card.before_loss, ""
    return Outcome(_APPROVED, {"CS": card.state})
