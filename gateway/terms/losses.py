"""A loss that the holder reported: of which kind, when, and under which reference."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.terms.numbers import OperationId


class LossKind(StrEnum):
    """Subfield LT of DE 48: one that can be cancelled, or one that ends in a new card."""

    TEMPORARY = "T"
    FORMAL = "F"


@dataclass(frozen=True, slots=True)
class Loss:
    """One report of loss; `reference` is the operation that made it (subfield LN of DE 48)."""

    kind: LossKind
    reference: OperationId
    reported_at: datetime

    @property
    def words(self) -> dict[str, str]:
        """What the report says in DE 48."""
        return {"LT": self.kind.value, "LN": self.reference.value}


def lifted(loss: Loss | None, reference: OperationId) -> Loss | None:
    """Lift the loss of this reference; a newer one stands, whatever came late about the older."""
    return None if loss is not None and loss.reference == reference else loss
