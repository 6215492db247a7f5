"""Captured packets taken apart."""

import struct
from ipaddress import ip_address

import pytest

from gateway.app.message_tools.segments import End, Fragmented, Segment, segment_of

ETHERNET, LOOPBACK, RAW, COOKED, COOKED_2 = 1, 0, 101, 113, 276
HEADER = 14


@pytest.fixture
def packet(ethernet_frame, ends):
    """Give one packet with five bytes of payload."""
    return ethernet_frame(*ends, 0xFFFFFFFF, 7, 0x18, b"hello")


def segment(ends, payload=b"hello", flags=0x18, lost=0):
    """Give what the packet above holds."""
    sender, receiver = (End(*end) for end in ends)
    return Segment(sender, receiver, 0xFFFFFFFF, payload, flags, lost)


@pytest.mark.parametrize(
    ("link_type", "head"),
    [
        (ETHERNET, bytes(12) + b"\x08\x00"),
        (ETHERNET, bytes(12) + b"\x81\x00\x00\x05\x08\x00"),
        (ETHERNET, bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"),
        (COOKED, bytes(14) + b"\x08\x00"),
        (COOKED_2, b"\x08\x00" + bytes(18)),
        (LOOPBACK, b"\x02\x00\x00\x00"),
        (RAW, b""),
    ],
    ids=["ethernet", "vlan", "vlan in vlan", "cooked", "cooked v2", "loopback", "raw"],
)
def test_segment_is_found_behind_every_known_link_layer(packet, ends, link_type, head):
    """Whatever stands before IP, the segment is the same."""
    assert segment_of(head + packet[HEADER:], link_type) == segment(ends)


def test_ipv6_is_read_with_its_extension_headers(packet, ends):
    """Options before TCP are passed over; the ends are written as URLs write them."""
    addresses = [ip_address(f"2001:db8::{n}").packed for n in (1, 2)]
    tcp = packet[HEADER + 20 :]
    head = struct.pack(">IHBB", 6 << 28, 8 + len(tcp), 0, 64) + b"".join(addresses)

    found = segment_of(head + bytes((6, 0)) + bytes(6) + tcp, RAW)

    assert found.payload == b"hello"
    assert (str(found.sender), str(found.receiver)) == (
        f"[2001:db8::1]:{ends[0][1]}", f"[2001:db8::2]:{ends[1][1]}"
    )  # fmt: skip


def test_bytes_that_the_capture_cut_off_are_counted(packet, ends):
    """A snap length hides the end of a segment, not that there was one."""
    assert segment_of(packet[:-3], ETHERNET) == segment(ends, b"he", lost=3)


def test_padding_of_a_short_frame_is_no_payload(packet, ends):
    """Ethernet fills frames up to 60 bytes; IP's length says where TCP ends."""
    assert segment_of(packet + bytes(6), ETHERNET) == segment(ends)


@pytest.mark.parametrize("offset", [0x2000, 0x0001], ids=["more follow", "not the first"])
def test_fragment_is_not_taken_for_a_segment(packet, offset):
    """The second fragment has no TCP header; taking its bytes for one would be wrong."""
    fragment = packet[: HEADER + 6] + struct.pack(">H", offset) + packet[HEADER + 8 :]

    with pytest.raises(Fragmented):
        segment_of(fragment, ETHERNET)


def test_whatever_is_cut_or_damaged_is_no_segment_or_another(packet):
    """No packet, however short or wrong, raises anything but `Fragmented`."""
    for end in range(HEADER + 20 + 20):
        assert segment_of(packet[:end], ETHERNET) is None
    for at in range(len(packet)):
        for value in (0x00, 0x06, 0x45, 0x4F, 0x60, 0xFF):
            damaged = packet[:at] + bytes((value,)) + packet[at + 1 :]
            try:
                found = segment_of(damaged, ETHERNET)
            except Fragmented:
                continue
            assert found is None or len(found.payload) <= len(packet)
