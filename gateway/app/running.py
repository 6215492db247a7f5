"""An operation in memory, as the conductor carries it on."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.app.cargo import Cargo, Errand, with_records
from gateway.app.ports import Cancel
from gateway.operations.draft import EncipheredPin
from gateway.operations.exchange import Form
from gateway.operations.life import Event
from gateway.operations.operation import Operation
from gateway.social.card import CardReplaced
from gateway.terms.numbers import LinkId


@dataclass(slots=True)
class Running:
    """One operation that is not at rest; `begun_at` is on the monotonic clock.

    `is_attended` says that somebody waits and is told by word of mouth.
    """

    operation: Operation
    cargo: Cargo
    recorded: int = 0
    is_attended: bool = False
    is_settling: bool = False
    begun_at: float = 0.0
    pins: dict[str, EncipheredPin] = field(default_factory=dict, repr=False)
    queue: deque[Event] = field(default_factory=deque)
    is_recording: bool = False
    is_let_go: bool = False
    timers: dict[str, Cancel] = field(default_factory=dict)
    watchers: list[Callable[[Operation], bool]] = field(default_factory=list)

    def take_in(self, records: tuple[object, ...], running: Iterable["Running"]) -> None:
        """Bring the cargo up to what has become durable.

        With a new card, also what waits on the link in memory and has not spoken of the old one.
        """
        if not records:
            return
        self.cargo = with_records(self.cargo, records)
        if CardReplaced in map(type, records):
            for each in running:
                if each is not self and each.is_unspoken and each.link == self.link:
                    each.cargo = with_records(each.cargo, records)

    @property
    def link(self) -> LinkId:
        """The link that the operation is on."""
        return self.operation.link

    @property
    def is_unspoken(self) -> bool:
        """Tell whether nothing of it was sent yet."""
        return not any(each.reached_peer for each in self.operation.exchanges.values())

    def errand(self, name: str, *, is_repeat: bool, secret_life: timedelta) -> Errand:
        """Give the message to send for an exchange; its PIN is for the original alone."""
        exchange = self.operation.exchanges[name]
        pin = self.pins.get(name) if exchange.form is Form.ORIGINAL else None
        until = None if pin is None else self.begun_at + secret_life.total_seconds()
        return Errand(self.operation, exchange, self.cargo, is_repeat, pin, until)
