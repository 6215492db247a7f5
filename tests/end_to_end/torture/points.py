"""The named points at which a gateway may die, and how one is made to."""

import os
import signal
from collections.abc import Callable
from importlib import import_module
from itertools import count
from typing import Any

# Module, class where it is in one, function, and whether the process dies before it or after it
# has returned.
POINTS: dict[str, tuple[str, str, str, bool]] = {
    "before-reserve": ("gateway.store.chores", "", "reserve", True),
    "after-reserve": ("gateway.store.chores", "", "reserve", False),
    "before-commit": ("gateway.store.journal", "Journal", "_attempt", True),
    "in-commit": ("gateway.store.journal", "Journal", "_execute", False),
    "after-commit": ("gateway.store.journal", "Journal", "_attempt", False),
    "before-act": ("gateway.app.conductor", "Conductor", "_act", True),
    "before-send": ("gateway.wire.outbound_link", "OutboundLink", "send", True),
    "after-send": ("gateway.wire.outbound_link", "OutboundLink", "send", False),
    "before-answer": ("gateway.app.conductor", "Conductor", "answer", True),
    "after-answer": ("gateway.app.conductor", "Conductor", "answer", False),
    "before-module": ("gateway.app.pins", "SecurityModules", "encipher", True),
    "before-waiting": ("gateway.app.outcomes", "Outcomes", "_wait", True),
    "before-reply": ("gateway.app.intake", "", "_view", True),
    "while-resuming": ("gateway.app.conductor", "Conductor", "resume", True),
}

OF_THE_STORE = {point for point, (module, *_) in POINTS.items() if "gateway.store" in module}
"""Points that the store's process comes to; its gateway dies with it, as by a power cut."""

AT_START = {"before-reserve", "after-reserve"}
"""Points that a gateway comes to once for each link when it starts, and then hardly ever."""


def arm(point: str, times: int) -> None:
    """Let this process kill itself, as a crash would, when it comes to the point the n-th time.

    The store's process kills its gateway before itself.
    """
    module, owner, name, is_before = POINTS[point]
    place = import_module(module)
    place = getattr(place, owner) if owner else place
    right: Callable[..., Any] = getattr(place, name)
    numbers = count(1)

    def dying(*arguments: Any, **named: Any) -> Any:
        is_last = next(numbers) == times
        if is_last and is_before:
            die()
        given = right(*arguments, **named)
        if is_last:
            die()
        return given

    def die() -> None:
        if point in OF_THE_STORE:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(place, name, dying)
