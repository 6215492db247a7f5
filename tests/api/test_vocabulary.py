"""The stable words of answers."""

import pytest

from gateway.api.openapi import document
from gateway.api.vocabulary import ADVICE, TIMELINE_WORDS, WEAK_PIN_RULES, explained
from gateway.operations.exchange import ExchangeEvent
from gateway.operations.facts import OperationState
from gateway.pinblock.policy import PinRule
from gateway.terms.advice import Advice


def test_timeline_has_a_word_for_whatever_happens():
    """Every event of an exchange and every state but the first is a word, and five facts beside."""
    states = set(OperationState) - {OperationState.PENDING}

    facts = {
        "opened",
        "answer-set-aside",
        "resolution-proposed",
        "resolution-approved",
        "withdrawn",
    }
    assert set(TIMELINE_WORDS) == {*facts, *ExchangeEvent, *states}


def test_every_rule_and_advice_has_its_meaning():
    """The catalogues of rules and advice are whole."""
    assert set(WEAK_PIN_RULES) == set(PinRule)
    assert set(ADVICE) == {advice.value for advice in Advice}


@pytest.mark.parametrize("words", [TIMELINE_WORDS, WEAK_PIN_RULES, ADVICE])
def test_meaning_is_one_line(words):
    """A meaning fits an item of a list and says something of its own."""
    assert all(text and "\n" not in text for text in words.values())
    assert len(set(words.values())) == len(words)


def test_list_of_words_is_markdown():
    """Words stand as items below their introduction."""
    assert explained("Words:", {"a": "first", "b": "second"}) == (
        "Words:\n\n- `a`: first\n- `b`: second"
    )


@pytest.mark.parametrize(
    ("schema", "member", "words"),
    [("TimelineEntry", "what", TIMELINE_WORDS), ("AdviceView", "code", ADVICE)],
)
def test_schema_lists_the_words(schema, member, words):
    """A program finds the words as an enumeration, a reader with their meanings."""
    described = document()["components"]["schemas"][schema]["properties"][member]

    assert described["enum"] == list(words)
    for word, meaning in words.items():
        assert f"- `{word}`: {meaning}" in described["description"]
