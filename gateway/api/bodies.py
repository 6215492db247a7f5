"""Request bodies: what each must be, and the command it becomes.

Validation is strict and closed: no coercion, no unknown member. Errors are places and rules;
pydantic's `input` and the names of unknown members are never passed on.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from gateway.api.fields import (
    AddressText,
    AgencyCodeText,
    CitizenIdText,
    LinkIdText,
    MobileText,
    OperationIdText,
    PanText,
    PersonNameText,
    PinSessionIdText,
    SsCardNumberText,
)
from gateway.api.problems import FieldError, InvalidRequest
from gateway.api.service import (
    ActivateCommand,
    AddedService,
    ApplyCommand,
    LinkCommand,
    SetPinCommand,
)
from gateway.terms.sides import PinPurpose

# A compact JWE of the payload has about 350 characters; keys of other curves and header members
# that libraries add stay far below this.
ENCRYPTED_PIN_CHARACTERS_MAX = 2048


class Body(BaseModel):
    """A JSON object whose members are all named here."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class LinkBody(Body):
    """Link a social-security card to an account of the customer."""

    institution: AgencyCodeText
    ss_card_number: SsCardNumberText
    account: PanText
    mobile: MobileText
    contact_address: AddressText | None = None

    def command(self) -> LinkCommand:
        """Give the command this body asks for."""
        return LinkCommand(
            self.institution, self.ss_card_number, self.account, self.mobile, self.contact_address
        )


class ApplicationBody(Body):
    """Apply for a first card, as the id on the desk names the holder."""

    institution: AgencyCodeText
    account: PanText
    name: PersonNameText
    citizen_id: CitizenIdText
    mobile: MobileText
    contact_address: AddressText | None = None

    def command(self) -> ApplyCommand:
        """Give the command this body asks for."""
        return ApplyCommand(
            self.institution,
            self.account,
            self.name,
            self.citizen_id,
            self.mobile,
            self.contact_address,
        )


class PinSessionBody(Body):
    """Open a PIN session for one of the two PINs."""

    # Enumerations are strings in JSON, which strict validation would refuse.
    purpose: Annotated[PinPurpose, Field(strict=False)]


EncryptedPinText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=ENCRYPTED_PIN_CHARACTERS_MAX,
        pattern=r"^[0-9A-Za-z_.-]+$",
        description="Compact JWE of PIN and nonce; see 'Encrypting a PIN' in the description.",
        examples=["eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImtpZCI6Ii4uLiJ9..aXY.Y3Q.dGFn"],
    ),
]


PinBlockText = Annotated[
    str,
    Field(
        pattern=r"^(?:[0-9A-F]{16}|[0-9A-F]{32})$",
        description=(
            "Instead of `encrypted_pin`, from a channel with PIN pads of its own: the pad's PIN "
            "block under the channel's key, 8 or 16 bytes in hexadecimal digits."
        ),
        examples=["1B9C1845EB993A7A"],
    ),
]


def _only(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": "string"}}}


class PinBody(Body):
    """A PIN: what the customer's browser encrypted, or the PIN block of a bank's PIN pad."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [_only("encrypted_pin"), _only("pin_block")]}
    )

    pin_session: PinSessionIdText
    encrypted_pin: EncryptedPinText | None = Field(default=None, repr=False)
    pin_block: PinBlockText | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.encrypted_pin is None) is (self.pin_block is None):
            raise ValueError("either encrypted_pin or pin_block")
        return self

    def entry(self) -> SetPinCommand:
        """Give the session, and what is for it."""
        return SetPinCommand(self.pin_session, self.encrypted_pin or "", self.pin_block or "")


class SetPinBody(PinBody):
    """Set the SS PIN without the old one."""

    def command(self) -> SetPinCommand:
        """Give the command this body asks for."""
        return self.entry()


class VoucherBody(Body):
    """Ask whether a voucher is genuine."""

    operation: OperationIdText
    verification_code: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="As printed on the voucher.",
            examples=["ABCD-EFGH-IJKL-MNOP"],
        ),
    ]


def without_repeats(services: list[AddedService]) -> list[AddedService]:
    """Refuse a list that names a service twice."""
    if len(set(services)) != len(services):
        raise ValueError("no service twice")
    return services


class ActivateBody(PinBody):
    """Activate the account of a link under a new financial PIN."""

    link: LinkIdText
    added_services: Annotated[
        list[Annotated[AddedService, Field(strict=False)]],
        Field(
            max_length=len(AddedService),
            default_factory=list,
            description="Services the customer chose, of the customer's own free will.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(without_repeats),
    ]

    def command(self) -> ActivateCommand:
        """Give the command this body asks for."""
        return ActivateCommand(self.link, self.entry(), tuple(self.added_services))


BodyT = TypeVar("BodyT", bound=Body)


def validate(body_type: type[BodyT], value: object) -> BodyT:
    """Check a parsed JSON value; raises `InvalidRequest` listing every broken place."""
    try:
        return body_type.model_validate(value)
    except ValidationError as error:
        broken = error.errors(include_url=False, include_input=False)
    # Unknown members share one place and one rule, so they are reported once.
    described = ", ".join(body_type.model_fields)
    raise InvalidRequest(*dict.fromkeys(_field_error(error, described) for error in broken))


def _field_error(error: Mapping[str, Any], described: str) -> FieldError:
    location = error["loc"]
    if error["type"] == "extra_forbidden":
        location = location[:-1]  # the member's name is the caller's text
        if not location:
            return FieldError(f"no members but {described}", pointer="")
    pointer = "".join(f"/{part}" for part in location)
    return FieldError(_rule(error), pointer=pointer)


_RULES = {
    "missing": "required",
    "extra_forbidden": "no members but those described",
    "model_type": "a JSON object",
    "string_type": "a string",
    "string_too_short": "not empty",
    "list_type": "an array",
}


def _rule(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])  # raised by gateway.terms or above: always a rule
        case "enum":
            return f"one of {context['expected']}"
        case "string_too_long" | "too_long":
            return f"at most {context['max_length']} long"
        case other:
            return _RULES.get(other, "as described in /openapi.json")
