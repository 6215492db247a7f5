"""What calls back settles a future, and what goes on beside requests, on the event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger()


def beside(name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Begin what goes on until it is cancelled; should a mistake end it, the log says so at once.

    Nobody waits for it, so that nobody else would tell.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell_mistake)
    return task


def _tell_mistake(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("ended-by-mistake", what=task.get_name(), exc_info=error)


def resolve(future: asyncio.Future[T]) -> Callable[[T | Exception], None]:
    """Make the call that settles a future with a result or an error, unless nobody waits."""

    def settle(outcome: T | Exception) -> None:
        if future.done():
            return
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    return settle
