"""One loop for everything: Twisted's asyncio reactor on uvloop, with a monotonic clock."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop
from twisted.internet import asyncioreactor


def run_in_reactor(main: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    """Run `main(reactor)` to its end; gives its exit status or raises what it raised."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    from twisted.internet import reactor as installed  # noqa: PLC0415 - only once installed

    reactor: Any = installed
    # Twisted's clock is the wall clock: a step of it would fire timers or hold them back.
    reactor.seconds = time.monotonic
    outcome: list[BaseException | int] = []

    async def run() -> None:
        try:
            outcome.append(await main(reactor))
        except BaseException as error:  # noqa: BLE001 - raised again below, outside the loop
            outcome.append(error)
        finally:
            reactor.stop()

    running: list[asyncio.Task[None]] = []  # a task that nobody holds may be collected
    reactor.callWhenRunning(lambda: running.append(loop.create_task(run())))
    reactor.run(installSignalHandlers=False)
    ended = outcome[0] if outcome else 1
    if isinstance(ended, BaseException):
        raise ended
    return ended


class ParentsHand(asyncio.Protocol):
    """Standard input: nothing is read from it, its end is the parent's end."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop with the parent."""
        del exc
        self._stop.set()
