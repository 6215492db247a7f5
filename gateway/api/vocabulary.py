"""Stable words of answers, and what each means.

The tables are by the enumerations that make the words: one without a meaning fails at import.
"""

from collections.abc import Mapping
from typing import Final

from gateway.operations.exchange import ExchangeEvent
from gateway.operations.facts import OperationState
from gateway.pinblock.policy import PinRule
from gateway.terms.advice import Advice

_EVENTS: Final[Mapping[ExchangeEvent, str]] = {
    ExchangeEvent.SEND: "the message was sent",
    ExchangeEvent.HOLD_BACK: "the message was not sent, because the link was down",
    ExchangeEvent.REPEAT: "no answer came in time, and the same message was sent again",
    ExchangeEvent.APPROVE: "the far side has carried it out",
    ExchangeEvent.DECLINE: "the far side has not carried it out and will not",
    ExchangeEvent.GIVE_UP: "a question stayed unanswered; it had no effect",
    ExchangeEvent.LOSE_TRACK: "no answer came, and there is no way to ask whether it was done",
    ExchangeEvent.INQUIRE: "the far side was asked whether it had carried it out",
    ExchangeEvent.REVERSE: "the far side was told to undo it, if it had carried it out",
    ExchangeEvent.CONFIRM_REVERSAL: "the far side confirmed that nothing of it stands",
    ExchangeEvent.EXPIRE: "nothing more is sent; the bank's staff has to find out",
    ExchangeEvent.FIND_DONE: "the bank's staff found that the far side has carried it out",
    ExchangeEvent.FIND_NOT_DONE: "the bank's staff found that the far side has not carried it out",
}
_STATES: Final[Mapping[OperationState, str]] = {
    OperationState.SUCCEEDED: "the operation is carried out",
    OperationState.FAILED: "the operation changed nothing, or what it changed is undone",
    OperationState.UNKNOWN: "the operation may or may not have been carried out",
    OperationState.MANUAL: "the operation is left to the bank's staff",
}
TIMELINE_WORDS: Final[Mapping[str, str]] = {
    "opened": "the operation was begun and is on record",
    **{event.value: _EVENTS[event] for event in ExchangeEvent},
    "answer-set-aside": "an answer came that decides nothing: late, repeated, or without outcome",
    "resolution-proposed": "one of the bank's staff has said what became of the operation",
    "resolution-approved": "another of the bank's staff has agreed",
    "withdrawn": "whoever asked for the operation has it taken back",
    # Every operation begins pending, so this is nothing that happens to it.
    **{state.value: _STATES[state] for state in OperationState if state != OperationState.PENDING},
}
"""What a timeline's `what` may say, in the order in which things happen."""

_PIN_RULES: Final[Mapping[PinRule, str]] = {
    PinRule.SAME_DIGIT: "one digit throughout (777777)",
    PinRule.RUN: "each digit a step from the last, past 9 to 0 too (123456, 890123, 135791)",
    PinRule.REPEATED_GROUP: "a group or each digit repeated (121212, 123123, 112233, 111222)",
    PinRule.KEYPAD: "two strokes of three keys in a line (147258, 159357)",
    PinRule.DATE: "any date (YYMMDD, DDMMYY, MMDDYY, YYYYMM)",
    PinRule.LISTED: "a PIN that the region names",
    PinRule.INITIAL: "the PIN that the region issues cards with",
    PinRule.BIRTH_DATE: "taken from the holder's date of birth",
    PinRule.HOLDER_NUMBERS: "part of the holder's citizen id, mobile or card number",
}
WEAK_PIN_RULES: Final[Mapping[str, str]] = {rule.value: _PIN_RULES[rule] for rule in PinRule}
"""The rules that a region may refuse or advise against."""

ADVICE: Final[Mapping[str, str]] = {each.value: each.user_message.en for each in Advice}


def explained(introduction: str, words: Mapping[str, str]) -> str:
    """Write words and meanings as a Markdown list below an introduction."""
    return "\n".join((introduction, "", *(f"- `{word}`: {text}" for word, text in words.items())))
