"""The two captures that speed is measured on, made the same on every machine.

python benchmarks/captures.py flood OUT.pcap [PACKETS]     60-byte frames, most of them new flows
python benchmarks/captures.py mixed OUT.pcap [PACKETS]     the real captures in examples/captures, many times over
"""

from __future__ import annotations

import gzip
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples" / "captures"
FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
START_S = 1_772_442_000
PACKETS = 1_000_000
FRAME_BYTES = 60
SPAN_US = 30_000_000
TCP, UDP = 6, 17
SYN, SYN_ACK, RST_ACK, ACK = 0x02, 0x12, 0x14, 0x10
IPV4 = b"\x08\x00"

# What a flood consists of, in percent of its packets.
SYN_FLOOD, SCAN, QUESTIONS = 40, 30, 20
LONG_FLOWS = 20_000  # the rest belongs to these, the busiest with many packets
ZIPF = 1.2

RECORD = np.dtype(
    [
        *(("seconds", "<u4"), ("micros", "<u4"), ("captured", "<u4"), ("length", "<u4")),
        *(("macs", "V12"), ("type", ">u2")),
        *(("version", "u1"), ("service", "u1"), ("bytes", ">u2"), ("id", ">u2"), ("fragment", ">u2")),
        *(("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"), ("source", ">u4"), ("destination", ">u4")),
        *(("source_port", ">u2"), ("destination_port", ">u2"), ("sequence", ">u4"), ("acknowledged", ">u4")),
        *(("offset", "u1"), ("flags", "u1"), ("window", ">u2"), ("rest", "V10")),
    ]
)
assert RECORD.itemsize == 16 + FRAME_BYTES


def flood(packets: int, seed: int = 11) -> bytes:
    """A SYN flood, a scan with its refusals, questions with their answers, and some long flows."""
    rng = np.random.default_rng(seed)
    records = np.zeros(packets, RECORD)
    records["captured"] = records["length"] = FRAME_BYTES
    records["type"], records["version"], records["bytes"], records["ttl"] = 0x0800, 0x45, FRAME_BYTES - 14, 64
    records["offset"], records["window"], records["protocol"], records["flags"] = 0x50, 1024, TCP, ACK
    times = np.sort(rng.integers(0, SPAN_US, packets))
    records["seconds"], records["micros"] = START_S + times // 1_000_000, times % 1_000_000
    kind = rng.integers(0, 100, packets)
    serial = np.arange(packets, dtype=np.uint32)

    new = kind < SYN_FLOOD
    records["source"][new], records["destination"][new] = 0x0B000000 + serial[new], 0xC0000201
    records["source_port"][new], records["destination_port"][new], records["flags"][new] = 1024 + serial[new] % 60_000, 80, SYN

    for first, last, protocol, port in ((SYN_FLOOD, SYN_FLOOD + SCAN, TCP, 0), (100 - QUESTIONS - 10, 90, UDP, 53)):
        chosen = np.flatnonzero((kind >= first) & (kind < last))
        pair = np.arange(len(chosen)) // 2  # every second packet answers the one before
        is_answer = np.arange(len(chosen)) % 2 == 1
        here, there = (
            np.uint32(0x0A000000) + (pair % 250).astype(np.uint32),
            np.uint32(0xC6336401) + (pair // 60_000).astype(np.uint32),
        )
        near, far = 1024 + pair % 60_000, np.full(len(pair), port) if port else 1 + pair // 250 % 60_000
        records["source"][chosen], records["destination"][chosen] = (
            np.where(is_answer, there, here),
            np.where(is_answer, here, there),
        )
        records["source_port"][chosen] = np.where(is_answer, far, near)
        records["destination_port"][chosen] = np.where(is_answer, near, far)
        records["protocol"][chosen] = protocol
        records["flags"][chosen] = np.where(is_answer, RST_ACK, SYN) if protocol == TCP else 0

    long = np.flatnonzero(kind >= 90)
    flow = np.minimum(rng.zipf(ZIPF, len(long)), LONG_FLOWS).astype(np.uint32)
    records["source"][long], records["destination"][long] = 0xAC100000 + flow, 0xC0000202
    records["source_port"][long], records["destination_port"][long] = 2000 + flow % 60_000, 443
    return FILE_HEADER + records.tobytes()


def records_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Time in us and frame of each packet of a classic pcap in gzip."""
    data, at = gzip.decompress(path.read_bytes()), len(FILE_HEADER)
    while at + 16 <= len(data):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", data, at)
        yield seconds * 1_000_000 + micros, data[at + 16 : at + 16 + captured]
        at += 16 + captured


def mixed(packets: int) -> bytes:
    """Copies of the real captures side by side, each among hosts of its own; IP checksums are not mended."""
    real = [packet for path in sorted(EXAMPLES.glob("*.pcap.gz")) for packet in records_of(path)]
    copies = -(-packets // len(real))
    out = []
    for time, frame in real:
        for copy in range(copies):
            seconds, micros = divmod(time + copy, 1_000_000)
            moved = frame
            if frame[12:14] == IPV4 and copy:
                moved = frame[:27] + bytes([frame[27] ^ copy % 256]) + frame[28:31] + bytes([frame[31] ^ copy % 256]) + frame[32:]
            out.append(struct.pack("<IIII", seconds, micros, len(moved), len(moved)) + moved)
    return FILE_HEADER + b"".join(out[:packets])


def main() -> None:
    """Write the capture that the command line names."""
    kind, out, *rest = sys.argv[1:]
    packets = int(rest[0]) if rest else PACKETS
    Path(out).write_bytes({"flood": flood, "mixed": mixed}[kind](packets))


if __name__ == "__main__":
    main()
