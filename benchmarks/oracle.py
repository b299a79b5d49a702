"""Packets, bytes and flows of the first packets of a capture, counted a second time.

Plain Python over plain bytes, which shares nothing with the core: a run of the benchmark whose flows, packets or bytes are
others than these is no measurement. It knows what the captures of the benchmark hold: Ethernet, VLAN, MPLS, PPPoE, IPv4 and
IPv6 with extension headers and fragments, GRE, IP in IP, VXLAN, GENEVE, GTP-U, and packets that are cut or lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

IDLE_US, ACTIVE_US = 120_000_000, 1_800_000_000
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
TCP, UDP, ICMP, ICMPV6, SCTP, UDP_LITE = 6, 17, 1, 58, 132, 136
IPV4, IPV6 = 0x0800, 0x86DD
AUTHENTICATION, NOTHING_FOLLOWS = 51, 59
LEAST_HEADER = {TCP: 20, UDP: 8, UDP_LITE: 8, SCTP: 12, ICMP: 4, ICMPV6: 4}
LARGEST_IPV4, LARGEST_IPV6 = 65_535, 65_575
PPP = {0x21: IPV4, 0x57: IPV6}
TAGS = {0x8100, 0x88A8, 0x9100, 0x9200}

End = tuple[bytes, int]


class Totals(NamedTuple):
    """What the flows of a capture add up to; ``bytes`` are those of IP."""

    flows: int
    packets: int
    bytes: int


class Ip(NamedTuple):
    """One packet as the flows see it: ``length`` of IP, flags of TCP, and what is inside, with its length on the wire."""

    source: End
    destination: End
    protocol: int
    version: int
    length: int
    flags: int
    inside: bytes
    left: int


class BrokenPacketError(Exception):
    """A packet that belongs to no flow."""


def big(data: bytes, at: int, size: int = 2) -> int:
    """An unsigned number in network order; what was cut off breaks the packet."""
    if at + size > len(data):
        raise BrokenPacketError
    return int.from_bytes(data[at : at + size], "big")


def count(capture: Path) -> Totals:
    """Count a little-endian classic pcap of Ethernet."""
    table = Table()
    fragments: dict[tuple[bytes, bytes, int, int], tuple[int, int]] = {}
    for time_us, frame, wire in records(capture):
        try:
            packet = innermost(frame, wire, fragments)
        except BrokenPacketError:
            continue
        table.add(time_us, packet)
    return Totals(table.flows, table.packets, table.bytes)


def records(capture: Path) -> Iterator[tuple[int, bytes, int]]:
    """Time in us, what was captured, and how long it was on the wire."""
    data, at = capture.read_bytes(), 24
    while at + 16 <= len(data):
        seconds, micros, captured, wire = (int.from_bytes(data[at + i : at + i + 4], "little") for i in (0, 4, 8, 12))
        at += 16 + captured
        yield seconds * 1_000_000 + micros, data[at - captured : at], wire


class Table:
    """The flows that are alive: who spoke first, first and last time, and which sides have ended TCP."""

    def __init__(self) -> None:
        """Empty."""
        self.alive: dict[object, tuple[End, int, int, frozenset[object]]] = {}
        self.flows = self.packets = self.bytes = self.now = 0

    def add(self, time_us: int, packet: Ip) -> None:
        """Add a packet to its flow, or begin one."""
        self.now = max(self.now, time_us)
        self.packets += 1
        self.bytes += packet.length
        key = (frozenset((packet.source, packet.destination)), packet.protocol, packet.version)
        opener, first, last, ended = self.alive.get(key, (packet.source, time_us, -IDLE_US, frozenset()))
        is_closed = "reset" in ended or len(ended) == 2
        is_anew = is_closed and packet.protocol == TCP and packet.flags & (SYN | ACK) == SYN
        if self.now > last + IDLE_US or is_anew or time_us - first > ACTIVE_US:
            self.flows += 1
            opener, first, last, ended = packet.source, time_us, time_us, frozenset()
        if packet.protocol == TCP:
            ended |= {packet.source == opener} if packet.flags & FIN else set()
            ended |= {"reset"} if packet.flags & RST else set()
        self.alive[key] = opener, first, max(last, time_us), ended


def innermost(frame: bytes, wire: int, fragments: dict[tuple[bytes, bytes, int, int], tuple[int, int]]) -> Ip:
    """The packet whose flow it is: the last one inside that is whole enough."""
    kind, rest, left = behind_ethernet(frame, wire)
    found: Ip | None = None
    while kind in (IPV4, IPV6):
        is_hint = found is not None and found.protocol == UDP  # a port says that this is a tunnel, and ports may lie
        try:
            found = packet_of(rest, left, fragments)
        except BrokenPacketError:
            if not is_hint:
                raise
            break
        kind, rest, left = behind(found)
    if found is None:
        raise BrokenPacketError
    return found


def behind_ethernet(frame: bytes, left: int) -> tuple[int, bytes, int]:
    """What a frame carries: Ethernet type, bytes, and their length on the wire."""
    return behind_type(big(frame, 12), frame[14:], left - 14)


def behind_type(kind: int, rest: bytes, left: int) -> tuple[int, bytes, int]:
    """The same behind tags, labels and dialled sessions."""
    while kind not in (IPV4, IPV6):
        if kind in TAGS:
            kind, size = big(rest, 2), 4
        elif kind == 0x8864:
            kind, size = PPP.get(big(rest, 6), 0), 8
        elif kind == 0x8847:
            is_last = big(rest, 2, 1) & 1
            kind, size = (IPV6 if big(rest, 4, 1) >> 4 == 6 else IPV4) if is_last else kind, 4
        else:
            return 0, b"", 0
        rest, left = rest[size:], left - size
    return kind, rest, left


def behind(packet: Ip) -> tuple[int, bytes, int]:
    """What a packet tunnels; kind 0 when nothing."""
    rest, left = packet.inside, packet.left
    if packet.protocol in (4, 41):
        return (IPV6 if packet.protocol == 41 else IPV4), rest, left
    if packet.protocol == 47 and big(rest, 0) == 0:
        return behind_type(big(rest, 2), rest[4:], left - 4)
    if packet.protocol != UDP:
        return 0, b"", 0
    port, rest, left = packet.destination[1], rest[8:], left - 8
    if port == 4789 and rest[:1] == b"\x08" and len(rest) >= 22:
        return behind_ethernet(rest[8:], left - 8)
    if port == 6081 and rest[:1] == b"\0" and rest[2:4] == b"\x65\x58" and len(rest) >= 22:
        return behind_ethernet(rest[8:], left - 8)
    if port == 2152 and rest[:2] == b"\x30\xff" and len(rest) > 8:
        return (IPV6 if rest[8] >> 4 == 6 else IPV4), rest[8:], left - 8
    return 0, b"", 0


def packet_of(data: bytes, left: int, fragments: dict[tuple[bytes, bytes, int, int], tuple[int, int]]) -> Ip:
    """Read one IP packet and its transport header; the frame is believed where the header claims more."""
    version = big(data, 0, 1) >> 4
    if version == 4:
        header, claimed = (data[0] & 15) * 4, big(data, 2) or left
        if header < 20 or claimed < header or len(data) < 20:
            raise BrokenPacketError
        length, at, size, protocol = min(claimed, left, LARGEST_IPV4), 12, 4, data[9]
        serial, more = big(data, 4), big(data, 6)
        is_part, is_later = bool(more & 0x3FFF), bool(more & 0x1FFF)
    elif version == 6:
        protocol, claimed = big(data, 6, 1), big(data, 4)
        claimed = left if claimed == 0 and protocol != NOTHING_FOLLOWS else claimed + 40
        length, at, size = min(claimed, left, LARGEST_IPV6), 8, 16
        header, protocol, serial, is_part, is_later = extended(data[:length], protocol)
    else:
        raise BrokenPacketError
    data = data[:length]
    if len(data) < header:
        raise BrokenPacketError
    source, destination = data[at : at + size], data[at + size : at + 2 * size]
    body, who = data[header:], (source, destination, serial, protocol)
    if is_later:
        if who not in fragments:
            raise BrokenPacketError
        ports, flags = fragments[who], 0
    else:
        ports, flags = transport(protocol, body, length - header)
        if is_part:
            fragments[who] = ports
    inside = b"" if is_part else body
    return Ip((source, ports[0]), (destination, ports[1]), protocol, version, length, flags, inside, length - header)


def extended(data: bytes, protocol: int) -> tuple[int, int, int, bool, bool]:
    """Bytes of all IPv6 headers, what follows them, and the fragment's number, whether it is one, and not the first."""
    if len(data) < 40:
        raise BrokenPacketError
    at, serial, is_part, is_later = 40, 0, False, False
    while protocol in (0, 43, 44, AUTHENTICATION, 60) and not is_later:
        units = 0 if protocol == 44 else big(data, at + 1, 1)
        size = 8 + units * (4 if protocol == AUTHENTICATION else 8)
        if protocol == 44:
            more, serial = big(data, at + 2), big(data, at + 4, 4)
            is_part, is_later = bool(more & 0xFFF9), bool(more & 0xFFF8)
        if at + size > len(data):
            raise BrokenPacketError
        protocol, at = data[at], at + size
    return at, protocol, serial, is_part, is_later


def transport(protocol: int, body: bytes, left: int) -> tuple[tuple[int, int], int]:
    """Ports, and the flags of TCP."""
    if len(body) < LEAST_HEADER.get(protocol, 0):
        raise BrokenPacketError
    if protocol == TCP:
        header = (body[12] >> 4) * 4
        if not 20 <= header <= left:
            raise BrokenPacketError
        return (big(body, 0), big(body, 2)), body[13]
    return ((big(body, 0), big(body, 2)) if protocol in (UDP, UDP_LITE, SCTP) else (0, 0)), 0
