"""A core as a bank would build one, for the business of its counters."""

import os
import secrets
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from gateway.app.specifications import Specifications, shipped_directory
from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import custody
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.iso8583.codec import Codec
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.original_data import OriginalData
from gateway.iso8583.private_data import unpack
from gateway.pinblock.formats import FILL_BYTES, PinBlockFormat
from gateway.pinblock.zone import AccountRule, Algorithm, Zone
from gateway.simulators.cipher import ZoneKeys, mac_of, tdes_ecb
from gateway.terms.sides import Side

INSTITUTION = "99000001"  # the bank of the channels through which cards are linked
QINGDAO = "99370201"  # where the bank does everything at its counters
PADS = Zone("core-pads", PinBlockFormat.ISO_1, Algorithm.TDES, AccountRule.NONE)
SLOT = Slot(PADS.name, KeyPurpose.CHANNEL_PIN)
PIN, OTHER_PIN = "738291", "516047"
SECONDS_MAX = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def with_core(port):
    """Give what makes a town's gateway listen for a core whose pads' key is in the social store."""

    def amend(town, text):
        store = town.directory / "keys" / "social"
        actor, now = Actor("test", "test"), datetime.now(UTC)  # noqa: TID251 - a real key store
        with custody(store, Side.SOCIAL, actor, now) as held:
            held.declare(PADS)
            held.generate(SLOT, now.date().replace(year=now.year + 1))
            held.activate(SLOT)
        return text + (
            f'\n[listeners.core-in]\nside = "financial"\nlisten = "127.0.0.1:{port}"\n'
            'peers = ["127.0.0.0/8"]\ndialect = "core"\nmessage_set = "core-channel"\n'
            f'zone = "core"\ninstitution = "{INSTITUTION}"\npin_zone = "{PADS.name}"\n'
        )

    return amend


@dataclass
class Core:
    """A core as a bank would build one: dials, signs on, asks, repeats and reverses."""

    town: object
    port: int
    stans: object = field(default_factory=lambda: count(1))
    institution: str = INSTITUTION

    def __post_init__(self):
        specifications = Specifications(shipped_directory())
        dialect = specifications.dialect("core")
        self.codec = Codec(dialect)
        self.messages = specifications.message_set("core-channel", dialect)
        keys = ZoneKeys.parse(
            (self.town.directory / "keys" / "simulated-core.toml").read_text("utf-8"), "keys"
        )
        self.mac = mac_of(dialect.mac, keys.mac)
        store = open_store(self.town.directory / "keys" / "social", Side.SOCIAL)
        self.pads = Pads(store.key(SLOT).key)

    def word(self, name, who=None, link="", **changes):
        """Word a request with a trace of its own."""
        kind = self.messages.kind(name)
        stan, now = f"{next(self.stans):06d}", datetime.now(UTC)  # noqa: TID251 - a peer's clock
        trace = {
            7: f"{now:%m%d%H%M%S}",
            11: stan,
            12: f"{now:%H%M%S}",
            13: f"{now:%m%d}",
            32: self.institution,
            33: self.institution,
            37: f"63251{secrets.randbelow(10**7):07d}",
            41: "COUNTER1",
        }
        fields = {de: trace[de] for de in kind.trace_fields}
        fields |= {2: who.pan} if who else {}
        private = ({"LK": link} if link else {}) | ({"PF": "IC"} if who else {})
        private |= {usage: value for usage, value in changes.items() if len(usage) == 2}
        private = private if 48 in kind.request_mandatory else {}
        if "pin" in changes:
            fill = os.urandom(FILL_BYTES)
            block = PADS.encipher(self.pads, bytearray(changes["pin"].encode()), "", fill)
            fields |= {52: block, 53: PADS.security_control_information}
        return kind.build(fields | changes.get("fields", {}), private)

    def about(self, name, original, who, link=""):
        """Word a reversal of a request, or an inquiry after it."""
        repeated = {90: OriginalData.of(original).build(), 37: original.text(37), 41: "COUNTER1"}
        return self.word(name, who, link, fields=repeated)

    def reversal(self, original, who, link):
        """Word the reversal of a request."""
        return self.about("reversal", original, who, link)

    def inquire(self, original, who, link=""):
        """Ask what became of a request."""
        return self.ask(self.about("outcome-inquiry", original, who, link))

    @contextmanager
    def dialled(self):
        """Connect and sign on."""
        with socket.create_connection(("127.0.0.1", self.port), SECONDS_MAX) as connection:
            line = Line(self, connection)
            assert line.ask(self.word("sign-on")).text(39) == "00"
            yield line

    def ask(self, request):
        """Ask on a connection of its own; give DE 39 and the subfields of DE 48."""
        with self.dialled() as line:
            answer = line.ask(request)
        return answer.text(39), unpack(answer.text(48))


class Pads:
    """The block cipher of the counters' PIN pads."""

    def __init__(self, key):
        self.encrypt = lambda block: tdes_ecb(key).encryptor().update(bytes(block))


class Line:
    """One connection of a core."""

    def __init__(self, core, connection):
        self.core, self.connection = core, connection
        self.reader = FrameReader(core.codec.dialect.framing)
        self.waiting = []

    def say(self, request):
        data = self.core.codec.encode(request, self.core.mac)
        self.connection.sendall(self.core.codec.dialect.framing.frame(data))

    def heard(self):
        """Give the next answer, passing over the gateway's own echoes."""
        while not self.waiting:
            frames = self.reader.feed(self.connection.recv(65_536))
            read = (self.core.codec.read(frame.payload, self.core.mac) for frame in frames)
            self.waiting += [message for message in read if not message.is_request]
        return self.waiting.pop(0)

    def ask(self, request):
        self.say(request)
        return self.heard()
