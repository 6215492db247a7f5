"""The catalogue of advice."""

import re

import pytest

from gateway.terms.advice import Advice
from gateway.terms.refusals import Refusal


@pytest.mark.parametrize("advice", list(Advice))
def test_advice_has_a_stable_code_and_both_messages(advice):
    """Name and code are one word, no refusal's; Chinese is Chinese, English is a sentence."""
    assert advice.value == advice.name
    assert advice.value not in {refusal.value for refusal in Refusal}
    assert re.search(r"[\u4e00-\u9fff].*。$", advice.user_message.zh)
    assert re.fullmatch(r"[ -~]+\.", advice.user_message.en)
