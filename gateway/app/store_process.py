"""Starts the store's process, which ends with this one, and greets it."""

import asyncio
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway.hsm.data_key import DATA_KEY_FILE
from gateway.store.frames import Frames, frame
from gateway.terms.errors import GatewayError, LocalError, SpecificationError, Unavailable
from gateway.terms.sides import Side

if TYPE_CHECKING:
    from gateway.app.settings import Settings

_STOP_S = 10.0  # a transaction and a checkpoint at the end; a busy disk takes seconds
_HELLO_MAX = 4_096  # bytes


class Child(Protocol):
    """A child process, as `subprocess.Popen` has it."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""

    def kill(self) -> None:
        """End it here and now."""


@dataclass(frozen=True, slots=True)
class StoreProcess:
    """The store's process and the socket to it, on which nothing was said yet."""

    child: Child
    line: socket.socket

    async def greet(self, settings: "Settings") -> dict[Side, bytes]:
        """Have it open the database; gives the key of each side's fingerprints.

        The data keys stay with the store. Raises `SpecificationError` and `Unavailable` as the
        database's opening does.
        """
        loop = asyncio.get_running_loop()
        self.line.setblocking(False)
        await loop.sock_sendall(self.line, frame([_order(settings)]))
        frames = Frames()
        while data := await loop.sock_recv(self.line, _HELLO_MAX):
            for what, *said in frames.take(data):
                if what != READY:
                    raise _refusal(what, said)
                return {Side(side): key for side, key in said[0]}
        raise LocalError("the store's process ended before it was ready; see its message above")

    async def end(self) -> None:
        """Wait for its end; kill it if it does not come to it."""
        try:
            await asyncio.to_thread(self.child.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            await asyncio.to_thread(self.child.wait)


READY, REFUSED, AWAY = "ready", "refused", "away"


def launch() -> StoreProcess:
    """Start it; it loads what it needs while the gateway does."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "gateway.app.store_main", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return StoreProcess(child, ours)


def _order(settings: "Settings") -> tuple[object, ...]:
    store, node = settings.store, settings.node
    files = [str(settings.module(side).key_store / DATA_KEY_FILE) for side in Side]
    database = [
        str(part) if part else None for part in (store.path, store.url, store.password_file)
    ]
    return files, database, (node.name, settings.station.terminal, node.lease_s)


def _refusal(what: str, said: list[str]) -> GatewayError:
    return SpecificationError(*said) if what == REFUSED else Unavailable(*said)
