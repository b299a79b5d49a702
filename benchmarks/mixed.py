"""Mixed traffic: conversations of the real captures and made-up ones, copied side by side.

Each copy has addresses, a port and a time of its own, and right checksums stay right. Bytes, sizes, directions and the gaps
inside a conversation stay as they are, but no gap is longer than 30 s. Conversations begin at a steady rate.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import places
from conversations import KINDS, Packet

EXAMPLES = Path(__file__).parents[1] / "examples" / "captures"
START_S = 1_772_442_000
FILE_HEADER_BYTES, RECORD_HEADER_BYTES = 24, 16
SHARES = {"2024-03-05T09": 0.45, "2024-03-05T10": 0.12, "made up": 0.43}  # of the conversations
MADE_UP = 1_200
CONVERSATIONS_PER_S = 260
SPARE = 1.15  # conversations that last beyond the end are cut there
LONGEST_GAP_US, MOST_PACKETS = 30_000_000, 1_500
CALLERS, CALLER_POPULARITY, SERVERS, SERVER_POPULARITY = 4_096, 0.8, 20_000, 1.0
FIRST_PORT, LAST_PORT = 32_768, 60_999
FIRST_OWN_PORT = 1_024
CHUNK = 1 << 16

Bytes = NDArray[np.uint8]
Words = NDArray[np.int64]


def records_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Time in us and frame of each packet of a classic pcap in gzip."""
    data, at = gzip.decompress(path.read_bytes()), FILE_HEADER_BYTES
    while at + RECORD_HEADER_BYTES <= len(data):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", data, at)
        at += RECORD_HEADER_BYTES
        yield seconds * 1_000_000 + micros, data[at : at + captured]
        at += captured


def real(path: Path) -> list[list[Packet]]:
    """The conversations of a capture, each from its first packet on."""
    found: dict[tuple[bytes, ...], list[tuple[int, bytes]]] = {}
    for time, frame in records_of(path):
        found.setdefault(places.conversation(frame), []).append((time, frame))
    return [shortened(packets[:MOST_PACKETS]) for packets in found.values()]


def shortened(packets: list[tuple[int, bytes]]) -> list[Packet]:
    """Times from 0, and no gap too long."""
    out: list[Packet] = []
    now = 0
    for (time, frame), (before, _) in zip(packets, packets[:1] + packets[:-1], strict=True):
        now += min(max(time - before, 0), LONGEST_GAP_US)
        out.append(Packet(now, frame, len(frame)))
    return out


def made_up(random: np.random.Generator) -> list[list[Packet]]:
    """Conversations of all kinds, in their shares."""
    return [make(random) for share, make in KINDS.values() for _ in range(MADE_UP * share // 100)]


def draw(random: np.random.Generator, packets: int) -> tuple[list[list[Packet]], Words]:
    """All conversations there are, and how many copies of each are needed for so many packets."""
    pools = {path.name.split(".")[0]: real(path) for path in sorted(EXAMPLES.glob("*.pcap.gz"))} | {"made up": made_up(random)}
    shares = np.concatenate([np.full(len(pool), SHARES[name] / len(pool)) for name, pool in pools.items()])
    conversations = [conversation for pool in pools.values() for conversation in pool]
    sizes = np.array([len(conversation) for conversation in conversations])
    copies = np.zeros(len(conversations), np.int64)
    while copies @ sizes < packets * SPARE + MOST_PACKETS:
        wanted = int((packets * SPARE + MOST_PACKETS - copies @ sizes) / (shares @ sizes)) + 1
        copies += random.multinomial(wanted, shares / shares.sum())
    return conversations, copies


class Ends:
    """New addresses and ports for the copies of one conversation."""

    def __init__(self, random: np.random.Generator) -> None:
        """Few callers and servers are busy, most are not."""
        self.random = random
        self.callers = 1 / np.arange(1, CALLERS + 1) ** CALLER_POPULARITY
        self.servers = 1 / np.arange(1, SERVERS + 1) ** SERVER_POPULARITY
        self.callers /= self.callers.sum()
        self.servers /= self.servers.sum()
        public = random.integers(0x0B000000, 0x7F000000, SERVERS, dtype=np.int64)
        self.addresses = {True: 0x0A000101 + np.arange(CALLERS), False: public}

    def of(self, first: places.Places, copies: int) -> dict[bytes, Bytes]:
        """New addresses for both ends of a conversation, given its first packet."""
        server = self.draw(first.destination, False, copies)
        return {first.destination: server, first.source: self.draw(first.source, True, copies)}

    def draw(self, old: bytes, is_caller: bool, copies: int) -> Bytes:
        """uint8, shape (copies, 4 or 16); groups and the unspecified address stay what they are."""
        count, shares = (CALLERS, self.callers) if is_caller else (SERVERS, self.servers)
        hosts = self.random.choice(count, copies, p=shares)
        if stays(old):
            return np.tile(np.frombuffer(old, np.uint8), (copies, 1))
        if len(old) == 4:
            return self.addresses[is_caller][hosts].astype(">u4").view(np.uint8).reshape(copies, 4)
        site = bytes.fromhex("20010db800010000" if is_caller else "20010db8ffff0000")
        new = np.tile(np.frombuffer(site + bytes(8), np.uint8), (copies, 1))
        new[:, 8:] = (hosts + 257).astype(">u8").view(np.uint8).reshape(copies, 8)
        return new


def stays(address: bytes) -> bool:
    """Whether this is no single host's address: a group, broadcast, or none."""
    return (address[0] >= 224 if len(address) == 4 else address[0] == 0xFF) or not any(address)


def copies_of(conversation: Sequence[Packet], starts: Words, ends: Ends) -> tuple[Bytes, Words]:
    """The conversation once for each start, records back to back.

    Returns
    -------
    uint8, shape (copies, bytes): the records; int64, shape (copies, packets): their times in us
    """
    whole = b"".join(struct.pack("<IIII", 0, 0, len(packet.frame), packet.length) + packet.frame for packet in conversation)
    out = np.tile(np.frombuffer(whole, np.uint8), (len(starts), 1))
    times = starts[:, None] + np.array([packet.time_us for packet in conversation], np.int64)
    ports = ends.random.integers(FIRST_PORT, LAST_PORT, len(starts))
    new: dict[bytes, Bytes] = {}
    at = 0
    for number, packet in enumerate(conversation):
        stamps = np.stack([START_S + times[:, number] // 1_000_000, times[:, number] % 1_000_000], axis=1).astype("<u4")
        out[:, at : at + 8] = stamps.view(np.uint8)
        at += RECORD_HEADER_BYTES
        found = places.find(packet.frame)
        if found is not None:
            new = new or ends.of(found, len(starts))
            move(out[:, at : at + len(packet.frame)], packet.frame, found, new, ports)
        at += len(packet.frame)
    return out, times


def move(rows: Bytes, frame: bytes, found: places.Places, new: dict[bytes, Bytes], ports: Words) -> None:
    """Give one packet of all copies its new addresses and port, and mend its sums by the difference (RFC 1624)."""
    if found.source not in new or found.destination not in new:
        return
    size = len(found.source)
    source, destination = new[found.source], new[found.destination]
    rows[:, found.source_at : found.source_at + size] = source
    rows[:, found.source_at + size : found.source_at + 2 * size] = destination
    grown = sum_of(source) + sum_of(destination) - sum_of(rows_of(found.source)) - sum_of(rows_of(found.destination))
    mend(rows, found.header_sum, grown, False)
    pair = found.ports(frame)
    own = max(pair)
    if own >= FIRST_OWN_PORT and pair[0] != pair[1]:
        at = found.ports_at + (0 if pair[0] == own else 2)
        rows[:, at : at + 2] = ports.astype(">u2").view(np.uint8).reshape(-1, 2)
        grown = grown + ports - own
    mend(rows, found.transport_sum, grown, found.is_udp)


def rows_of(data: bytes) -> Bytes:
    """Bytes as one row."""
    return np.frombuffer(data, np.uint8)[None]


def sum_of(rows: Bytes) -> Words:
    """The sum of the 16-bit words of each row."""
    wide = rows.astype(np.int64)
    total: Words = wide[:, ::2].sum(axis=1) * 256 + wide[:, 1::2].sum(axis=1)
    return total


def mend(rows: Bytes, at: int, grown: Words, is_udp: bool) -> None:
    """Change the sum that stands there as what it covers has grown; a wrong sum stays wrong."""
    if not at:
        return
    old = int(rows[0, at]) << 8 | int(rows[0, at + 1])
    total = (~old & 0xFFFF) + grown % 0xFFFF
    total = (total & 0xFFFF) + (total >> 16)
    found = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    if is_udp:
        found = np.where(found == 0, 0xFFFF, found)
    rows[:, at : at + 2] = found.astype(">u2").view(np.uint8).reshape(-1, 2)


class Laid(NamedTuple):
    """Copies of conversations one after the other, and for each packet its time and where its record begins and ends."""

    whole: bytes
    time_us: Words
    first: Words
    last: Words


def lay(random: np.random.Generator, conversations: list[list[Packet]], copies: Words) -> Laid:
    """Copy every conversation as often as drawn."""
    span_us = int(copies.sum() / CONVERSATIONS_PER_S * 1e6)
    ends = Ends(random)
    blocks, times, firsts, lasts = [], [], [], []
    base = 0
    for conversation, count in zip(conversations, copies.tolist(), strict=True):
        if not count:
            continue
        block, when = copies_of(conversation, random.integers(0, span_us, count), ends)
        sizes = np.array([RECORD_HEADER_BYTES + len(packet.frame) for packet in conversation])
        starts = base + np.arange(count)[:, None] * sizes.sum() + (np.cumsum(sizes) - sizes)
        blocks.append(block.tobytes())
        times.append(when.ravel())
        firsts.append(starts.ravel())
        lasts.append((starts + sizes).ravel())
        base += block.size
    return Laid(b"".join(blocks), np.concatenate(times), np.concatenate(firsts), np.concatenate(lasts))


def mixed(packets: int, seed: int = 7) -> Iterator[bytes]:
    """The records of a classic pcap, in time order, some ten thousand at a time; takes memory for the file twice."""
    random = np.random.default_rng(seed)
    laid = lay(random, *draw(random, packets))
    order = np.argsort(laid.time_us, kind="stable")[:packets]
    whole = memoryview(laid.whole)
    for at in range(0, packets, CHUNK):
        some = order[at : at + CHUNK]
        pairs = zip(laid.first[some].tolist(), laid.last[some].tolist(), strict=True)
        yield b"".join([whole[begin:end] for begin, end in pairs])
