"""Frames from the inside out: a payload in TCP or UDP, in IP, in whatever carries it."""

from __future__ import annotations

import socket
import struct

TCP, UDP, ICMP, ICMPV6, IP_IN_IP, IPV6_IN_IP, GRE = 6, 17, 1, 58, 4, 41, 47
FRAGMENT_HEADER = 44
IPV4, IPV6, VLAN, QINQ, MPLS, PPPOE = 0x0800, 0x86DD, 0x8100, 0x88A8, 0x8847, 0x8864
VXLAN_PORT, GTP_PORT, GENEVE_PORT = 4789, 2152, 6081
MACS = bytes.fromhex("020000000002020000000001")
# Segment size 1460, selective acknowledgement, time stamps, window scale 10 (RFC 9293, RFC 7323).
SYN_OPTIONS = bytes.fromhex("020405b40402080a00000001000000000103030a")
PPP_OF = {IPV4: 0x0021, IPV6: 0x0057}


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text: str) -> bytes:
    """The bytes of an IPv4 or IPv6 address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def pseudo(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """What transport checksums cover of IP; the same sum for both versions (RFC 9293, RFC 8200)."""
    return source + destination + struct.pack(">HH", protocol, length)


def tcp(source: bytes, destination: bytes, ports: tuple[int, int], numbers: tuple[int, int], flags: int, payload: bytes) -> bytes:
    """A TCP segment; a SYN carries the usual options. ``numbers`` are sequence and acknowledgement."""
    options = SYN_OPTIONS if flags & 2 else b""
    words = 5 + len(options) // 4
    head = struct.pack(">HHIIBBHHH", *ports, *numbers, words << 4, flags, 64_240, 0, 0)
    found = checksum(pseudo(source, destination, TCP, words * 4 + len(payload)) + head + options + payload)
    return head[:16] + struct.pack(">H", found) + head[18:] + options + payload


def udp(source: bytes, destination: bytes, ports: tuple[int, int], payload: bytes, is_summed: bool = True) -> bytes:
    """A UDP datagram; tunnels leave the sum out."""
    head = struct.pack(">HHH", *ports, 8 + len(payload))
    found = checksum(pseudo(source, destination, UDP, 8 + len(payload)) + head + payload) or 0xFFFF
    return head + struct.pack(">H", found if is_summed else 0) + payload


def icmp(source: bytes, destination: bytes, kind: int, rest: bytes) -> bytes:
    """An ICMP or ICMPv6 message, as the addresses ask for."""
    is_v6 = len(source) == 16
    head = struct.pack(">BBH", kind, 0, 0)
    cover = pseudo(source, destination, ICMPV6, 4 + len(rest)) if is_v6 else b""
    return head[:2] + struct.pack(">H", checksum(cover + head + rest)) + rest


def ip(source: bytes, destination: bytes, protocol: int, payload: bytes, serial: int = 0, fragment: int = 0) -> bytes:
    """An IPv4 or IPv6 packet; ``fragment`` is the 16-bit field of IPv4 (flags and offset in 8 bytes)."""
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + source + destination + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), serial & 0xFFFF, fragment, 64, protocol, 0) + source + destination
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def fragments(packet: bytes, size: int, serial: int) -> list[bytes]:
    """A packet in parts whose payload has at most ``size`` bytes, a multiple of 8."""
    if packet[0] >> 4 == 6:
        source, destination, protocol, whole = packet[8:24], packet[24:40], packet[6], packet[40:]
        starts = range(0, len(whole), size)
        heads = [struct.pack(">BBHI", protocol, 0, at | (at + size < len(whole)), serial) for at in starts]
        return [
            ip(source, destination, FRAGMENT_HEADER, head + whole[at : at + size]) for at, head in zip(starts, heads, strict=True)
        ]
    source, destination, protocol, whole = packet[12:16], packet[16:20], packet[9], packet[20:]
    return [
        ip(source, destination, protocol, whole[at : at + size], serial, at // 8 | (at + size < len(whole)) << 13)
        for at in range(0, len(whole), size)
    ]


def ether_type(packet: bytes) -> int:
    """What Ethernet calls this packet."""
    return IPV6 if packet[0] >> 4 == 6 else IPV4


def ethernet(packet: bytes, kind: int | None = None) -> bytes:
    """A packet in a frame."""
    return MACS + struct.pack(">H", kind or ether_type(packet)) + packet


def tagged(packet: bytes, *tags: int) -> bytes:
    """... behind VLAN tags, the outer one of two a service tag (IEEE 802.1ad)."""
    kinds = [QINQ, VLAN][-len(tags) :]
    inner = [*kinds[1:], ether_type(packet)]
    return ethernet(b"".join(struct.pack(">HH", tag, kind) for tag, kind in zip(tags, inner, strict=True)) + packet, kinds[0])


def labelled(packet: bytes, label: int) -> bytes:
    """... behind an MPLS label, the last of its stack (RFC 3032)."""
    return ethernet(struct.pack(">I", label << 12 | 1 << 8 | 64) + packet, MPLS)


def dialled(packet: bytes, session: int) -> bytes:
    """... in a PPPoE session (RFC 2516)."""
    return ethernet(struct.pack(">BBHHH", 0x11, 0, session, 2 + len(packet), PPP_OF[ether_type(packet)]) + packet, PPPOE)


ENDS = (address("198.51.100.1"), address("198.51.100.2"))  # of every tunnel


def tunnelled(protocol: int, payload: bytes) -> bytes:
    """Something between the ends of the tunnel."""
    return ethernet(ip(*ENDS, protocol, payload))


def gre(packet: bytes) -> bytes:
    """... in GRE (RFC 2784)."""
    return tunnelled(GRE, struct.pack(">HH", 0, ether_type(packet)) + packet)


def ip_in_ip(packet: bytes) -> bytes:
    """... in IPv4 (RFC 2003, RFC 4213)."""
    return tunnelled(IPV6_IN_IP if packet[0] >> 4 == 6 else IP_IN_IP, packet)


def over_udp(ports: tuple[int, int], payload: bytes) -> bytes:
    """... in UDP without a sum."""
    return tunnelled(UDP, udp(*ENDS, ports, payload, is_summed=False))


def vxlan(packet: bytes) -> bytes:
    """... in VXLAN (RFC 7348)."""
    return over_udp((49_152, VXLAN_PORT), struct.pack(">II", 8 << 24, 77 << 8) + ethernet(packet))


def geneve(packet: bytes) -> bytes:
    """... in GENEVE (RFC 8926)."""
    return over_udp((49_153, GENEVE_PORT), struct.pack(">BBHI", 0, 0, 0x6558, 88 << 8) + ethernet(packet))


def gtp(packet: bytes) -> bytes:
    """... in GTP-U, as phones are carried (3GPP TS 29.281)."""
    return over_udp((GTP_PORT, GTP_PORT), struct.pack(">BBHI", 0x30, 255, len(packet), 4242) + packet)
