"""Stores with fresh keys, modules as real processes, and envelopes as a browser makes them."""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey

from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import custody
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.hsm.pin_protocol import SetPin
from gateway.hsm.provision import create_test_store
from gateway.pinblock.policy import PinHolder, PinList, PinPolicy
from gateway.pinblock.zone import parse_zone
from gateway.terms.sides import PinPurpose, Side

NOT_AFTER = date(2099, 12, 31)
MADE = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
ZONES = {
    Side.SOCIAL: [
        parse_zone(
            {"name": "bureau", "format": "iso-1", "algorithm": "tdes", "account": "none"}, "test"
        )
    ],
    Side.FINANCIAL: [
        parse_zone(
            {"name": "core", "format": "iso-0", "algorithm": "tdes", "account": "pan"}, "test"
        )
    ],
}
HOLDER = PinHolder(date(1990, 3, 5), ("350299199003050012", "15400863271", "T00470019"))
_START = """
from pathlib import Path
from gateway.hsm.module import run
from gateway.terms.sides import Side
run(Path({store!r}), Path({socket!r}), Side({side!r}), embedded={embedded})
"""


@dataclass(frozen=True)
class Module:
    """A running module: its process, and where it listens."""

    process: subprocess.Popen
    socket: Path
    store: Path


@pytest.fixture(scope="session")
def stores():
    """One test store for each side, made once; tests that change a store take `new_store`."""
    with tempfile.TemporaryDirectory() as directory:
        made = {side: Path(directory) / side for side in Side}
        for side, store in made.items():
            create_test_store(store, side, ZONES[side], NOT_AFTER, MADE)
        yield made


@pytest.fixture
def new_store(stores, tmp_path):
    """Give a fresh copy of a side's store, to be spoilt."""

    def copy(side):
        return Path(shutil.copytree(stores[side], tmp_path / f"{side}-store"))

    return copy


@contextmanager
def running(store, side, *, embedded=True, socket=None):
    """Run a module as a process of its own, on a path short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="hsm") as directory:
        socket = socket or Path(directory) / "s"
        code = _START.format(
            store=str(store), socket=str(socket), side=side.value, embedded=embedded
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stdout.readline() == f"security module {side.value} ready\n".encode()
            yield Module(process, socket, store)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def start(new_store):
    """Start a module of its own for a test, on a store of its own unless one is given."""

    @contextmanager
    def start_one(side=Side.SOCIAL, store=None, **options):
        with running(store or new_store(side), side, **options) as module:
            yield module

    return start_one


@pytest.fixture(scope="session")
def social(stores):
    """Run a social module that the tests of a run share."""
    with running(stores[Side.SOCIAL], Side.SOCIAL) as module:
        yield module


def seal_pin(public_jwk, pin, nonce, **changes):
    """Encipher a PIN as a browser does; `changes` replace header members (None removes one)."""
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": public_jwk["kid"]} | changes
    header = {name: value for name, value in header.items() if value is not None}
    payload = json.dumps({"pin": pin, "nonce": nonce}).encode()
    key = ECKey.import_key({name: public_jwk[name] for name in ("kty", "crv", "x", "y")})
    algorithms = [header["alg"], header["enc"], "DEF"]
    return jwe.encrypt_compact(header, payload, key, algorithms=algorithms)


@pytest.fixture
def request_for(stores):
    """Make a request to set a PIN, right in everything that a test does not change."""

    def make(pin="738291", side=Side.SOCIAL, key=None, **changes):
        key = key or open_store(stores[side], side).envelope_keys[0]
        nonce = secrets.token_urlsafe(16)
        values = {
            "purpose": PinPurpose.SS_PIN if side is Side.SOCIAL else PinPurpose.FINANCIAL_PIN,
            "session": f"pse_{secrets.token_hex(13)}",
            "nonce": nonce,
            "expires_at": int(time.time()) + 300,  # noqa: TID251 - the process's own clock
            "kid": key.kid,
            "envelope": seal_pin(key.public_jwk, pin, nonce),
            "zone": ZONES[side][0].name,
            "account": "" if side is Side.SOCIAL else "6200000000000000005",
            "card": secrets.token_hex(8),
            "policy": PinPolicy(),
            "holder": HOLDER,
        }
        return SetPin(**(values | changes))

    return make


@pytest.fixture
def seal():
    """Give `seal_pin` to tests, which import nothing from here."""
    return seal_pin


def zone(name, format_, algorithm, account):
    """Declare a zone; what has no derived DE 53 gets one."""
    control = {} if algorithm == "tdes" else {"security_control": "9900000000000000"}
    values = {"name": name, "format": format_, "algorithm": algorithm, "account": account}
    return parse_zone(values | control, "test")


FAR_ZONES = [
    zone("iso-0", "iso-0", "tdes", "pan"),
    zone("iso-1", "iso-1", "tdes", "none"),
    zone("iso-3", "iso-3", "tdes", "pan"),
    zone("iso-4", "iso-4", "aes", "pan"),
    zone("iso-4-rightmost-12", "iso-4", "aes", "pan-rightmost-12"),
    zone("iso-4-card", "iso-4", "aes", "card-digits"),
    zone("iso-4-sm4", "iso-4", "sm4", "pan"),
    zone("sm4-pan", "sm4-pan", "sm4", "pan"),
    zone("sm4-no-pan", "sm4-no-pan", "sm4", "none"),
]
CHANNELS = [replace(each, name=f"pads-{each.name}") for each in FAR_ZONES]


@pytest.fixture(scope="session")
def many_zones(tmp_path_factory):
    """Make a social store with a far side's zone and a channel's of every form."""
    directory = tmp_path_factory.mktemp("zones") / "store"
    create_test_store(directory, Side.SOCIAL, (), NOT_AFTER, MADE)
    slots = [(each, KeyPurpose.PIN) for each in FAR_ZONES]
    slots += [(each, KeyPurpose.CHANNEL_PIN) for each in CHANNELS]
    with custody(directory, Side.SOCIAL, Actor("test", "test"), MADE) as store:
        for declared, purpose in slots:
            store.declare(declared)
            store.generate(Slot(declared.name, purpose), NOT_AFTER)
            store.activate(Slot(declared.name, purpose))
    return directory


@pytest.fixture(scope="session")
def zone_module(many_zones):
    """Run a social module on the store of many zones."""
    with running(many_zones, Side.SOCIAL) as module:
        yield module


@pytest.fixture
def watching_list():
    """Give an operator's list of PINs, and what is looked up in it: the buffer, and its contents.

    It sees into a compiled module too, whose own calls nothing can be put between.
    """
    looked_up = []

    class Watching(bytes):
        __slots__ = ()

        def __lt__(self, pin):
            looked_up.append((pin, bytes(pin)))
            return super().__lt__(bytes(pin))

    return PinList((Watching(b"000000"),)), looked_up
