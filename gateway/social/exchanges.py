"""The exchanges with a bureau, and the draft of each of their messages."""

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.operations.draft import Draft, EncipheredPin, Original
from gateway.operations.exchange import Exchange, Form, Recovery
from gateway.social.card import SocialCard
from gateway.terms.errors import LocalError
from gateway.terms.sides import Side

CARD_INQUIRY = Exchange("card-inquiry", Side.SOCIAL, "card-inquiry", Recovery.QUERY)
REGISTER = Exchange("bureau-register", Side.SOCIAL, "link-register", Recovery.REVERSIBLE)
REMOVE = Exchange("bureau-remove", Side.SOCIAL, "link-remove", Recovery.REVERSIBLE)
SET_PIN = Exchange("bureau-pin-set", Side.SOCIAL, "pin-set", Recovery.AT_MOST_ONCE)
VERIFY_PIN = Exchange("bureau-pin-verify", Side.SOCIAL, "pin-verify", Recovery.QUERY)
RESET_PIN = Exchange("bureau-pin-reset", Side.SOCIAL, "pin-reset", Recovery.AT_MOST_ONCE)
UNLOCK_PIN = Exchange("bureau-pin-unlock", Side.SOCIAL, "pin-unlock", Recovery.FORWARD)
ENABLE_PIN = Exchange("bureau-pin-enable", Side.SOCIAL, "pin-enable", Recovery.FORWARD)
OPT_OUT_PIN = Exchange("bureau-pin-opt-out", Side.SOCIAL, "pin-opt-out", Recovery.FORWARD)
BIND_MOBILE = Exchange("bureau-mobile-bind", Side.SOCIAL, "mobile-bind", Recovery.FORWARD)
REPORT_LOSS = Exchange("bureau-loss-report", Side.SOCIAL, "loss-report", Recovery.AT_LEAST_ONCE)
CANCEL_LOSS = Exchange("bureau-loss-cancel", Side.SOCIAL, "loss-cancel", Recovery.FORWARD)
APPLY_CARD = Exchange("bureau-card-apply", Side.SOCIAL, "card-apply", Recovery.FORWARD)
ORDER_CARD = Exchange("bureau-card-order", Side.SOCIAL, "card-order", Recovery.FORWARD)
COLLECT_CARD = Exchange("bureau-card-collect", Side.SOCIAL, "card-collect", Recovery.FORWARD)
CANCEL_CARD = Exchange("bureau-card-cancel", Side.SOCIAL, "card-cancel", Recovery.FORWARD)
CARD_PROGRESS = Exchange("bureau-card-progress", Side.SOCIAL, "card-progress", Recovery.QUERY)
ISSUE_ECARD = Exchange("bureau-ecard-issue", Side.SOCIAL, "ecard-issue", Recovery.REVOCABLE)
REVOKE_ECARD = Exchange("bureau-ecard-revoke", Side.SOCIAL, "ecard-revoke", Recovery.FORWARD)
ENABLE_PAYMENT = Exchange("bureau-ecard-payment", Side.SOCIAL, "ecard-payment", Recovery.FORWARD)
SCAN = Exchange("bureau-ecard-scan", Side.SOCIAL, "ecard-scan", Recovery.FORWARD)
SET_ECARD_PIN = Exchange(
    "bureau-ecard-pin-set", Side.SOCIAL, "ecard-pin-set", Recovery.AT_MOST_ONCE
)
VERIFY_ECARD_PIN = Exchange(
    "bureau-ecard-pin-verify", Side.SOCIAL, "ecard-pin-verify", Recovery.QUERY
)
MAKE_CODE = Exchange("bureau-ecard-code", Side.SOCIAL, "ecard-code", Recovery.QUERY)
ACCOUNT_ACTIVATED = Exchange(
    "bureau-account-activated", Side.SOCIAL, "account-activated", Recovery.ADVICE
)

WITH_PIN = frozenset(
    {"pin-set", "pin-verify", "pin-reset", "ecard-issue", "ecard-pin-set", "ecard-pin-verify"}
)
"""Messages that carry a PIN block."""


def draft(
    exchange: Exchange,
    card: SocialCard,
    pin: EncipheredPin | None = None,
    activated_at: datetime | None = None,
    words: Mapping[str, str] | None = None,
) -> Draft:
    """Write the message of an exchange in its present form, for this card.

    `words` are subfields of DE 48 that the operation has of its own. Raises `LocalError` when a
    PIN is to be sent without its PIN block, or an advice lacks its instant.
    """
    fields = {100: card.agency.value, 102: card.number.value}
    if exchange.form is Form.REVERSAL:
        return Draft("reversal", fields, {"LK": card.link.value}, _original(exchange))
    if exchange.form is Form.INQUIRY:
        return Draft("outcome-inquiry", fields, {"IN": card.agency.value}, _original(exchange))
    private = {"IN": card.agency.value}
    if exchange.message != "card-inquiry":
        private["LK"] = card.link.value
    if exchange.message == "link-register":
        private |= _contact(card)
    if exchange.message == "account-activated":
        private["AT"] = _instant(activated_at)
    sealed = _needed(pin) if exchange.message in WITH_PIN else None
    return Draft(exchange.message, fields, {**private, **(words or {})}, pin=sealed)


def _contact(card: SocialCard) -> dict[str, str]:
    contact = {"MB": card.mobile.value}
    return contact if card.address is None else contact | {"AD": card.address.value}


def _needed(pin: EncipheredPin | None) -> EncipheredPin:
    if pin is None:
        raise LocalError("a message with a PIN cannot be sent without its PIN block")
    return pin


def _instant(activated_at: datetime | None) -> str:
    if activated_at is None:
        raise LocalError("an activation advice needs its instant")
    return activated_at.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def _original(exchange: Exchange) -> Original:
    if exchange.trace is None:
        raise LocalError("what was never sent cannot be asked after or reversed")
    return Original(exchange.message, exchange.trace)
