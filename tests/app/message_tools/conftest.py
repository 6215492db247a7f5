"""Messages as integrators meet them, and captures of them written packet by packet."""

import re
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from gateway.app.message_tools.fitting import tongue
from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583 import private_data
from gateway.iso8583.message import Message

GATEWAY, PEER = ("192.0.2.1", 41000), ("192.0.2.2", 8583)
PRIVATE = {
    "bureau": {"NM": "测试甲", "ID": "350299199001010010", "CS": "N", "IN": "99350201"},
    "core": {"NM": "测试甲", "CU": "C00001", "AS": "A"},
}
FIELDS = {
    "bureau": {
        3: "310000", 7: "1121202103", 11: "000123", 12: "202103", 13: "1121", 32: "99000001",
        33: "99000001", 37: "632520000123", 41: "GATEWAY1", 52: b"PINBLOCK", 100: "99350201",
        102: "T00000019", 128: b"MACMACMA",
    },
    "core": {
        2: "6200000000000000005", 3: "310000", 7: "1121202103", 11: "000123", 35: "62D491",
        37: "632520000123", 41: "GATEWAY1", 44: "Q7xQ7x", 52: b"PINBLOCK", 64: b"MACMACMA",
    },
}  # fmt: skip
# What must never be seen: numbers, names and blocks of the messages above, as text and as hex.
SECRETS = ("T00000019", "620000000000000000", "62D491", "350299199001", "测试", "PINBLOCK",
           "MACMACMA", "C00001", "Q7xQ7x")  # fmt: skip


@pytest.fixture(scope="session")
def specifications():
    """Give the specifications as they are shipped."""
    return Specifications(shipped_directory())


@pytest.fixture(scope="session")
def tongues(specifications):
    """Give bureau and core by name."""
    return {name: tongue(specifications, name) for name in ("bureau", "core")}


@pytest.fixture(scope="session")
def requests(tongues):
    """Give one request of each dialect by name, with every kind of sensitive value."""
    return {name: encoded(each, "0100") for name, each in tongues.items()}


@pytest.fixture(scope="session")
def answers(tongues):
    """Give the answer to each request."""
    return {name: encoded(each, "0110", {39: "00"}) for name, each in tongues.items()}


def encoded(spoken, mti, more=None):
    """Give the bytes of a message with the fields above."""
    name = spoken.dialect.name
    private = {48: private_data.pack(PRIVATE[name])}
    return spoken.codec.encode(Message(mti, {**FIELDS[name], **private, **(more or {})}))


@pytest.fixture(scope="session")
def leaks():
    """Tell which secrets stand in a text, as they are or in hex."""
    charset = "gb18030"

    def found(text):
        folded = re.sub(r"[\s:]", "", text.lower())
        forms = {s: (s.lower(), s.encode(charset).hex()) for s in SECRETS}
        return [s for s, shapes in forms.items() if any(shape in folded for shape in shapes)]

    return found


# ---------------------------------------------------------------- captures


@dataclass
class Tape:
    """Packets of one TCP connection, as a capture on one wire has them."""

    packets: list[bytes] = field(default_factory=list)
    sequences: dict[tuple[str, int], int] = field(
        default_factory=lambda: {GATEWAY: 0xFFFFFF00, PEER: 1000}  # one of them wraps around
    )

    def open(self):
        """Shake hands."""
        self.packet(GATEWAY, PEER, b"", flags=0x02)
        self.packet(PEER, GATEWAY, b"", flags=0x12)
        return self

    def close(self):
        """Finish in both directions."""
        self.packet(GATEWAY, PEER, b"", flags=0x11)
        self.packet(PEER, GATEWAY, b"", flags=0x11)
        return self

    def say(self, sender, data, *cuts):
        """Send bytes in segments cut at these offsets."""
        receiver = PEER if sender == GATEWAY else GATEWAY
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            self.packet(sender, receiver, data[start:end], flags=0x18)
        return self

    def packet(self, sender, receiver, payload, flags):
        """Add one packet and count its sequence numbers."""
        sequence, acknowledged = self.sequences[sender], self.sequences[receiver]
        self.packets.append(ethernet(sender, receiver, sequence, acknowledged, flags, payload))
        used = len(payload) + bool(flags & 0x03)
        self.sequences[sender] = (sequence + used) % 2**32

    def pcap(self, link_type=1):
        """Give the file: microseconds, little-endian, one packet a millisecond."""
        records = [
            struct.pack("<IIII", 1_700_000_000, 1000 * at, len(packet), len(packet)) + packet
            for at, packet in enumerate(self.packets)
        ]
        head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)
        return head + b"".join(records)

    def pcapng(self):
        """Give the same as pcapng: section header, interface description, enhanced packets."""
        blocks = [
            _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
            _block(1, struct.pack("<HHI", 1, 0, 65535)),
        ]
        for at, packet in enumerate(self.packets):
            time = 1_700_000_000_000_000 + 1000 * at
            head = struct.pack("<IIIII", 0, time >> 32, time % 2**32, len(packet), len(packet))
            blocks.append(_block(6, head + packet + bytes(-len(packet) % 4)))
        return b"".join(blocks)


def _block(kind, body):
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def ethernet(sender, receiver, sequence, acknowledged, flags, payload):
    """Give one Ethernet frame with IPv4 and TCP, checksums right."""
    source, destination = (ip_address(end[0]).packed for end in (sender, receiver))
    tcp = struct.pack(
        ">HHIIBBHHH", sender[1], receiver[1], sequence, acknowledged, 0x50, flags, 65535, 0, 0
    )
    pseudo = source + destination + struct.pack(">BBH", 0, 6, len(tcp) + len(payload))
    check = checksum(pseudo + tcp + payload)
    tcp = tcp[:16] + struct.pack(">H", check) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(payload), 0, 0x4000, 64, 6, 0)
    ip += source + destination
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return bytes(6) + bytes(6) + b"\x08\x00" + ip + tcp + payload


def checksum(data):
    """Give the Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF ^ total


@pytest.fixture
def tape():
    """Give an empty capture."""
    return Tape()


@pytest.fixture(scope="session")
def ends():
    """Give the two ends of a captured connection: who connects and who listens."""
    return GATEWAY, PEER


@pytest.fixture(scope="session")
def ethernet_frame():
    """Give what writes one captured packet."""
    return ethernet
