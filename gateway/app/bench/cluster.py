"""Several gateway nodes on one PostgreSQL, with both simulators, as processes of their own."""

import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from time import monotonic, sleep

from gateway.app.bench.postgresql import PrivateServer
from gateway.app.ensemble import READY_SECONDS_MAX, Child, Ensemble, launch
from gateway.app.online_bank import call
from gateway.terms.errors import Unavailable
from gateway.terms.sides import Side

_STANDBY = "standby"
_LOOK_SECONDS = 0.05


class Cluster(Ensemble):
    """Nodes ``n1``, ``n2`` … over one database, which has a synchronous standby where wanted.

    All nodes stand on one machine; each has its own DE 41, its own security modules with copies of
    the same key stores (a module counts refused attempts in its store), and a lease of `lease_s`
    seconds. `release` is where the code of nodes that start from now on is, if it is another than
    ours.
    """

    def __init__(  # noqa: PLR0913 - what a cluster is made of, by keyword
        self,
        directory: Path,
        *,
        nodes: int = 3,
        lease_s: float = 2.0,
        with_standby: bool = False,
        limits: Mapping[str, float] | None = None,
        http: Mapping[str, float] | None = None,
        release: Path | None = None,
    ) -> None:
        super().__init__(directory, limits=limits, http=http)
        self.release = release
        self.names = tuple(f"n{number + 1}" for number in range(nodes))
        self.nodes: dict[str, Child] = {}
        self.database = PrivateServer()
        self.standby = PrivateServer() if with_standby else None
        self._lease_s = lease_s

    def start(self) -> None:
        """Start the database, then the simulators, then every node."""
        self.database.create()
        if self.standby is not None:
            self.standby.follow(self.database, _STANDBY)
            self.database.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'")
            self.database.sql("SELECT pg_reload_conf()")
        super().start()

    def start_gateway(self) -> None:
        """Start every node."""
        with ThreadPoolExecutor(len(self.names)) as pool:
            list(pool.map(self.start_node, self.names))

    def start_node(self, name: str) -> None:
        """Start one node, again after it ended."""
        serve = ("-m", "gateway", "serve", "--embedded", "--config", str(self._file(name)))
        log = self.directory / f"{name}.log"
        self.nodes[name] = launch(log, *serve, release=self.release)

    def wait_until_ready(self) -> None:
        """Wait until every node has all that it needs; raises `Unavailable`."""
        deadline = monotonic() + READY_SECONDS_MAX
        for name in self.names:
            while call(f"{self.url_of(name)}/readyz").body["degraded"]:
                if monotonic() > deadline:
                    raise Unavailable(f"{name} is not ready after {READY_SECONDS_MAX:.0f} s")
                sleep(_LOOK_SECONDS)

    def upgrade_store(self) -> str:
        """Run the command that brings the database up to the release; gives what it printed."""
        upgrade = ("-m", "gateway", "store", "upgrade", "--config", str(self._file(self.names[0])))
        ran = subprocess.run(  # noqa: S603 - our own command, no shell
            [sys.executable, *upgrade],
            cwd=self.release,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise Unavailable(f"the database is not upgraded: {ran.stderr[-2000:]}")
        return ran.stdout.strip()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a node's process a signal, such as SIGSTOP and SIGCONT."""
        self.nodes[name].process.send_signal(number)

    def url_of(self, name: str) -> str:
        """Where a node answers HTTP."""
        return self.nodes[name].said["http"]

    def terminal(self, name: str) -> str:
        """DE 41 of a node."""
        return f"GATEWY{name.upper()}"

    def fail_over(self) -> None:
        """Let the database crash for good, and make its standby the primary."""
        assert self.standby is not None
        self.database.stop(signal.SIGQUIT)
        self.standby.promote()

    def write_configuration(self) -> None:
        """Write a configuration file for each node."""
        super().write_configuration()
        text = self.configuration.read_text("utf-8")
        others = (self.standby,) if self.standby is not None else ()
        store = f'url = "{self.database.url("postgres", *others)}"'
        for name in self.names:
            node = f'[node]\nname = "{name}"\nlease_s = {self._lease_s}\n\n[station]'
            # Each release reads the specifications that it is shipped with.
            own = re.sub("^specifications = .*\n", "", text, flags=re.MULTILINE)
            own = own.replace('path = "gateway.db"', store).replace("[station]", node)
            own = re.sub('terminal = "[^"]*"', f'terminal = "{self.terminal(name)}"', own)
            own = re.sub(r'socket = "(\w+)\.socket"', rf'socket = "\1-{name}.socket"', own)
            own = own.replace('key_store = "keys/', f'key_store = "keys/{name}/')
            for side in Side:
                keys = self.directory / "keys"
                copytree(keys / side.value, keys / name / side.value)
            self._file(name).write_text(own, "utf-8")

    def stop(self) -> None:
        """Stop nodes, simulators and database."""
        for child in self.nodes.values():
            child.kill()
        super().stop()
        for server in (self.standby, self.database):
            if server is not None:
                server.remove()

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.toml"
