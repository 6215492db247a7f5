"""A simulated bureau's rules for an SS PIN in force: compare, count, lock, reset, use or not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.iso8583.message import Message
from gateway.pinblock.policy import PinPolicy
from gateway.simulators.desk import Outcome, Request
from gateway.simulators.pin import BadPinBlock, PinHash
from gateway.simulators.population import PinState
from gateway.simulators.records import CardRecord
from gateway.terms.response_codes import ResponseCode

_APPROVED: Final = ResponseCode.APPROVED
_LOCKED: Final = Outcome.refused(ResponseCode.PIN_TRIES_EXCEEDED, "PIN_LOCKED")
_ALREADY: Final = Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "ALREADY_SO")
_BAD_BLOCK: Final = Outcome.refused(ResponseCode.PIN_FORMAT, "PIN_BLOCK")


@dataclass(frozen=True, slots=True)
class PinTerms:
    """What the region says of the PIN on one day."""

    policy: PinPolicy
    lock_after: int


def accept(card: CardRecord, pin: str, salt: bytes) -> None:
    """Put a new PIN in force; tries begin anew."""
    card.pin, card.pin_state, card.wrong_tries = PinHash.of(pin, salt), PinState.ENABLED, 0


def compare(card: CardRecord, pin: str, terms: PinTerms) -> Outcome:
    """Compare a PIN with the one in force; wrong ones in a row lock it."""
    if card.pin_state is PinState.LOCKED:
        return _LOCKED
    if card.pin is None and card.pin_state is not PinState.INITIAL:
        return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "NO_PIN")
    if _matches(card, pin, terms.policy.initial):
        card.wrong_tries = 0
        return Outcome(_APPROVED, _told(card, terms))
    card.wrong_tries += 1
    if card.wrong_tries >= terms.lock_after:
        card.pin_state = PinState.LOCKED
        return Outcome(_LOCKED.code, {**_LOCKED.private, **_told(card, terms)})
    return Outcome(ResponseCode.WRONG_PIN, {"RC": "WRONG_PIN", **_told(card, terms)})


class PinDesk:
    """Carries out the messages about a PIN in force; `terms` gives the region's rules of now."""

    def __init__(
        self,
        terms: Callable[[datetime], PinTerms],
        read_pin: Callable[[Message], str],
        set_pin: Callable[[CardRecord, str, datetime], Outcome],
    ) -> None:
        self._terms = terms
        self._read_pin = read_pin
        self._set_pin = set_pin

    def verify(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        """Compare the PIN of a message."""
        try:
            pin = self._read_pin(request.message)
        except BadPinBlock:
            return _BAD_BLOCK
        return compare(card, pin, self._terms(now))

    def reset(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        """Set a new PIN whatever became of the old one."""
        try:
            pin = self._read_pin(request.message)
        except BadPinBlock:
            return _BAD_BLOCK
        return self._set_pin(card, pin, now)

    def unlock(self, card: CardRecord, _request: Request, now: datetime) -> Outcome:
        """Let the PIN be tried again."""
        if card.pin_state is not PinState.LOCKED:
            return _ALREADY
        card.pin_state = PinState.ENABLED if card.pin else PinState.INITIAL
        card.wrong_tries = 0
        return Outcome(_APPROVED, _told(card, self._terms(now)))

    def enable(self, card: CardRecord, _request: Request, _now: datetime) -> Outcome:
        """Ask for the PIN from now on."""
        return _use(card, PinState.OPTED_OUT, PinState.ENABLED)

    def opt_out(self, card: CardRecord, _request: Request, _now: datetime) -> Outcome:
        """Ask for it no more; it stays on record."""
        return _use(card, PinState.ENABLED, PinState.OPTED_OUT)


def _use(card: CardRecord, before: PinState, after: PinState) -> Outcome:
    if card.pin_state is PinState.LOCKED:
        return _LOCKED
    if card.pin_state is not before:
        return _ALREADY
    card.pin_state = after
    return Outcome(_APPROVED, {"PS": card.pin_state})


def _matches(card: CardRecord, pin: str, initial: str) -> bool:
    return card.pin.matches(pin) if card.pin else bool(initial) and pin == initial


def _told(card: CardRecord, terms: PinTerms) -> dict[str, str]:
    left = max(0, terms.lock_after - card.wrong_tries)
    return {"PS": card.pin_state, "TL": str(left)}
