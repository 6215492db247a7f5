"""Captured packets taken apart: link layer, IP, TCP. Pure: bytes in, segments out.

Sources: the link-layer header types of libpcap (``pcap-linktype``), RFC 9293 (TCP), RFC 791 and
RFC 8200 (IP).
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

_ETHERTYPES_IP = {0x0800, 0x86DD}
_ETHERTYPES_VLAN = {0x8100, 0x88A8}
_TCP = 6
_IPV6_HEADER_BYTES = 40
_IPV6_EXTENSIONS = {0, 43, 60}  # hop-by-hop options, routing, destination options
_IPV6_FRAGMENT = 44
_TCP_HEADER_BYTES_MIN = 20
_FIN, _SYN, _RST = 0x01, 0x02, 0x04
# Bytes before the network layer, and where the EtherType stands in them, by link type.
_LINK_LAYERS = {1: (14, 12), 113: (16, 14), 276: (20, 0)}  # Ethernet, Linux cooked v1 and v2
_LOOPBACK = {0, 108}  # BSD loopback: four bytes of address family
_RAW_IP = {12, 101, 228, 229}


class End(NamedTuple):
    """One end of a connection."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment; `lost_bytes` of its payload are not in the capture (snap length)."""

    sender: End
    receiver: End
    sequence: int
    payload: bytes
    flags: int
    lost_bytes: int = 0

    @property
    def opens(self) -> bool:
        """Tell whether it carries SYN."""
        return bool(self.flags & _SYN)

    @property
    def closes(self) -> bool:
        """Tell whether it carries FIN or RST."""
        return bool(self.flags & (_FIN | _RST))


class Fragmented(Exception):
    """The packet is a fragment of an IP packet; these are not put together."""


def known_link_type(link_type: int) -> bool:
    """Tell whether packets of a link type can be taken apart."""
    return link_type in {*_LINK_LAYERS, *_LOOPBACK, *_RAW_IP}


def segment_of(packet: bytes, link_type: int) -> Segment | None:
    """Take a packet apart; None where it holds no TCP; raises `Fragmented`."""
    at = _network_at(packet, link_type)
    version = packet[at] >> 4 if 0 <= at < len(packet) else 0
    match version:
        case 4:
            return _ipv4(packet[at:])
        case 6:
            return _ipv6(packet[at:])
        case _:
            return None


def _network_at(packet: bytes, link_type: int) -> int:
    """Tell where the IP header begins; -1 where there is none."""
    if link_type in _RAW_IP:
        return 0
    if link_type in _LOOPBACK:
        return 4
    at, type_at = _LINK_LAYERS[link_type]
    ethertype = int.from_bytes(packet[type_at : type_at + 2])
    while ethertype in _ETHERTYPES_VLAN:
        ethertype = int.from_bytes(packet[at + 2 : at + 4])
        at += 4
    return at if ethertype in _ETHERTYPES_IP else -1


def _ipv4(packet: bytes) -> Segment | None:
    header = 4 * (packet[0] & 0x0F)
    if len(packet) < max(header, 20) or packet[9] != _TCP:
        return None
    if int.from_bytes(packet[6:8]) & 0x3FFF:  # more fragments, or not the first
        raise Fragmented
    total = int.from_bytes(packet[2:4]) or len(packet)  # zero where the card cuts segments
    addresses = (str(ip_address(packet[12:16])), str(ip_address(packet[16:20])))
    return _tcp(packet[header:total], total - header, addresses)


def _ipv6(packet: bytes) -> Segment | None:
    if len(packet) < _IPV6_HEADER_BYTES:
        return None
    total = _IPV6_HEADER_BYTES + int.from_bytes(packet[4:6])
    if total == _IPV6_HEADER_BYTES:  # zero where the card cuts segments
        total = len(packet)
    addresses = (str(ip_address(packet[8:24])), str(ip_address(packet[24:40])))
    kind, at = packet[6], _IPV6_HEADER_BYTES
    while kind in _IPV6_EXTENSIONS and at + 2 <= len(packet):
        kind, at = packet[at], at + 8 * (packet[at + 1] + 1)
    if kind == _IPV6_FRAGMENT:
        raise Fragmented
    return _tcp(packet[at:total], total - at, addresses) if kind == _TCP else None


def _tcp(data: bytes, length: int, addresses: tuple[str, str]) -> Segment | None:
    if len(data) < _TCP_HEADER_BYTES_MIN:
        return None
    header = max(4 * (data[12] >> 4), _TCP_HEADER_BYTES_MIN)
    payload = data[header:]
    return Segment(
        End(addresses[0], int.from_bytes(data[0:2])),
        End(addresses[1], int.from_bytes(data[2:4])),
        int.from_bytes(data[4:8]),
        payload,
        data[13],
        max(0, length - header - len(payload)),
    )
