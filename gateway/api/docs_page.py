"""The OpenAPI document as one HTML page: no script, no font, nothing from elsewhere."""

import json
from collections.abc import Iterator
from html import escape

from gateway.api.fields import JsonObject
from gateway.api.problems import ANSWERS, title
from gateway.terms.refusals import Refusal

# Style is written into the page; nothing else may load or run.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
pre{background:#f5f5f5;padding:.8em;overflow-x:auto;white-space:pre-wrap}
h3 code{background:#e8eef7;padding:.1em .4em}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .5em;text-align:left}
:target{background:#fff6d5}
"""


def render_page(document: JsonObject) -> bytes:
    """Write the page in UTF-8: description, endpoints with examples, catalogue of problems."""
    info = document["info"]
    heading = escape(f"{info['title']} {info['version']}")
    parts = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{heading}</title>",
        f"<style>{_STYLE}</style><h1>{heading}</h1>",
        "<p>The same as a document for programs: <a href=/openapi.json>/openapi.json</a></p>",
        f"<pre>{escape(info['description'])}</pre><h2>Endpoints</h2>",
        *_endpoints(document),
        "<h2>Problems</h2>",
        *_problems(),
        "</html>",
    )
    return "\n".join(parts).encode()


def _endpoints(document: JsonObject) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"<h3 id={operation['operationId']}><code>{method.upper()} {path}</code></h3>"
            yield f"<p>{escape(operation['summary'])}</p>"
            yield f"<pre>{escape(_request(method, path, operation))}</pre>"
            yield from _answers(operation["responses"])


def _request(method: str, path: str, operation: JsonObject) -> str:
    names = [parameter["$ref"].rpartition("/")[2] for parameter in operation["parameters"]]
    lines = [f"curl -X {method.upper()} http://127.0.0.1:8080{path}"]
    lines += ["-H 'Authorization: Bearer TOKEN'"] if operation["security"] else []
    lines += ["-H 'Customer-Number: C00000001'"] if "Customer-Number" in names else []
    lines += ['-H "Idempotency-Key: $(uuidgen)"'] if "Idempotency-Key" in names else []
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        lines += ["-H 'Content-Type: application/json'", f"-d '{_pretty(example)}'"]
    return " \\\n  ".join(lines)


def _answers(responses: JsonObject) -> Iterator[str]:
    for status, response in responses.items():
        yield f"<p><b>{status}</b> {escape(response['description'])}</p>"
        for content in response["content"].values():
            if "example" in content:
                yield f"<pre>{escape(_pretty(content['example']))}</pre>"


def _problems() -> Iterator[str]:
    yield "<table><tr><th>code<th>status<th>retryable<th>next action<th>中文<th>English</tr>"
    for refusal in Refusal:
        answer = ANSWERS[refusal]
        cells = (
            str(answer.status.value),
            "yes" if refusal.retryable else "no",
            answer.next_action.value,
            *refusal.user_message,
        )
        row = "".join(f"<td>{escape(cell)}" for cell in cells)
        name = f"<td title='{escape(title(refusal))}'>{refusal.value}"
        yield f"<tr id={refusal.value}>{name}{row}</tr>"
    yield "</table>"


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
