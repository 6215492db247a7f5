"""Fixtures of the payment HSM's tests: the fake host, and keys in it."""

import importlib.util
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.hsm.payshield.framing import Envelope
from gateway.hsm.payshield.host import HostConnection

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
