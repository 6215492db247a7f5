"""What a simulated bureau keeps of one card."""

from dataclasses import dataclass
from datetime import datetime

from gateway.simulators.pin import PinHash
from gateway.simulators.population import CardState, Holder, PinState


@dataclass(slots=True)
class CardOrder:
    """A card that was ordered in place of another; `due` is its day, YYYYMMDD, or empty."""

    number: str
    due: str
    is_made: bool = False


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code that one side shows and the other scans once."""

    code: str
    expires_at: datetime


@dataclass(slots=True, repr=False)
class Ecard:
    """The e-card of a card."""

    number: str
    pin: PinHash | None = None
    wrong_tries: int = 0
    pays: bool = False
    shown: ShownCode | None = None
    challenge: ShownCode | None = None

    @property
    def state(self) -> str:
        """Subfield ES."""
        return "P" if self.pays else "A"


@dataclass(slots=True, repr=False)
class CardRecord:
    """One card as the bureau keeps it."""

    number: str
    holder: Holder
    state: CardState
    pin_state: PinState
    pin: PinHash | None = None
    contact_mobile: str | None = None
    follows_at: datetime | None = None
    wrong_tries: int = 0
    before_loss: CardState = CardState.NORMAL
    loss_reference: str = ""
    loss_ends_at: datetime | None = None
    order: CardOrder | None = None
    ecard: Ecard | None = None
    is_application: bool = False
