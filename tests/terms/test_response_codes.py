"""Data element 39."""

import re

import pytest

from gateway.terms.response_codes import ResponseCode


@pytest.mark.parametrize("code", list(ResponseCode))
def test_code_has_two_characters(code):
    """DE 39 is an2."""
    assert re.fullmatch(r"[0-9A-Z]{2}", code)


@pytest.mark.parametrize("code", list(ResponseCode))
def test_only_00_is_an_approval(code):
    """No other code says that the request was carried out."""
    assert code.is_approval == (code == "00")


@pytest.mark.parametrize("code", list(ResponseCode))
def test_code_that_tells_no_outcome_leaves_it_open(code):
    """68, 91, 96 and 98 speak for a host that did not answer, 94 of a request seen before.

    reference/domain.md 4.6.
    """
    assert code.leaves_outcome_open == (code in {"68", "91", "94", "96", "98"})
