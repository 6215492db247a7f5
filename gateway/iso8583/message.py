"""A message and its message type indicator (MTI), ISO 8583:1987 4.1."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gateway.iso8583.field_content import Value


class MessageClass(StrEnum):
    """Second digit of the MTI: what the message is about."""

    AUTHORIZATION = "1"
    FINANCIAL = "2"
    FILE_ACTION = "3"
    REVERSAL = "4"
    RECONCILIATION = "5"
    ADMINISTRATIVE = "6"
    FEE_COLLECTION = "7"
    NETWORK_MANAGEMENT = "8"


class MessageFunction(StrEnum):
    """Third digit of the MTI: what the message does."""

    REQUEST = "0"
    REQUEST_RESPONSE = "1"
    ADVICE = "2"
    ADVICE_RESPONSE = "3"
    NOTIFICATION = "4"


_VERSION_1987 = "0"
_ORIGINS = "012345"  # acquirer, issuer, other; odd digits are repeats
_FIRST = "024"
REQUESTS = "02"  # third digits of what is answered: requests and advices
MTIS = frozenset(
    f"{_VERSION_1987}{class_}{function}{origin}"
    for class_ in MessageClass
    for function in MessageFunction
    for origin in _ORIGINS
)
MTI_RULE = "the MTI is version 0, class 1 to 8, function 0 to 4, origin 0 to 5"


def without_repeat(mti: str) -> str:
    """Give the MTI of the first transmission: 0101 becomes 0100."""
    return mti if mti[3] in _FIRST else mti[:3] + str(int(mti[3]) & ~1)


def answer_mti(mti: str) -> str:
    """Give the MTI that answers a request or an advice, repeated or not: 0101 becomes 0110."""
    return mti[:2] + str(int(mti[2]) + 1) + without_repeat(mti)[3]


class Message:  # noqa: PLW1641 - nothing to hash: the fields are a mapping
    """One ISO 8583 message; text fields are `str`, binary fields `bytes`. Never change `fields`."""

    __slots__ = ("fields", "mti")

    # No frozen dataclass, of which the making takes twice as long: four a round trip of a link.
    def __init__(self, mti: str, fields: Mapping[int, Value]) -> None:
        self.mti: Final = mti
        self.fields: Final = fields

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self.mti == other.mti and self.fields == other.fields

    def __repr__(self) -> str:
        # Which fields there are, never what is in them.
        return f"Message({self.mti}, DE {' '.join(str(de) for de in sorted(self.fields))})"

    @property
    def message_class(self) -> MessageClass:
        """What the message is about."""
        return MessageClass(self.mti[1])

    @property
    def function(self) -> MessageFunction:
        """What the message does."""
        return MessageFunction(self.mti[2])

    @property
    def is_request(self) -> bool:
        """Tell whether an answer is expected: a request or an advice."""
        return self.mti[2] in REQUESTS

    @property
    def is_answer(self) -> bool:
        """Tell whether this answers a request or an advice."""
        return self.mti[2] in "13"

    @property
    def is_repeat(self) -> bool:
        """Tell whether the same message was sent before."""
        return self.mti[3] not in _FIRST

    def as_repeat(self) -> "Message":
        """Give the same message with the repeat digit, all fields as they were."""
        return Message(self.mti[:3] + str(int(self.mti[3]) | 1), self.fields)

    def text(self, data_element: int) -> str:
        """Give a text field, or an empty string where it is absent or binary."""
        value = self.fields.get(data_element, "")
        return value if isinstance(value, str) else ""

    def with_fields(self, fields: Mapping[int, Value]) -> "Message":
        """Give the message with `fields` added or replaced."""
        return Message(self.mti, {**self.fields, **fields})

    @property
    def trace(self) -> str:
        """Name the message in a log line: MTI, DE 11 and DE 37, none of them sensitive."""
        return " ".join(filter(None, (self.mti, self.text(11), self.text(37))))
