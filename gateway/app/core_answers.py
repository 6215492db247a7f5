"""What DE 39 and DE 48 tell a core: of a business that was done, is open, or was refused."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.app.core_record import Outcome
from gateway.app.rendering import DUE_IS_PROVISIONAL, FEE, WORKING_DAYS
from gateway.financial.account import AccountState
from gateway.operations.facts import OperationKind, OperationState
from gateway.social.card import CardState, PinState
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode

_C = ResponseCode
_CODES: Mapping[Refusal, ResponseCode] = {
    Refusal.NOT_FOUND: _C.NO_SUCH_CARD,
    Refusal.NOT_CONFIRMED: _C.NO_SUCH_CARD,
    Refusal.CARD_LOST: _C.LOST,
    Refusal.ACCOUNT_LOST: _C.LOST,
    Refusal.PIN_LOCKED: _C.PIN_TRIES_EXCEEDED,
    Refusal.WRONG_PIN: _C.WRONG_PIN,
    Refusal.PIN_ENVELOPE: _C.PIN_FORMAT,
    Refusal.PIN_FORMAT: _C.PIN_FORMAT,
    Refusal.PIN_SESSION_UNUSABLE: _C.SECURITY_FAILURE,
    Refusal.NOT_OFFERED: _C.NOT_SUPPORTED,
    Refusal.MONEY_NEVER_MOVES: _C.NOT_SUPPORTED,
    Refusal.NOT_ACTIVATED: _C.NOT_ACTIVATED,
    Refusal.IDEMPOTENCY_KEY_REUSED: _C.DUPLICATE,
    Refusal.PIN_TRIVIAL: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.PIN_PERSONAL: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.NOT_GRANTED: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.PROOF_MISSING: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.DECLINED: _C.IDENTITY_NOT_CONFIRMED,
}


def _member(word: str) -> str:
    return word.upper().replace("-", "_")


_ORDER_STATES = {
    "none": "N",
    "in-production": "P",
    "waiting-to-be-collected": "W",
    "handed-over": "H",
}
_CARRIED_OVER = {"ss-pin": "P", "link": "L", "mobile": "M", "nothing": "-"}
_WORDS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "card_state": ("CS", lambda word: CardState[_member(word)].value),
    "pin_state": ("PS", lambda word: PinState[_member(word)].value),
    "tries_left": ("TL", str),
    "account_state": ("AS", lambda word: AccountState[_member(word)].value),
    "order_state": ("OS", _ORDER_STATES.__getitem__),
    "order": ("ON", str),
    "due_on": ("DU", lambda day: day.replace("-", "")),
    DUE_IS_PROVISIONAL: ("DP", lambda _: "Y"),
    WORKING_DAYS: ("WD", str),
    FEE: ("FE", str),
    "carried_over": ("CO", lambda words: "".join(_CARRIED_OVER[word] for word in words.split())),
}


class Told(NamedTuple):
    """DE 39 of an answer, and what stands in its DE 48."""

    code: ResponseCode
    private: Mapping[str, str] = {}


OPEN = Told(_C.NO_ANSWER, {"RC": "OUTCOME_PENDING"})
"""The outcome is not known yet, and can be asked after."""


def refused(refusal: Refusal) -> Told:
    """Say why nothing was done: what may be asked again is INOPERATIVE, which leaves it open."""
    otherwise = _C.INOPERATIVE if refusal.retryable else _C.STATE_DOES_NOT_ALLOW
    return Told(_CODES.get(refusal, otherwise), {"RC": refusal.value})


def outcome_of(outcome: Outcome) -> Told:
    """Say what became of a business; an open outcome is NO_ANSWER, and can be asked after."""
    if outcome.state is OperationState.FAILED and outcome.refusal is not None:
        why = refused(outcome.refusal)
        code = outcome.response_code
        return Told(ResponseCode(code), why.private) if code else why
    if outcome.kind is OperationKind.SS_ACCOUNT:
        return Told(_C.APPROVED)  # taken on, which is all that an advice asks
    if outcome.state is not OperationState.SUCCEEDED:
        return Told(_C.NO_ANSWER, {"RC": f"OUTCOME_{outcome.state.value.upper()}"})
    words = {
        usage: say(outcome.told[word])
        for word, (usage, say) in _WORDS.items()
        if word in outcome.told
    }
    if outcome.kind is OperationKind.CARD_APPLY and outcome.link is not None:
        words["LK"] = outcome.link.value
    return Told(_C.APPROVED, words)
