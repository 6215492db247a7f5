"""How a word of the domain looks in JSON: a checked string going in, a masked one coming out.

A field type is ``Annotated[TheTerm, …]``: to the type checker it is the term itself, to pydantic
a string that the term's own constructor checks.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    EcardNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
    PinSessionId,
    SsCardNumber,
)

# Every number and name type of gateway.terms.numbers has these two class attributes.
type_of_term = (
    type[Address]
    | type[AgencyCode]
    | type[CitizenId]
    | type[EcardNumber]
    | type[PersonName]
    | type[LinkId]
    | type[Mobile]
    | type[OperationId]
    | type[Pan]
    | type[PinSessionId]
    | type[SsCardNumber]
)


@dataclass(frozen=True, slots=True)
class _Text:
    """A term that travels as text: its constructor checks, its `str` prints."""

    term: type_of_term
    description: str
    example: str

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self.term,
            core_schema.str_schema(strict=True),
            serialization=core_schema.to_string_ser_schema(),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        # Half a character is refused with the JSON already, and many readers of patterns know none.
        pattern = self.term.pattern.pattern.replace(r"\ud800-\udfff", "")
        return {
            "type": "string",
            "pattern": f"^{pattern}$",
            "description": f"{self.description}: {self.term.rule}.",
            "examples": [self.example],
        }


@dataclass(frozen=True, slots=True)
class _Worded(_Text):
    """A term whose rule is better said in words than as an expression."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = {"description": f"{self.description}: {self.term.rule}."}
        return {"type": "string", **described, "examples": [self.example]}


@dataclass(frozen=True, slots=True)
class _Masked(_Text):
    """A sensitive term on its way out: `str` masks it, so no pattern is promised."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        masked = str(self.term(self.example))
        return {
            "type": "string",
            "description": f"{self.description}, masked.",
            "examples": [masked],
        }


# Card, account and mobile of the simulators' first person: no region prints a T, 620000 is a
# test range, and 154 is assigned to nobody.
_SS_CARD_EXAMPLE = "T00000001"
_PAN_EXAMPLE = "6200000000000000018"

AgencyCodeText = Annotated[
    AgencyCode, _Text(AgencyCode, "Code of the social-security institution", "99350201")
]
SsCardNumberText = Annotated[
    SsCardNumber, _Text(SsCardNumber, "Social-security card number", _SS_CARD_EXAMPLE)
]
SsCardNumberMasked = Annotated[
    SsCardNumber, _Masked(SsCardNumber, "Social-security card number", _SS_CARD_EXAMPLE)
]
EcardNumberMasked = Annotated[
    EcardNumber, _Masked(EcardNumber, "Number of the e-card", "E00000000001")
]
CitizenIdText = Annotated[CitizenId, _Text(CitizenId, "Citizen id", "350299197109070016")]
PersonNameText = Annotated[PersonName, _Worded(PersonName, "Name as on the id", "测试甲")]
PanText = Annotated[Pan, _Text(Pan, "Bank card number of the account", _PAN_EXAMPLE)]
PanMasked = Annotated[Pan, _Masked(Pan, "Bank card number of the account", _PAN_EXAMPLE)]
MobileText = Annotated[Mobile, _Text(Mobile, "Mobile number", "15400000001")]
AddressText = Annotated[Address, _Text(Address, "Contact address", "测试路1号")]
LinkIdText = Annotated[LinkId, _Text(LinkId, "Link", "lnk_01kb3m8y7v2d9q4n6t0s5r1c2e")]
OperationIdText = Annotated[
    OperationId, _Text(OperationId, "Operation", "op_01kb3m8y7v2d9q4n6t0s5r1c2f")
]
PinSessionIdText = Annotated[
    PinSessionId, _Text(PinSessionId, "PIN session", "pse_01kb3m8y7v2d9q4n6t0s5r1c2g")
]

JsonObject = dict[str, Any]
