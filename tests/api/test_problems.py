"""Refusals as problem details."""

import json

import pytest

from gateway.api.problems import (
    ANSWERS,
    FieldError,
    InvalidRequest,
    NextAction,
    NotPermitted,
    problem,
    problem_response,
    refused,
    title,
)
from gateway.regions.matrix import NotGranted, Reason
from gateway.regions.notice import OneTimeNotice, Place, Text
from gateway.regions.vocabulary import Business, Channel, Proof
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


def decision(reason, missing):
    """Give a refusal of the matrix with one way here and one elsewhere."""
    text = Text("原因", "Why")
    notice = OneTimeNotice(text, ((text,),), (text,), text, text)
    elsewhere = (Place(Channel.STATION, frozenset({Proof.CARD_PRESENT, Proof.CITIZEN_ID})),)
    return NotGranted(Business.SS_PIN_SET, Channel.ATM, reason, missing, elsewhere, notice)


@pytest.mark.parametrize(
    ("reason", "code"),
    [(Reason.PROOF_MISSING, "PROOF_MISSING"), (Reason.OTHER_CHANNEL, "NOT_GRANTED")],
)
def test_what_a_region_does_not_grant_is_403_with_the_notice(reason, code):
    """The problem says why, what is missing here, where else it is done, and how to go on."""
    error = NotPermitted(decision(reason, (frozenset({Proof.FACE}),)))

    response = refused(error, "req_1")
    content = json.loads(bytes(response.body))

    assert (response.status_code, content["code"]) == (403, code)
    assert content["user_message"] == {"zh": "原因", "en": "Why"}
    assert content["not_granted"] | {"notice": None} == {
        "reason": reason.value,
        "business": "ss-pin-set",
        "channel": "atm",
        "missing": [["face"]],
        "elsewhere": [{"channel": "station", "proofs": ["citizen-id", "card-present"]}],
        "notice": None,
    }
    assert set(content["not_granted"]["notice"]) == {
        "reason", "missing", "procedure", "time_limit", "enquiries",
    }  # fmt: skip


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
