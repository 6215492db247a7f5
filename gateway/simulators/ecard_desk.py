"""A simulated e-card platform, reached through the bureau: one e-card for a card, of its state."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.iso8583.message import Message
from gateway.regions.rules import EcardRules
from gateway.regions.vocabulary import CardState as RegionCardState
from gateway.regions.vocabulary import RuleForce
from gateway.simulators.desk import Outcome, Request
from gateway.simulators.pin import BadPinBlock, PinHash
from gateway.simulators.records import CardRecord, Ecard, ShownCode
from gateway.terms.response_codes import ResponseCode

_APPROVED: Final = ResponseCode.APPROVED
_NOT_NOW: Final = ResponseCode.STATE_DOES_NOT_ALLOW
_NONE: Final = Outcome.refused(_NOT_NOW, "NO_ECARD")
_STOPPED: Final = Outcome.refused(ResponseCode.LOST, "CARD_LOST")
_NOT_OFFERED: Final = Outcome.refused(ResponseCode.NOT_SUPPORTED, "NOT_OFFERED")
_BAD_BLOCK: Final = Outcome.refused(ResponseCode.PIN_FORMAT, "PIN_BLOCK")
_LOCKED: Final = Outcome.refused(ResponseCode.PIN_TRIES_EXCEEDED, "PIN_LOCKED")
LOCK_AFTER: Final = 6  # wrong tries in a row: the seeds are silent, so as for the card


@dataclass(frozen=True, slots=True)
class Platform:
    """What the platform needs of its surroundings: chance, and the PIN of a message."""

    read_pin: Callable[[Message], str]
    random: Callable[[], bytes]

    def carry_out(
        self, card: CardRecord, request: Request, now: datetime, rules: EcardRules | None
    ) -> Outcome:
        """Decide one message about an e-card."""
        if rules is None:
            return _NOT_OFFERED
        if is_stopped(card, rules) and request.name != "ecard-revoke":
            return _STOPPED
        if request.name == "ecard-issue":
            return self._issue(card, request, rules)
        if card.ecard is None:
            return _NONE
        return self._use(card, card.ecard, request, (now, rules))

    def _use(
        self, card: CardRecord, ecard: Ecard, request: Request, around: tuple[datetime, EcardRules]
    ) -> Outcome:
        now, rules = around
        match request.name:
            case "ecard-revoke":
                card.ecard = None
                return Outcome(_APPROVED, {"ES": "R"})
            case "ecard-payment":
                ecard.pays = True
                return Outcome(_APPROVED, {"ES": "P"})
            case "ecard-code":
                return self._show(ecard, now, rules)
            case "ecard-scan":
                return _confirm(ecard, request.private["QT"], now)
            case "ecard-pin-set":
                return self._set_pin(card, ecard, request, rules)
            case _:
                return self._verify(ecard, request)

    def _issue(self, card: CardRecord, request: Request, rules: EcardRules) -> Outcome:
        """Issue it once; another channel is told the same number and changes no PIN."""
        if card.ecard is not None:
            return Outcome(_APPROVED, {"EN": card.ecard.number, "ES": card.ecard.state})
        ecard = Ecard(f"E{card.number:0>15}")
        outcome = self._set_pin(card, ecard, request, rules)
        if outcome.code is not _APPROVED:
            return outcome
        card.ecard = ecard

        def undo() -> bool:
            if card.ecard is ecard:
                card.ecard = None
            return True

        return Outcome(_APPROVED, {"EN": ecard.number, "ES": ecard.state}, undo)

    def _set_pin(
        self, card: CardRecord, ecard: Ecard, request: Request, rules: EcardRules
    ) -> Outcome:
        try:
            pin = self.read_pin(request.message)
        except BadPinBlock:
            return _BAD_BLOCK
        if len(pin) != rules.pin_policy.length:
            return Outcome.refused(ResponseCode.PIN_FORMAT, "PIN_LENGTH")
        is_the_cards = card.pin is not None and card.pin.matches(pin)
        if is_the_cards and rules.pin_equals_card_pins is RuleForce.REFUSE:
            return Outcome.refused(ResponseCode.NOT_PERMITTED_TO_HOLDER, "SAME_AS_CARD_PIN")
        ecard.pin, ecard.wrong_tries = PinHash.of(pin, self.random()), 0
        return Outcome(_APPROVED, {"ES": ecard.state})

    def _verify(self, ecard: Ecard, request: Request) -> Outcome:
        try:
            pin = self.read_pin(request.message)
        except BadPinBlock:
            return _BAD_BLOCK
        if ecard.wrong_tries >= LOCK_AFTER:
            return _LOCKED
        if ecard.pin is not None and ecard.pin.matches(pin):
            ecard.wrong_tries = 0
            return Outcome(_APPROVED, {"ES": ecard.state, "TL": str(LOCK_AFTER)})
        ecard.wrong_tries += 1
        left = str(LOCK_AFTER - ecard.wrong_tries)
        return Outcome(ResponseCode.WRONG_PIN, {"RC": "WRONG_PIN", "TL": left})

    def _show(self, ecard: Ecard, now: datetime, rules: EcardRules) -> Outcome:
        code = self.random().hex().upper()
        expires_at = now + rules.code_life
        ecard.shown = ShownCode(code, expires_at)
        told = {"ES": ecard.state, "CQ": code, "CX": f"{expires_at:%Y%m%d%H%M%S}"}
        return Outcome(_APPROVED, told)


def scan(card: CardRecord, code: str, now: datetime, rules: EcardRules) -> bool:
    """Scan a code that the app shows: it is good once, in time, while the card is in use."""
    ecard = card.ecard
    if ecard is None or ecard.shown is None or is_stopped(card, rules):
        return False
    shown, ecard.shown = ecard.shown, None
    return shown.code == code and now < shown.expires_at


def challenge(card: CardRecord, now: datetime, rules: EcardRules, random: bytes) -> str | None:
    """Show a code for the app to scan; nothing for a card without an e-card."""
    if card.ecard is None:
        return None
    card.ecard.challenge = ShownCode(random.hex().upper(), now + rules.code_life)
    return card.ecard.challenge.code


def is_stopped(card: CardRecord, rules: EcardRules) -> bool:
    """Tell whether the e-card is stopped with its card."""
    return RegionCardState[card.state.name] in rules.unusable_in


def _confirm(ecard: Ecard, code: str, now: datetime) -> Outcome:
    asked, ecard.challenge = ecard.challenge, None
    if asked is None or asked.code != code or now >= asked.expires_at:
        return Outcome.refused(_NOT_NOW, "CODE_SPENT")
    return Outcome(_APPROVED, {"ES": ecard.state})
