"""What is said: DNS, DHCP, NTP, mDNS by Scapy, built once each; TLS, HTTP and others as their first bytes."""

from __future__ import annotations

import struct
from functools import cache
from ipaddress import ip_address
from random import Random

_DNS_ID_BYTES = 2
_A, _AAAA = 1, 28
ALL_HOSTS = "224.0.0.1"


@cache
def _dns(name: str, kind: int, answer: str | None, has_no_such_name: bool) -> bytes:
    from scapy.layers.dns import DNS, DNSQR, DNSRR

    question = DNSQR(qname=name, qtype=kind)
    if answer is not None:
        return bytes(DNS(qr=1, ra=1, qd=question, an=DNSRR(rrname=name, type=kind, ttl=300, rdata=answer)))
    return bytes(DNS(qr=int(has_no_such_name), rcode=3 * has_no_such_name, rd=1, qd=question))


def dns_question(name: str, ident: int, *, is_v6: bool = False) -> bytes:
    """A question for the address of ``name``."""
    return struct.pack("!H", ident) + _dns(name, _AAAA if is_v6 else _A, None, False)[_DNS_ID_BYTES:]


def dns_answer(name: str, ident: int, address: str | None, *, is_v6: bool = False) -> bytes:
    """Its answer; no address means that there is no such name."""
    return struct.pack("!H", ident) + _dns(name, _AAAA if is_v6 else _A, address, address is None)[_DNS_ID_BYTES:]


@cache
def ntp(is_client: bool) -> bytes:
    """An NTP request or answer."""
    from scapy.layers.ntp import NTPHeader

    return bytes(NTPHeader(version=4, mode=3 if is_client else 4, ref=0, orig=0, recv=0, sent=0))


@cache
def dhcp(mac: bytes, address: str, is_request: bool) -> bytes:
    """A DHCP request for an address, or its acknowledgement."""
    from scapy.layers.dhcp import BOOTP, DHCP

    kind = "request" if is_request else "ack"
    header = BOOTP(op=1 if is_request else 2, chaddr=mac, ciaddr=address, xid=int.from_bytes(mac[2:]))
    return bytes(header / DHCP(options=[("message-type", kind), ("requested_addr", address), ("lease_time", 3600), "end"]))


@cache
def mdns(name: str) -> bytes:
    """A question to the neighbours for a service."""
    from scapy.layers.dns import DNS, DNSQR

    return bytes(DNS(id=0, qr=0, rd=0, qd=DNSQR(qname=name, qtype="PTR")))


@cache
def arp(mac: bytes, ip4: str, wanted: str) -> bytes:
    """A whole broadcast frame that asks who has ``wanted``."""
    from scapy.layers.l2 import ARP, Ether

    words = ":".join(f"{byte:02x}" for byte in mac)
    return bytes(Ether(src=words, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=words, psrc=ip4, pdst=wanted))


@cache
def igmp(mac: bytes, ip4: str, group: str, is_query: bool) -> bytes:
    """A whole frame: who listens to any group, or that this host listens to one (RFC 2236)."""
    from scapy.layers.inet import IP, IPOption_Router_Alert
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw
    from scapy.utils import checksum

    target = ALL_HOSTS if is_query else group
    asked = bytes(4) if is_query else ip_address(group).packed
    body = struct.pack("!BBH", 0x11 if is_query else 0x16, 100 if is_query else 0, 0) + asked
    body = body[:2] + struct.pack("!H", checksum(body)) + asked
    last = ":".join(f"{byte:02x}" for byte in ip_address(target).packed[1:])
    ethernet = Ether(src=":".join(f"{byte:02x}" for byte in mac), dst=f"01:00:5e:{last}")
    return bytes(ethernet / IP(src=ip4, dst=target, ttl=1, proto=2, options=[IPOption_Router_Alert()]) / Raw(body))


def tls_hello(name: str, rng: Random) -> bytes:
    """A TLS 1.2 ClientHello that names the server (RFC 8446 section 4.1.2, RFC 6066 section 3)."""
    host = name.encode()
    server_name = struct.pack("!HHHBH", 0, len(host) + 5, len(host) + 3, 0, len(host)) + host
    ciphers = b"\x13\x01\x13\x02\x13\x03\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30"
    body = b"\x03\x03" + rng.randbytes(32) + b"\x20" + rng.randbytes(32)
    body += struct.pack("!H", len(ciphers)) + ciphers + b"\x01\x00" + struct.pack("!H", len(server_name)) + server_name
    handshake = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16\x03\x01" + struct.pack("!H", len(handshake)) + handshake


TLS_SERVER_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"
TLS_DATA = b"\x17\x03\x03\x40\x00"  # a record of encrypted data, of the largest size
QUIC_INITIAL = b"\xc3\x00\x00\x00\x01\x08"  # long header, version 1 (RFC 9000 section 17.2.2)
QUIC_DATA = b"\x43"
RTP = b"\x80\x08"
SNMP_GET = bytes.fromhex("302902010104067075626c6963a01c020412345678020100020100300e300c06082b060102010101000500")
SMB2 = b"\x00\x00\x00\x80\xfeSMB@\x00"
KERBEROS = b"\x6a\x82\x01\x30"
LDAP = b"\x30\x84\x00\x00\x00\x60"
RDP = b"\x03\x00\x00\x13\x0e\xe0"
SSH_BANNER = b"SSH-2.0-OpenSSH_9.2\r\n"


def http_request(name: str, where: str, method: str = "GET") -> bytes:
    """The head of an HTTP request."""
    return f"{method} {where} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: office/1.0\r\nAccept: */*\r\n\r\n".encode()


def http_answer(size: int, status: str = "200 OK") -> bytes:
    """The head of an HTTP answer."""
    return f"HTTP/1.1 {status}\r\nServer: web\r\nContent-Length: {size}\r\n\r\n".encode()
