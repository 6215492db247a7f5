"""The OpenAPI document as one HTML page: no script, no font, nothing from elsewhere."""

import json
from collections.abc import Iterator
from html import escape
from typing import Final

from gateway.api.docs_fields import MARKDOWN, described, fields_table
from gateway.api.docs_style import STYLE
from gateway.api.fields import JsonObject
from gateway.api.problems import ANSWERS, PROBLEM_MEDIA_TYPE, title
from gateway.terms.refusals import Refusal

# Style is written into the page; nothing else may load or run.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"

_ADDRESS: Final = "address-of-this-gateway"
_TRYING = """\
Commands are for a shell. Set `TOKEN` to the channel's token, and `LINK` and `OPERATION` to the ids
that the answers give. Card, account, mobile and customer are those of the first person of
`gateway run`, which also prints a token, and other people: the account of the first is active
already, that of the second is not. An `encrypted_pin` is yours to make.
"""
_PROBLEMS = """\
Every problem has a stable `code`, which says the rest. The messages are ready to show to the
customer. What each next action asks of the caller is said under [NextAction](#NextAction).
"""


def render_page(document: JsonObject) -> bytes:
    """Write the page in UTF-8, to be completed by `at_address`.

    Contents, introduction, endpoints with their members and examples, callbacks, problems, objects.
    """
    info = document["info"]
    name = escape(info["title"])
    introduction, headings = _introduction(info["description"])
    parts = (
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{name}</title><style>{STYLE}</style>",
        f"<header><h1>{name} <small>{escape(info['version'])}</small></h1>",
        "<p>The same for programs: <a href=/openapi.json>/openapi.json</a></p></header>",
        *_contents(document, headings),
        f"<main>{introduction}",
        f"<h2 id=endpoints>Endpoints</h2>{MARKDOWN.render(_TRYING)}",
        *_endpoints(document),
        "<h2 id=callbacks>Callbacks</h2>",
        *_callbacks(document),
        f"<h2 id=problems>Problems</h2>{MARKDOWN.render(_PROBLEMS)}",
        *_problems(),
        "<h2 id=objects>Objects</h2>",
        *_objects(document),
        "</main></html>",
    )
    return "\n".join(parts).encode()


def at_address(page: bytes, address: str) -> bytes:
    """Write the server's own address, scheme and authority, into the page's commands."""
    return page.replace(_ADDRESS.encode(), escape(address).encode())


def _introduction(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Render the description; gives it with anchor and text of each heading."""
    headings = []
    tokens = MARKDOWN.parse(text)
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            words = tokens[at + 1].content
            anchor = "-".join("".join(c if c.isalnum() else " " for c in words.lower()).split())
            token.attrSet("id", anchor)
            headings.append((anchor, words))
    return MARKDOWN.renderer.render(tokens, MARKDOWN.options, {}), headings


def _operations(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def _contents(document: JsonObject, headings: list[tuple[str, str]]) -> Iterator[str]:
    yield "<nav aria-label=Contents><ul>"
    for anchor, words in headings:
        yield f"<li><a href='#{anchor}'>{escape(words)}</a>"
    yield "<li><a href='#endpoints'>Endpoints</a><ul>"
    for method, path, operation in _operations(document):
        name = f"<small>{method}</small> {escape(path)}"
        yield f"<li><a href='#{operation['operationId']}'>{name}</a>"
    yield "</ul><li><a href='#callbacks'>Callbacks</a><li><a href='#problems'>Problems</a>"
    yield "<li><a href='#objects'>Objects</a><ul class=objects>"
    for name in _shown_as_objects(document):
        yield f"<li><a href='#{name}'>{name}</a>"
    yield "</ul></ul></nav>"


def _endpoints(document: JsonObject) -> Iterator[str]:
    schemas, described_above = document["components"]["schemas"], set()
    for method, path, operation in _operations(document):
        anchor = operation["operationId"]
        yield f"<section><h3 id={anchor}><code>{method} {escape(path)}</code></h3>"
        yield f"<p>{escape(operation['summary'])}.</p>"
        yield f"<pre>{escape(_command(method, path, operation))}</pre>"
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            name = body["$ref"].rpartition("/")[2]
            if name in described_above:
                yield f"<h4><a href='#{name}'>{name}</a></h4>"
            else:
                yield f"<h4 id={name}>{name}</h4>"
                yield from fields_table(schemas[name], schemas)
            described_above.add(name)
        yield from _answers(operation["responses"])
        yield "</section>"


def _command(method: str, path: str, operation: JsonObject) -> str:
    names = [parameter["$ref"].rpartition("/")[2] for parameter in operation["parameters"]]
    for name in ("link", "operation"):
        path = path.replace(f"{{{name}}}", f"${name.upper()}")
    lines = [f'curl -X {method} "{_ADDRESS}{path}"']
    lines += ['-H "Authorization: Bearer $TOKEN"'] if operation["security"] else []
    lines += ["-H 'Customer-Number: C000000001'"] if "Customer-Number" in names else []
    lines += ['-H "Idempotency-Key: $(date +%s)-$RANDOM"'] if "Idempotency-Key" in names else []
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        lines += ["-H 'Content-Type: application/json'", f"-d '{_pretty(example)}'"]
    return " \\\n  ".join(lines)


def _answers(responses: JsonObject) -> Iterator[str]:
    yield "<dl>"
    for status, response in responses.items():
        yield f"<dt>{status}<dd>"
        if PROBLEM_MEDIA_TYPE in response["content"]:
            schema = response["content"][PROBLEM_MEDIA_TYPE]["schema"]
            codes = schema["properties"]["code"]["enum"]
            yield ", ".join(f"<a href='#{code}'><code>{code}</code></a>" for code in codes)
        else:
            yield from _success(response)
    yield "</dl>"


def _success(response: JsonObject) -> Iterator[str]:
    yield MARKDOWN.renderInline(response["description"])
    for content in response["content"].values():
        if "example" in content:
            name = content["schema"]["$ref"].rpartition("/")[2]
            example = escape(_pretty(content["example"]))
            yield f"<a href='#{name}'>{name}</a>"
            yield f"<details><summary>Example</summary><pre>{example}</pre></details>"


def _callbacks(document: JsonObject) -> Iterator[str]:
    schemas = document["components"]["schemas"]
    for name, item in document["webhooks"].items():
        callback = item["post"]
        (content,) = callback["requestBody"]["content"].values()
        body = content["schema"]["allOf"][0]["$ref"].rpartition("/")[2]
        headers = {each["name"]: each for each in callback["parameters"]}
        described = {
            header: {**each["schema"], "description": each["description"]}
            for header, each in headers.items()
        }
        yield f"<section><h3 id={callback['operationId']}>{escape(name)}</h3>"
        yield f"<p>{escape(callback['summary'])}.</p>{MARKDOWN.render(callback['description'])}"
        yield from fields_table({"properties": described, "required": list(headers)}, schemas)
        yield f"<p><a href='#{body}'>{body}</a><pre>{escape(_pretty(content['example']))}</pre>"
        yield "</section>"


def _problems() -> Iterator[str]:
    yield "<table><thead><tr><th>code<th>status<th>retryable<th>next action<th>message</thead>"
    for refusal in Refusal:
        answer = ANSWERS[refusal]
        retryable = "yes" if refusal.retryable else "no"
        name = f"<td title='{escape(title(refusal))}'><code>{refusal.value}</code>"
        action = f"<a href='#NextAction'>{answer.next_action.value}</a>"
        zh, en = map(escape, refusal.user_message)
        row = f"<td>{answer.status.value}<td>{retryable}<td>{action}"
        yield f"<tr id={refusal.value}>{name}{row}<td><span lang=zh>{zh}</span><br>{en}</tr>"
    yield "</table>"


def _shown_as_objects(document: JsonObject) -> Iterator[str]:
    """Name the schemas that are not shown with the one endpoint whose body they are."""
    bodies = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for _, _, operation in _operations(document)
        if "requestBody" in operation
    }
    for name in document["components"]["schemas"]:
        if f"#/components/schemas/{name}" not in bodies:
            yield name


def _objects(document: JsonObject) -> Iterator[str]:
    schemas = document["components"]["schemas"]
    for name in _shown_as_objects(document):
        yield f"<section><h3 id={name}>{name}</h3>{described(schemas[name])}"
        if "properties" in schemas[name]:
            yield from fields_table(schemas[name], schemas)
        yield "</section>"


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
