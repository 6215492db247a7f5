"""The OpenAPI document: complete, resolvable, and true to the types that do the work."""

import json
import re

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey

from gateway.api.bodies import ENCRYPTED_PIN_CHARACTERS_MAX, validate
from gateway.api.contract import ENDPOINTS, by_path
from gateway.api.examples import REQUEST_EXAMPLES
from gateway.api.pages import openapi_page
from gateway.api.problems import ANSWERS, NextAction
from gateway.operations.facts import OperationState
from gateway.terms.numbers import Address, AgencyCode, LinkId, Mobile, OperationId, SsCardNumber
from gateway.terms.refusals import Refusal

DOCUMENT = json.loads(openapi_page().content)
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}


def _references(value):
    if isinstance(value, dict):
        if set(value) >= {"$ref"}:
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resolve(reference):
    value = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        value = value[part]
    return value


def test_document_has_the_parts_of_the_standard():
    """OpenAPI 3.1, 4.8.1: version, info, paths; nothing is left to guess."""
    assert re.fullmatch(r"3\.1\.[0-9]+", DOCUMENT["openapi"])
    assert {"title", "version", "description"} <= set(DOCUMENT["info"])
    assert DOCUMENT["components"]["securitySchemes"]["channel"]["scheme"] == "bearer"


def test_every_reference_leads_somewhere():
    """No `$ref` dangles, and no component is without a reader."""
    references = set(_references(DOCUMENT))

    assert all(_resolve(reference) for reference in references)
    for section in ("schemas", "parameters", "headers", "examples"):
        for name in DOCUMENT["components"][section]:
            assert f"#/components/{section}/{name}" in references


def test_every_endpoint_of_the_table_is_described():
    """Paths, methods and operation ids are those of the routes."""
    assert set(DOCUMENT["paths"]) == set(by_path())
    assert len(OPERATIONS) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        path, method, _ = OPERATIONS[endpoint.operation_id]
        assert (path, method) == (endpoint.path, endpoint.method.lower())


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.operation_id)
def test_operation_names_every_code_it_may_answer(endpoint):
    """Each refusal stands under its status, with an example."""
    responses = OPERATIONS[endpoint.operation_id][2]["responses"]
    success_statuses = {success.status for success in endpoint.successes}

    for refusal in endpoint.refusals:
        status = ANSWERS[refusal].status
        assert status not in success_statuses
        content = responses[str(status.value)]["content"]["application/problem+json"]
        assert refusal.value in content["schema"]["properties"]["code"]["enum"]
        assert refusal.value in content["examples"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.operation_id)
def test_operation_declares_every_parameter(endpoint):
    """Path parameters are exactly those of the path; headers follow from what is demanded."""
    parameters = [
        _resolve(parameter["$ref"])
        for parameter in OPERATIONS[endpoint.operation_id][2]["parameters"]
    ]
    names = {(p["in"], p["name"]) for p in parameters}

    optional = {"Proofs", "Request-Id"}

    in_path = {name for place, name in names if place == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", endpoint.path))
    assert (("header", "Customer-Number") in names) == endpoint.for_customer
    assert (("header", "Proofs") in names) == endpoint.for_customer
    assert (("header", "Idempotency-Key") in names) == endpoint.changes_state
    assert all(p["required"] for p in parameters if p["name"] not in optional)


@pytest.mark.parametrize(
    ("code", "missing", "elsewhere"),
    [("PROOF_MISSING", [["card-present"]], 0), ("NOT_GRANTED", [], 1)],
)
def test_refusal_of_the_matrix_is_shown_with_its_notice(code, missing, elsewhere):
    """An integrator sees what a customer is to be told."""
    example = DOCUMENT["components"]["examples"][code]["value"]

    assert example["status"] == 403
    assert example["not_granted"]["missing"] == missing
    assert len(example["not_granted"]["elsewhere"]) == elsewhere
    assert example["not_granted"]["notice"]["procedure"]


def test_every_refusal_belongs_to_some_operation():
    """No code of the catalogue is undocumented or dead."""
    assert {code for endpoint in ENDPOINTS for code in endpoint.refusals} == set(Refusal)


@pytest.mark.parametrize("body_type", REQUEST_EXAMPLES)
def test_request_example_is_a_right_request(body_type):
    """Each example passes the validation of real requests."""
    assert validate(body_type, REQUEST_EXAMPLES[body_type]) is not None


@pytest.mark.parametrize("operation_id", [e.operation_id for e in ENDPOINTS if e.body])
def test_request_body_is_closed(operation_id):
    """The schema says that unknown members are refused."""
    body = OPERATIONS[operation_id][2]["requestBody"]
    schema = _resolve(body["content"]["application/json"]["schema"]["$ref"])

    assert body["required"] is True
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.operation_id)
def test_answer_examples_have_the_members_required(endpoint):
    """Each example of an answer is an instance of its schema, as far as names go."""
    for success in endpoint.successes:
        response = OPERATIONS[endpoint.operation_id][2]["responses"][str(success.status.value)]
        media = response["content"][success.media_type]
        if success.view is None:
            assert media["schema"] == {"type": "string"}
        else:
            schema = _resolve(media["schema"]["$ref"])
            assert set(schema.get("required", ())) <= set(media["example"])
            assert set(media["example"]) <= set(schema["properties"])


@pytest.mark.parametrize(
    ("schema", "member", "term"),
    [
        ("LinkBody", "institution", AgencyCode),
        ("LinkBody", "ss_card_number", SsCardNumber),
        ("LinkBody", "mobile", Mobile),
        ("ActivateBody", "link", LinkId),
        ("OperationView", "operation", OperationId),
    ],
)
def test_pattern_in_a_schema_is_the_terms_own(schema, member, term):
    """What the document promises is what construction checks."""
    described = DOCUMENT["components"]["schemas"][schema]["properties"][member]

    assert described["pattern"] == f"^{term.pattern.pattern}$"
    assert all(term(example) for example in described["examples"])


def test_optional_address_is_described_with_its_pattern():
    """An optional member keeps its rule."""
    address = DOCUMENT["components"]["schemas"]["LinkBody"]["properties"]["contact_address"]

    assert Address.rule in address["anyOf"][0]["description"]
    assert "contact_address" not in DOCUMENT["components"]["schemas"]["LinkBody"]["required"]


@pytest.mark.parametrize(
    ("schema", "member"),
    [
        ("LossRulesView", "temporary_lasts_days"),
        ("OperationView", "refusal"),
    ],
)
def test_what_an_answer_may_leave_out_is_not_required(schema, member):
    """A client that checks answers is not told that a member comes which may be absent."""
    described = DOCUMENT["components"]["schemas"][schema]

    assert member in described["properties"]
    assert member not in described["required"]


@pytest.mark.parametrize("schema", ["SetPinBody", "ActivateBody", "CurrentPin"])
def test_a_pin_is_described_as_one_of_two_forms(schema):
    """Neither both nor none of envelope and PIN block is right, and the document says so."""
    forms = DOCUMENT["components"]["schemas"][schema]["oneOf"]

    assert [form["required"] for form in forms] == [["encrypted_pin"], ["pin_block"]]


def test_services_are_described_as_a_set():
    """A service is named once, and the document says so."""
    services = DOCUMENT["components"]["schemas"]["ActivateBody"]["properties"]["added_services"]

    assert services["uniqueItems"] is True


@pytest.mark.parametrize(
    ("proofs", "is_right"),
    [
        ("citizen-id", True),
        ("citizen-id, card-present", True),
        ("citizen-id,", False),
        ("", False),
        ("ss-pin", False),
        ("passport", False),
    ],
)
def test_proofs_are_described_as_they_are_read(proofs, is_right):
    """The pattern takes what the reader takes; a PIN is no proof that a channel attests."""
    pattern = DOCUMENT["components"]["parameters"]["Proofs"]["schema"]["pattern"]

    assert bool(re.search(pattern, proofs)) is is_right


def test_a_question_may_be_refused_by_the_region():
    """What a region does not offer on a channel is refused for questions as for changes."""
    refused = OPERATIONS["card_progress"][2]["responses"]["403"]["content"]

    codes = refused["application/problem+json"]["schema"]["properties"]["code"]["enum"]
    assert "NOT_GRANTED" in codes


def test_masked_members_promise_no_pattern():
    """A masked number does not have the form of the number."""
    shown = DOCUMENT["components"]["schemas"]["LinkView"]["properties"]

    for member in ("ss_card_number", "account"):
        assert "pattern" not in shown[member]
        assert shown[member]["examples"][0].startswith("****")


@pytest.mark.parametrize(
    "words", ["ECDH-ES", "A256GCM", "kid", "nonce", "expires_at", "not_after", "RFC 7516", '"pin"']
)
def test_description_says_how_to_encrypt_a_pin(words):
    """A client is written from this document alone."""
    assert words in DOCUMENT["info"]["description"]


def test_documented_recipe_makes_an_envelope_that_opens():
    """The Python of the description, run as it stands, gives PIN and nonce under the key."""
    private = ECKey.generate_key("P-256")
    recipe = re.search(r"```python\n(.+?)```", DOCUMENT["info"]["description"], re.DOTALL).group(1)
    names = {
        "jwk": private.as_dict(private=False),
        "kid": "social-2026-11",
        "pin": "483920",
        "nonce": "pN2x0m1wq0s6y2Jb9V3aXw",
        "ECKey": ECKey,
        "jwe": jwe,
        "json": json,
    }

    exec(recipe, names)  # noqa: S102 - our own page, to prove that it is right

    envelope = names["encrypted_pin"]
    opened = jwe.decrypt_compact(envelope, private)
    assert json.loads(opened.plaintext) == {"pin": "483920", "nonce": "pN2x0m1wq0s6y2Jb9V3aXw"}
    assert set(opened.protected) == {"alg", "enc", "kid", "epk"}
    assert envelope.split(".")[1] == ""
    assert len(envelope) <= ENCRYPTED_PIN_CHARACTERS_MAX


@pytest.mark.parametrize(
    "words",
    [
        "`unknown` (an SS PIN only)",
        "`EARLIER_PIN_OPEN`",
        "`Retry-After`",
        "`IN_PROGRESS`",
        "`INTERNAL_ERROR`",
        "`ss_account`",
        *(f"`{state}`" for state in OperationState),
    ],
)
def test_description_says_what_follows_from_each_outcome(words):
    """Every state, and every problem that does not mean 'not done', has its sentence."""
    outcomes = DOCUMENT["info"]["description"].partition("## Outcomes")[2].partition("\n## ")[0]

    assert words in outcomes


def test_paths_stand_in_the_order_of_use():
    """Institutions and keys come first, then links and what is done, vouchers, health."""
    paths = list(DOCUMENT["paths"])

    assert paths[:3] == ["/v1/agencies", "/v1/jwks.json", "/v1/links"]
    assert paths[-4:] == ["/v1/voucher-verifications", "/livez", "/readyz", "/metrics"]


def test_next_actions_are_explained():
    """The schema has a line for every word."""
    described = DOCUMENT["components"]["schemas"]["NextAction"]

    for action in NextAction:
        assert f"- `{action}`: {action.meaning}" in described["description"]
