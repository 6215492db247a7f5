"""Schemas of the OpenAPI document as HTML tables of their members."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from gateway.api.fields import JsonObject
from gateway.terms.refusals import Refusal

# Raw HTML is shown as text, so that no description can add an element.
MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")
_CODES: Final = frozenset(refusal.value for refusal in Refusal)


def _code(_: RendererHTML, tokens: Sequence[Token], at: int, *_unused: object) -> str:
    """Render code in a line; the code of a refusal leads to where it is explained."""
    words = tokens[at].content
    written = f"<code>{escape(words)}</code>"
    return f"<a href='#{words}'>{written}</a>" if words in _CODES else written


MARKDOWN.add_render_rule("code_inline", _code)


def fields_table(schema: JsonObject, schemas: JsonObject) -> Iterator[str]:
    """Write one row for each member of an object: name, whether required, type, rule, meaning."""
    required = schema.get("required", ())
    yield "<table class=fields><thead><tr><th>member<th>type and rule<th>meaning</thead><tbody>"
    for name, member in schema["properties"].items():
        need = "required" if name in required else "optional"
        rules = "".join(f"<br>{rule}" for rule in _rules(member, schemas))
        yield f"<tr><td><code>{escape(name)}</code><br><small>{need}</small>"
        yield f"<td>{_type(member)}{rules}<td>{_meaning(member, schemas)}"
    yield "</tbody></table>"


def described(schema: JsonObject) -> str:
    """Write a schema's description, and its words where the description does not list them."""
    text = str(MARKDOWN.render(schema.get("description", "")))
    return text if "enum" not in schema or _explains(schema) else text + f"<p>{_words(schema)}"


def _explains(schema: JsonObject) -> bool:
    return "\n- `" in schema.get("description", "")


def _words(schema: JsonObject) -> str:
    return ", ".join(f"<code>{escape(word)}</code>" for word in schema["enum"])


def _type(schema: JsonObject) -> str:
    if "$ref" in schema:
        name = _name(schema)
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if schema["type"] == "array":
        return f"array of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])} by name"
    form = f" ({schema['format']})" if "format" in schema else ""
    return escape(schema["type"] + form)


def _rules(schema: JsonObject, schemas: JsonObject) -> Iterator[str]:
    for part in schema.get("anyOf", ()):
        yield from _rules(part, schemas)
    for part in (schemas[_name(schema)],) if "$ref" in schema else ():
        yield from _rules(part, schemas) if "enum" in part else ()
    if "items" in schema:
        yield from _rules(schema["items"], schemas)
    if "enum" in schema and not _explains(schema):
        yield f"one of {_words(schema)}"
    if "pattern" in schema:
        yield f"<code>{escape(schema['pattern'])}</code>"
    if "maxLength" in schema:
        yield f"{schema['minLength']} to {schema['maxLength']} characters"
    if "maxItems" in schema:
        yield f"at most {schema['maxItems']}"


def _meaning(schema: JsonObject, schemas: JsonObject) -> str:
    """Write the member's own description, or else the first sentence of what it refers to."""
    if "description" in schema:
        return str(MARKDOWN.render(schema["description"]))
    if "anyOf" in schema:
        return _meaning(schema["anyOf"][0], schemas)
    if "$ref" in schema:
        text = schemas[_name(schema)].get("description", "")
        return str(MARKDOWN.renderInline(text.partition("\n")[0]))
    return ""


def _name(reference: JsonObject) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
