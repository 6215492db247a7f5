"""The message sets and dialects as one Markdown document."""

from collections.abc import Iterable, Iterator

from gateway.iso8583.dialect import Dialect
from gateway.iso8583.message_kind import FieldRules, MessageKind, PrivateSubfield
from gateway.iso8583.message_set import MessageSet

_RECOVERY = {
    "query": "repeat, then go without",
    "reversible": "repeat, then undo by a reversal until confirmed",
    "at-most-once": "repeat from memory within a minute, then unknown; never reversed",
    "forward": "repeat from memory within a minute, then inquire until known",
    "revocable": "repeat from memory within a minute, inquire, then undo until confirmed",
    "advice": "repeat until it is answered",
    "at-least-once": "repeat until it is answered, without expiry and with an alarm",
}
_SUMMARY = ("message", "request", "answer", "repeat", "sent by", "selected by", "without answer")
_SUBFIELDS = ("usage", "meaning", "rule", "printed")


def messages_markdown(pairs: Iterable[tuple[MessageSet, Dialect]]) -> str:
    """Write what is said on each kind of link, and how it looks in bytes."""
    lines = [
        "# Messages",
        "",
        "Generated from `specs/messages` and `specs/dialects`; do not edit.",
        "`M` is mandatory, `O` optional. Anything not listed is refused.",
    ]
    for message_set, dialect in pairs:
        lines += _message_set(message_set, dialect)
    return "\n".join(lines) + "\n"


def _message_set(message_set: MessageSet, dialect: Dialect) -> Iterator[str]:
    yield from ("", f"## {message_set.title} (`{message_set.name}`)", "")
    yield from _table(_SUMMARY, (_summary(kind) for kind in message_set.messages))
    for kind in message_set.messages:
        yield from _message(kind, dialect)
    yield from ("", f"### Subfields of DE 48 (`{message_set.name}`)", "")
    subfields = message_set.private_subfields.items()
    yield from _table(_SUBFIELDS, (_subfield(usage, subfield) for usage, subfield in subfields))
    yield from _dialect(dialect)


def _summary(kind: MessageKind) -> tuple[str, ...]:
    selected = ", ".join(f"DE {de} = {value}" for de, value in kind.selectors.items())
    recovery = _RECOVERY[kind.recovery] + (f" (`{kind.inquiry}`)" if kind.inquiry else "")
    repeat = kind.repeat or "never"
    return (f"`{kind.name}`", kind.request, kind.response, repeat, kind.sender, selected, recovery)


def _message(kind: MessageKind, dialect: Dialect) -> Iterator[str]:
    yield from ("", f"### `{kind.name}`: {kind.title}", "")
    sides = (
        (set(kind.request_mandatory), set(kind.request_fields.optional)),
        (set(kind.response_mandatory), set(kind.response_fields.optional)),
    )
    rows = (
        (str(de), dialect.fields[de].name, *(_presence(de, *side) for side in sides))
        for de in sorted(set().union(*(mandatory | optional for mandatory, optional in sides)))
    )
    yield from _table(("DE", "name", kind.request, kind.response), rows)
    yield ""
    for mti, rules in ((kind.request, kind.request_fields), (kind.response, kind.response_fields)):
        yield f"- DE 48 of {mti}: {_private(rules)}"
    yield f"- DE 39: {', '.join(kind.response_codes)}"


def _presence(data_element: int, mandatory: set[int], optional: set[int]) -> str:
    if data_element in mandatory:
        return "M"
    return "O" if data_element in optional else ""


def _private(rules: FieldRules) -> str:
    parts = [f"{usage} (M)" for usage in rules.private]
    parts += [f"{usage} (O)" for usage in rules.private_optional]
    return ", ".join(parts) or "absent"


def _subfield(usage: str, subfield: PrivateSubfield) -> tuple[str, ...]:
    # A bar would end the cell.
    rule = subfield.rule.replace("|", "\\|")
    return (usage, subfield.title, f"`{rule}`", _printed(subfield.sensitive))


def _dialect(dialect: Dialect) -> Iterator[str]:
    framing, mac = dialect.framing, dialect.mac
    places = " or ".join(f"DE {de}" for de in mac.data_elements)
    yield from ("", f"### Bytes: dialect `{dialect.name}`", "")
    yield f"- Frame: length {framing.length_prefix}, at most {framing.message_bytes_max} bytes"
    yield f"- TPDU: {framing.tpdu or 'none'}"
    yield f"- Digits {dialect.numeric}, lengths {dialect.lengths}, bitmap {dialect.bitmap}"
    yield f"- MAC: {mac.algorithm}, padding {mac.padding}, in {places}"
    yield ""
    rows = (
        (
            str(de),
            field.name,
            field.format,
            field.charset or dialect.text,
            _printed(field.sensitive),
        )
        for de, field in sorted(dialect.fields.items())
    )
    yield from _table(("DE", "name", "format", "charset", "printed"), rows)


def _printed(sensitive: str) -> str:
    return {"none": "in full", "mask": "masked", "name": "last character"}.get(sensitive, "never")


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _line(header)
    yield _line(("---",) * len(header))
    yield from (_line(row) for row in rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
