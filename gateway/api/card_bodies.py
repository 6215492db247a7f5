"""Request bodies of the businesses in the life of a card, and the command that each becomes."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.api.bodies import Body, PinBody, without_repeats
from gateway.api.fields import MobileText
from gateway.api.service import AddedService, BusinessCommand, SetPinCommand
from gateway.terms.sides import PinPurpose


class BusinessBody(Body):
    """What a business takes beside the link; none takes a proof but those that are PINs."""

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand()


class CurrentPin(PinBody):
    """The PIN in force, in a session of its own whose purpose ends in `-proof`."""


class SsPinProofBody(BusinessBody):
    """Use the SS PIN or not; the PIN in force is shown where the region wants it."""

    current_pin: CurrentPin | None = None

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(pins=_proof(PinPurpose.SS_PIN_PROOF, self.current_pin))


class NewSsPinBody(PinBody, BusinessBody):
    """Put a new SS PIN in force; the old one is shown where the region wants it."""

    current_pin: CurrentPin | None = None

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        proof = _proof(PinPurpose.SS_PIN_PROOF, self.current_pin)
        return BusinessCommand(pins=proof | {PinPurpose.SS_PIN: self.entry()})


class ResetSsPinBody(PinBody, BusinessBody):
    """Put a new SS PIN in place of one that is forgotten or locked."""

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(pins={PinPurpose.SS_PIN: self.entry()})


class LossBody(BusinessBody):
    """Report or cancel a loss of the SS account; the PIN is shown where the region wants it."""

    current_pin: CurrentPin | None = None

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(pins=_proof(PinPurpose.SS_PIN_PROOF, self.current_pin))


class MobileBody(BusinessBody):
    """Bind another mobile number; the SS PIN is shown where the region wants it."""

    mobile: MobileText
    current_pin: CurrentPin | None = None

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        proof = _proof(PinPurpose.SS_PIN_PROOF, self.current_pin)
        return BusinessCommand(pins=proof, private={"MB": self.mobile.value})


class ReplacementReason(StrEnum):
    """Why a card is replaced."""

    LOST = "lost"
    DAMAGED = "damaged"
    DATA_CHANGED = "data-changed"


class ReplacementBody(BusinessBody):
    """Order a card in place of this one."""

    reason: Annotated[ReplacementReason, Field(strict=False)]

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(words={"OT": "R", "OR": _REASONS[self.reason]})


_REASONS = {
    ReplacementReason.LOST: "L",
    ReplacementReason.DAMAGED: "D",
    ReplacementReason.DATA_CHANGED: "C",
}


class NewEcardPinBody(PinBody, BusinessBody):
    """Give the e-card a PIN of its own."""

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(pins={PinPurpose.ECARD_PIN: self.entry()})


class ChangeEcardPinBody(PinBody, BusinessBody):
    """Give the e-card another PIN, showing the one in force."""

    current_pin: CurrentPin

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        proof = _proof(PinPurpose.ECARD_PIN_PROOF, self.current_pin)
        return BusinessCommand(pins=proof | {PinPurpose.ECARD_PIN: self.entry()})


class EcardProofBody(BusinessBody):
    """Use the e-card; its PIN is shown where the region wants it."""

    current_pin: CurrentPin | None = None

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(pins=_proof(PinPurpose.ECARD_PIN_PROOF, self.current_pin))


class ScanBody(BusinessBody):
    """Confirm what a handling system shows."""

    code: Annotated[
        str,
        Field(
            pattern=r"^[0-9A-Z]{8,32}$",
            repr=False,
            description="The code that was scanned: 8 to 32 digits or capital letters.",
            examples=["Q7K2M9X4"],
        ),
    ]
    current_pin: CurrentPin | None = None

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        proof = _proof(PinPurpose.ECARD_PIN_PROOF, self.current_pin)
        return BusinessCommand(pins=proof, private={"QT": self.code})


class FirstMobileBody(BusinessBody):
    """Bind a mobile number to the card."""

    mobile: MobileText

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(private={"MB": self.mobile.value})


class ServicesBody(BusinessBody):
    """Add services; those that the account has stay as they are."""

    added_services: Annotated[
        list[Annotated[AddedService, Field(strict=False)]],
        Field(
            min_length=1,
            max_length=len(AddedService),
            description="Services the customer chose, of the customer's own free will.",
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(without_repeats),
    ]

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        chosen = (letter for each, letter in _SERVICES.items() if each in self.added_services)
        return BusinessCommand(words={"SV": "".join(chosen)})


_SERVICES = {
    AddedService.SMS: "S",
    AddedService.ONLINE_BANKING: "O",
    AddedService.WEALTH_ACCOUNT: "W",
}


class ResetFinancialPinBody(PinBody, BusinessBody):
    """Put a new financial PIN in place of a forgotten one."""

    def command(self) -> BusinessCommand:
        """Give the command this body asks for."""
        return BusinessCommand(pins={PinPurpose.FINANCIAL_PIN: self.entry()})


def _proof(purpose: PinPurpose, shown: CurrentPin | None) -> dict[PinPurpose, SetPinCommand]:
    return {} if shown is None else {purpose: shown.entry()}
