"""The examples of the OpenAPI document are what a gateway beside its simulators answers."""

from datetime import UTC, datetime

import pytest
from joserfc.jwk import ECKey
from pydantic import TypeAdapter

from gateway.api.agency_views import agency_view
from gateway.api.bodies import LinkBody
from gateway.api.contract import ENDPOINTS
from gateway.api.endpoints import Agencies
from gateway.api.examples import REQUEST_EXAMPLES, success_example
from gateway.api.openapi import document
from gateway.api.vocabulary import TIMELINE_WORDS
from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583.session import Event, State
from gateway.simulators.population import person
from gateway.terms.numbers import AgencyCode
from gateway.terms.sides import Side

SPECIFICATIONS = Specifications(shipped_directory())
EXAMPLES = {
    (endpoint.operation_id, success.status.value): success_example(
        endpoint.operation_id, success, success.view
    )
    for endpoint in ENDPOINTS
    for success in endpoint.successes
    if success.view is not None
}
OPERATIONS = {name: each for name, each in EXAMPLES.items() if "timeline" in each}


def test_requests_are_of_the_simulators_first_person():
    """A request that is copied finds its card, account and customer."""
    who = person(1)
    asked = REQUEST_EXAMPLES[LinkBody]
    headers = document()["components"]["parameters"]

    assert (asked["ss_card_number"], asked["account"]) == (who.card, who.pan)
    assert asked["mobile"] == who.at_bank.mobile
    assert headers["Customer-Number"]["schema"]["examples"] == [who.customer]


def test_institution_is_as_its_region_has_it():
    """Names, scenes, rules and, on the bank's channels, businesses are those of the profile."""
    agency = SPECIFICATIONS.catalogue().agency(AgencyCode("99350201"))
    view = agency_view(agency, datetime(2026, 11, 23, tzinfo=UTC).date())

    shown = TypeAdapter(Agencies).dump_python(Agencies((view,)), mode="json", exclude_none=True)

    example = EXAMPLES["agencies", 200]
    offered = shown["agencies"][0]["operations"]
    for channel in set(offered) - set(example["agencies"][0]["operations"]):
        del offered[channel]
    assert example == shown


HERE = {"store", "descriptors"}


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_readiness_has_the_checks_there_are(status, ready):
    """What it needs and links are named; 503 says what is missing, 200 which link is away."""
    example = EXAMPLES["readiness", status]
    modules = {f"security-module-{side}" for side in Side}
    links = {name: each for name, each in example["checks"].items() if name.startswith("link-")}
    states = {check["detail"].partition(":")[0] for check in links.values()}

    assert set(example["checks"]) == {*modules, *HERE, "link-bureau", "link-core"}
    assert example["ready"] is ready
    assert example["degraded"] == ["store", "link-bureau"][ready:]
    assert states <= set(State)
    assert (
        example["checks"]["link-core"]["detail"] == f"{State.SIGNED_ON}: {Event.SIGN_ON_ACCEPTED}"
    )


def test_keys_have_their_thumbprints():
    """A `kid` is the key's thumbprint, one key for each PIN."""
    keys = EXAMPLES["public_keys", 200]["keys"]
    members = ("kty", "crv", "x", "y")

    for key in keys:
        assert ECKey.import_key({name: key[name] for name in members}).thumbprint() == key["kid"]
    assert [key["purpose"] for key in keys] == ["ss-pin", "financial-pin"]
    assert EXAMPLES["open_pin_session", 201]["kid"] == keys[0]["kid"]


@pytest.mark.parametrize("name", OPERATIONS, ids=str)
def test_timeline_tells_a_possible_story(name):
    """Words and messages are real, time does not run back, and the state is the last word."""
    example = OPERATIONS[name]
    dialects = {Side.SOCIAL: "bureau", Side.FINANCIAL: "core"}
    times = [entry["at"] for entry in example["timeline"]]

    assert example["timeline"][0] == {"at": example["created_at"], "what": "opened"}
    assert example["updated_at"] == times[-1]
    for entry in example["timeline"]:
        assert entry["what"] in TIMELINE_WORDS
        if "message" in entry:
            text, _ = SPECIFICATIONS.text("messages", dialects[entry["side"]])
            assert f'name = "{entry["message"]}"' in text
    last = example["timeline"][-1]["what"]
    assert example["state"] == (last if last in {"succeeded", "unknown"} else "pending")


@pytest.mark.parametrize("name", OPERATIONS, ids=str)
def test_only_a_pin_is_left_unknown(name):
    """What is answered 202 is open, and what is answered 200 or 201 is done."""
    operation_id, status = name
    begins_with_a_pin = {
        "set_ss_pin",
        "ss_pin_reset",
        "financial_pin_reset",
        "ecard_pin_set",
        "ecard_pin_reset",
    }
    opened = "unknown" if operation_id in begins_with_a_pin else "pending"

    assert OPERATIONS[name]["state"] == (opened if status == 202 else "succeeded")


def test_ss_account_follows_at_once():
    """The region of the example has no delay."""
    delay = EXAMPLES["agencies", 200]["agencies"][0]["activation"]["follow_delay_seconds"]
    example = EXAMPLES["activate", 200]

    assert delay == 0
    assert example["ss_account"] == {"state": "pending", "due_at": example["updated_at"]}
