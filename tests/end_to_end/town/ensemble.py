"""Ensembles that start from a warm interpreter; with a wire to each far side they are towns."""

import secrets
import urllib.request
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from ssl import SSLContext
from typing import Any

from gateway.app.ensemble import Child, Ensemble
from gateway.app.online_bank import call
from gateway.terms.sides import Side
from town.patience import wait_for
from town.peer import Peer
from town.warm import Warm
from town.wire import Wire


class WarmEnsemble(Ensemble):
    """An ensemble whose gateway and far sides are forked from a warm interpreter."""

    def __init__(self, directory: Path, warm: Warm, **settings: Any) -> None:
        super().__init__(directory, **settings)
        self._warm = warm

    def launch(self, name: str, *arguments: str) -> Child:
        return self._warm.launch(self.directory / f"{name}.log", *arguments)

    def start(self) -> None:
        """Start everything, and wait until the gateway has all that it needs."""
        super().start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until everything that the gateway needs is there, both modules asked afresh."""
        keys = urllib.request.Request(f"{self.url}/v1/jwks.json")  # noqa: S310 - on loopback
        keys.add_header("Authorization", f"Bearer {self.token}")
        wait_for(lambda: call(f"{self.url}/readyz").body.get("degraded") == [], "readiness")
        wait_for(lambda: call(keys).status == 200, "the security modules")


class Town(WarmEnsemble):
    """An ensemble with a wire between the gateway and each far side, and another bank's channel.

    `lines` stand at the top of the configuration, which `amend` changes; `tls` is what
    the core's wire has towards the gateway; `starter` starts the gateway in another way.
    """

    def __init__(
        self,
        directory: Path,
        warm: Warm,
        *,
        lines: str = "",
        amend: Callable[["Town", str], str] = lambda _, text: text,
        tls: SSLContext | None = None,
        starter: Callable[["Town"], Child] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(directory, warm, **settings)
        self._starter = starter
        self.lines = lines
        self._amend = amend
        self._tls = tls
        self.other_token = secrets.token_urlsafe(32)
        self.wires: dict[str, Wire] = {}
        self.bureau_peer = Peer(self.control, Side.SOCIAL)
        self.core_peer = Peer(self.control, Side.FINANCIAL)

    def start_simulator(self, name: str, port: int = 0) -> Child:
        child = super().start_simulator(name, port)
        tls = self._tls if name == "core" else None
        wire = self.wires[name] = Wire(child.said["iso8583"], tls)
        return Child(child.process, {**child.said, "iso8583": wire.address})

    def write_configuration(self) -> None:
        super().write_configuration()
        text = self.configuration.read_text("utf-8")
        digest = sha256(self.other_token.encode()).hexdigest()
        channel = f'[http.channels.other]\ntoken_sha256 = "{digest}"\ninstitution = "99000009"\n'
        text = self._amend(self, f"{self.lines}\n{text}\n{channel}")
        self.configuration.write_text(text, "utf-8")

    def start_gateway(self) -> None:
        if self._starter is None:
            super().start_gateway()
        else:
            self.gateway = self._starter(self)

    def restart_gateway(self) -> None:
        """Start the gateway anew after it was stopped or killed, and wait until it is ready."""
        self.start_gateway()
        self.wait_until_ready()

    def module_pid(self, side: Side) -> int:
        """Find the gateway's security-module process of a side."""
        return next(pid for pid, words in self._children() if f"--side {side.value}" in words)

    def store_pid(self) -> int:
        """Find the gateway's store process: the child that is no security module."""
        return next(pid for pid, words in self._children() if "--side" not in words)

    def _children(self) -> Iterator[tuple[int, str]]:
        """Give number and command line of each child; what was forked has its parent's."""
        gateway = self.gateway.process.pid
        children = Path(f"/proc/{gateway}/task/{gateway}/children").read_text("ascii").split()
        return ((int(pid), _command(pid)) for pid in children)

    def stop(self) -> None:
        super().stop()
        for wire in self.wires.values():
            wire.close()

    def is_up(self, name: str) -> bool:
        """Tell whether the gateway says that one thing is there."""
        return call(f"{self.url}/readyz").body["checks"][name]["ready"]

    def log(self, name: str = "gateway") -> str:
        """Read a process's log."""
        return (self.directory / f"{name}.log").read_text("utf-8")

    def at_peace(self) -> None:
        """Heal everything, and start what a test left dead."""
        for wire in self.wires.values():
            wire.restore()
        for peer in (self.bureau_peer, self.core_peer):
            peer.heal()
        assert self.gateway is not None
        if self.gateway.process.poll() is not None:
            self.start_gateway()
        self.wait_until_ready()


def _command(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
