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
    order: CardOrder | None = None
