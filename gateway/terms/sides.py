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

    @property
    def side(self) -> Side:
        """The side whose security module takes this PIN."""
        return Side.SOCIAL if self is PinPurpose.SS_PIN else Side.FINANCIAL
