"""What calls back settles a future, on the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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
