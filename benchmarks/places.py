"""Where in a frame the addresses, the caller's port and the sums over them stand, so that a copy can have its own.

Of nested packets only the innermost is given new addresses, as that is the one whose flow it is; unless an outer sum covers
it, or the walk ends in something it does not know.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import frames

TAGS = (frames.VLAN, frames.QINQ)
UDP_TUNNELS = {frames.VXLAN_PORT: 8, frames.GENEVE_PORT: 8, frames.GTP_PORT: 8}
SUM_AT = {frames.TCP: 16, frames.UDP: 6, frames.ICMPV6: 2}
EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options


class Places(NamedTuple):
    """Offsets into one frame.

    ``header_sum`` covers the addresses, ``transport_sum`` the addresses and the ports; 0 where there is none.
    """

    source: bytes
    destination: bytes
    source_at: int
    ports_at: int
    header_sum: int
    transport_sum: int
    is_udp: bool

    def ports(self, frame: bytes) -> tuple[int, int]:
        """Source and destination port; zeros where the frame has none."""
        source, destination = struct.unpack_from(">HH", frame, self.ports_at) if self.ports_at else (0, 0)
        return source, destination


def find(frame: bytes) -> Places | None:
    """The places of the innermost IP packet; None where there is no IP."""
    found, at, kind = None, 12, 0
    while at + 2 <= len(frame):
        kind, at = int.from_bytes(frame[at : at + 2], "big"), at + 2
        while kind in TAGS and at + 4 <= len(frame):
            kind, at = int.from_bytes(frame[at + 2 : at + 4], "big"), at + 4
        if kind == frames.PPPOE:
            kind, at = {0x21: frames.IPV4, 0x57: frames.IPV6}.get(int.from_bytes(frame[at + 6 : at + 8], "big"), 0), at + 8
        if kind == frames.MPLS and at + 5 <= len(frame):
            kind, at = frames.IPV6 if frame[at + 4] >> 4 == 6 else frames.IPV4, at + 4
        inner = ip_places(frame, at, kind)
        if inner is None:
            break
        found, at = inner
    return found


def ip_places(frame: bytes, at: int, kind: int) -> tuple[Places, int] | None:
    """The places of this packet and of the Ethernet type of the one inside; packets in packets are followed here."""
    while True:
        here = header(frame, at, kind)
        if here is None:
            return None
        places, protocol, body, is_later_part = here
        if is_later_part:
            return places, len(frame)
        nested = {frames.IP_IN_IP: frames.IPV4, frames.IPV6_IN_IP: frames.IPV6}.get(protocol)
        if nested is None and protocol == frames.UDP and body + 16 <= len(frame):
            tunnel = UDP_TUNNELS.get(places.ports(frame)[1])
            if tunnel and frame[body + 6 : body + 8] == b"\0\0":  # no sum over what is inside
                body += 8 + tunnel
                if places.ports(frame)[1] != frames.GTP_PORT:
                    return places, body + 12
                nested = frames.IPV6 if frame[body : body + 1] >= b"\x60" else frames.IPV4
        if nested is None:
            return places, body + 2 if protocol == frames.GRE and frame[body : body + 2] == b"\0\0" else len(frame)
        if header(frame, body, nested) is None:
            return places, len(frame)
        at, kind = body, nested


def header(frame: bytes, at: int, kind: int) -> tuple[Places, int, int, bool] | None:
    """Places, protocol, start of the payload, and whether it is a later fragment."""
    if kind == frames.IPV4 and len(frame) >= at + 20 and frame[at] >> 4 == 4 and frame[at] & 15 >= 5:
        protocol, body = frame[at + 9], at + (frame[at] & 15) * 4
        is_later = bool(int.from_bytes(frame[at + 6 : at + 8], "big") & 0x1FFF)
        return places_of(frame, at + 12, 4, protocol, 0 if is_later else body, at + 10), protocol, body, is_later
    if kind == frames.IPV6 and len(frame) >= at + 40 and frame[at] >> 4 == 6:
        protocol, body, is_later = frame[at + 6], at + 40, False
        while protocol in (*EXTENSIONS, frames.FRAGMENT_HEADER) and body + 8 <= len(frame):
            if protocol == frames.FRAGMENT_HEADER:
                is_later |= int.from_bytes(frame[body + 2 : body + 4], "big") >= 8
                protocol, body = frame[body], body + 8
            else:
                protocol, body = frame[body], body + 8 + frame[body + 1] * 8
        return places_of(frame, at + 8, 16, protocol, 0 if is_later else body, 0), protocol, body, is_later
    return None


def places_of(frame: bytes, at: int, size: int, protocol: int, body: int, header_sum: int) -> Places:
    """Put together; a sum that was cut off is not there."""
    sum_at = body + SUM_AT[protocol] if body and protocol in SUM_AT else 0
    if sum_at + 2 > len(frame) or (protocol == frames.UDP and frame[sum_at : sum_at + 2] == b"\0\0"):
        sum_at = 0
    ports_at = body if body and protocol in (frames.TCP, frames.UDP) and body + 4 <= len(frame) else 0
    source, destination = frame[at : at + size], frame[at + size : at + 2 * size]
    return Places(source, destination, at, ports_at, header_sum, sum_at, protocol == frames.UDP)


def conversation(frame: bytes) -> tuple[bytes, ...]:
    """What a packet has in common with those it belongs to: both ends, in either order."""
    places = find(frame)
    if places is None:
        return (frame[:14],)
    source, destination = places.ports(frame)
    return tuple(sorted((places.source + source.to_bytes(2, "big"), places.destination + destination.to_bytes(2, "big"))))
