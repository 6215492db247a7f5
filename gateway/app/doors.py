"""The ports at which the gateway answers, taken before it writes or says anything to anybody.

So a second gateway that is started by mistake neither takes the node's lease nor signs on at a far
side before it is told that the port is in use.
"""

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import Any

from twisted.internet.error import CannotListenError

from gateway.app.certificates import certificates
from gateway.app.http_server import listen
from gateway.app.settings import ListenerSettings, Settings
from gateway.terms.errors import SpecificationError
from gateway.wire.doorway import Doorway


class Doors:
    """The port of HTTP, and that of each listener; whoever connects early waits in the kernel."""

    http: socket.socket

    def __init__(self, settings: Settings, reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._settings = settings
        self._reactor = reactor
        self._doors: dict[str, Doorway] = {}

    async def take(self, stack: AsyncExitStack) -> None:
        """Take all of them, until `stack` ends.

        Raises `SpecificationError` that names the key of a port, or of a file, of no use.
        """
        self.http = listen(self._settings.http.listen, self._settings.file)
        stack.callback(self.http.close)
        for name, listener in self._settings.listeners.items():
            door = self._doors[name] = await self._taken(name, listener)
            stack.push_async_callback(_close, door)

    async def of(self, name: str) -> Doorway:
        """Give a listener's, taken anew where it was given before: the one before was closed."""
        door = self._doors.pop(name, None)
        return door or await self._taken(name, self._settings.listeners[name])

    async def _taken(self, name: str, settings: ListenerSettings) -> Doorway:
        tls = certificates(settings.tls) if settings.tls else None
        try:
            door = Doorway(self._reactor, settings.listen, tls)
            await door.take().asFuture(asyncio.get_running_loop())
        except (ValueError, CannotListenError) as error:
            key = "tls" if tls and isinstance(error, ValueError) else "listen"
            key, rule = f"listeners.{name}.{key}", f"cannot be used: {error}"
            raise SpecificationError(self._settings.file, key, rule) from None
        return door


async def _close(door: Doorway) -> None:
    await door.close().asFuture(asyncio.get_running_loop())
