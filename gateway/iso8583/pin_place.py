"""Where the PIN block stands in the messages of a link: DE 52, or a subfield where it is longer.

DE 52 is ``b 64``, eight bytes (ISO 8583:1987); a block under AES or SM4 has sixteen.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval
from pydantic import ConfigDict

from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.field_content import Value


@dataclass(frozen=True, slots=True)
class PinPlace:
    """A data element or, by `subfield`, one part of it."""

    data_element: Annotated[int, Interval(ge=2, le=128)] = 52
    subfield: str | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def fits(self, dialect: Dialect) -> bool:
        """Tell whether the dialect has this place, and bytes stand there."""
        field = dialect.fields.get(self.data_element)
        if field is not None and self.subfield is not None:
            field = field.subfields.parts.get(self.subfield) if field.subfields else None
        return field is not None and field.form.kind == "b"

    def holding(self, block: bytes, codec: Codec) -> dict[int, Value]:
        """Give the data element that holds a block; raises `UnencodableMessage` for its length."""
        if self.subfield is None:
            return {self.data_element: block}
        return {self.data_element: codec.pack(self.data_element, {self.subfield: block})}


STANDARD_PIN_PLACE = PinPlace()
