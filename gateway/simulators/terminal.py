"""A terminal that a card is used at: whether a PIN is asked for, and whether it is right.

Where one is asked for is the region's rule (`PinRules.entry`); whether it is right, the PIN desk's.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from gateway.regions.rules import PinEntry, PinRules
from gateway.regions.vocabulary import PinState as RegionPinState
from gateway.regions.vocabulary import Scene
from gateway.simulators.pin_desk import PinTerms, compare
from gateway.simulators.records import CardRecord
from gateway.terms.response_codes import ResponseCode


class TerminalAnswer(StrEnum):
    """What a terminal is told about the PIN of a card."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_ASKED = "not-asked"
    SIGNATURE = "signature"


class Told(NamedTuple):
    """An answer with its reason in words."""

    answer: TerminalAnswer
    reason: str


UNUSABLE: Final = Told(TerminalAnswer.REFUSED, "the card cannot be used")


def at_terminal(
    card: CardRecord, pin: str | None, scene: Scene, rules: PinRules, terms: PinTerms
) -> Told:
    """Answer for a card in use, with the rules of the day; a wrong PIN is counted."""
    match rules.entry(scene, RegionPinState[card.pin_state.name]):
        case PinEntry.NOT_ASKED:
            return Told(TerminalAnswer.NOT_ASKED, "no PIN is asked for here on that day")
        case PinEntry.SIGNATURE:
            return Told(TerminalAnswer.SIGNATURE, "no PIN: the holder is checked and signs")
        case PinEntry.REFUSED:
            return Told(TerminalAnswer.REFUSED, "a PIN is a must, and none can be used")
        case PinEntry.ASKED:
            return _asked(card, pin, terms)


def _asked(card: CardRecord, pin: str | None, terms: PinTerms) -> Told:
    if pin is None:
        return Told(TerminalAnswer.REFUSED, "the PIN is asked for")
    if compare(card, pin, terms).code is ResponseCode.APPROVED:
        return Told(TerminalAnswer.ACCEPTED, "the PIN is right")
    return Told(TerminalAnswer.REFUSED, "wrong PIN")
