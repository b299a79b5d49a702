"""The IP headers of a captured packet: the outermost, and those inside tunnels.

It follows what the native core follows (``capture_cpp/src/decode``), for the few packets that
somebody looks for; building flows is the native core's work.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

MOST_HEADERS = 32
"""Headers looked at in one packet, so that a crafted one ends."""

_TCP, _UDP, _SCTP = 6, 17, 132
_PORTS_FIRST = {_TCP, _UDP, _SCTP}
_EXTENSIONS = {0, 43, 44, 51, 60, 135, 139, 140}  # RFC 8200 and its heirs
_FRAGMENT, _AUTHENTICATION = 44, 51
_IP_IN_IP = {4, 41}
_GRE = 47
_VLAN = {0x8100, 0x88A8, 0x9100, 0x9200}
_IP = {0x0800, 0x86DD}
_MPLS = {0x8847, 0x8848}
_PPPOE, _BRIDGED = 0x8864, 0x6558
_LINK_IP = {12, 14, 101, 228, 229}
_LOOPBACK = {0, 108}
_ETHERNET, _SLL, _SLL2 = 1, 113, 276
_VXLAN, _GENEVE, _GTP_U = 4789, 6081, 2152


class Header(NamedTuple):
    """One IP header: addresses as 4 or 16 bytes; ports are None where there are none to see."""

    source: bytes
    destination: bytes
    protocol: int
    source_port: int | None
    destination_port: int | None


def ip_headers(link_type: int, data: bytes) -> Iterator[Header]:
    """The IP headers of ``data``, from the outside in; none where it is cut or is no IP."""
    try:
        yield from _from_link(link_type, data)
    except (struct.error, IndexError):  # cut inside a header
        return


def _from_link(link_type: int, data: bytes) -> Iterator[Header]:
    if link_type == _ETHERNET:
        yield from _ethernet(data, 0, 0)
    elif link_type in _LINK_IP:
        yield from _ip(data, 0, 0)
    elif link_type in _LOOPBACK:
        yield from _ip(data, 4, 0)
    elif link_type == _SLL:
        yield from _typed(_u16(data, 14), data, 16, 0)
    elif link_type == _SLL2:
        yield from _typed(_u16(data, 0), data, 20, 0)


def _ethernet(data: bytes, at: int, depth: int) -> Iterator[Header]:
    yield from _typed(_u16(data, at + 12), data, at + 14, depth)


def _typed(ether_type: int, data: bytes, at: int, depth: int) -> Iterator[Header]:
    """What follows an EtherType: tags, labels, PPPoE, IP."""
    if depth > MOST_HEADERS:
        return
    if ether_type in _IP:
        yield from _ip(data, at, depth)
    elif ether_type in _VLAN:
        yield from _typed(_u16(data, at + 2), data, at + 4, depth + 1)
    elif ether_type == _BRIDGED:
        yield from _ethernet(data, at, depth + 1)
    elif ether_type == _PPPOE:
        yield from _ip(data, at + 8 - (data[at + 6] & 1), depth + 1)
    elif ether_type in _MPLS:
        while not data[at + 2] & 1:
            at += 4
        yield from _labelled(data, at + 4, depth + 1)


def _labelled(data: bytes, at: int, depth: int) -> Iterator[Header]:
    if data[at] >> 4 == 0:  # an Ethernet pseudowire's control word, RFC 4385
        yield from _ethernet(data, at + 4, depth)
    else:
        yield from _ip(data, at, depth)


def _ip(data: bytes, at: int, depth: int) -> Iterator[Header]:
    version = data[at] >> 4
    if depth > MOST_HEADERS or version not in (4, 6):
        return
    if version == 4:
        source, destination = data[at + 12 : at + 16], data[at + 16 : at + 20]
        protocol, behind = data[at + 9], at + (data[at] & 15) * 4
        offset, has_more = _u16(data, at + 6) & 0x1FFF, bool(_u16(data, at + 6) & 0x2000)
    else:
        source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
        protocol, behind, offset, has_more = _extensions(data, data[at + 6], at + 40)
    if len(destination) not in (4, 16):
        return
    ports: tuple[int | None, int | None] = (None, None)
    if protocol in _PORTS_FIRST and offset == 0 and behind + 4 <= len(data):
        ports = (_u16(data, behind), _u16(data, behind + 2))
    yield Header(source, destination, protocol, *ports)
    if offset == 0 and not has_more:
        yield from _tunnel(data, protocol, ports, behind, depth + 1)


def _extensions(data: bytes, protocol: int, at: int) -> tuple[int, int, int, bool]:
    """Protocol and place behind the extension headers of IPv6, with fragment offset and whether more come."""
    offset, has_more = 0, False
    for _ in range(MOST_HEADERS):
        if protocol not in _EXTENSIONS or at + 8 > len(data) or offset:
            break
        size = (data[at + 1] + 1) * 8
        if protocol == _FRAGMENT:
            offset, has_more, size = _u16(data, at + 2) >> 3, bool(data[at + 3] & 1), 8
        elif protocol == _AUTHENTICATION:
            size = (data[at + 1] + 2) * 4
        protocol, at = data[at], at + size
    return protocol, at, offset, has_more


def _tunnel(data: bytes, protocol: int, ports: tuple[int | None, int | None], at: int, depth: int) -> Iterator[Header]:
    if protocol in _IP_IN_IP:
        yield from _ip(data, at, depth)
    elif protocol == _GRE:
        flags = _u16(data, at)
        options = sum(4 for bit in (0x8000, 0x2000, 0x1000, 0x0080) if flags & bit)
        yield from _typed(_u16(data, at + 2), data, at + 4 + options, depth)
    elif protocol == _UDP:
        yield from _udp_tunnel(data, ports, at + 8, depth)


def _udp_tunnel(data: bytes, ports: tuple[int | None, int | None], at: int, depth: int) -> Iterator[Header]:
    if ports[1] == _VXLAN and data[at] & 0x08:
        yield from _ethernet(data, at + 8, depth)
    elif ports[1] == _GENEVE:
        yield from _typed(_u16(data, at + 2), data, at + 8 + (data[at] & 0x3F) * 4, depth)
    elif _GTP_U in ports and data[at + 1] == 0xFF:  # a user packet
        yield from _ip(data, _behind_gtp(data, at), depth)
    elif data[at] >> 4 == 6 and _u16(data, at + 4) + 40 == len(data) - at:  # Teredo: nothing but IPv6, and just as long
        yield from _ip(data, at, depth)


def _behind_gtp(data: bytes, at: int) -> int:
    behind = at + 8
    if data[at] & 0x07:
        behind += 4
        while data[at] & 0x04 and data[behind - 1] and data[behind]:
            behind += data[behind] * 4
    return behind


def _u16(data: bytes, at: int) -> int:
    value: int = struct.unpack_from(">H", data, at)[0]
    return value
