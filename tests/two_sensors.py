"""Two sensors that see a packet each in turn, for two hours: what tests of searches and of damage ask ``weir packets`` about."""

import struct
import subprocess
import sys
from pathlib import Path
from random import Random

START_US = 1_709_542_800_000_000  # 2024-03-04 09:00 UTC
HOURS = ("2024-03-04T09", "2024-03-04T10")
STEP_US = 2_400_000  # 3,000 packets in two hours
FLOW = ("udp", "10.0.3.1", 20003, "10.0.0.2", 53)
COMMUNITY_ID = "1:Acc+VAX0N2GPErllF1vhjmQK6/I="  # of FLOW


def write_captures(folder: Path) -> None:
    """What each sensor sees, as east.pcap and west.pcap, and all of it, as all.pcap."""
    random, packets = Random(5), []
    for i in range(3000):
        host = (i // 200 + random.randrange(2)) % 16  # each speaks for a while
        ends = [bytes([10, 0, host, 1]), bytes([10, 0, 0, 2])]
        ports = [20000 + host, 53]
        if random.random() < 0.5:
            ends.reverse()
            ports.reverse()
        body = random.randbytes(random.randrange(800))
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(body), i, 0, 64, 17, 0) + b"".join(ends)
        frame = bytes(12) + b"\x08\x00" + ip + struct.pack(">HHHH", *ports, 8 + len(body), 0) + body
        time_us = START_US + i * STEP_US
        packets.append(struct.pack("<IIII", time_us // 10**6, time_us % 10**6, len(frame), len(frame)) + frame)
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    for name, chosen in (("east", packets[::2]), ("west", packets[1::2]), ("all", packets)):
        (folder / f"{name}.pcap").write_bytes(header + b"".join(chosen))


def by_tcpdump(source: Path, *arguments: str) -> bytes:
    """The pcap that tcpdump writes of what it takes."""
    command = ["tcpdump", "-r", source, "-w", "-", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def weir(*arguments: object, **options) -> subprocess.CompletedProcess:
    """What ``weir packets`` does with these arguments."""
    return subprocess.run([sys.executable, "-m", "weir.cli", "packets", *map(str, arguments)], capture_output=True, **options)
