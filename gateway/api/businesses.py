"""Where each business in the life of a card is asked for: one row for each, nothing else to add.

What a business does stands in ``gateway.linking.procedures``; the contract, the routes and the
OpenAPI document follow from both tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.api.bodies import Body
from gateway.api.card_bodies import (
    ChangeEcardPinBody,
    EcardProofBody,
    FirstMobileBody,
    LossBody,
    MobileBody,
    NewEcardPinBody,
    NewSsPinBody,
    ReplacementBody,
    ResetFinancialPinBody,
    ResetSsPinBody,
    ScanBody,
    ServicesBody,
    SsPinProofBody,
)
from gateway.linking.procedures import BY_KIND, PROCEDURES, Procedure
from gateway.operations.facts import OperationKind

_K = OperationKind


@dataclass(frozen=True, slots=True)
class Resource:
    """One business below a link; `path` begins behind it.

    `words` are said in DE 48 by one that takes no body.
    """

    kind: OperationKind
    method: str
    path: str
    summary: str
    body: type[Body] | None = None
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def procedure(self) -> Procedure:
        """How it is carried out."""
        return BY_KIND[self.kind]

    @property
    def full_path(self) -> str:
        """The path as routes have it."""
        return f"/v1/links/{{link}}/{self.path}"

    @property
    def operation_id(self) -> str:
        """The name of the operation in the OpenAPI document."""
        return self.kind.value.replace("-", "_")


RESOURCES: tuple[Resource, ...] = (
    Resource(
        _K.SS_PIN_STATE,
        "GET",
        "ss-pin",
        "Ask the bureau for the state of the SS PIN and the tries left",
    ),
    Resource(
        _K.SS_PIN_CHANGE,
        "POST",
        "ss-pin/change",
        "Change the SS PIN, showing the old one where the region wants it",
        NewSsPinBody,
    ),
    Resource(
        _K.SS_PIN_RESET,
        "POST",
        "ss-pin/reset",
        "Set a new SS PIN in place of a forgotten or locked one",
        ResetSsPinBody,
    ),
    Resource(_K.SS_PIN_UNLOCK, "POST", "ss-pin/unlock", "Unlock the SS PIN, which stays as it is"),
    Resource(
        _K.SS_PIN_ENABLE,
        "POST",
        "ss-pin/enable",
        "Have the SS PIN asked for again",
        SsPinProofBody,
    ),
    Resource(
        _K.SS_PIN_OPT_OUT,
        "POST",
        "ss-pin/opt-out",
        "Have the SS PIN asked for no more, by the holder's choice",
        SsPinProofBody,
    ),
    Resource(
        _K.FINANCIAL_PIN_RESET,
        "POST",
        "financial-pin/reset",
        "Set a new financial PIN in place of a forgotten one",
        ResetFinancialPinBody,
    ),
    Resource(
        _K.FINANCIAL_SERVICES,
        "POST",
        "account/services",
        "Add services to the active account, which the customer chose of free will",
        ServicesBody,
    ),
    Resource(_K.BIND_MOBILE, "POST", "mobile", "Bind a mobile number to the card", FirstMobileBody),
    Resource(
        _K.CHANGE_MOBILE, "PUT", "mobile", "Bind another mobile number to the card", MobileBody
    ),
    Resource(
        _K.SS_LOSS_TEMPORARY,
        "POST",
        "losses/temporary",
        "Report the SS account lost for now; it is blocked here at once",
        LossBody,
    ),
    Resource(
        _K.SS_LOSS_FORMAL,
        "POST",
        "losses/formal",
        "Report the SS account lost formally; it is blocked here at once",
        LossBody,
    ),
    Resource(
        _K.SS_LOSS_CANCEL,
        "POST",
        "losses/cancellation",
        "Cancel a loss of the SS account; it stays blocked until the bureau confirms",
        LossBody,
    ),
    Resource(
        _K.FINANCIAL_LOSS_TEMPORARY,
        "POST",
        "account/losses/temporary",
        "Report the financial account lost for now; it is blocked here at once",
    ),
    Resource(
        _K.FINANCIAL_LOSS_FORMAL,
        "POST",
        "account/losses/formal",
        "Report the financial account lost formally; it is blocked here at once",
    ),
    Resource(
        _K.FINANCIAL_LOSS_CANCEL,
        "POST",
        "account/losses/cancellation",
        "Cancel a loss of the financial account; it stays blocked until the core confirms",
    ),
    Resource(
        _K.CARD_REPLACE,
        "POST",
        "card/replacement",
        "Order a card in place of this one; `result` says when it is due and what it costs",
        ReplacementBody,
    ),
    Resource(
        _K.CARD_TEMPORARY,
        "POST",
        "card/temporary",
        "Order a temporary card until the new one is there",
        words={"OT": "T"},
    ),
    Resource(
        _K.CARD_COLLECT,
        "POST",
        "card/collection",
        "Hand over the ordered card; `result` says what it took over from the old one",
    ),
    Resource(_K.CARD_CANCEL, "DELETE", "card", "Cancel the card for good"),
    Resource(_K.CARD_PROGRESS, "GET", "card", "Ask for the state of the card and of its order"),
    Resource(
        _K.ECARD_ISSUE,
        "POST",
        "ecard",
        "Have the e-card issued, with a PIN of its own; its number is the same on every channel",
        NewEcardPinBody,
    ),
    Resource(_K.ECARD_REVOKE, "POST", "ecard/revocation", "Revoke the e-card", EcardProofBody),
    Resource(_K.ECARD_PIN_SET, "PUT", "ecard/pin", "Set the PIN of the e-card", NewEcardPinBody),
    Resource(
        _K.ECARD_PIN_CHANGE,
        "POST",
        "ecard/pin/change",
        "Change the PIN of the e-card, showing the old one",
        ChangeEcardPinBody,
    ),
    Resource(
        _K.ECARD_PIN_RESET,
        "POST",
        "ecard/pin/reset",
        "Set a new PIN of the e-card in place of a forgotten one",
        NewEcardPinBody,
    ),
    Resource(
        _K.ECARD_PAYMENT_ENABLE,
        "POST",
        "ecard/payment",
        "Let the e-card pay from the linked account, once that is active",
    ),
    Resource(
        _K.ECARD_CODE,
        "POST",
        "ecard/codes",
        "Make a code that a handling system scans once",
        EcardProofBody,
    ),
    Resource(
        _K.ECARD_SCAN,
        "POST",
        "ecard/scans",
        "Confirm a code that a handling system shows and the app has scanned",
        ScanBody,
    ),
)

# Who applies has no link yet, so that the application has an endpoint of its own.
assert {each.kind for each in RESOURCES} == {each.kind for each in PROCEDURES} - {_K.CARD_APPLY}
