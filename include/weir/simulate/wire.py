"""Frames as bytes: Scapy builds one template per kind of packet, the rest is patching fields.

Building each packet with Scapy takes about 300 us, patching a template about 4 us; that is what
lets hours of traffic be made while one waits. Checksums are right: the ones' complement sum of
16-bit words (RFC 1071) equals the big-endian number modulo 65535, which Python computes at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

TCP, UDP, ICMP, ICMP6, IGMP = 6, 17, 1, 58, 2
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

ETHERNET_BYTES = 14
US_PER_S = 1_000_000
_IP4_BYTES, _IP6_BYTES, _TCP_BYTES, _UDP_BYTES = 20, 40, 20, 8
_ONES = 0xFFFF
_LINK_ETHERNET = 1
_SNAPLEN = 262_144


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One side of a conversation as the wire shows it; ``mac`` and ``ip`` are packed bytes."""

    mac: bytes
    ip: bytes
    port: int = 0
    ttl: int = 64
    window: int = 64_240
    has_timestamps: bool = False

    @property
    def address(self) -> str:
        """The address in words, such as ``10.20.0.7``."""
        return str(ip_address(self.ip))


@cache
def _template(is_v6: bool, protocol: int) -> bytes:
    """Ethernet, IP and transport header of one kind, as Scapy builds it."""
    from scapy.layers import inet, inet6, l2

    ethernet = l2.Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    network = inet6.IPv6(src="fd00::1", dst="fd00::2") if is_v6 else inet.IP(src="10.0.0.1", dst="10.0.0.2", flags="DF")
    kinds = {TCP: inet.TCP, UDP: inet.UDP, ICMP: inet.ICMP, ICMP6: inet6.ICMPv6EchoRequest}
    return bytes(ethernet / network / kinds[protocol]())


class Sender:
    """One direction of one conversation: a header whose addresses and ports are final.

    Each packet copies it and patches lengths, counters, flags and checksums.
    """

    __slots__ = ("_at", "_head", "_ident", "_is_v6", "_network_sum", "_pseudo_sum", "protocol", "source")

    def __init__(self, source: Endpoint, target: Endpoint, protocol: int) -> None:
        self.source, self.protocol = source, protocol
        self._is_v6 = len(source.ip) > 4
        self._at = ETHERNET_BYTES + (_IP6_BYTES if self._is_v6 else _IP4_BYTES)
        self._head = bytearray(_template(self._is_v6, protocol))
        self._head[0:6], self._head[6:12] = target.mac, source.mac
        self._address(source, target)
        if protocol in (TCP, UDP):
            struct.pack_into("!HH", self._head, self._at, source.port, target.port)
        addresses = int.from_bytes(source.ip + target.ip)
        self._pseudo_sum = addresses + protocol + source.port + target.port
        self._network_sum = addresses + 0x4500 + 0x4000 + (source.ttl << 8) + protocol
        self._ident = (source.port * 31 + target.port) & _ONES

    def _address(self, source: Endpoint, target: Endpoint) -> None:
        if self._is_v6:
            self._head[21] = source.ttl
            self._head[22:38], self._head[38:54] = source.ip, target.ip
        else:
            self._head[22] = source.ttl
            self._head[26:30], self._head[30:34] = source.ip, target.ip

    def _network(self, transport_bytes: int) -> bytearray:
        """A copy of the header with the lengths and the IP checksum of this packet."""
        frame = self._head[:]
        if self._is_v6:
            struct.pack_into("!H", frame, ETHERNET_BYTES + 4, transport_bytes)
            return frame
        total, self._ident = _IP4_BYTES + transport_bytes, (self._ident + 1) & _ONES
        struct.pack_into("!HH", frame, ETHERNET_BYTES + 2, total, self._ident)
        struct.pack_into("!H", frame, ETHERNET_BYTES + 10, _complement(self._network_sum + total + self._ident))
        return frame

    def tcp(self, seq: int, ack: int, flags: int, payload: bytes = b"", options: bytes = b"") -> bytes:
        """A TCP segment; ``options`` must be a multiple of four bytes long."""
        length = _TCP_BYTES + len(options) + len(payload)
        frame = self._network(length)
        offset_flags = ((_TCP_BYTES + len(options)) << 10) | flags
        words = self._pseudo_sum + seq + ack + offset_flags + self.source.window + length
        checksum = _complement(words + _number(options + payload))
        struct.pack_into("!IIHHH", frame, self._at + 4, seq, ack, offset_flags, self.source.window, checksum)
        return bytes(frame) + options + payload

    def udp(self, payload: bytes) -> bytes:
        """A UDP datagram."""
        length = _UDP_BYTES + len(payload)
        frame = self._network(length)
        checksum = _complement(self._pseudo_sum + 2 * length + _number(payload)) or _ONES  # 0 would say "none"
        struct.pack_into("!HH", frame, self._at + 4, length, checksum)
        return bytes(frame) + payload

    def icmp(self, kind: int, code: int, rest: int, payload: bytes = b"") -> bytes:
        """An ICMP or ICMPv6 message; ``rest`` is the 32-bit word after the checksum (RFC 792)."""
        length = 8 + len(payload)
        frame = self._network(length)
        words = (kind << 8 | code) + rest + _number(payload)
        checksum = _complement(words + (self._pseudo_sum + length if self._is_v6 else 0))
        struct.pack_into("!BBHI", frame, self._at, kind, code, checksum, rest)
        return bytes(frame[: self._at + 8]) + payload


def _number(data: bytes) -> int:
    """The bytes as one big-endian number of whole 16-bit words."""
    return int.from_bytes(data) << (8 * (len(data) & 1))


def _complement(total: int) -> int:
    """The Internet checksum of words that add up to ``total`` (which is never 0 here)."""
    folded = total % _ONES
    return _ONES - folded if folded else 0


def pcap(packets: Iterable[tuple[int, bytes]]) -> bytes:
    """A little-endian, microsecond pcap file of (time in us, Ethernet frame), in the given order."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _SNAPLEN, _LINK_ETHERNET)]
    for time_us, frame in packets:
        parts.append(struct.pack("<IIII", time_us // US_PER_S, time_us % US_PER_S, len(frame), len(frame)))
        parts.append(frame)
    return b"".join(parts)
