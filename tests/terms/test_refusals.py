"""The catalogue of refusals."""

import re

import pytest

from gateway.terms.refusals import Refusal, UserMessage


@pytest.mark.parametrize("refusal", list(Refusal))
def test_refusal_has_a_stable_code_and_both_messages(refusal):
    """Name and code are one word; Chinese is Chinese, English is a sentence."""
    assert refusal.value == refusal.name
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", refusal.value)
    assert isinstance(refusal.user_message, UserMessage)
    assert re.search(r"[\u4e00-\u9fff]", refusal.user_message.zh)
    assert refusal.user_message.zh.endswith("。")
    assert re.fullmatch(r"[ -~]+\.", refusal.user_message.en)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_refusal_is_found_by_its_code(refusal):
    """A stored code gives the member back."""
    assert Refusal(refusal.value) is refusal


def test_no_two_refusals_say_the_same():
    """Each message belongs to one code."""
    messages = [refusal.user_message for refusal in Refusal]

    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_refusal_that_says_try_again_is_retryable(refusal):
    """What the customer is told and what the program is told agree."""
    told_to_wait = "请稍后再试" in refusal.user_message.zh or "again" in refusal.user_message.en
    pin_again = refusal is Refusal.PIN_ENVELOPE  # the PIN is entered again, in a new session

    assert refusal.retryable or not told_to_wait or pin_again
