"""A flood: 60-byte frames, most of which begin a flow.

Of every 100 packets, 35 are a SYN flood from forged addresses (each a new flow) and 5 the victim's answers to it; 30 are a
scan, SYN and RST in turn; 20 are UDP questions with their answers; 10 belong to long flows, the busiest of which has
thousands of packets. All checksums are right.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FRAME_BYTES = 60
US_PER_PACKET = 30  # 1 M packets in 30 s
START_S = 1_772_442_000
CHUNK = 1 << 19
TCP, UDP = 6, 17
SYN, SYN_ACK, RST_ACK, ACK = 0x02, 0x12, 0x14, 0x10
TCP_BYTES, UDP_PAYLOAD = 20, 18
VICTIM, RESOLVERS, SCANNERS = 0xC0A80A0A, 0x08080000, 0xC6120000
SERVICES = np.array([443, 22, 5060, 3478, 8883], np.uint32)
STUN = 3478  # the only service of the long flows that is asked over UDP
LONG_FLOWS, POPULARITY = 50_000, 0.9  # the k-th busiest has 1/k^0.9 of the packets of the busiest
FROM_SERVER = 0.45

COLUMNS = (("source", "u4"), ("destination", "u4"), ("source_port", "u4"), ("destination_port", "u4"), ("protocol", "u4"))
PACKET = np.dtype([("time", "f8"), *COLUMNS, ("flags", "u4")])
RECORD = np.dtype(
    [
        *(("seconds", "<u4"), ("micros", "<u4"), ("captured", "<u4"), ("length", "<u4"), ("macs", "V12"), ("type", ">u2")),
        ("words", ">u2", 23),  # 20 bytes of IPv4, then TCP or UDP, then padding
    ]
)
assert RECORD.itemsize == 16 + FRAME_BYTES

Numbers = NDArray[np.uint32]


def flood(packets: int, seed: int = 11) -> Iterator[bytes]:
    """The records of a classic pcap, in time order, some hundred thousand at a time."""
    random = np.random.default_rng(seed)
    span = float(packets * US_PER_PACKET)
    wanted = {share: packets * share // 100 for share in (35, 5, 15, 10)}
    parts = syn_flood(random, span, wanted[35], wanted[5])
    parts += scan(random, span, wanted[15]) + questions(random, span, wanted[10])
    parts.append(long_flows(random, span, packets - sum(map(len, parts))))
    whole = np.concatenate(parts)
    whole = whole[np.argsort(whole["time"], kind="stable")]
    for first in range(0, packets, CHUNK):
        yield records(whole[first : first + CHUNK], random).tobytes()


def packet_table(time: NDArray[np.float64], **columns: Numbers | int) -> NDArray[np.void]:
    """One row for each packet; a column that is a number holds for all."""
    table = np.zeros(len(time), PACKET)
    table["time"] = time
    for name, values in columns.items():
        table[name] = values
    return table


def answered(asked: NDArray[np.void], delay: NDArray[np.float64], flags: int) -> NDArray[np.void]:
    """The answers to these packets, each so many us later."""
    answer = asked.copy()
    answer["time"] += delay
    answer["flags"] = flags
    for here, there in (("source", "destination"), ("source_port", "destination_port")):
        answer[here], answer[there] = asked[there], asked[here]
    return answer


def numbers(random: np.random.Generator, low: int, high: int, count: int) -> Numbers:
    """Uniform, ``high`` left out."""
    return random.integers(low, high, count, dtype=np.uint32)


def syn_flood(random: np.random.Generator, span: float, syns: int, answers: int) -> list[NDArray[np.void]]:
    """Each SYN from an address and port of its own; the victim answers some."""
    asked = packet_table(
        random.uniform(0, span, syns),
        source=numbers(random, 0x0B000000, 0xDF000000, syns),
        destination=VICTIM,
        source_port=numbers(random, 1024, 65_536, syns),
        destination_port=80,
        protocol=TCP,
        flags=SYN,
    )
    return [asked, answered(asked[:answers], np.full(answers, 200.0), SYN_ACK)]


def scan(random: np.random.Generator, span: float, probes: int) -> list[NDArray[np.void]]:
    """Twenty scanners try 10,000 ports of 65,536 hosts, and are refused."""
    asked = packet_table(
        random.uniform(0, span, probes),
        source=SCANNERS + numbers(random, 1, 21, probes),
        destination=0xAC100000 + numbers(random, 0, 65_536, probes),
        source_port=numbers(random, 40_000, 60_000, probes),
        destination_port=numbers(random, 1, 10_001, probes),
        protocol=TCP,
        flags=SYN,
    )
    return [asked, answered(asked, random.uniform(50, 3_000, probes), RST_ACK)]


def questions(random: np.random.Generator, span: float, asks: int) -> list[NDArray[np.void]]:
    """Questions of 50,000 hosts to 64 resolvers, each from a new port, and the answers."""
    asked = packet_table(
        random.uniform(0, span, asks),
        source=0x0A000000 + numbers(random, 1, 50_000, asks),
        destination=RESOLVERS + numbers(random, 0, 64, asks),
        source_port=numbers(random, 1024, 65_536, asks),
        destination_port=53,
        protocol=UDP,
    )
    return [asked, answered(asked, random.uniform(500, 50_000, asks), 0)]


def long_flows(random: np.random.Generator, span: float, packets: int) -> NDArray[np.void]:
    """Small packets of flows that go on all the time, few of them busy."""
    weights = 1 / np.arange(1, LONG_FLOWS + 1) ** POPULARITY
    chosen = random.choice(LONG_FLOWS, packets, p=weights / weights.sum())
    service = random.choice(SERVICES, LONG_FLOWS)
    flows = packet_table(
        np.zeros(LONG_FLOWS),
        source=0x0A640000 + numbers(random, 1, 20_000, LONG_FLOWS),
        destination=0x17000000 + numbers(random, 0, 1 << 20, LONG_FLOWS),
        source_port=numbers(random, 20_000, 65_536, LONG_FLOWS),
        destination_port=service,
        protocol=np.where(service == STUN, UDP, TCP).astype(np.uint32),
        flags=ACK,
    )
    is_back = random.random(packets) < FROM_SERVER
    table = np.where(is_back, answered(flows, np.zeros(LONG_FLOWS), ACK)[chosen], flows[chosen])
    table["time"] = random.uniform(0, span, packets)
    return table


def records(table: NDArray[np.void], random: np.random.Generator) -> NDArray[np.void]:
    """These packets as they stand in a file, checksums filled in."""
    out = np.zeros(len(table), RECORD)
    time = table["time"].astype(np.int64)
    out["seconds"], out["micros"] = START_S + time // 1_000_000, time % 1_000_000
    out["captured"] = out["length"] = FRAME_BYTES
    out["macs"], out["type"] = np.void(bytes.fromhex("020000000002020000000001")), 0x0800
    words, is_udp = out["words"], table["protocol"] == UDP
    words[:, 0], words[:, 1] = 0x4500, np.where(is_udp, 28 + UDP_PAYLOAD, 20 + TCP_BYTES)
    words[:, 2], words[:, 3], words[:, 4] = np.arange(len(table)) & 0xFFFF, 0x4000, 64 << 8 | table["protocol"]
    for at, name in ((6, "source"), (8, "destination")):
        words[:, at], words[:, at + 1] = table[name] >> 16, table[name] & 0xFFFF
    words[:, 5] = checksum(words[:, :10])
    words[:, 10], words[:, 11] = table["source_port"], table["destination_port"]
    transport(words, is_udp, table["flags"], random)
    return out


def transport(words: NDArray[np.uint16], is_udp: NDArray[np.bool_], flags: Numbers, random: np.random.Generator) -> None:
    """Fill in what follows the ports: the TCP header, or the UDP one and a payload of four bytes and zeros."""
    count, udp_bytes = len(words), 8 + UDP_PAYLOAD
    words[:, 12] = np.where(is_udp, udp_bytes, random.integers(0, 65_536, count))
    words[:, 13] = np.where(is_udp, 0, random.integers(0, 65_536, count))
    words[:, 16] = np.where(is_udp, 0x0102, 0x5000 | flags)
    words[:, 17] = np.where(is_udp, 0x0304, 64_240)
    pseudo = np.stack([words[:, 4] & 0xFF, np.where(is_udp, udp_bytes, TCP_BYTES)], axis=1)
    found = checksum(np.concatenate([words[:, 6:10], pseudo, words[:, 10:]], axis=1))
    words[:, 13] = np.where(is_udp, np.where(found == 0, 0xFFFF, found), words[:, 13])  # 0 says "none" in UDP (RFC 768)
    words[:, 18] = np.where(is_udp, 0, found)


def checksum(words: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The Internet checksum of each row (RFC 1071)."""
    total = words.astype(np.uint64).sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    found: NDArray[np.uint16] = (~total & 0xFFFF).astype(np.uint16)
    return found
