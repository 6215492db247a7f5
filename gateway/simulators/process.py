"""One simulated far side as a process of its own."""

import gc
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect, parse_dialect
from gateway.iso8583.message_set import must_fit, parse_message_set
from gateway.regions.profile import RegionProfile, parse_profile
from gateway.simulators.bureau import Bureau
from gateway.simulators.cipher import PinFormat, ZoneKeys
from gateway.simulators.core import Core
from gateway.simulators.host import ECHO_INTERVAL_SECONDS, Host, Wire
from gateway.simulators.pin import PinZone, zone_of
from gateway.simulators.population import Population
from gateway.simulators.server import Ports, listen
from gateway.simulators.zone_ring import ZoneRing
from gateway.terms.errors import LocalError, SpecificationError

CORE_INSTITUTION: Final = "99000001"  # beginning 99, outside any bank list (domain.md 5)
PERSONS: Final = 100_000  # nobody is built before being asked for
# New objects that outlive their makers. What a far side remembers makes cycles with nothing, and
# after each 700 of it, as Python has it, collecting was a twentieth of a far side's time.
_COLLECTED_AFTER: Final = 10_000


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """How to start one simulator; a port of 0 takes any free one.

    `region` is needed for a bureau and has no meaning for a core. With `stop_with_stdin` it stops
    when its standard input ends, so that it never outlives whoever started it.
    """

    side: Literal["bureau", "core"]
    dialect: Path
    message_set: Path
    keys: Path
    region: Path | None = None
    interface: str = "127.0.0.1"
    iso8583_port: int = 0
    control_port: int = 0
    persons: int = PERSONS
    echo_interval_seconds: float = ECHO_INTERVAL_SECONDS
    stop_with_stdin: bool = False


def run_simulator(settings: SimulatorSettings) -> None:
    """Run one simulator until SIGINT, SIGTERM or the end of standard input.

    Prints one line when it is ready: ``{"iso8583": "127.0.0.1:PORT", "control": "http://…"}``.
    Raises `SpecificationError` naming file and key before anything is opened, `Unavailable` when
    a port cannot be.
    """
    # Importing it installs it: not before the process is known to be a simulator's.
    from twisted.internet import reactor as installed  # noqa: PLC0415

    reactor: Any = installed
    host = build_host(settings, reactor)
    failures: list[BaseException] = []

    def fail(failure: Failure) -> None:
        failures.append(failure.value or LocalError("a port could not be opened"))
        reactor.stop()

    def start() -> None:
        wanted = Ports(settings.interface, settings.iso8583_port, settings.control_port)
        listen(host, reactor, wanted).addCallback(_say_ready).addErrback(fail)

    gc.freeze()  # what is here now stays: no collection need look at it again
    gc.set_threshold(_COLLECTED_AFTER)
    reactor.callWhenRunning(start)
    if settings.stop_with_stdin:
        stop = partial(reactor.callFromThread, reactor.stop)
        threading.Thread(target=_wait_for_end_of_input, args=(stop,), daemon=True).start()
    reactor.run()
    if failures:
        raise failures[0]


def build_host(settings: SimulatorSettings, clock: IReactorTime) -> Host[Any]:
    """Read the files and put the far side together; raises `SpecificationError`."""
    dialect = _dialect(settings.dialect)
    message_set = parse_message_set(_read(settings.message_set), str(settings.message_set))
    # A far side says its messages in whatever dialect has the fields for them.
    must_fit(replace(message_set, dialect=dialect.name), dialect, str(settings.message_set))
    keys = ZoneKeys.parse(_read(settings.keys), str(settings.keys))
    profile = _region(settings)
    ring, codec = ZoneRing(keys, dialect.mac), Codec(dialect)
    own_format: PinFormat = "iso-1" if profile else "iso-0"
    zone = zone_of(keys, own_format, codec, ring.reader, str(settings.keys))
    wire = Wire(
        codec,
        message_set,
        ring,
        profile.institutions[0].code if profile else CORE_INSTITUTION,
        settings.echo_interval_seconds,
        ring,
    )
    return Host(wire, clock, _rules(profile, Population(settings.persons), zone))


def _dialect(path: Path) -> Dialect:
    """Read a dialect; one that it extends is in the same directory."""

    def base_text(name: str) -> tuple[str, str]:
        base = path.with_name(f"{name}.toml")
        return _read(base), str(base)

    return parse_dialect(_read(path), str(path), base_text)


def _region(settings: SimulatorSettings) -> RegionProfile | None:
    """Read the profile that a bureau follows and a core has no use for."""
    if (settings.side == "bureau") != (settings.region is not None):
        raise SpecificationError("simulator", "region", "a bureau needs one, a core has none")
    if settings.region is None:
        return None
    return parse_profile(_read(settings.region), str(settings.region))


def _rules(
    profile: RegionProfile | None, population: Population, zone: PinZone
) -> Callable[[], Bureau | Core]:
    """Give the maker of a fresh state."""
    salt = partial(secrets.token_bytes, 16)
    if profile is None:
        return lambda: Core(population, zone.pin, salt)
    return lambda: Bureau(profile, population, zone.pin, salt)


def _say_ready(ports: Ports) -> None:
    ready = {
        "iso8583": f"{ports.interface}:{ports.iso8583}",
        "control": f"http://{ports.interface}:{ports.control}",
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


def _wait_for_end_of_input(stop: Callable[[], None]) -> None:
    """Stop when whoever started this process closes its end, dead or alive."""
    # Not sys.stdin: a thread blocked inside its buffer would break the interpreter's shutdown.
    while os.read(0, 4096):
        pass
    stop()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SpecificationError(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SpecificationError(str(path), "", "is not UTF-8 text") from None
