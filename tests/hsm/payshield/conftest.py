"""Fixtures of the payment HSM's tests: the fake host, and keys in it."""

import asyncio
import importlib.util
import secrets
import sys
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from gateway.hsm.mac import MacPadding
from gateway.hsm.payshield.framing import Envelope
from gateway.hsm.payshield.host import HostConnection
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.hsm.payshield.module import (
    ChannelKey,
    HsmKeys,
    PayShieldModule,
    PinFromPad,
    ZoneKeys,
)
from gateway.pinblock.policy import PinHolder, PinPolicy
from gateway.pinblock.zone import parse_zone

PAN = "6200001234567890123"
CODES = {"iso-0": "01", "iso-1": "05", "iso-3": "47", "iso-4": "48"}

_SPEC = importlib.util.spec_from_file_location(
    "payshield_fake_host", Path(__file__).with_name("fake_host.py")
)
fake_host = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = fake_host  # its dataclasses look themselves up
_SPEC.loader.exec_module(fake_host)


@pytest.fixture(name="fake")
def _fake():
    """Give the fake host's module: the class and the ciphers behind it."""
    return fake_host


@pytest.fixture
def host():
    """Give an HSM with nothing in it."""
    return fake_host.FakeHost()


@pytest.fixture
def speaking():
    """Speak to a host: serve it on loopback and give a connection to it."""

    @asynccontextmanager
    async def speak(host, **options):
        await host.serve()
        envelope = Envelope(host.header_characters, host.lmk, host.trailer[1:].decode())
        connection = HostConnection(host.address, envelope, **options)
        try:
            yield connection
        finally:
            connection.close()
            await host.stop()

    return speak


def zone(name, format_):
    """Declare a zone."""
    table = {"name": name, "format": format_, "algorithm": "tdes", "account": "pan"}
    if format_ == "iso-1":
        table["account"] = "none"
    if format_ == "iso-4":
        table |= {"algorithm": "aes", "security_control": "2" + "0" * 15}
    return parse_zone(table, "test")


class Bench:
    """One channel and one zone in one HSM, and the keys on the outside of it."""

    good_pin = "738291"
    holder = PinHolder(date(1990, 3, 5), ("350299199003050012", "15400863271", "T00470019"))

    def __init__(self, fake, host, source, target, *, role=KeyRole.ZPK, scheme="S"):
        self.fake, self.host, self.now = fake, host, 1_000.0
        self.source, self.target = CODES[source], CODES[target]
        self.channel_key, self.zone_key = (
            secrets.token_bytes(32) if format_ == "iso-4" else fake.odd(secrets.token_bytes(16))
            for format_ in (source, target)
        )
        self.mac_key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
        pvk = host.add("PVK", fake.odd(secrets.token_bytes(16)), scheme)
        self.keys = HsmKeys(
            channels={
                "branch": ChannelKey(
                    zone("branch", source),
                    HostKey(host.add(role.name, self.channel_key, scheme)),
                    role,
                )
            },
            zones={
                "bureau": ZoneKeys(
                    zone("bureau", target),
                    HostKey(host.add("ZPK", self.zone_key, scheme)),
                    HostKey(host.add("ZAK", self.mac_key, scheme)),
                    KeyRole.ZAK,
                    MacPadding.ZEROS,
                )
            },
            probe_key=HostKey(pvk),
        )
        self.binds = source != "iso-1" or target != "iso-1"

    def account_of(self, code):
        """Give the account as the fake's PIN blocks want it."""
        return {"05": "", "48": PAN}.get(code, PAN[-13:-1])

    def block(self, pin=good_pin):
        """Make a block as the channel's PIN pad does."""
        return self.fake.block_of(self.channel_key, pin, self.source, self.account_of(self.source))

    def pin_of(self, block):
        """Read a block as the bureau does."""
        return self.fake.pin_of(self.zone_key, block, self.target, self.account_of(self.target))

    def request(self, pin=good_pin, **changes):
        """Ask for a translation, right in everything that a test does not change."""
        values = {
            "channel": "branch",
            "block": changes.pop("block", None) or self.block(pin),
            "zone": "bureau",
            "account": PAN if self.binds else "",
            "card": "lnk_1",
            "policy": PinPolicy(),
            "holder": self.holder,
        }
        return PinFromPad(**(values | changes))

    def commands(self):
        """Give the codes of the commands that the HSM has seen."""
        return [code for code, _ in self.host.seen]

    def module(self, connection, attempts=None):
        """Give the driver."""
        return PayShieldModule(connection, self.keys, lambda: self.now, attempts)


@pytest.fixture
def bench(fake, host):
    """Make a bench for a pair of formats."""
    return lambda source="iso-1", target="iso-1", **options: Bench(
        fake, host, source, target, **options
    )


@pytest.fixture
def run(speaking):
    """Run a scenario with the driver of a bench."""

    def run_it(bench, scenario, **options):
        async def main():
            async with speaking(bench.host, **options) as connection:
                return await scenario(bench.module(connection))

        return asyncio.run(main())

    return run_it


@pytest.fixture
def outcome():
    """Give the answer of a call, or its error."""

    async def outcome_of(call):
        try:
            return await call
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    return outcome_of
