"""What is to be said to a far side, in the words of its message set and without trace numbers."""

from collections.abc import Mapping
from dataclasses import field

from gateway.operations.exchange import Trace
from gateway.terms.values import value


@value(frozen=True, slots=True)
class Original:
    """The earlier message that a reversal or an inquiry speaks of, for data element 90."""

    message: str
    trace: Trace


@value(frozen=True, slots=True)
class EncipheredPin:
    """A PIN block under a zone's PIN key, and data element 53 that describes it."""

    block: bytes = field(repr=False)
    security_control: str


@value(frozen=True, slots=True)
class Draft:
    """One message to send: its name in the message set, data elements and DE 48 subfields.

    Where the PIN block of `pin` stands, the message set says. It prints nothing that its fields
    hold, which are card numbers.
    """

    message: str
    fields: Mapping[int, str] = field(default_factory=dict, repr=False)
    private: Mapping[str, str] = field(default_factory=dict, repr=False)
    original: Original | None = None
    pin: EncipheredPin | None = None
