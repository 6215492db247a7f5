"""What goes wrong on demand: faults matched by the message's name, a number of times."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, with_config

from gateway.terms.errors import SpecificationError
from gateway.terms.response_codes import ResponseCode

ANY: Final = "*"  # every message but network management
SECONDS_MAX: Final = 600  # longer than any timer that a test waits for
TIMES_MAX: Final = 1_000_000
FAULTS_MAX: Final = 100


class FaultKind(StrEnum):
    """One way in which a peer or a network fails."""

    DROP_REQUEST = "drop_request"  # not carried out, not answered
    DROP_ANSWER = "drop_answer"  # carried out, not answered
    DELAY = "delay"  # carried out and answered after `seconds`
    LATE_ANSWER = "late_answer"  # carried out at once, answered after `seconds`
    DUPLICATE_ANSWER = "duplicate_answer"  # answered twice
    DECLINE = "decline"  # answered with `response_code`
    DISCONNECT = "disconnect"  # connection closed instead of an answer
    CLOSE_MID_FRAME = "close_mid_frame"  # carried out, closed half-way through the answer
    GARBLE_MAC = "garble_mac"  # carried out, answered with a wrong MAC


_NEEDS: Final = {
    FaultKind.DELAY: "seconds",
    FaultKind.LATE_ANSWER: "seconds",
    FaultKind.DECLINE: "response_code",
}


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Fault:
    """A fault for the next `times` messages of one name (``*`` for any); no `times`: for all.

    `when` says for decline and disconnect whether the request is carried out before that.
    """

    message: Annotated[str, Field(min_length=1, max_length=40)]
    fault: FaultKind
    times: Annotated[int, Field(ge=1, le=TIMES_MAX)] | None = 1
    seconds: Annotated[float, Field(gt=0, le=SECONDS_MAX)] | None = None
    response_code: ResponseCode | None = None
    when: Literal["before", "after"] = "before"

    def check(self, messages: frozenset[str]) -> None:
        """Refuse an unknown message or a missing part; raises `SpecificationError`."""
        if self.message not in messages | {ANY}:
            raise SpecificationError("fault", "message", f"one of * {' '.join(sorted(messages))}")
        needed = _NEEDS.get(self.fault)
        for name in ("seconds", "response_code"):
            if (getattr(self, name) is not None) != (needed == name):
                rule = "is needed for" if needed == name else "has no meaning for"
                raise SpecificationError("fault", name, f"{rule} {self.fault}")


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """Put a fault in force; raises `SpecificationError` beyond 100 of them."""
        if len(self._waiting) >= FAULTS_MAX:
            raise SpecificationError("fault", "", f"at most {FAULTS_MAX} faults at a time")
        self._waiting.append((fault, fault.times))

    def take(self, message: str, *, management: bool) -> Fault | None:
        """Take the fault for a message that has come; one with no times left is gone."""
        for index, (fault, left) in enumerate(self._waiting):
            if fault.message == message or (fault.message == ANY and not management):
                if left == 1:
                    del self._waiting[index]
                elif left is not None:
                    self._waiting[index] = (fault, left - 1)
                return fault
        return None

    def listed(self) -> list[tuple[Fault, int | None]]:
        """Give the faults in force with the times left of each."""
        return list(self._waiting)

    def clear(self) -> None:
        """Heal everything."""
        self._waiting.clear()
