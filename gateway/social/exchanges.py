"""The exchanges with a bureau, and the draft of each of their messages."""

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
ACCOUNT_ACTIVATED = Exchange(
    "bureau-account-activated", Side.SOCIAL, "account-activated", Recovery.ADVICE
)


def draft(
    exchange: Exchange,
    card: SocialCard,
    pin: EncipheredPin | None = None,
    activated_at: datetime | None = None,
) -> Draft:
    """Write the message of an exchange in its present form, for this card.

    Raises `LocalError` when a PIN is to be set without a PIN block, or an advice lacks its instant.
    """
    fields: dict[int, str | bytes] = {100: card.agency.value, 102: card.number.value}
    if exchange.form is Form.REVERSAL:
        return _reversal(exchange, card, fields)
    private = {"IN": card.agency.value}
    if exchange.message != "card-inquiry":
        private["LK"] = card.link.value
    if exchange.message == "link-register":
        private |= _contact(card)
    if exchange.message == "pin-set":
        fields |= _pin_fields(pin)
    if exchange.message == "account-activated":
        private["AT"] = _instant(activated_at)
    return Draft(exchange.message, fields, private)


def _contact(card: SocialCard) -> dict[str, str]:
    contact = {"MB": card.mobile.value}
    return contact if card.address is None else contact | {"AD": card.address.value}


def _pin_fields(pin: EncipheredPin | None) -> dict[int, str | bytes]:
    if pin is None:
        raise LocalError("an SS PIN cannot be set without its PIN block")
    return {52: pin.block, 53: pin.security_control}


def _instant(activated_at: datetime | None) -> str:
    if activated_at is None:
        raise LocalError("an activation advice needs its instant")
    return activated_at.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def _reversal(exchange: Exchange, card: SocialCard, fields: dict[int, str | bytes]) -> Draft:
    if exchange.trace is None:
        raise LocalError("what was never sent cannot be reversed")
    original = Original(exchange.message, exchange.trace)
    return Draft("reversal", fields, {"LK": card.link.value}, original)
