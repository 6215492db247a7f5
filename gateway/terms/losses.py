"""A loss that the holder reported: of which kind, when, and under which reference."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gateway.terms.numbers import LinkId, OperationId


class LossKind(StrEnum):
    """Subfield LT of DE 48: one that can be cancelled, or one that ends in a new card."""

    TEMPORARY = "T"
    FORMAL = "F"


@dataclass(frozen=True, slots=True)
class Loss:
    """One report of loss; `reference` is the operation that made it (subfield LN of DE 48).

    `earlier` is the loss that stood when this one was reported, and stands again if it is refused.
    `confirmed_at` is when the far side was known to have it, `link` the one it was reported over.
    """

    kind: LossKind
    reference: OperationId
    reported_at: datetime
    earlier: "Loss | None" = None
    confirmed_at: datetime | None = None
    link: LinkId | None = None

    def concerns(self, link: LinkId, linked_at: datetime) -> bool:
        """Tell whether the loss stands for a link that was asked for at this instant.

        A far side that had it confirmed before, and then took the link, has cancelled it itself.
        Whatever the clocks of two nodes say, it stands for the link that it was reported over.
        """
        is_own = self.link == link
        return is_own or self.confirmed_at is None or linked_at <= self.confirmed_at

    @property
    def words(self) -> dict[str, str]:
        """What the report says in DE 48."""
        return {"LT": self.kind.value, "LN": self.reference.value}


def reported(loss: Loss, standing: Loss | None) -> Loss:
    """Let a loss take the place of the one that stands, of which no older one is remembered."""
    return replace(loss, earlier=replace(standing, earlier=None) if standing else None)


def refused(loss: Loss | None, reference: OperationId) -> Loss | None:
    """Take back the report of this reference, which a far side will not have; no other one."""
    if loss is None or loss.reference == reference:
        return loss and loss.earlier
    return _without_earlier(loss, reference)


def lifted(loss: Loss | None, reference: OperationId) -> Loss | None:
    """Lift the loss of this reference; a newer one stands, whatever came late about the older."""
    if loss is None or loss.reference == reference:
        return None
    return _without_earlier(loss, reference)


def confirmed(loss: Loss | None, reference: OperationId, at: datetime) -> Loss | None:
    """Note that the far side has the loss of this reference."""
    if loss is None or loss.reference == reference:
        return loss and replace(loss, confirmed_at=at)
    return replace(loss, earlier=confirmed(loss.earlier, reference, at))


def _without_earlier(loss: Loss, reference: OperationId) -> Loss:
    is_earlier = loss.earlier is not None and loss.earlier.reference == reference
    return replace(loss, earlier=None) if is_earlier else loss
