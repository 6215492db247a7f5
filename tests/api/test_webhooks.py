"""The callbacks in the OpenAPI document: what a courier really posts is what is described."""

import asyncio
import json
import re
import ssl
from datetime import UTC, datetime

import httpx
import pytest

from gateway.api.pages import openapi_page
from gateway.app.callbacks import Courier, Receiver
from gateway.operations.facts import Opened, OperationKind, OperationState, Settled
from gateway.operations.notice import NoticeType, notice_of
from gateway.operations.operation import evolve, open_operation
from gateway.terms.numbers import LinkId, OperationId
from gateway.terms.refusals import Refusal

DOCUMENT = json.loads(openapi_page().content)
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
SECRETS = (b"n" * 32, b"o" * 32)  # the new one and the one before
SECONDS_MAX = 10
KINDS = {"string": str, "object": dict, "null": type(None)}
KIND_OF = {kind: name for name, kind in KINDS.items()}


class Journal:
    """Holds one notice until it is heard."""

    def __init__(self, notice):
        self.notice = notice

    def notices(self, _channel, _count_max):
        return [self.notice] if self.notice else []

    async def read(self, query):
        return query(self)

    def submit(self, _unit, done):
        self.notice = None
        done(None)


def settled(kind, state, refusal):
    opened = Opened(kind, LinkId("lnk_" + "1" * 26), NOW, cause=OperationId("op_" + "7" * 26))
    operation = open_operation(OperationId("op_" + "8" * 26), opened, [])
    return evolve(operation, Settled(state, NOW, refusal))


def posted(notice, secrets):
    """Have a courier post a notice; gives the request."""

    async def act():
        heard = asyncio.get_running_loop().create_future()

        def take(request):
            heard.set_result(request)
            return httpx.Response(204)

        to = Receiver("bank", "https://bank.example/", secrets, ssl.create_default_context())
        journal = Journal(notice)
        mock = httpx.MockTransport(take)
        client = lambda _: httpx.AsyncClient(transport=mock)  # noqa: E731 - one line
        running = asyncio.create_task(Courier(to, journal.read, journal, lambda: NOW, client).run())
        request = await asyncio.wait_for(heard, SECONDS_MAX)
        running.cancel()
        await asyncio.wait([running])
        return request

    return asyncio.run(act())


def misfits(value, schema, place="body"):
    """Name what of a value is not as its schema has it."""
    parts = list(schema.get("allOf", ()))
    if "$ref" in schema:
        parts.append(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    options = [[*misfits(value, part, place)] for part in schema.get("anyOf", ())]
    yield from min(options, key=len, default=())
    for part in parts:
        yield from misfits(value, part, place)
    yield from (f"{place}: {rule}" for rule, is_kept in rules(value, schema) if not is_kept)
    for name, member in schema.get("properties", {}).items():
        yield from misfits(value[name], member, f"{place}.{name}")


def rules(value, schema):
    """Give each rule of a schema, and whether a value keeps it."""
    yield "type", type(value) is KINDS[schema.get("type", KIND_OF[type(value)])]
    yield "enum", value in schema.get("enum", [value])
    yield "const", value == schema.get("const", value)
    yield "pattern", "pattern" not in schema or re.search(schema["pattern"], str(value))
    yield "required", "required" not in schema or set(schema["required"]) == set(value)


OUTCOMES = [
    (OperationKind.LINK, OperationState.SUCCEEDED, None, NoticeType.OPERATION),
    (OperationKind.LINK, OperationState.FAILED, Refusal.NOT_CONFIRMED, NoticeType.OPERATION),
    (OperationKind.SET_SS_PIN, OperationState.UNKNOWN, None, NoticeType.OPERATION),
    (OperationKind.SS_ACCOUNT, OperationState.MANUAL, None, NoticeType.SS_ACCOUNT),
]


@pytest.mark.parametrize(("kind", "state", "refusal", "type_"), OUTCOMES)
def test_what_is_posted_is_what_is_described(kind, state, refusal, type_):
    """Headers, signatures and body, each by its rule, and no member more or less."""
    request = posted(notice_of(settled(kind, state, refusal), 1, "bank"), SECRETS)
    described = DOCUMENT["webhooks"][type_.value][request.method.lower()]
    content = described["requestBody"]["content"][request.headers["content-type"]]

    assert list(misfits(json.loads(request.content), content["schema"])) == []
    for header in described["parameters"]:
        assert re.search(header["schema"]["pattern"], request.headers[header["name"]])


def test_every_header_of_the_specification_is_described():
    """What a courier adds to a request of its own accord, and nothing else."""
    request = posted(notice_of(settled(*OUTCOMES[0][:3]), 1, "bank"), SECRETS[:1])
    sent = {name for name in request.headers if name.startswith("webhook-")}

    for item in DOCUMENT["webhooks"].values():
        assert {header["name"] for header in item["post"]["parameters"]} == sent
        assert all(header["required"] for header in item["post"]["parameters"])


@pytest.mark.parametrize("type_", list(NoticeType))
def test_example_is_as_it_is_described(type_):
    """Each type of notice has one."""
    (content,) = DOCUMENT["webhooks"][type_.value]["post"]["requestBody"]["content"].values()

    assert list(misfits(content["example"], content["schema"])) == []


def test_any_success_is_heard():
    """Every other status has it told again."""
    responses = [item["post"]["responses"] for item in DOCUMENT["webhooks"].values()]

    assert [set(each) for each in responses] == [{"2XX", "default"}] * len(NoticeType)


def test_what_is_not_as_described_is_noticed():
    """The check of these tests is none that always passes."""
    content = DOCUMENT["webhooks"]["operation.settled"]["post"]["requestBody"]["content"]
    schema, example = content["application/json"]["schema"], content["application/json"]["example"]
    wrong = [
        {**example, "type": "ss-account.settled"},
        {**example, "more": 1},
        {**example, "data": {**example["data"], "operation": "op_1"}},
        {**example, "data": {**example["data"], "code": "WHATEVER"}},
    ]

    assert all(list(misfits(each, schema)) for each in wrong)
