"""A small world: requests as the gateway would word them, a bureau and a core without a wire."""

import itertools
from pathlib import Path

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from gateway.iso8583.message import Message
from gateway.regions.profile import parse_profile
from gateway.simulators.bureau import Bureau
from gateway.simulators.cipher import read_format_0, read_format_1
from gateway.simulators.core import Core
from gateway.simulators.desk import Desk, Request
from gateway.simulators.population import Population

SPECS = Path(__file__).parents[2] / "specs"
XIAMEN = (SPECS / "regions" / "xiamen.toml").read_text("utf-8")
PIN_KEY = bytes.fromhex("11112222333344445555666677778888")
PERSONS = 50


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


@pytest.fixture
def caller():
    """Give the wording of one gateway."""
    return Caller()


@pytest.fixture
def make_bureau():
    """Give a maker of bureaus; one piece of the region's profile may be replaced."""

    def make(old="", new=""):
        profile = parse_profile(XIAMEN.replace(old, new), "xiamen.toml")
        return Bureau(profile, Population(PERSONS), read_format_1(PIN_KEY), lambda: bytes(16))

    return make


@pytest.fixture
def bureau(make_bureau):
    """Give Xiamen's bureau."""
    return make_bureau()


@pytest.fixture
def core():
    """Give the bank's core."""
    return Core(Population(PERSONS), read_format_0(PIN_KEY), lambda: bytes(16))


@pytest.fixture
def bureau_desk(bureau):
    """Give the bureau behind its desk."""
    return Desk(bureau)


@pytest.fixture
def core_desk(core):
    """Give the core behind its desk."""
    return Desk(core)
