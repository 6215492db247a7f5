"""A gateway that kills itself, as a crash would, the n-th time it comes to a named point.

Called as ``python dying_gateway.py POINT COUNT ARGUMENT…``; the arguments are the gateway's own.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from gateway.app.conductor import Conductor
from gateway.app.outcomes import Outcomes
from gateway.app.pins import SecurityModules
from gateway.store.journal import Journal
from gateway.wire.outbound_link import OutboundLink

# Where the process may die: the function, and whether before it or after it has returned.
POINTS: dict[str, tuple[type, str, bool]] = {
    "before-commit": (Journal, "_attempt", True),
    "in-commit": (Journal, "_execute", False),
    "after-commit": (Journal, "_attempt", False),
    "before-act": (Conductor, "_act", True),
    "before-send": (OutboundLink, "send", True),
    "after-send": (OutboundLink, "send", False),
    "before-answer": (Conductor, "answer", True),
    "after-answer": (Conductor, "answer", False),
    "before-module": (SecurityModules, "encipher", True),
    "before-reply": (Outcomes, "_wait", True),
    "while-resuming": (Conductor, "resume", True),
}


def arm(point: str, times: int) -> None:
    """Let the process die at the point when it comes there the n-th time."""
    owner, name, is_before = POINTS[point]
    right: Callable[..., Any] = vars(owner)[name]
    numbers = count(1)

    def dying(*arguments: Any, **named: Any) -> Any:
        is_last = next(numbers) == times
        if is_last and is_before:
            os.kill(os.getpid(), signal.SIGKILL)
        given = right(*arguments, **named)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return given

    setattr(owner, name, dying)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    from gateway.app.command_line import main

    main()
