"""The IP headers of a captured packet: the outermost, and those inside tunnels; and ARP.

The native core finds them, the same way as for flows and for the sensor's index.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from weir import _native

ICMP, ICMP6 = 1, 58
ARP = -1
"""Stands for the protocol of ARP, which names IPv4 addresses but has no IP header."""

WITH_PORTS = {6, 17, 132}
"""Protocols whose header begins with two ports: TCP, UDP, SCTP."""

_PORTS = struct.Struct(">HH")
_IPV4 = 0x0800


class Header(NamedTuple):
    """One IP header: addresses as 4 or 16 bytes; ports, or type and code of ICMP, are None where there are none to see."""

    source: bytes
    destination: bytes
    protocol: int
    source_port: int | None
    destination_port: int | None
    message: tuple[int, int] | None = None


def ip_headers(link_type: int, data: bytes, wire_bytes: int) -> Iterator[Header]:
    """The IP headers of a packet, from the outside in; none where it is cut or is no IP.

    ``data`` is what was captured of ``wire_bytes``. An ARP packet that is in no tunnel gives one
    with sender and target, and ``ARP`` as its protocol.
    """
    places, arp_at = _native.headers(link_type, data, wire_bytes)
    for at, behind, protocol, is_begun in places:
        yield _header(data, at, behind, protocol, is_begun)
    if arp_at is not None:
        yield from _arp(data, arp_at)


def _header(data: bytes, at: int, behind: int, protocol: int, is_begun: bool) -> Header:
    is_ipv4 = data[at] >> 4 == 4
    first, size = (at + 12, 4) if is_ipv4 else (at + 8, 16)
    source, destination = data[first : first + size], data[first + size : first + 2 * size]
    if is_begun and protocol in WITH_PORTS and behind + _PORTS.size <= len(data):
        return Header(source, destination, protocol, *_PORTS.unpack_from(data, behind))
    if is_begun and protocol == (ICMP if is_ipv4 else ICMP6) and behind + 2 <= len(data):
        return Header(source, destination, protocol, None, None, (data[behind], data[behind + 1]))
    return Header(source, destination, protocol, None, None)


def _arp(data: bytes, at: int) -> Iterator[Header]:
    """RFC 826: sender and target, for IPv4 behind any kind of link-layer address."""
    if at + 8 > len(data):
        return
    link_bytes = data[at + 4]
    sender, target = at + 8 + link_bytes, at + 12 + 2 * link_bytes
    if int.from_bytes(data[at + 2 : at + 4]) == _IPV4 and data[at + 5] == 4 and target + 4 <= len(data):
        yield Header(data[sender : sender + 4], data[target : target + 4], ARP, None, None)
