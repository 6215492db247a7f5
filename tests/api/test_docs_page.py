"""The documentation page."""

import re

import pytest

from gateway.api.contract import ENDPOINTS
from gateway.terms.refusals import Refusal


@pytest.fixture
def page(client):
    """Read the page without a token."""
    return client.send("GET", "/docs", {"Authorization": None})


def test_page_loads_nothing_from_elsewhere(page):
    """No script, no font, no image; the policy forbids them too."""
    assert not re.search(
        r"<(script|link|img|iframe)|url\(|@import|https?://(?!127\.0\.0\.1)", page.text
    )
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.operation_id)
def test_page_shows_every_endpoint(page, endpoint):
    """Each endpoint has a heading, and a command to try it."""
    assert f"<code>{endpoint.method} {endpoint.path}</code>" in page.text
    assert f"curl -X {endpoint.method} http://127.0.0.1:8080{endpoint.path}" in page.text


@pytest.mark.parametrize("refusal", list(Refusal))
def test_page_explains_every_problem_where_its_type_points(page, refusal):
    """`type` of a problem is `/docs#CODE`: the page has that anchor and both messages."""
    assert f"<tr id={refusal.value}>" in page.text
    assert refusal.user_message.zh in page.text


def test_page_escapes_what_it_shows(page):
    """Quotes of the examples do not end an attribute or an element."""
    assert "&quot;purpose&quot;: &quot;ss-pin&quot;" in page.text
