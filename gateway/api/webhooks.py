"""What the gateway posts to a channel, for the section `webhooks` of the OpenAPI document.

Headers and signature are those of the Standard Webhooks specification; the body's types are those
that the notices are written from.
"""

import json
from datetime import UTC, datetime

from gateway.api.fields import JsonObject
from gateway.operations.facts import OperationState
from gateway.operations.notice import ATTEMPT_MAX, NoticeBody, NoticeType, SettledOperation
from gateway.terms.numbers import OperationId

_SUMMARIES = {
    NoticeType.OPERATION: "Hear of the outcome of an operation that no answer told",
    NoticeType.SS_ACCOUNT: "Hear what became of the SS account that follows an activation",
}
_SUCCEEDED = SettledOperation("op_01kb3m8y7v2d9q4n6t0s5r1c2h", OperationState.SUCCEEDED, None)
_AT = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def webhooks() -> JsonObject:
    """Describe one callback for each type of notice."""
    return {type_.value: {"post": _callback(type_)} for type_ in NoticeType}


def with_patterns(schemas: JsonObject) -> None:
    """Complete the schema of the body: the operation's reference has its pattern."""
    operation = schemas[SettledOperation.__name__]["properties"]["operation"]
    operation |= {"pattern": f"^{OperationId.pattern.pattern}$", "examples": [_SUCCEEDED.operation]}


def _callback(type_: NoticeType) -> JsonObject:
    schema = {
        "allOf": [{"$ref": f"#/components/schemas/{NoticeBody.__name__}"}],
        "properties": {"type": {"const": type_.value}},
    }
    example = json.loads(str(NoticeBody(type_, _AT, _SUCCEEDED)))
    return {
        "operationId": type_.name.lower() + "_settled",
        "summary": _SUMMARIES[type_],
        "description": _DESCRIPTION,
        "security": [],
        "parameters": _HEADERS,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {
            "2XX": {"description": "Heard: it is not told again."},
            "default": {"description": "Not heard: it is told again later, for 24 hours."},
        },
    }


def _header(name: str, description: str, **rule: object) -> JsonObject:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string", **rule},
    }


_DESCRIPTION = f"""\
Posted to the address that the gateway's operator has set up for the channel, at least once, and
answered within {ATTEMPT_MAX.total_seconds():g} seconds. Believe it when one of its signatures is
right and its timestamp is of these minutes; look the operation up where two of them disagree.
"""
_HEADERS = [
    _header(
        "webhook-id",
        "The notice, the same each time that it is posted: what is known already is not news.",
        pattern="^msg_[0-9a-z]{26}_[0-9]+$",
    ),
    _header(
        "webhook-timestamp",
        "When this attempt was made, in seconds since 1970 (Unix time).",
        pattern="^[0-9]+$",
    ),
    _header(
        "webhook-signature",
        "One signature for each secret in use, separated by spaces: `v1,` and, in base64, "
        "HMAC-SHA256 under the secret's bytes, which stand in base64 behind `whsec_`, of "
        "`webhook-id`, a dot, `webhook-timestamp`, a dot, and the body as it came.",
        pattern="^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)?$",
    ),
]
