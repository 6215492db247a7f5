"""What a bureau's answer says, and the refusal that its response code means to a caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.social.card import CardHolder, CardState, NewCard, OneTimeCode, PinState
from gateway.terms.errors import PeerError
from gateway.terms.numbers import CitizenId, EcardNumber, Mobile, PersonName, SsCardNumber
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode


@dataclass(frozen=True, slots=True)
class CardFinding:
    """What a card inquiry told."""

    holder: CardHolder
    card_state: CardState
    pin_state: PinState


Told = NewCard | Mobile | EcardNumber | OneTimeCode


def told(private: Mapping[str, str]) -> Mapping[str, str]:
    """Read the open words of an answer: states and dates, nothing of a person and no number.

    Raises `PeerError` for a state that the message set does not have.
    """
    try:
        return {word: read(private[use]) for use, (word, read) in _WORDS.items() if use in private}
    except (KeyError, ValueError):
        raise PeerError("DE 48: a state told by the bureau is not one of its message set") from None


_WORDS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "CS": ("card_state", lambda code: _word(CardState(code))),
    "PS": ("pin_state", lambda code: _word(PinState(code))),
    "TL": ("tries_left", str),
    "OS": ("order_state", lambda code: _ORDER_STATES[code]),
    "ON": ("order", str),
    "DU": ("due_on", lambda day: datetime.strptime(f"{day}Z", "%Y%m%d%z").date().isoformat()),
    "ES": ("ecard_state", lambda code: _ECARD_STATES[code]),
    "CO": ("carried_over", lambda code: " ".join(_CARRIED_OVER[each] for each in code)),
}


_ORDER_STATES: Mapping[str, str] = {
    "N": "none",
    "P": "in-production",
    "W": "waiting-to-be-collected",
    "H": "handed-over",
}
_ECARD_STATES: Mapping[str, str] = {
    "A": "active",
    "P": "active-and-pays",
    "S": "stopped",
    "R": "revoked",
}
_CARRIED_OVER: Mapping[str, str] = {"P": "ss-pin", "L": "link", "M": "mobile", "-": "nothing"}


def _word(state: CardState | PinState) -> str:
    return state.name.lower().replace("_", "-")


def finding(message: str, private: Mapping[str, str]) -> CardFinding | Told | None:
    """Read what an approved answer tells of persons; None for messages that tell nothing.

    Binding a mobile number, and an inquiry after it, tell the number that is bound now; handing
    over a card, and an inquiry after it, tell the card's number; issuing an e-card tells the
    e-card's, and making a code tells the code.

    Raises `PeerError` naming the subfield of DE 48 that is missing or breaks its rule.
    """
    if message != "card-inquiry":
        return _number(private) if message in _TELLING_NUMBERS else None
    try:
        mobile = private.get("MB")
        holder = CardHolder(
            PersonName(private["NM"]),
            CitizenId(private["ID"]),
            Mobile(mobile) if mobile else None,
        )
        return CardFinding(holder, CardState(private["CS"]), PinState(private["PS"]))
    except KeyError as error:
        raise PeerError(f"DE 48: an approved inquiry must tell {error.args[0]}") from None
    except ValueError:
        raise PeerError("DE 48: the holder told by the bureau breaks a rule") from None


_TELLING_NUMBERS = frozenset(
    {"mobile-bind", "card-collect", "ecard-issue", "ecard-code", "outcome-inquiry"}
)


def _number(private: Mapping[str, str]) -> Told | None:
    try:
        if "EN" in private:
            return EcardNumber(private["EN"])
        if "CQ" in private:
            expires_at = datetime.strptime(private.get("CX", "") + "Z", "%Y%m%d%H%M%S%z")
            return OneTimeCode(private["CQ"], expires_at)
        if "NC" in private:
            return NewCard(SsCardNumber(private["NC"]), "L" in private.get("CO", ""))
        return Mobile(private["MB"]) if "MB" in private else None
    except ValueError:
        raise PeerError("DE 48: a number told by the bureau breaks a rule") from None


_BY_REASON = {
    "SIMPLE_PIN": Refusal.PIN_TRIVIAL,
    "CARD_ALREADY_LINKED": Refusal.ALREADY_LINKED,
    "ALREADY_SO": Refusal.ALREADY_SO,
    "LOSS_FORMAL": Refusal.LOSS_FORMAL,
    "LOSS_NOT_FORMAL": Refusal.LOSS_NOT_FORMAL,
    "NO_CARD_WAITING": Refusal.NO_CARD_WAITING,
    "NO_ECARD": Refusal.NO_ECARD,
    "SAME_AS_CARD_PIN": Refusal.PIN_AS_CARD_PIN,
    "CODE_SPENT": Refusal.CODE_SPENT,
    "REPLACEMENT_BEGUN": Refusal.REPLACEMENT_BEGUN,
}

_BY_CODE = {
    ResponseCode.NO_SUCH_CARD: Refusal.NOT_CONFIRMED,
    ResponseCode.IDENTITY_NOT_CONFIRMED: Refusal.NOT_CONFIRMED,
    ResponseCode.NOT_ACTIVATED: Refusal.NOT_ACTIVATED,
    ResponseCode.STATE_DOES_NOT_ALLOW: Refusal.CARD_NOT_USABLE,
    ResponseCode.RESTRICTED: Refusal.CARD_NOT_USABLE,
    ResponseCode.PIN_TRIES_EXCEEDED: Refusal.PIN_LOCKED,
    ResponseCode.LOST: Refusal.CARD_LOST,
    ResponseCode.WRONG_PIN: Refusal.WRONG_PIN,
    ResponseCode.NOT_SUPPORTED: Refusal.NOT_OFFERED,
    ResponseCode.NOT_PERMITTED_TO_TERMINAL: Refusal.NOT_OFFERED,
    ResponseCode.PIN_FORMAT: Refusal.PIN_ENVELOPE,
}


def refusal(code: ResponseCode | None, reason: str | None) -> Refusal:
    """Name what a bureau's decline means: its own fine reason first, then DE 39."""
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    return _BY_CODE.get(code, Refusal.DECLINED) if code else Refusal.DECLINED


_UNUSABLE = {
    CardState.TEMPORARY_LOSS: Refusal.CARD_LOST,
    CardState.FORMAL_LOSS: Refusal.CARD_LOST,
    CardState.LOCKED: Refusal.CARD_NOT_USABLE,
    CardState.CANCELLED: Refusal.CARD_NOT_USABLE,
}


def why_unusable(state: CardState) -> Refusal | None:
    """Tell why a card in this state cannot be linked; None when it can.

    A card whose SS account is not activated yet may be linked: activation follows the link.
    """
    return _UNUSABLE.get(state)
