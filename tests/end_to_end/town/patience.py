"""What tests wait for: a state that can be seen, with a deadline."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

SECONDS_MAX = 20.0  # what is waited for comes within two seconds on an idle machine


def wait_for(
    probe: Callable[[], Any], what: str = "what was waited for", seconds: float = SECONDS_MAX
) -> Any:
    """Look again and again until the probe gives something true; fail at the deadline."""
    deadline = monotonic() + seconds
    while not (found := probe()):
        assert monotonic() < deadline, f"{what} did not come about in {seconds} s"
        sleep(0.02)
    return found
