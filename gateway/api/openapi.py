"""The contract as an OpenAPI 3.1 document, from the table and the types that do the work."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from importlib import metadata
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from gateway.api.businesses import RESOURCES
from gateway.api.contract import ENDPOINTS, Endpoint, Success, by_path
from gateway.api.examples import REQUEST_EXAMPLES, success_example
from gateway.api.fields import JsonObject
from gateway.api.openapi_texts import DESCRIPTION, HEADERS, PARAMETERS
from gateway.api.problems import (
    ANSWERS,
    PROBLEM,
    PROBLEM_MEDIA_TYPE,
    NextAction,
    NotPermitted,
    Problem,
    not_permitted,
    problem,
)
from gateway.api.vocabulary import explained
from gateway.api.webhooks import webhooks, with_patterns
from gateway.operations.notice import NoticeBody
from gateway.regions.matrix import Grant, Matrix, NotGranted, NoticeRules
from gateway.regions.notice import Text
from gateway.regions.vocabulary import Business, Channel, Proof
from gateway.terms.refusals import Refusal

_REF_TEMPLATE = "#/components/schemas/{model}"
_EXAMPLE_REQUEST_ID = "req_01kb3m8y7v2d9q4n6t0s5r1c2h"


class _Plain(GenerateJsonSchema):
    """Generates schemas without titles that repeat the name and nulls that are never sent."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - overrides
        """Say no."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Leave out null where answers leave out the member."""
        if self.mode == "serialization":
            return self.generate_inner(schema["schema"])
        return super().nullable_schema(schema)

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,  # noqa: FBT001 - overrides
    ) -> bool:
        """Say no of what an answer leaves out where there is none."""
        inner = field["schema"]
        if self.mode == "serialization" and inner["type"] == "nullable":
            return False
        return super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default of null, which only says that the member may be absent."""
        described = super().default_schema(schema)
        if described.get("default", ...) is None:
            del described["default"]
        return described


def document() -> JsonObject:
    """Build the document as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Social-security card gateway",
            "version": metadata.version("sscard-gateway"),
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "paths": {path: _path_item(by_path()[path]) for path in sorted(by_path(), key=_order)},
        "webhooks": webhooks(),
        "components": {
            "securitySchemes": {"channel": {"type": "http", "scheme": "bearer"}},
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "schemas": _schemas(),
            "examples": {refusal.value: _example(refusal) for refusal in Refusal},
        },
    }


def render_document(described: JsonObject) -> bytes:
    """Write the document as JSON text in UTF-8."""
    return json.dumps(described, ensure_ascii=False, indent=1).encode()


# As a client meets them; the table has them as routes are looked for.
_READING_ORDER = (
    "/v1/agencies",
    "/v1/jwks.json",
    "/v1/links",
    "/v1/links/{link}",
    "/v1/links/{link}/pin-sessions",
    "/v1/links/{link}/ss-pin",
    "/v1/activations",
    *dict.fromkeys(resource.full_path for resource in RESOURCES if resource.path != "ss-pin"),
    "/v1/card-applications",
    "/v1/transfers",
    "/v1/operations/{operation}",
    "/v1/operations/{operation}/voucher",
    "/v1/operations/{operation}/voucher.html",
    "/v1/voucher-verifications",
    "/livez",
    "/readyz",
    "/metrics",
)


def _order(path: str) -> int:
    return _READING_ORDER.index(path)


def _schemas() -> JsonObject:
    # As it is written, with null where there is no code: not as answers are, which leave it out.
    modes: dict[type, JsonSchemaMode] = {Problem: "serialization", NoticeBody: "validation"}
    for endpoint in ENDPOINTS:
        modes |= {s.view: "serialization" for s in endpoint.successes if s.view is not None}
        modes |= {endpoint.body: "validation"} if endpoint.body is not None else {}
    wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]]
    wanted = [(type_.__name__, mode, TypeAdapter(type_)) for type_, mode in modes.items()]
    _, schemas = TypeAdapter.json_schemas(
        sorted(wanted, key=lambda item: item[0]),
        ref_template=_REF_TEMPLATE,
        schema_generator=_Plain,
    )
    definitions: JsonObject = schemas["$defs"]
    actions = {action.value: action.meaning for action in NextAction}
    next_action = definitions[NextAction.__name__]
    next_action["description"] = explained(next_action["description"], actions)
    with_patterns(definitions)
    return definitions


def _path_item(endpoints: Iterable[Endpoint]) -> JsonObject:
    return {endpoint.method.lower(): _operation(endpoint) for endpoint in endpoints}


def _operation(endpoint: Endpoint) -> JsonObject:
    operation: JsonObject = {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "security": [{"channel": []}] if endpoint.authenticated else [],
        "parameters": [_ref("parameters", name) for name in _parameters(endpoint)],
        "responses": _successes(endpoint) | _problems(endpoint),
    }
    if endpoint.body is not None:
        media = _ref("schemas", endpoint.body.__name__)
        example = REQUEST_EXAMPLES[endpoint.body]
        content = {"application/json": {"schema": media, "example": example}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(endpoint: Endpoint) -> Iterable[str]:
    yield "Request-Id"
    if endpoint.for_customer:
        yield "Customer-Number"
        yield "Proofs"
    if endpoint.changes_state:
        yield "Idempotency-Key"
    yield from (name for name in ("link", "operation") if f"{{{name}}}" in endpoint.path)


def _successes(endpoint: Endpoint) -> JsonObject:
    return {str(s.status.value): _success(endpoint, s) for s in endpoint.successes}


def _success(endpoint: Endpoint, success: Success) -> JsonObject:
    media: JsonObject = {"schema": {"type": "string"}}
    if success.view is not None:
        example = success_example(endpoint.operation_id, success, success.view)
        media = {"schema": _ref("schemas", success.view.__name__), "example": example}
    names = ["Request-Id"]
    names += ["Idempotent-Replayed"] if endpoint.changes_state else []
    names += ["Location"] if success.location else []
    return {
        "description": success.description,
        "headers": {name: _ref("headers", name) for name in names},
        "content": {success.media_type: media},
    }


def _problems(endpoint: Endpoint) -> JsonObject:
    by_status = defaultdict(list)
    for refusal in endpoint.refusals:
        by_status[ANSWERS[refusal].status].append(refusal)
    taken = {success.status for success in endpoint.successes}
    return {
        str(status.value): _problem(refusals)
        for status, refusals in by_status.items()
        if status not in taken
    }


def _problem(refusals: list[Refusal]) -> JsonObject:
    codes = [refusal.value for refusal in refusals]
    schema = {
        "allOf": [_ref("schemas", "Problem")],
        "properties": {"code": {"enum": codes}},
    }
    names = ["Request-Id"]
    names += ["Retry-After"] if any(ANSWERS[r].retry_after_seconds for r in refusals) else []
    content = {"schema": schema, "examples": {code: _ref("examples", code) for code in codes}}
    return {
        "description": "Refused: " + ", ".join(codes) + ".",
        "headers": {name: _ref("headers", name) for name in names},
        "content": {PROBLEM_MEDIA_TYPE: content},
    }


_PAPERS = frozenset({Proof.CITIZEN_ID, Proof.CARD_PRESENT})
_SAMPLE = Matrix.of(
    (Grant((Business.SS_PIN_RESET,), (Channel.COUNTER,), _PAPERS, "default: an example"),),
    date.min,
    NoticeRules(Text("咨询电话12333", "Enquiries: 12333"), {}, Text("当场办理", "On the spot")),
    {},
)
_NOT_GRANTED = (
    _SAMPLE.decide(Channel.COUNTER, Business.SS_PIN_RESET, frozenset({Proof.CITIZEN_ID})),
    _SAMPLE.decide(Channel.ONLINE_BANK, Business.SS_PIN_RESET, frozenset({Proof.SESSION})),
)
_NOT_PERMITTED = [NotPermitted(each) for each in _NOT_GRANTED if isinstance(each, NotGranted)]
_WITH_NOTICE = {each.refusal: not_permitted(each, _EXAMPLE_REQUEST_ID) for each in _NOT_PERMITTED}


def _example(refusal: Refusal) -> JsonObject:
    shown = _WITH_NOTICE.get(refusal) or problem(refusal, _EXAMPLE_REQUEST_ID)
    described = PROBLEM.dump_python(shown, mode="json", exclude_none=True)
    return {"summary": refusal.user_message.en, "value": described}


def _ref(section: str, name: str) -> JsonObject:
    return {"$ref": f"#/components/{section}/{name}"}
