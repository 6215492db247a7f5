"""A small world: requests as the gateway would word them, a bureau and a core without a wire."""

import http.client
import itertools
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB
from twisted.internet.task import Clock

from gateway.app.specifications import Specifications
from gateway.hsm.mac import mac_of as module_mac
from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import parse_dialect
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import parse_message_set
from gateway.regions.profile import parse_profile
from gateway.simulators.bureau import Bureau
from gateway.simulators.cipher import ZoneKeys, mac_of
from gateway.simulators.core import Core
from gateway.simulators.desk import Desk, Request
from gateway.simulators.host import Host, Wire
from gateway.simulators.pin import zone_of
from gateway.simulators.population import Population

SPECS = Path(__file__).parents[2] / "specs"
XIAMEN = (SPECS / "regions" / "xiamen.toml").read_text("utf-8")
PIN_KEY = bytes.fromhex("11112222333344445555666677778888")
MAC_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PERSONS = 50
STANS = itertools.count(1)


class Caller:
    """Words requests with a trace of their own each, and makes PIN blocks."""

    def __init__(self) -> None:
        self._stans = itertools.count(1)

    def request(self, name, mti, fields, **private) -> Request:
        stan = f"{next(self._stans):06d}"
        trace = {7: "1121040000", 11: stan, 32: "99350001", 33: "99350001", 37: f"{stan}000000"}
        return Request(name, Message(mti, trace | fields), private)

    def bureau(self, name, card, mti="0300", **private) -> Request:
        return self.request(name, mti, {102: card}, IN="99350201", **private)

    def core(self, name, pan, mti="0300", **private) -> Request:
        return self.request(name, mti, {2: pan}, **private)

    def format_1(self, pin: str) -> bytes:
        return encipher(f"1{len(pin)}{pin}" + "7" * (14 - len(pin)))

    def format_0(self, pin: str, pan: str) -> bytes:
        field = int(f"0{len(pin)}{pin}".ljust(16, "F"), 16)
        return encipher(f"{field ^ int(pan[-13:-1], 16):016x}")

    def naming(self, name, mti, original, fields) -> Request:
        first = original.message
        named = first.mti + first.text(11) + first.text(7)
        named += first.text(32).zfill(11) + first.text(33).zfill(11)
        return self.request(name, mti, {90: named} | fields)


def encipher(clear: str) -> bytes:
    """Encipher 16 nibbles as one TDES block under the test PIN key."""
    key = PIN_KEY + PIN_KEY[:8]
    cipher = Cipher(TripleDES(key), ECB())  # noqa: S305 - the standard's mode
    return cipher.encryptor().update(bytes.fromhex(clear))


def pin_reader(format_):
    """Give what finds and opens the PIN block of a message under the test PIN key."""
    keys, codec = ZoneKeys(PIN_KEY, MAC_KEY), wire_of("bureau").codec
    return zone_of(keys, format_, codec, lambda make: make(PIN_KEY), "keys.toml").pin


@pytest.fixture
def caller():
    """Give the wording of one gateway."""
    return Caller()


@pytest.fixture
def make_bureau():
    """Give a maker of bureaus; one piece of the region's profile may be replaced."""

    def make(old="", new=""):
        profile = parse_profile(XIAMEN.replace(old, new), "xiamen.toml")
        return Bureau(profile, Population(PERSONS), pin_reader("iso-1"), lambda: bytes(16))

    return make


@pytest.fixture
def specifications():
    """Give the directory of the shipped specifications."""
    return SPECS


@pytest.fixture
def read_pin():
    """Give what finds and opens the PIN block of a bureau's message."""
    return pin_reader("iso-1")


@pytest.fixture
def region():
    """Give Xiamen's profile."""
    return parse_profile(XIAMEN, "xiamen.toml")


@pytest.fixture
def bureau(make_bureau):
    """Give Xiamen's bureau."""
    return make_bureau()


@pytest.fixture
def core():
    """Give the bank's core."""
    return Core(Population(PERSONS), pin_reader("iso-0"), lambda: bytes(16))


@pytest.fixture
def bureau_desk(bureau):
    """Give the bureau behind its desk."""
    return Desk(bureau)


@pytest.fixture
def core_desk(core):
    """Give the core behind its desk."""
    return Desk(core)


# ---------------------------------------------------------------- over the wire


KEYS = f'zone_pin_key = "{PIN_KEY.hex()}"\nzone_mac_key = "{MAC_KEY.hex()}"\n'
CHILD = """
import json, sys
from pathlib import Path
from typing import NamedTuple
from gateway.simulators.process import SimulatorSettings, run_simulator
given = json.loads(sys.argv[1])
paths = {name: Path(given.pop(name)) for name in ("dialect", "message_set", "keys", "region")
         if name in given}
run_simulator(SimulatorSettings(**paths, **given))
"""

# Several far sides on one reactor: each is a host with ports of its own, as in a process of its
# own. The system buffers little for them, so that a peer which does not read is soon noticed.
CHILD_OF_MANY = """
import json, socket, sys, threading
from pathlib import Path
from twisted.internet import reactor, tcp
from gateway.simulators.process import (
    SimulatorSettings, _say_ready, _wait_for_end_of_input, build_host)
from gateway.simulators.server import Ports, listen
def start(all_settings):
    for given in all_settings:
        names = {"dialect", "message_set", "keys", "region"} & given.keys()
        paths = {name: Path(given.pop(name)) for name in names}
        host = build_host(SimulatorSettings(**paths, **given), reactor)
        listen(host, reactor, Ports("127.0.0.1", 0, 0)).addCallback(_say_ready)
    for port in reactor.getReaders():
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF) if isinstance(port, tcp.Port) else ():
            port.socket.setsockopt(socket.SOL_SOCKET, buffer, 16_384)  # accepted ones inherit it
stop = lambda: reactor.callFromThread(reactor.stop)
reactor.callWhenRunning(start, json.loads(sys.argv[1]))
threading.Thread(target=_wait_for_end_of_input, args=(stop,), daemon=True).start()
reactor.run()
"""


def settings_of(side: str, keys: Path, **more) -> dict:
    """Name the files of one side, as the child process takes them."""
    region = {"region": str(SPECS / "regions" / "xiamen.toml")} if side == "bureau" else {}
    return {
        "side": side,
        "dialect": str(SPECS / "dialects" / f"{side}.toml"),
        "message_set": str(SPECS / "messages" / f"{side}.toml"),
        "keys": str(keys),
        "persons": PERSONS,
        "stop_with_stdin": True,
        **region,
        **more,
    }


def start_process(settings: dict | list, script: str = CHILD) -> subprocess.Popen:
    """Start a simulator in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Gateway:
    """One gateway's connection to a simulator, with blocking sockets."""

    def __init__(self, wire: Wire, address: str, buffer_bytes: int = 0) -> None:
        host, _, port = address.partition(":")
        self._wire = wire
        self._reader = FrameReader(wire.codec.dialect.framing)
        self._frames = []
        self.socket = socket.socket()
        self.socket.settimeout(5)
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF) if buffer_bytes else ():
            self.socket.setsockopt(socket.SOL_SOCKET, buffer, buffer_bytes)
        self.socket.connect((host, int(port)))

    def request(self, name, fields=None, **private) -> Message:
        """Word a request; its trace is new."""
        kind = self._wire.message_set.kind(name)
        stan = f"{next(STANS):06d}"
        trace = {7: "1121040000", 11: stan, 12: "120000", 13: "1121", 32: "99350001"}
        trace |= {33: "99350001", 37: f"{stan}000000", 41: "GATEWAY1"}
        wanted = {de: value for de, value in trace.items() if de in kind.trace_fields}
        return kind.build(wanted | (fields or {}), private)

    def ask(self, request: Message | str, fields=None, **private) -> Message:
        """Send a request and give the answer, which must be as the message set wants it."""
        if isinstance(request, str):
            request = self.request(request, fields, **private)
        self.send(request)
        answer = self.receive()
        kind = self._wire.message_set.identify(request)
        if answer.text(39) not in {"A0", "30", "40"}:
            self._wire.message_set.check_response(kind, request, answer)
        return answer

    def sign_on(self):
        """Open the session."""
        assert self.ask("sign-on").text(39) == "00"
        return self

    def send(self, message: Message, mac=None) -> None:
        self.socket.sendall(self.framed(self._wire.codec.encode(message, mac or self._wire.mac)))

    def framed(self, data: bytes) -> bytes:
        return self._wire.codec.dialect.framing.frame(data)

    def receive(self) -> Message:
        """Give the next message; raises `EOFError` when the far side closes."""
        while not self._frames:
            data = self.socket.recv(4096)
            if not data:
                raise EOFError
            self._frames += self._reader.feed(data)
        frame = self._frames.pop(0)
        self._wire.codec.verify_mac(frame.payload, self._wire.mac)
        return self._wire.codec.decode(frame.payload)

    def silent(self, seconds=0.1) -> bool:
        """Tell whether nothing comes for a while."""
        self.socket.settimeout(seconds)
        try:
            self.receive()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5)
        return False

    def closed(self) -> bool:
        """Tell whether the far side ends the connection."""
        try:
            while True:
                self.receive()
        except (EOFError, ConnectionResetError):
            return True


class Simulator:
    """A simulator in a process of its own, and its control port."""

    def __init__(self, process: subprocess.Popen, wire: Wire) -> None:
        self.process = process
        self.ready = json.loads(process.stdout.readline())
        self.wire = wire
        self._open = []

    def connect(self, buffer_bytes: int = 0) -> Gateway:
        """Connect without signing on; `buffer_bytes` is what the gateway's system buffers."""
        gateway = Gateway(self.wire, self.ready["iso8583"], buffer_bytes)
        self._open.append(gateway)
        return gateway

    def gateway(self) -> Gateway:
        """Connect and sign on."""
        return self.connect().sign_on()

    def control(self, method, path, body=None, **headers):
        """Ask the control port; give status and JSON."""
        host = self.ready["control"].removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=5)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, f"/_sim/{path}", data, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def fault(self, message, fault, **more):
        """Put a fault in force."""
        body = {"message": message, "fault": fault, **more}
        status, answer = self.control("POST", "faults", body)
        assert status == 200, answer

    def notes(self) -> list[str]:
        """Give the notes of the journal."""
        return [entry["note"] for entry in self.control("GET", "journal")[1]["entries"]]

    def fresh(self):
        """Close what is open and forget what happened."""
        for gateway in self._open:
            gateway.socket.close()
        self._open.clear()
        self.control("POST", "reset")
        return self

    def stop(self) -> None:
        """Stop by the end of its standard input."""
        self.fresh()
        _, errors = self.process.communicate(timeout=10)
        assert (self.process.returncode, errors) == (0, "")


def wire_of(side: str) -> Wire:
    """Give codec, message set and MAC of one side."""
    dialect = parse_dialect((SPECS / "dialects" / f"{side}.toml").read_text("utf-8"), side)
    text = (SPECS / "messages" / f"{side}.toml").read_text("utf-8")
    mac = mac_of(dialect.mac, MAC_KEY)
    return Wire(Codec(dialect), parse_message_set(text, side), mac, "99350201")


SM4_KEYS = f"""{KEYS}
zone_pin_format = "sm4-no-pan"
zone_security_control = "1000000000000000"
"""


class Tongue(NamedTuple):
    """How the simulator of one dialect is started: whose side, which message set, which keys."""

    side: str
    messages: str
    keys: str = KEYS


TONGUES = {
    "bureau": Tongue("bureau", "bureau"),
    "bureau-sm4": Tongue("bureau", "bureau-sm4", SM4_KEYS),
    "institution": Tongue("bureau", "bureau"),
    "iso8583-1987-ascii": Tongue("bureau", "bureau"),
    "core": Tongue("core", "core"),
    "mainframe-core": Tongue("core", "core"),
    "iso8583-1987-binary": Tongue("core", "core"),
}


def gateway_wire(dialect: str, tongue: Tongue) -> Wire:
    """Give the gateway's end: its codec, and MACs by the ciphers of its security module."""
    specifications = Specifications(SPECS)
    spoken = specifications.dialect(dialect)
    message_set = parse_message_set(*specifications.text("messages", tongue.messages))
    return Wire(Codec(spoken), message_set, module_mac(spoken.mac, MAC_KEY), "99350001")


@pytest.fixture
def sm4_codec():
    """Give the codec of the dialect that has its PIN blocks in DE 63."""
    return Codec(Specifications(SPECS).dialect("bureau-sm4"))


@pytest.fixture(scope="session")
def speakers(tmp_path_factory):
    """Run a simulator of every shipped dialect, all in one process, by dialect."""
    directory = tmp_path_factory.mktemp("dialects")
    settings = []
    for dialect, tongue in TONGUES.items():
        keys = directory / f"{dialect}.toml"
        keys.write_text(tongue.keys)
        files = {"dialects": dialect, "messages": tongue.messages}
        paths = [str(SPECS / folder / f"{name}.toml") for folder, name in files.items()]
        more = {"dialect": paths[0], "message_set": paths[1], "persons": 100_000}
        settings.append(settings_of(tongue.side, keys, **more))
    process = start_process(settings, CHILD_OF_MANY)
    running = {
        dialect: Simulator(process, gateway_wire(dialect, tongue))
        for dialect, tongue in TONGUES.items()
    }
    yield running
    for simulator in running.values():
        simulator.fresh()
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


@pytest.fixture
def commanded(tmp_path):
    """Give a starter of one dialect's simulator by the command line, as an integrator does it."""
    started = []

    def start(dialect):
        tongue, keys = TONGUES[dialect], tmp_path / "keys.toml"
        keys.write_text(tongue.keys)
        command = [sys.executable, "-m", "gateway", "simulate", tongue.side, "--embedded"]
        options = ["--dialect", dialect, "--messages", tongue.messages, "--keys", str(keys)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen([*command, *options], text=True, **pipes)
        started.append(Simulator(process, gateway_wire(dialect, tongue)))
        return started[-1]

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture(params=TONGUES)
def speaker(request, speakers):
    """Give the simulator of each dialect in turn, as it was at the beginning."""
    return speakers[request.param].fresh()


@pytest.fixture
def clocked():
    """Give a maker of far sides without a reactor: a host on a stepped clock, and its clock."""

    def make(side="bureau"):
        clock = Clock()
        clock.rightNow = 1_795_000_000.0
        profile = parse_profile(XIAMEN, "xiamen.toml")
        people, salt = Population(PERSONS), lambda: bytes(16)
        rules = {
            "bureau": lambda: Bureau(profile, people, pin_reader("iso-1"), salt),
            "core": lambda: Core(people, pin_reader("iso-0"), salt),
        }
        return Host(wire_of(side), clock, rules[side]), clock

    return make


@pytest.fixture
def new_process():
    """Give a starter of simulators that end with the test."""
    started = []

    def start(settings):
        started.append(start_process(settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        with process:  # closes its pipes and waits
            pass


@pytest.fixture
def process_settings(keys_file):
    """Give the settings of one side's process, as keywords."""
    return lambda side, **more: settings_of(side, keys_file) | more


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory):
    """Give a keys file."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text(KEYS)
    return path


@pytest.fixture(scope="session")
def bureau_process(keys_file):
    """Run one bureau for all tests."""
    simulator = Simulator(start_process(settings_of("bureau", keys_file)), wire_of("bureau"))
    yield simulator
    simulator.stop()


@pytest.fixture(scope="session")
def core_process(keys_file):
    """Run one core for all tests."""
    simulator = Simulator(start_process(settings_of("core", keys_file)), wire_of("core"))
    yield simulator
    simulator.stop()


@pytest.fixture
def bureau_simulator(bureau_process):
    """Give the bureau as it was at the beginning."""
    return bureau_process.fresh()


@pytest.fixture
def core_simulator(core_process):
    """Give the core as it was at the beginning."""
    return core_process.fresh()
