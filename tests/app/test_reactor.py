"""The one loop runs on the monotonic clock: setting the clock of the wall moves no timer."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys, time
from gateway.app.reactor import run_in_reactor

step, wall, begun = float(sys.argv[1]), time.time, time.monotonic()
time.time = lambda: wall() + (step if time.monotonic() - begun > 0.1 else 0.0)

async def main(reactor):
    import asyncio
    fired, over = {}, asyncio.Event()
    called = time.monotonic()

    def fire(name):
        fired[name] = time.monotonic() - called
        if len(fired) == 2:
            over.set()

    reactor.callLater(0.4, fire, "reactor")
    asyncio.get_running_loop().call_later(0.4, fire, "loop")
    long = reactor.callLater(600, fire, "long")
    await over.wait()
    long.cancel()
    in_time = all(0.39 <= each < 5 for each in fired.values())
    return 0 if in_time and set(fired) == {"reactor", "loop"} else 1

sys.exit(run_in_reactor(main))
"""


@pytest.mark.parametrize("step", [-86_400, 3_600])
def test_wall_clock_step_moves_no_timer_of_the_process(step):
    """In a real process a timer of 0.4 s takes 0.4 s, and one of ten minutes does not fire."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(step)], capture_output=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, b"")
