"""Refusals as problem details."""

import pytest

from gateway.api.problems import (
    ANSWERS,
    FieldError,
    InvalidRequest,
    NextAction,
    problem,
    problem_response,
    refused,
    title,
)
from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal


def test_every_refusal_has_an_answer():
    """No refusal is without status and next action."""
    assert set(ANSWERS) == set(Refusal)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_is_a_client_or_server_error(refusal):
    """A problem is never a success; what may be repeated after a pause says how long."""
    answer = ANSWERS[refusal]

    assert 400 <= answer.status.value < 600
    if answer.retry_after_seconds is not None:
        assert refusal.retryable


@pytest.mark.parametrize("refusal", list(Refusal))
def test_next_action_agrees_with_retryable(refusal):
    """Only a retryable refusal tells the caller to ask the same again."""
    asks_again = ANSWERS[refusal].next_action in {NextAction.REPEAT, NextAction.START_AGAIN}

    assert asks_again == refusal.retryable


@pytest.mark.parametrize("refusal", list(Refusal))
def test_problem_has_every_member_of_the_standard(refusal):
    """RFC 9457, 3.1, and the extension members; absent ones are left out."""
    described = problem(refusal, "req_1")

    assert (described.code, described.instance) == (refusal.value, "req_1")
    assert described.type == f"/docs#{refusal.value}"
    assert described.status == ANSWERS[refusal].status
    assert described.detail == refusal.user_message.en
    assert (described.user_message.zh, described.user_message.en) == refusal.user_message


@pytest.mark.parametrize(
    ("refusal", "name", "value"),
    [
        (Refusal.UNAUTHENTICATED, "WWW-Authenticate", "Bearer"),
        (Refusal.BODY_TOO_SLOW, "Connection", "close"),
        (Refusal.IN_PROGRESS, "Retry-After", "1"),
        (Refusal.BUREAU_UNAVAILABLE, "Retry-After", "30"),
        (Refusal.PIN_RATE_LIMITED, "Retry-After", "3600"),
        (Refusal.NOT_FOUND, "Retry-After", None),
        (Refusal.NOT_FOUND, "WWW-Authenticate", None),
        (Refusal.NOT_FOUND, "Connection", None),
    ],
)
def test_problem_has_the_headers_of_its_status(refusal, name, value):
    """401 names the scheme, 408 closes, and a pause is said in seconds."""
    response = problem_response(problem(refusal, "req_1"))

    assert response.headers.get(name) == value
    assert response.media_type == "application/problem+json"


def test_invalid_request_lists_every_place():
    """Pointers and headers are listed, and `detail` says the same in words."""
    error = InvalidRequest(
        FieldError("a string", pointer="/account"), FieldError("sent once", header="Request-Id")
    )

    content = bytes(refused(error, "req_1").body).decode()

    assert '"detail":"/account: a string; Request-Id: sent once"' in content
    assert '"errors":[{"rule":"a string","pointer":"/account"},' in content


def test_refusal_of_the_gateway_keeps_its_place():
    """A rule that the gateway finds broken is listed like one of form."""
    error = RequestRefused(Refusal.UNKNOWN_AGENCY, "/institution", "an institution served here")

    content = bytes(refused(error, "req_1").body).decode()

    assert '"errors":[{"rule":"an institution served here","pointer":"/institution"}]' in content


def test_rule_without_a_place_stands_alone():
    """What concerns the whole request is said without a pointer before it."""
    error = InvalidRequest(
        FieldError("no query parameters", pointer=""), FieldError("a rule without a place")
    )

    content = bytes(refused(error, "req_1").body).decode()

    assert '"detail":"no query parameters; a rule without a place"' in content


def test_title_is_the_code_in_words():
    """Abbreviations stay capitals."""
    assert title(Refusal.PIN_SESSION_UNUSABLE) == "PIN session unusable"
    assert title(Refusal.NOT_FOUND) == "Not found"
