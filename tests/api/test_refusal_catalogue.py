"""``docs/refusals.md`` is what the tables say."""

import pytest

from gateway.api.refusal_catalogue import catalogue
from gateway.terms.refusals import Refusal


@pytest.mark.parametrize("refusal", list(Refusal))
def test_page_has_a_row_for_every_refusal(refusal):
    """Code and both messages stand in one row of six columns."""
    [row] = [line for line in catalogue().splitlines() if line.startswith(f"| `{refusal.value}` ")]

    assert row.count("|") == 7
    assert refusal.user_message.zh in row
    assert refusal.user_message.en in row
