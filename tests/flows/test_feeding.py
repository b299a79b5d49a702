"""However packets are fed, at once, one by one, cut anywhere, through a pipe or the sensor, the rows are the same.

Timers run on packet time, so nothing can depend on when bytes arrive. The two columns that say where
packets lay differ by their nature; all others are compared to the last bit, and so is the order of rows.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir import jobs
from weir.flows.build import Flows, build, stream
from weir.packets import spool
from weir.settings import FlowSettings

LINEAGE = ["segment_index", "first_offset"]
START_US = 1_772_442_000_000_000  # 2026-03-02 09:00 UTC
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
REPOSITORY = Path(__file__).parents[2]

Timed = tuple[int, bytes]

STEPS_US = [
    0,
    1,
    700,
    90_000,
    999_999,
    1_000_001,
    1_999_999,
    2_500_000,
    6_000_001,
    31_000_000,
    -600,
    -1_500_000,
    3_700_000_000,
    -7_300_000_000,
]
TIMEOUTS = [FlowSettings(idle_timeout_s=idle, active_timeout_s=active) for idle, active in ((1, 3), (2, 1), (5, 60), (120, 1800))]
KINDS = ["tcp", "tcp", "tcp", "udp", "udp6", "icmp", "fragments", "crossed", "tunnel", "arp"]
traffic = st.lists(
    st.tuples(
        st.sampled_from(STEPS_US),
        st.sampled_from(KINDS),
        st.integers(0, 2),
        st.booleans(),
        st.sampled_from([0x02, 0x12, 0x10, 0x18, 0x18, 0x11, 0x04]),
        st.sampled_from([0, 1, 40, 1_200]),
    ),
    min_size=1,
    max_size=24,
)


def ipv4(host: int, is_back: bool, protocol: int, body: bytes, number: int, fragment: int = 0) -> bytes:
    ends = [bytes([10, 0, 0, host]), bytes([192, 0, 2, 1])]
    if is_back:
        ends.reverse()
    return (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), number & 0xFFFF, fragment, 64, protocol, 0) + ends[0] + ends[1] + body
    )


def ipv6(host: int, is_back: bool, protocol: int, body: bytes) -> bytes:
    ends = [b"\x20\x01\x0d\xb8" + bytes(11) + bytes([host]), b"\x20\x01\x0d\xb8" + bytes(11) + b"\xff"]
    if is_back:
        ends.reverse()
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + ends[0] + ends[1] + body


def ports(host: int, is_back: bool) -> bytes:
    pair = (4_000 + host, 53)
    return struct.pack(">HH", *(pair[::-1] if is_back else pair))


def frames_of(kind: str, host: int, is_back: bool, flags: int, size: int, number: int) -> Iterator[bytes]:
    """The frames of one idea: one, or the fragments of one datagram."""
    ethernet, payload = bytes(12) + b"\x08\x00", bytes(size)
    udp = ports(host, is_back) + struct.pack(">HH", 8 + size, 0) + payload
    if kind == "tcp":
        sequence = struct.pack(">II", (2**32 - 3_000 + 500 * number) % 2**32, 700 * number)
        tcp = ports(host, is_back) + sequence + struct.pack(">BBHHH", 0x50, flags, size, 0, 0) + payload
        yield ethernet + ipv4(host, is_back, 6, tcp, number)
    elif kind == "udp":
        yield ethernet + ipv4(host, is_back, 17, udp, number)
    elif kind == "udp6":
        yield bytes(12) + b"\x81\x00\x00\x05\x86\xdd" + ipv6(host, is_back, 17, udp)
    elif kind == "icmp":
        yield ethernet + ipv4(host, is_back, 1, bytes([0 if is_back else 8, 0, 0, 0, 0, host, 0, 1]) + payload, number)
    elif kind in ("fragments", "crossed"):
        body = udp + bytes(40)
        pieces = [(0x2000, body[:24]), (0x2003, body[24:32]), (0x0004, body[32:])]
        for fragment, piece in pieces if kind == "fragments" else reversed(pieces):
            yield ethernet + ipv4(host, is_back, 17, piece, number, fragment)
    elif kind == "tunnel":
        yield ethernet + ipv4(9, is_back, 4, ipv4(host, is_back, 17, udp, number), number)
    else:
        yield bytes(12) + b"\x08\x06" + bytes(28)


def packets_of(ideas: list[tuple[int, str, int, bool, int, int]]) -> list[Timed]:
    """Packets with times that mostly go forward; fragments come some milliseconds apart."""
    time, out = START_US, []
    for number, (step, kind, host, is_back, flags, size) in enumerate(ideas):
        time += step
        for piece, frame in enumerate(frames_of(kind, host, is_back, flags, size, number)):
            out.append((time + piece * 3_000, frame))
    return out


def record(packet: Timed) -> bytes:
    time, data = packet
    return struct.pack("<IIII", time // 1_000_000, time % 1_000_000, len(data), len(data)) + data


def write(path: Path, packets: list[Timed]) -> Path:
    path.write_bytes(HEADER + b"".join(map(record, packets)))
    return path


def assert_same(fed: Flows, whole: Flows) -> None:
    assert fed.table.drop_columns(LINEAGE).equals(whole.table.drop_columns(LINEAGE))
    assert fed.counts == whole.counts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feeding")


@pytest.fixture(scope="module")
def sensor() -> Path:
    """The sensor's binary; built here where it is not."""
    if named := os.environ.get("WEIR_CAPTURE"):
        return Path(named)
    build_folder = REPOSITORY / "build" / "capture"
    binary = build_folder / "bin" / "weir-capture"
    build_folder.mkdir(parents=True, exist_ok=True)
    with (build_folder / ".lock").open("w") as lock:  # workers of one test run wait for the one that builds
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            configure = [
                "cmake",
                "-S",
                REPOSITORY / "capture_cpp",
                "-B",
                build_folder,
                "-G",
                "Ninja",
                "-DCMAKE_BUILD_TYPE=Release",
            ]
            subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["cmake", "--build", build_folder, "--target", "weir-capture"], check=True, stdout=subprocess.DEVNULL)
    return binary


@given(traffic, st.sampled_from(TIMEOUTS))
@settings(max_examples=60, deadline=None)
def test_packet_by_packet(folder: Path, ideas: list[tuple[int, str, int, bool, int, int]], timeouts: FlowSettings) -> None:
    packets = packets_of(ideas)
    whole = build([write(folder / "whole.pcap", packets)], timeouts)
    alone = [write(folder / f"{i}.pcap", [packet]) for i, packet in enumerate(packets)]
    assert_same(build(alone, timeouts), whole)


@given(traffic, st.sampled_from(TIMEOUTS))
@settings(max_examples=40, deadline=None)
def test_in_two_halves_wherever_it_is_cut(
    folder: Path, ideas: list[tuple[int, str, int, bool, int, int]], timeouts: FlowSettings
) -> None:
    packets = packets_of(ideas)
    whole = build([write(folder / "whole.pcap", packets)], timeouts)
    for cut in range(len(packets) + 1):
        halves = [write(folder / "first.pcap", packets[:cut]), write(folder / "second.pcap", packets[cut:])]
        assert_same(build(halves, timeouts), whole)


@given(traffic, st.sampled_from(TIMEOUTS), st.sampled_from([1, 600, 4_000]))
@settings(max_examples=15, deadline=None)
def test_through_the_segments_of_the_sensor(
    folder: Path, sensor: Path, ideas: list[tuple[int, str, int, bool, int, int]], timeouts: FlowSettings, rotate_bytes: int
) -> None:
    packets = packets_of(ideas)
    source, target = write(folder / "whole.pcap", packets), folder / "spool"
    shutil.rmtree(target, ignore_errors=True)
    command = [sensor, "-r", source, "--sensor", "lab", "--spool", target, "--rotate-bytes", str(max(rotate_bytes, 1_024))]
    subprocess.run([*command, "--rotate-seconds", str(rotate_bytes)], check=True, capture_output=True)
    sealed = [path.with_suffix(".pcap.zst") for path in spool.sealed(target)]
    assert_same(build(sealed, timeouts), build([source], timeouts))


def busy(seed: int, count: int) -> list[Timed]:
    """Much traffic with all that was thought of above, mostly a few milliseconds apart."""
    random = Random(seed)
    steps = [0, 1, 700, 3_000, 9_000, 20_000, -5_000, 90_000, 1_100_000, -150_000]
    flags, sizes = [2, 16, 24, 17], [0, 1, 40, 1_200]
    choose, number = random.choice, random.randrange
    ideas = [(choose(steps), choose(KINDS), number(6), number(2) == 0, choose(flags), choose(sizes)) for _ in range(count)]
    return packets_of(ideas)


def test_in_batches(folder: Path) -> None:
    source, timeouts = write(folder / "busy.pcap", busy(1, 60_000)), FlowSettings(idle_timeout_s=8, active_timeout_s=10)
    whole = build([source], timeouts)
    batches: list[pa.RecordBatch] = []
    counts = stream([source], timeouts, batches.append)
    assert len(batches) > 1
    assert_same(Flows(pa.Table.from_batches(batches), counts), whole)
    reasons = set(whole.table["end_reason"].to_pylist())
    assert reasons >= {"idle", "active", "forced"}


def test_in_many_pieces_while_the_table_is_full(folder: Path) -> None:
    random, packets = Random(3), []
    for i in range(120_000):  # more hosts than the table has room for
        frame = next(frames_of("udp", 0, False, 0, 10, i))
        packets.append((START_US + i, frame[:26] + struct.pack(">I", 0x0B000000 + random.randrange(100_000)) + frame[30:]))
    tight = FlowSettings(memory_mb=16)
    whole = build([write(folder / "whole.pcap", packets)], tight)
    assert "table_full" in whole.table["end_reason"].to_pylist()
    cuts = sorted({0, len(packets), *(random.randrange(len(packets)) for _ in range(30))})
    pieces = [write(folder / f"piece{i}.pcap", packets[a:b]) for i, (a, b) in enumerate(pairwise(cuts))]
    assert_same(build(pieces, tight), whole)


def test_through_a_pipe_in_drops_of_any_size(folder: Path) -> None:
    random, source = Random(4), write(folder / "busy.pcap", busy(2, 4_000))
    out = folder / "piped.parquet"
    command = [sys.executable, "-m", "weir.cli", "flows", "-", "--out", str(out)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0)
    assert process.stdin is not None
    left = memoryview(source.read_bytes())
    while left:
        size = random.choice([1, 15, 16, 17, 100, 5_000, 70_000])
        process.stdin.write(left[:size])
        left = left[size:]
    process.stdin.close()
    assert process.wait() == 0
    whole = build([source], FlowSettings())
    assert pq.read_table(out).drop_columns(LINEAGE).equals(whole.table.drop_columns(LINEAGE))


def test_through_the_store_where_packets_came_late(
    folder: Path, sensor: Path, monkeypatch: pytest.MonkeyPatch, write_pcap: Callable[..., Path]
) -> None:
    """A packet so late that the segment which holds it begins before the one sealed earlier."""
    packets = [(START_US + i * 1_000_000, next(frames_of("udp", 1, i % 3 == 0, 0, 40, i))) for i in range(1, 90)]
    packets.insert(60, (START_US + 500_000, next(frames_of("udp", 1, True, 0, 1_200, 999))))
    source = write_pcap(folder / "late.pcap", packets)
    for name in ("WEIR_HOME", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEIR_SPOOL", str(folder / "late"))
    monkeypatch.setenv("WEIR_STORE", str(folder / "store"))
    command = [sensor, "-r", source, "--sensor", "lab", "--spool", folder / "late", "--rotate-bytes", "2000"]
    subprocess.run([*command], check=True, capture_output=True)
    jobs.collect(jobs.waiting())
    jobs.flows("lab/2026-03-02T09")
    stored = pq.read_table(folder / "store" / "2_flows" / "lab" / "2026-03-02T09.parquet")
    whole = build([source], FlowSettings()).table.drop_columns(LINEAGE)
    assert stored.select(whole.column_names).equals(whole)
    assert len(set(stored["segment"].to_pylist())) == 1
