"""A loss that the holder reported: of which kind, when, and under which reference."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gateway.terms.numbers import OperationId


class LossKind(StrEnum):
    """Subfield LT of DE 48: one that can be cancelled, or one that ends in a new card."""

    TEMPORARY = "T"
    FORMAL = "F"


@dataclass(frozen=True, slots=True)
class Loss:
    """One report of loss; `reference` is the operation that made it (subfield LN of DE 48).

    `earlier` is the loss that stood when this one was reported, and stands again if it is refused.
    """

    kind: LossKind
    reference: OperationId
    reported_at: datetime
    earlier: "Loss | None" = None

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


def _without_earlier(loss: Loss, reference: OperationId) -> Loss:
    is_earlier = loss.earlier is not None and loss.earlier.reference == reference
    return replace(loss, earlier=None) if is_earlier else loss
