"""The two sides of a social-security card, and which PIN belongs to which."""

from enum import StrEnum


class Side(StrEnum):
    """One of the two accounts on a card, which never see each other's data, keys or PINs."""

    SOCIAL = "social"
    FINANCIAL = "financial"


class PinPurpose(StrEnum):
    """Which PIN a one-time session or a public key is for."""

    SS_PIN = "ss-pin"
    FINANCIAL_PIN = "financial-pin"
    # The PIN in force, shown as a proof: the far side compares it.
    SS_PIN_PROOF = "ss-pin-proof"
    ECARD_PIN = "ecard-pin"
    ECARD_PIN_PROOF = "ecard-pin-proof"

    @property
    def side(self) -> Side:
        """The side whose security module takes this PIN."""
        return Side.FINANCIAL if self is PinPurpose.FINANCIAL_PIN else Side.SOCIAL

    @property
    def key(self) -> "PinPurpose":
        """Whose public key protects this PIN between browser and module: one for each side."""
        return PinPurpose.FINANCIAL_PIN if self is PinPurpose.FINANCIAL_PIN else PinPurpose.SS_PIN

    @property
    def is_proof(self) -> bool:
        """Tell whether the PIN is one in force, which no rule about new PINs concerns."""
        return self in {PinPurpose.SS_PIN_PROOF, PinPurpose.ECARD_PIN_PROOF}
