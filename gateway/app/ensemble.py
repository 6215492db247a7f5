"""The gateway and both simulators as processes of their own, with fresh test keys.

`gateway run`, `gateway demo`, `gateway bench` and the end-to-end tests all start this.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from select import select
from typing import Any, Self

from gateway.app.clock import utc_now
from gateway.app.control import let_pass
from gateway.app.online_bank import call
from gateway.app.specifications import Specifications, shipped_directory
from gateway.hsm.provision import create_test_store, export_for_simulator
from gateway.pinblock.formats import PinBlockFormat
from gateway.pinblock.zone import AccountRule, Algorithm, Zone
from gateway.regions.profile_file import Institution
from gateway.terms.errors import Unavailable
from gateway.terms.sides import Side

READY_SECONDS_MAX = 60.0  # four interpreters start at once on a machine of two cores
STOP_SECONDS_MAX = 60.0  # above the gateway's own drain time
_LOOK_SECONDS = 1.0
TEST_KEY_LIFE = timedelta(days=30)
CHANNEL = "online-bank"
CHANNELS = (CHANNEL, "app", "counter", "bureau-window")  # each of the kind of its name

# The SS card number is no PAN, so the SS PIN is bound to none; the financial PIN is bound to its
# account, as bank cores have it (ISO 9564-1 formats 1 and 0).
BUREAU_ZONE = Zone("bureau", PinBlockFormat.ISO_1, Algorithm.TDES, AccountRule.NONE)
CORE_ZONE = Zone("core", PinBlockFormat.ISO_0, Algorithm.TDES, AccountRule.PAN)


@dataclass(frozen=True, slots=True)
class FarSide:
    """How one far side is spoken with: dialect, message set, and the zone of its PIN blocks."""

    dialect: str
    message_set: str
    zone: Zone


BUREAU = FarSide("bureau", "bureau", BUREAU_ZONE)
CORE = FarSide("core", "core", CORE_ZONE)


@dataclass(slots=True)
class Child:
    """One process that said it is ready; `said` is its ready line."""

    process: subprocess.Popen[bytes]
    said: Mapping[str, str]

    def stop(self) -> int:
        """Ask it to stop and wait; kill it when it does not."""
        self.process.send_signal(signal.SIGTERM)  # nothing happens when it has ended
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            self._close_pipes()

    def kill(self) -> int:
        """End it at once, as a crash would (SIGKILL)."""
        self.process.kill()
        status = self.process.wait()
        self._close_pipes()
        return status

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Ensemble:
    """Gateway, bureau and core over loopback, in a directory of their own.

    `bureau` and `core` say what those speak, by the files in `specifications`; `region` is the
    region of the bureau, whose profile names the link to it.
    `limits` are lines for both ``social_limits`` and ``financial_limits`` of the configuration,
    `http` lines for its ``http`` table. With `port` the gateway answers there, the control ports of
    bureau and core are the two behind it, and `token` is that of online banking.
    """

    def __init__(  # noqa: PLR0913 - what an ensemble is made of, by keyword
        self,
        directory: Path,
        *,
        limits: Mapping[str, float] | None = None,
        http: Mapping[str, float] | None = None,
        bureau: FarSide = BUREAU,
        core: FarSide = CORE,
        specifications: Path | None = None,
        region: str = "xiamen",
        port: int = 0,
        token: str = "",
    ) -> None:
        self.directory = directory
        self.tokens = {channel: secrets.token_urlsafe(32) for channel in CHANNELS}
        self.tokens[CHANNEL] = token or self.tokens[CHANNEL]
        self._port = port
        self.gateway: Child | None = None
        self.bureau: Child | None = None
        self.core: Child | None = None
        self.far_sides = {"bureau": bureau, "core": core}
        self._specifications = specifications or shipped_directory()
        self._region = region
        self._limits = limits or {}
        self._http = http or {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def token(self) -> str:
        """The token of online banking."""
        return self.tokens[CHANNEL]

    @property
    def url(self) -> str:
        """Where the gateway answers HTTP."""
        return _said(self.gateway, "http")

    @property
    def institution(self) -> Institution:
        """The region's first institution, by whose code cards are linked."""
        agencies = Specifications(self._specifications).catalogue([self._region]).agencies
        return next(iter(agencies.values())).institution

    @property
    def configuration(self) -> Path:
        """The gateway's configuration file."""
        return self.directory / "gateway.toml"

    def control(self, side: Side) -> str:
        """Where a simulator's control port answers HTTP."""
        return _said(self.bureau if side is Side.SOCIAL else self.core, "control")

    def start(self) -> None:
        """Make keys, start the simulators, write the configuration, start the gateway."""
        self._make_keys()
        with ThreadPoolExecutor() as pool:  # each takes most of a second until it is ready
            starting = [pool.submit(self._start_far_side, name) for name in self.far_sides]
        for started in starting:
            started.result()
        self.write_configuration()
        self.start_gateway()

    def start_gateway(self) -> None:
        """Start the gateway, again after it was stopped or killed."""
        config = ("--config", str(self.configuration))
        self.gateway = self.launch("gateway", "serve", "--embedded", "--movable-clock", *config)

    def start_simulator(self, name: str, port: int = 0) -> Child:
        """Start one simulator; with `port` on that one."""
        simulate = ("simulate", name, "--embedded", "--port", str(port))
        far_side = self.far_sides[name]
        spoken = ("--dialect", far_side.dialect, "--messages", far_side.message_set)
        read = ("--specifications", str(self._specifications), "--region", self._region)
        keys = ("--keys", str(self._simulator_keys(name)))
        behind = 1 + tuple(self.far_sides).index(name)
        control = ("--control-port", str(self._port and self._port + behind))
        return self.launch(name, *simulate, *spoken, *read, *keys, *control)

    def launch(self, name: str, *arguments: str) -> Child:
        """Start one process by its command of `gateway`, and wait until it says that it is ready.

        Its standard error is added to the log of that name; raises `Unavailable` as `launch` does.
        """
        return launch(self.directory / f"{name}.log", "-m", "gateway", *arguments)

    def let_pass(self, seconds: int) -> None:
        """Let time pass at once, at both far sides and then at the gateway."""
        for side in Side:
            self.simulated(side, "clock", {"advance_seconds": seconds})
        let_pass(self.directory / "gateway.db", seconds)

    def simulated(self, side: Side, path: str, body: object | None = None) -> Mapping[str, Any]:
        """Ask a far side's control port."""
        request = urllib.request.Request(  # noqa: S310 - our own simulator on loopback
            f"{self.control(side)}/_sim/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        said: Mapping[str, Any] = call(request).body
        return said

    def _start_far_side(self, name: str) -> None:
        setattr(self, name, self.start_simulator(name))

    def stop(self) -> None:
        """Stop the gateway, then the simulators."""
        for child in (self.gateway, self.bureau, self.core):
            if child is not None:
                child.stop()

    def wait(self) -> None:
        """Wait until a process of the ensemble ends by itself; raises `Unavailable` then."""
        children = {"gateway": self.gateway, "bureau": self.bureau, "core": self.core}
        running = {name: child.process for name, child in children.items() if child is not None}
        while all(process.poll() is None for process in running.values()):
            with suppress(subprocess.TimeoutExpired):
                next(iter(running.values())).wait(_LOOK_SECONDS)
        ended = next(name for name, process in running.items() if process.poll() is not None)
        raise Unavailable(f"{ended} ended by itself; see {self.directory / ended}.log")

    def write_configuration(self) -> None:
        """Write the gateway's configuration file for the simulators that run."""
        self.configuration.write_text(
            _CONFIGURATION.format(
                port=self._port,
                http=_lines(self._http),
                channels="\n".join(
                    _CHANNEL.format(name, _digest(self.tokens[name])) for name in CHANNELS
                ),
                bureau=_said(self.bureau, "iso8583"),
                core=_said(self.core, "iso8583"),
                far_sides=self.far_sides,
                specifications=json.dumps(str(self._specifications)),  # as TOML quotes text
                limits=_lines(self._limits),
                region=self._region,
                link=self.institution.link,
            ),
            encoding="utf-8",
        )

    def _make_keys(self) -> None:
        now = utc_now()
        last_day = (now + TEST_KEY_LIFE).date()
        for side, name in ((Side.SOCIAL, "bureau"), (Side.FINANCIAL, "core")):
            store, zone = self.directory / "keys" / side.value, self.far_sides[name].zone
            create_test_store(store, side, [zone], last_day, now)
            export_for_simulator(store, side, zone.name, self._simulator_keys(name))

    def _simulator_keys(self, name: str) -> Path:
        return self.directory / "keys" / f"simulated-{name}.toml"


def launch(log: Path, *arguments: str, release: Path | None = None) -> Child:
    """Start Python with `arguments` and wait for its ready line, a JSON object.

    Its standard error is added to `log`; `release` is where its gateway is, if it is another than
    ours. Raises `Unavailable` with its last words when it does
    not start.
    """
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            # Ctrl-C is for the parent, which stops the others in order.
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            cwd=release,  # where `-m` looks first
        )
    line = _first_line(process)
    if not line:
        Child(process, {}).kill()
        words = log.read_text("utf-8", "replace")[-2000:]
        raise Unavailable(f"{log.stem} did not start; it said:\n{words}")
    return Child(process, json.loads(line))


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    readable, _, _ = select([process.stdout], [], [], READY_SECONDS_MAX)
    return process.stdout.readline() if readable else b""


def _said(child: Child | None, name: str) -> str:
    if child is None:
        raise Unavailable("the ensemble is not running")
    return child.said[name]


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _lines(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in values.items())


_CHANNEL = """\
[http.channels.{0}]
kind = "{0}"
token_sha256 = "{1}"
"""

_CONFIGURATION = """\
# Written for an ensemble on loopback with test keys; docs/configuration.md explains every key.
specifications = {specifications}
regions = ["{region}"]

[http]
listen = "127.0.0.1:{port}"
{http}

{channels}
[store]
path = "gateway.db"

[station]
acquirer = "99000001"
forwarder = "99000001"
terminal = "GATEWAY1"

[links.{link}]
side = "social"
address = "{bureau}"
dialect = "{far_sides[bureau].dialect}"
message_set = "{far_sides[bureau].message_set}"
zone = "{far_sides[bureau].zone.name}"

[links.core]
side = "financial"
address = "{core}"
dialect = "{far_sides[core].dialect}"
message_set = "{far_sides[core].message_set}"
zone = "{far_sides[core].zone.name}"

[social]
key_store = "keys/social"
socket = "social.socket"

[financial]
key_store = "keys/financial"
socket = "financial.socket"

[social_limits]
{limits}

[financial_limits]
{limits}
"""
