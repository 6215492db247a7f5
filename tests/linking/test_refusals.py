"""What a far side's answer or absence means, whichever side it is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.financial import exchanges as core
from gateway.linking.refusals import meaning, never_arrived, unavailable
from gateway.operations.exchange import Trace
from gateway.social import exchanges as bureau
from gateway.terms.numbers import Rrn, Stan
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("exchange", "refusal"),
    [(bureau.UNLOCK_PIN, Refusal.CARD_NOT_USABLE), (core.REGISTER, Refusal.ACCOUNT_NOT_USABLE)],
)
def test_a_code_means_what_its_own_side_means_by_it(exchange, refusal):
    """62 of a bureau speaks of the card, 62 of a core of the account."""
    assert meaning(replace(exchange, response_code=ResponseCode.RESTRICTED)) is refusal


def test_each_side_that_is_away_has_a_name():
    """The caller is told which of the two cannot be reached."""
    assert unavailable(Side.SOCIAL) is Refusal.BUREAU_UNAVAILABLE
    assert unavailable(Side.FINANCIAL) is Refusal.CORE_UNAVAILABLE


@pytest.mark.parametrize("is_inquired", [True, False])
def test_only_an_inquiry_shows_that_a_request_never_arrived(is_inquired):
    """25 to the request itself is an answer to it."""
    trace = Trace(Stan("000001"), Rrn("0" * 12), NOW) if is_inquired else None
    code = ResponseCode.ORIGINAL_NOT_FOUND

    assert never_arrived(replace(bureau.UNLOCK_PIN, response_code=code, follow_up=trace)) is (
        is_inquired
    )
