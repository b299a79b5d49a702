"""Made-up conversations: what a network speaks that the real captures in examples/captures have little of.

Each is drawn with a seeded generator and stands between ``CALLER`` and ``SERVER``; whoever lays many of them side by side
gives each copy addresses, a port and a time of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import frames
from hellos import client_hello, quic_initial, server_hello

CALLER = {False: frames.address("10.255.255.254"), True: frames.address("2001:db8:ffff::fffe")}
SERVER = {False: frames.address("203.0.113.80"), True: frames.address("2001:db8:eeee::80")}
CALLER_PORT = 51_000
SEGMENT = 1_448
MOST_BYTES = 600_000  # of one answer
SYN, SYN_ACK, ACK, PUSH, FIN, RST = 0x02, 0x12, 0x10, 0x18, 0x11, 0x04
WORDS = ("api", "cdn", "mail", "shop", "news", "video", "img", "auth", "data", "edge", "update", "static", "login", "store")


class Packet(NamedTuple):
    """A frame, when it came (us since the conversation began), and how long it was on the wire."""

    time_us: int
    frame: bytes
    length: int


class Talk:
    """A conversation being written down, packet by packet."""

    def __init__(self, random: np.random.Generator, port: int) -> None:
        """Between a caller and this port of a server, over the carrier that the generator draws."""
        self.random, self.port = random, port
        is_v6 = bool(random.random() < 0.3)
        self.ends = (CALLER[is_v6], SERVER[is_v6])
        self.carry = carrier(random)
        self.round_us = int(random.lognormal(9.6, 0.8))
        self.time_us, self.serial = 0, int(random.integers(1, 60_000))
        self.next = [int(random.integers(1, 1 << 31)), int(random.integers(1, 1 << 31))]
        self.packets: list[Packet] = []

    def wait(self, us: float) -> None:
        """Let time pass."""
        self.time_us += int(us)

    def put(self, frame: bytes, missing: int = 0) -> None:
        """Write a frame down, of which so many bytes more were on the wire."""
        self.packets.append(Packet(self.time_us, frame, len(frame) + missing))
        self.wait(int(self.random.integers(5, 300)))

    def route(self, is_caller: bool) -> tuple[bytes, bytes, tuple[int, int]]:
        """Source, destination and ports of what this side sends."""
        here, there = self.ends if is_caller else self.ends[::-1]
        return here, there, (CALLER_PORT, self.port) if is_caller else (self.port, CALLER_PORT)

    def packet(self, is_caller: bool, protocol: int, body: bytes) -> bytes:
        """The IP packet that carries this body."""
        here, there, _ = self.route(is_caller)
        self.serial += 1
        return frames.ip(here, there, protocol, body, self.serial)

    def datagram(self, is_caller: bool, payload: bytes, largest: int = 0) -> None:
        """Send by UDP; in fragments where ``largest`` says how much one may carry."""
        packet = self.packet(is_caller, frames.UDP, frames.udp(*self.route(is_caller), payload))
        for part in frames.fragments(packet, largest, self.serial) if largest else [packet]:
            self.put(self.carry(part))

    def segment(self, is_caller: bool, flags: int, payload: bytes = b"") -> None:
        """Send one TCP segment."""
        numbers = self.next[0 if is_caller else 1], self.next[1 if is_caller else 0] if flags != SYN else 0
        self.put(self.carry(self.packet(is_caller, frames.TCP, frames.tcp(*self.route(is_caller), numbers, flags, payload))))
        grown = numbers[0] + len(payload) + (1 if flags & 3 else 0)
        self.next[0 if is_caller else 1] = grown & 0xFFFFFFFF

    def open(self) -> None:
        """Shake hands."""
        self.segment(True, SYN)
        self.wait(self.round_us)
        self.segment(False, SYN_ACK)
        self.segment(True, ACK)

    def say(self, is_caller: bool, payload: bytes) -> None:
        """Send by TCP, in full segments; the other side acknowledges every second one."""
        for count, at in enumerate(range(0, len(payload), SEGMENT)):
            is_last = at + SEGMENT >= len(payload)
            self.segment(is_caller, PUSH if is_last else ACK, payload[at : at + SEGMENT])
            if count % 2 and not is_last:
                self.segment(not is_caller, ACK)
        self.wait(self.round_us)

    def close(self) -> list[Packet]:
        """Say goodbye, now and then rudely, and hand over what was written down."""
        if self.random.random() < 0.1:
            self.segment(True, RST)
        else:
            self.segment(True, FIN)
            self.segment(False, FIN)
            self.segment(True, ACK)
        return self.packets


Carrier = Callable[[bytes], bytes]


def carrier(random: np.random.Generator) -> Carrier:
    """What the packets of a conversation travel in: mostly nothing but Ethernet."""
    carriers: list[tuple[float, Carrier]] = [
        (0.80, frames.ethernet),
        (0.06, lambda packet: frames.tagged(packet, 100)),
        (0.02, lambda packet: frames.tagged(packet, 7, 200)),
        (0.01, lambda packet: frames.labelled(packet, 16_001)),
        (0.01, lambda packet: frames.dialled(packet, 9)),
        (0.02, frames.gre),
        (0.01, frames.ip_in_ip),
        (0.03, frames.vxlan),
        (0.01, frames.geneve),
        (0.03, frames.gtp),
    ]
    return carriers[int(random.choice(len(carriers), p=[share for share, _ in carriers]))][1]


def host_name(random: np.random.Generator) -> str:
    """A name as servers have it, each with parts of its own."""
    return f"{random.choice(WORDS)}{random.integers(100)}.{random.choice(WORDS)}-{random.integers(1000)}.example"


def noise(random: np.random.Generator, size: int) -> bytes:
    """What encrypted or compressed content looks like."""
    return bytes(random.bytes(size))


def size(random: np.random.Generator, typical: float, spread: float = 1.2) -> int:
    """A length in bytes: most are small, few large."""
    return int(min(random.lognormal(np.log(typical), spread), MOST_BYTES))


def dns(random: np.random.Generator) -> list[Packet]:
    """A question for an address and its answer (RFC 1035)."""
    talk = Talk(random, 53)
    question = b"".join(bytes([len(part)]) + part.encode() for part in host_name(random).split(".")) + b"\0\0\x01\0\x01"
    serial = random.bytes(2)
    talk.datagram(True, serial + bytes.fromhex("01000001000000000000") + question)
    talk.wait(talk.round_us)
    answers = int(random.integers(0, 5))
    records = b"".join(bytes.fromhex("c00c000100010000012c0004") + random.bytes(4) for _ in range(answers))
    talk.datagram(False, serial + struct.pack(">HHHHH", 0x8180 if answers else 0x8183, 1, answers, 0, 0) + question + records)
    return talk.packets


def http(random: np.random.Generator) -> list[Packet]:
    """Some requests over one connection, each answered (RFC 9112)."""
    talk = Talk(random, int(random.choice([80, 80, 80, 8080])))
    talk.open()
    host = host_name(random)
    for _ in range(random.integers(1, 4)):
        agent = f"User-Agent: client/{random.integers(1, 9)}.0\r\nAccept: */*\r\n\r\n"
        talk.say(True, f"GET /{random.choice(WORDS)}/{random.integers(10**6)} HTTP/1.1\r\nHost: {host}\r\n{agent}".encode())
        body = noise(random, size(random, 1_500, 1.3))
        status = random.choice(["200 OK", "200 OK", "200 OK", "304 Not Modified", "404 Not Found"])
        kind = random.choice(["text/html", "image/png", "application/json"])
        talk.say(False, f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        talk.wait(random.exponential(2e6))
    return talk.close()


def tls(random: np.random.Generator) -> list[Packet]:
    """Hellos with a name in them, then what nobody can read (RFC 8446)."""
    talk = Talk(random, int(random.choice([443, 443, 443, 8443, 993])))
    talk.open()
    talk.say(True, client_hello(random, host_name(random)))
    talk.say(False, server_hello(random) + record(random, size(random, 2_500, 0.3)))
    talk.say(True, record(random, 64))
    for _ in range(random.integers(1, 5)):
        talk.say(True, record(random, size(random, 300, 0.8)))
        talk.say(False, record(random, size(random, 1_000, 1.3)))
        talk.wait(random.exponential(1e6))
    return talk.close()


def record(random: np.random.Generator, length: int) -> bytes:
    """Application data of TLS, in records of at most 16 kB."""
    parts = [min(16_384, length - at) for at in range(0, length, 16_384)]
    return b"".join(b"\x17\x03\x03" + struct.pack(">H", part) + noise(random, part) for part in parts)


def quic(random: np.random.Generator) -> list[Packet]:
    """An Initial that names its server, then protected packets (RFC 9000, RFC 9001)."""
    talk = Talk(random, 443)
    caller = random.bytes(8)
    talk.datagram(True, quic_initial(random, caller, host_name(random)))
    talk.wait(talk.round_us)
    for _ in range(random.integers(3, 30)):
        is_caller = bool(random.random() < 0.3)
        length = int(random.integers(25, 120)) if is_caller else int(random.choice([80, 600, 1_200, 1_200]))
        talk.datagram(is_caller, b"\x40" + (b"" if not is_caller else caller) + noise(random, length))
        talk.wait(random.exponential(2e4))
    return talk.packets


def ssh(random: np.random.Generator) -> list[Packet]:
    """Banners and key exchange in the clear, then keystrokes (RFC 4253)."""
    talk = Talk(random, 22)
    talk.open()
    talk.say(False, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    talk.say(True, f"SSH-2.0-OpenSSH_{random.integers(7, 10)}.{random.integers(9)}\r\n".encode())
    for is_caller in (True, False):
        lists = b"".join(struct.pack(">I", len(names)) + names for names in [b"curve25519-sha256,aes128-ctr"] * 10)
        body = b"\x14" + random.bytes(16) + lists + bytes(5)
        talk.say(is_caller, struct.pack(">IB", len(body) + 5, 4) + body + bytes(4))
    for _ in range(random.integers(3, 20)):
        talk.say(True, noise(random, 36))
        talk.say(False, noise(random, int(random.integers(36, 400))))
        talk.wait(random.exponential(5e5))
    return talk.close()


def dialogue(random: np.random.Generator, port: int, lines: list[tuple[bool, str]]) -> Talk:
    """A protocol of lines; ``True`` where the caller speaks."""
    talk = Talk(random, port)
    talk.open()
    for is_caller, line in lines:
        talk.say(is_caller, line.encode() + b"\r\n")
    return talk


def smtp(random: np.random.Generator) -> list[Packet]:
    """A mail handed over (RFC 5321)."""
    host, number = host_name(random), random.integers(10**6)
    talk = dialogue(random, 25, [(False, f"220 {host} ESMTP"), (True, f"EHLO {host_name(random)}"), (False, "250 SIZE 1000000")])
    talk.say(True, f"MAIL FROM:<a{number}@{host}>\r\n".encode())
    talk.say(False, b"250 OK\r\n")
    talk.say(True, f"RCPT TO:<b{number}@{host}>\r\n".encode())
    talk.say(False, b"250 OK\r\n")
    talk.say(True, b"DATA\r\n")
    talk.say(False, b"354 End with .\r\n")
    talk.say(True, f"Subject: {number}\r\n\r\n".encode() + b"A line of a letter.\r\n" * int(random.integers(5, 800)) + b".\r\n")
    talk.say(False, b"250 queued\r\n")
    talk.say(True, b"QUIT\r\n")
    return talk.close()


def ftp(random: np.random.Generator) -> list[Packet]:
    """A log-in and a question, without the data (RFC 959)."""
    number = random.integers(10**4)
    lines = [(False, "220 ready"), (True, f"USER user{number}"), (False, "331 password?"), (True, f"PASS {number}")]
    lines += [(False, "230 logged in"), (True, "SYST"), (False, "215 UNIX Type: L8"), (True, "PASV")]
    lines += [(False, "227 Entering Passive Mode (203,0,113,80,195,80)"), (True, f"RETR file{number}.bin")]
    lines += [(False, "150 opening"), (False, "226 done"), (True, "QUIT"), (False, "221 goodbye")]
    return dialogue(random, 21, lines).close()


def mqtt(random: np.random.Generator) -> list[Packet]:
    """A sensor that publishes its readings (MQTT 3.1.1)."""
    talk = Talk(random, 1883)
    talk.open()
    name = f"sensor-{random.integers(10**5)}".encode()
    body = b"\0\x04MQTT\x04\x02\0\x3c" + struct.pack(">H", len(name)) + name
    talk.say(True, b"\x10" + bytes([len(body)]) + body)
    talk.say(False, b"\x20\x02\0\0")
    topic = b"plant/" + name
    for _ in range(random.integers(3, 25)):
        body = struct.pack(">H", len(topic)) + topic + f"{random.normal(20, 3):.2f}".encode()
        talk.say(True, b"\x30" + bytes([len(body)]) + body)
        talk.wait(random.exponential(4e6))
    return talk.close()


def modbus(random: np.random.Generator) -> list[Packet]:
    """Registers of a controller, read in turn (Modbus/TCP)."""
    talk = Talk(random, 502)
    talk.open()
    for serial in range(random.integers(3, 25)):
        count = int(random.integers(1, 60))
        talk.say(True, struct.pack(">HHHBBHH", serial, 0, 6, 1, 3, int(random.integers(1000)), count))
        values = random.bytes(2 * count)
        talk.say(False, struct.pack(">HHHBBB", serial, 0, 3 + len(values), 1, 3, len(values)) + values)
        talk.wait(random.exponential(1e6))
    return talk.close()


def ping(random: np.random.Generator) -> list[Packet]:
    """Echoes (RFC 792, RFC 4443)."""
    talk = Talk(random, 0)
    is_v6 = len(talk.ends[0]) == 16
    kinds, protocol = ((128, 129), frames.ICMPV6) if is_v6 else ((8, 0), frames.ICMP)
    serial = int(random.integers(65_536))
    for count in range(random.integers(1, 8)):
        for is_caller, kind in zip((True, False), kinds, strict=True):
            here, there, _ = talk.route(is_caller)
            message = frames.icmp(here, there, kind, struct.pack(">HH", serial, count) + bytes(range(56)))
            talk.put(talk.carry(talk.packet(is_caller, protocol, message)))
        talk.wait(1e6)
    return talk.packets


def call(random: np.random.Generator) -> list[Packet]:
    """Voice: small datagrams both ways, one every 20 ms (RFC 3550)."""
    talk = Talk(random, 16_384)
    for count in range(random.integers(10, 60)):
        for is_caller in (True, False):
            talk.datagram(is_caller, struct.pack(">BBHII", 0x80, 8, count, 160 * count, 7) + noise(random, 160))
        talk.wait(19_000)
    return talk.packets


def fragmented(random: np.random.Generator) -> list[Packet]:
    """Small questions whose answers are too large for a frame."""
    talk = Talk(random, 2049)
    for _ in range(random.integers(1, 4)):
        talk.datagram(True, noise(random, 100))
        talk.wait(talk.round_us)
        talk.datagram(False, noise(random, int(random.integers(1_600, 8_000))), largest=1_440)
        talk.wait(random.exponential(1e5))
    return talk.packets


def broken(random: np.random.Generator) -> list[Packet]:
    """Frames that are cut, lie about their lengths, or are no IP at all."""
    talk = Talk(random, int(random.integers(1, 1024)))
    here, there, ports = talk.route(True)
    packet = talk.packet(True, frames.TCP, frames.tcp(here, there, ports, (1, 0), ACK, noise(random, 200)))
    whole = frames.ethernet(packet)
    at, length = 14, int(random.integers(14, len(whole)))
    odd = [
        (whole[:length], len(whole) - length),  # a short snap length
        (whole[:at] + bytes([whole[at] & 0xF0 | 3]) + whole[at + 1 :], 0),  # IPv4 header of 12 bytes
        (whole[: at + 2] + b"\xff\xff" + whole[at + 4 :], 0),  # longer than the frame
        (whole[:at] + b"\x95" + whole[at + 1 :], 0),  # version 9
        (whole[:-230] if len(whole) > 260 else whole[:20], 0),  # ends inside a header
        (frames.ethernet(noise(random, 46), 0x88CC), 0),  # LLDP
        (frames.ethernet(noise(random, 28), 0x0806), 0),  # ARP
        (whole[:-1] + b"!", 0),  # wrong checksum
    ]
    for frame, missing in (odd[int(i)] for i in random.integers(0, len(odd), 3)):
        talk.put(frame, missing)
        talk.wait(random.exponential(1e5))
    return talk.packets


# How many of a hundred made-up conversations are of each kind.
KINDS: dict[str, tuple[int, Callable[[np.random.Generator], list[Packet]]]] = {
    "dns": (22, dns),
    "tls": (27, tls),
    "http": (14, http),
    "quic": (8, quic),
    "ssh": (3, ssh),
    "smtp": (3, smtp),
    "ftp": (2, ftp),
    "mqtt": (4, mqtt),
    "modbus": (3, modbus),
    "ping": (5, ping),
    "call": (2, call),
    "fragmented": (3, fragmented),
    "broken": (4, broken),
}
