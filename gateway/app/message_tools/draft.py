"""A message as an integrator writes it, JSON or TOML, turned into a message of a dialect."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, StringConstraints

from gateway.iso8583 import private_data
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.errors import UnencodableMessage
from gateway.iso8583.field_content import Value
from gateway.iso8583.message import Message
from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

_PRIVATE = 48
_FILE = "message"  # how errors name what was written; its file's name says no more

_DataElement = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,2}$")]


@dataclass(frozen=True, slots=True, repr=False)
class Draft:
    """MTI, fields by number, and the subfields of DE 48 by usage.

    Every value is text; that of a binary field is hex.
    """

    mti: str
    fields: dict[_DataElement, str] = field(default_factory=dict)
    private: dict[str, str] = field(default_factory=dict)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def message(self, dialect: Dialect) -> Message:
        """Give the message; raises `UnencodableMessage` naming the field and the rule."""
        fields = {int(de): _value(dialect, int(de), text) for de, text in self.fields.items()}
        if self.private and _PRIVATE in fields:
            raise UnencodableMessage("DE 48", "is given as a field and as private")
        if self.private:
            fields[_PRIVATE] = private_data.pack(self.private)
        return Message(self.mti, {de: fields[de] for de in sorted(fields)})


def parse_draft(text: str) -> Draft:
    """Read JSON or TOML; raises `SpecificationError` naming the key and the rule."""
    values = _parse_json(text) if text.lstrip().startswith("{") else parse_toml(text, _FILE)
    return structure(Draft, values, _FILE)


def _parse_json(text: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(text, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as error:
        rule = f"not valid JSON: {error.msg} in line {error.lineno}"
        raise SpecificationError(_FILE, "", rule) from None
    except RecursionError:
        raise SpecificationError(_FILE, "", "not valid JSON: too deep") from None
    return values


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise SpecificationError(_FILE, "", "a key of the JSON occurs twice")
    return values


def _value(dialect: Dialect, data_element: int, text: str) -> Value:
    """Give the value as the codec wants it; what the dialect does not have, the codec refuses."""
    specification = dialect.fields.get(data_element)
    if specification is None or specification.form.kind != "b":
        return text
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnencodableMessage(f"DE {data_element}", "a binary field is written in hex") from None
