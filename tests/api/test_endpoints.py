"""What each endpoint asks of the gateway and how it renders what it gets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.contract import ENDPOINTS
from gateway.api.service import (
    ActivateCommand,
    AddedService,
    Caller,
    LinkCommand,
    OperationKind,
    ReadinessCheck,
    SetPinCommand,
    SsAccountView,
    TimelineEntry,
)
from gateway.operations.facts import OperationState
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PinSessionId,
    SsCardNumber,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

LINK = "lnk_" + "0" * 26
OPERATION = "op_" + "1" * 26
CREATED = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
PIN_SESSION = "pse_" + "2" * 26
CALLER = Caller("online-banking", CustomerNumber("C00000001"), "req_1")

STATE_CHANGES = {
    "link": ("POST", "/v1/links", "link_body"),
    "unlink": ("DELETE", f"/v1/links/{LINK}", None),
    "set_ss_pin": ("PUT", f"/v1/links/{LINK}/ss-pin", "set_pin_body"),
    "activate": ("POST", "/v1/activations", "activate_body"),
}


@pytest.fixture(params=STATE_CHANGES)
def state_change(request, client):
    """Send one of the four operations, and give its response."""
    method, path, body = STATE_CHANGES[request.param]
    content = {} if body is None else {"json": request.getfixturevalue(body)}
    return lambda **headers: client.send(method, path, headers, **content)


def test_link_request_reaches_the_gateway_as_checked_words(client, gateway, link_body):
    """A link body becomes a command of typed numbers for the channel's customer."""
    client.send("POST", "/v1/links", json=link_body)

    [(kind, caller, key, command)] = gateway.calls
    assert (kind, caller, key.key) == (OperationKind.LINK, CALLER, "key-1")
    assert command == LinkCommand(
        AgencyCode("99350201"),
        SsCardNumber("T00000019"),
        Pan("6200000000000005"),
        Mobile("15400000001"),
        Address("测试路1号"),
    )


def test_link_request_needs_no_address(client, gateway, link_body):
    """The contact address may be left out."""
    del link_body["contact_address"]

    response = client.send("POST", "/v1/links", json=link_body)

    assert response.status_code == 201
    assert gateway.calls[0][3].contact_address is None


def test_made_link_is_answered_201_with_its_place(client, link_body):
    """A link that is made on both sides is a created resource."""
    response = client.send("POST", "/v1/links", json=link_body)

    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/links/{LINK}"
    assert response.json()["link"] == LINK


def test_set_pin_request_carries_session_and_envelope(client, gateway, set_pin_body):
    """The encrypted PIN is handed on as it came, for the link of the path."""
    response = client.send("PUT", f"/v1/links/{LINK}/ss-pin", json=set_pin_body)

    [(kind, caller, _, link, command)] = gateway.calls
    assert (kind, caller, link) == (OperationKind.SET_SS_PIN, CALLER, LinkId(LINK))
    assert command == SetPinCommand(PinSessionId(PIN_SESSION), "e30..aXY.Y3Q.dGFn")
    assert response.status_code == 200


@pytest.mark.parametrize("block", ["1B9C1845EB993A7A", "CD01D6AD8F0A484C52A9364A0595AD60"])
def test_set_pin_request_may_carry_the_block_of_a_pin_pad(client, gateway, set_pin_body, block):
    """In the envelope's place, from a channel that has PIN pads; never beside it."""
    body = {"pin_session": set_pin_body["pin_session"], "pin_block": block}

    response = client.send("PUT", f"/v1/links/{LINK}/ss-pin", json=body)
    both = client.send("PUT", f"/v1/links/{LINK}/ss-pin", json=set_pin_body | body)

    [(_, _, _, _, command)] = gateway.calls
    assert command == SetPinCommand(PinSessionId(PIN_SESSION), pin_block=block)
    assert (response.status_code, both.status_code) == (200, 400)
    assert block not in both.text


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (None, ()),
        ([], ()),
        (["wealth-account", "sms"], (AddedService.WEALTH_ACCOUNT, AddedService.SMS)),
    ],
)
def test_activation_adds_only_the_services_listed(client, gateway, activate_body, listed, chosen):
    """A service that the caller does not list is not added."""
    if listed is not None:
        activate_body["added_services"] = listed

    client.send("POST", "/v1/activations", json=activate_body)

    command = gateway.calls[0][3]
    assert command == ActivateCommand(
        LinkId(LINK), SetPinCommand(PinSessionId(PIN_SESSION), "e30..aXY.Y3Q.dGFn"), chosen
    )


def test_activation_says_when_the_ss_account_follows(client, gateway, activate_body):
    """The region's delay is answered as an instant in RFC 3339."""
    gateway.outcome["ss_account"] = SsAccountView(
        OperationState.PENDING, CREATED + timedelta(days=1)
    )

    response = client.send("POST", "/v1/activations", json=activate_body)

    assert response.json()["ss_account"] == {
        "state": "pending",
        "due_at": "2026-11-24T09:30:00Z",
    }


@pytest.mark.parametrize("purpose", list(PinPurpose))
def test_pin_session_is_opened_for_one_purpose(client, gateway, purpose):
    """Nonce, key id and expiry come back for the purpose asked."""
    path = f"/v1/links/{LINK}/pin-sessions"

    response = client.send("POST", path, json={"purpose": purpose.value})

    assert gateway.calls[0][3:] == (LinkId(LINK), purpose)
    assert response.status_code == 201
    assert response.json() == {
        "pin_session": PIN_SESSION,
        "purpose": purpose.value,
        "nonce": "nonce-1",
        "kid": "k1",
        "expires_at": "2026-11-23T09:35:00Z",
    }


def test_unlink_reaches_the_gateway_with_its_key(client, gateway):
    """DELETE names the link by the path alone."""
    response = client.send("DELETE", f"/v1/links/{LINK}")

    [(kind, caller, key, link)] = gateway.calls
    assert (kind, caller, key.key, link) == (OperationKind.UNLINK, CALLER, "key-1", LinkId(LINK))
    assert response.status_code == 200


def test_read_link_masks_both_numbers(client):
    """Card and account are shown by their last characters only."""
    response = client.send("GET", f"/v1/links/{LINK}")

    assert response.json() == {
        "link": LINK,
        "state": "active",
        "institution": "99350201",
        "ss_card_number": "*******19",
        "account": "************0005",
        "created_at": "2026-11-23T09:30:00Z",
    }


@pytest.mark.parametrize("state", [OperationState.PENDING, OperationState.UNKNOWN, "manual"])
def test_unsettled_operation_is_answered_202_with_its_place(state_change, gateway, state):
    """Not knowing is neither success nor failure: 202, and where to ask."""
    gateway.outcome = {"state": OperationState(state)}

    response = state_change()

    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/operations/{OPERATION}"
    assert response.headers["Retry-After"] == "1"
    assert response.json()["state"] == state


def test_failed_operation_is_answered_as_a_problem(state_change, gateway):
    """A failure names its refusal, the far side's response code and the operation."""
    gateway.outcome = {
        "state": OperationState.FAILED,
        "refusal": Refusal.CARD_LOST,
        "response_code": "41",
    }

    response = state_change()

    assert response.status_code == 409
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "/docs#CARD_LOST",
        "title": "Card lost",
        "status": 409,
        "detail": "The card has been reported lost.",
        "instance": "req_1",
        "code": "CARD_LOST",
        "retryable": False,
        "user_message": {"zh": "该社保卡已挂失。", "en": "The card has been reported lost."},
        "next_action": "contact-bureau",
        "response_code": "41",
        "operation": OPERATION,
    }


def test_failure_without_a_reason_is_a_decline(state_change, gateway):
    """A far side's refusal that says nothing is answered as its decline."""
    gateway.outcome = {"state": OperationState.FAILED}

    response = state_change()

    assert response.json()["code"] == "DECLINED"


@pytest.mark.parametrize("replayed", [True, False])
@pytest.mark.parametrize("state", list(OperationState))
def test_stored_answer_says_that_it_is_one(state_change, gateway, state, replayed):
    """`Idempotent-Replayed` is there for every stored answer and for no other."""
    gateway.outcome = {"state": state}
    gateway.replayed = replayed

    response = state_change()

    assert response.headers.get("Idempotent-Replayed") == ("true" if replayed else None)


def test_stored_pin_session_says_that_it_is_one(client, gateway):
    """A session that an earlier request opened is marked too."""
    gateway.replayed = True

    response = client.send("POST", f"/v1/links/{LINK}/pin-sessions", json={"purpose": "ss-pin"})

    assert response.headers["Idempotent-Replayed"] == "true"


def test_failed_operation_can_be_read(client, gateway):
    """Reading a failed operation succeeds: the refusal and the timeline are in the record."""
    gateway.outcome = {
        "state": OperationState.FAILED,
        "refusal": Refusal.NOT_CONFIRMED,
        "timeline": (TimelineEntry(CREATED, "sent", Side.SOCIAL, "card-inquiry", 1, "14"),),
    }

    response = client.send("GET", f"/v1/operations/{OPERATION}")

    assert gateway.calls == [(OperationKind.LINK, CALLER, OperationId(OPERATION))]
    assert response.status_code == 200
    shown = response.json()
    assert shown["refusal"] == {
        "code": "NOT_CONFIRMED",
        "retryable": False,
        "user_message": {
            "zh": "卡号或账户信息未能通过核验。",
            "en": "Card and account could not be confirmed as the customer's own.",
        },
        "next_action": "correct-details",
    }
    assert shown["timeline"] == [
        {
            "at": "2026-11-23T09:30:00Z",
            "what": "sent",
            "side": "social",
            "message": "card-inquiry",
            "attempt": 1,
            "response_code": "14",
        }
    ]


def test_agencies_are_listed_for_a_channel_without_a_customer(client):
    """What is offered does not depend on a customer."""
    response = client.send("GET", "/v1/agencies", {"Customer-Number": None})

    [agency] = response.json()["agencies"]
    assert agency["institution"] == "99350201"
    assert agency["name"]["zh"] == "厦门市社会保险管理中心"
    assert agency["operations"]["counter"]["link"] == [["citizen-id", "card-present"]]
    assert agency["ss_pin"]["scenes"]["pharmacy"] == "mandatory"
    assert "lock_after" not in agency["ss_pin"]


def test_public_keys_are_a_jwk_set_without_a_private_member(client):
    """The set holds public members, purpose and expiry, and nothing else."""
    response = client.send("GET", "/v1/jwks.json")

    assert response.json() == {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "x": "eA",
                "y": "eQ",
                "kid": "k1",
                "use": "enc",
                "alg": "ECDH-ES",
                "purpose": "ss-pin",
                "not_after": "2027-11-23T09:30:00Z",
            }
        ]
    }


def test_liveness_asks_nobody(client, gateway):
    """The probe is answered without a token and without the gateway."""
    response = client.send("GET", "/livez", {"Authorization": None})

    assert (response.status_code, response.json()) == (200, {"alive": True})
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("missing", "status"),
    [
        ([], 200),
        (["link-xiamen"], 200),
        (["link-xiamen", "link-core"], 503),
        (["journal"], 503),
    ],
)
def test_readiness_names_what_is_away_and_needs_one_link_at_least(client, gateway, missing, status):
    """A bureau that is away degrades; without the store, or without any link, nothing goes."""
    links = {
        name: ReadinessCheck(ready=True, required=False) for name in ("link-xiamen", "link-core")
    }
    gateway.checks |= links
    for name in missing:
        gateway.checks[name] = replace(gateway.checks[name], ready=False, detail="closed")

    response = client.send("GET", "/readyz", {"Authorization": None})

    told = response.json()
    assert (response.status_code, told["ready"]) == (status, status == 200)
    assert sorted(told["degraded"]) == sorted(missing)
    assert told["checks"]["link-core"] == {
        "ready": "link-core" not in missing,
        "detail": "closed" if "link-core" in missing else "",
        "required": False,
    }


def test_metrics_are_given_as_prometheus_text(client):
    """The body is the gateway's own, under the media type of the exposition format."""
    response = client.send("GET", "/metrics", {"Authorization": None})

    assert response.content == b"operations_total 1\n"
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_every_customer_call_demands_a_token():
    """Whatever names a customer or changes state is authenticated: deny by default."""
    sensitive = [e for e in ENDPOINTS if e.for_customer or e.changes_state or e.body]

    assert all(endpoint.authenticated for endpoint in sensitive)
    assert all(e.authenticated for e in ENDPOINTS if e.path.startswith("/v1/"))
