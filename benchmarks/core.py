"""What the flow core costs: speed against bare parsing, memory, hand-over, instructions.

    bin/bench            builds what is needed, makes the captures and prints the table

Each figure is the minimum of several runs in CPU seconds, user and system together, of one process on one core; so other
work on the machine disturbs it least. A run whose packets or flows are not those expected fails.
"""

from __future__ import annotations

import json
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "build" / "bench" / "bench" / "weir-core-bench"
CAPTURES = ROOT / "build" / "bench" / "captures"
RUNS = 9
PACKETS = 1_000_000
HEADS = (10_000, 100_000)
TABLE_MB = (64, 256)
ROWS = (10_000, 1_000_000)
RECORD_HEADER = 16
FILE_HEADER = 24


@dataclass(frozen=True)
class Figure:
    """One line of the table: what, how much, and whether that is as good as promised."""

    id: str
    what: str
    value: str
    target: str
    is_met: bool


def capture(kind: str) -> Path:
    """The capture of this kind, made when it is not there yet."""
    path = CAPTURES / f"{kind}.pcap"
    if not path.exists():
        CAPTURES.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, ROOT / "benchmarks" / "captures.py", kind, path, str(PACKETS)], check=True)
    return path


def head(path: Path, packets: int) -> Path:
    """The first packets of a capture as one of its own."""
    out = path.with_name(f"{path.stem}-{packets}.pcap")
    data, at = path.read_bytes(), FILE_HEADER
    for _ in range(packets):
        at += RECORD_HEADER + int.from_bytes(data[at + 8 : at + 12], "little")
    out.write_bytes(data[:at])
    return out


def run(mode: str, path: Path, runs: int = RUNS, memory_mb: int = 1_024) -> dict[str, Any]:
    """The fastest of some runs."""
    out = subprocess.run([BENCH, mode, path, str(runs), str(memory_mb)], check=True, capture_output=True, text=True).stdout
    results = [json.loads(line) for line in out.splitlines()]
    assert {result["packets"] for result in results} == {PACKETS}, f"{path}: not all packets were read"
    return min(results, key=lambda result: float(result["cpu_s"]))


def share_of_parsing(kind: str, least: float) -> Figure:
    """P2: flows as a share of bare parsing."""
    parse, flows = run("parse", capture(kind)), run("flows", capture(kind))
    share = parse["cpu_s"] / flows["cpu_s"]
    words = f"{share:.1%} ({parse['mpps']:.1f} Mpps parsed, {flows['mpps']:.2f} Mpps to {flows['flows']:,} flows)"
    return Figure("P2", f"flows as a share of parsing, {kind}", words, f"{least:.0%}", share >= least)


def table_memory(memory_mb: int) -> Figure:
    """P5: memory of the process beyond its result, with the flow table capped."""
    result = run("flows", capture("flood"), runs=1, memory_mb=memory_mb)
    taken = result["rss_mib"] - result["result_mib"]
    return Figure(
        "P5",
        f"memory beyond the result, table capped at {memory_mb} MiB",
        f"{taken:.0f} MiB",
        "cap + 96 MiB",
        taken <= memory_mb + 96,
    )


def hand_over(rows: int) -> Figure:
    """P8: from the core to pyarrow, and whether the columns stay where they are."""
    import pyarrow as pa

    from weir import _native

    batch = _native.build_flows([str(flows_of(rows))], idle_timeout_us=10**6, active_timeout_us=10**9, memory_bytes=1 << 30)
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        table = pa.record_batch(batch)
        times.append(time.perf_counter() - began)
    again = pa.record_batch(batch)
    is_copied = any(
        table.column(i).buffers()[1].address != again.column(i).buffers()[1].address for i in range(table.num_columns)
    )
    words = f"{min(times) * 1e3:.2f} ms, {'copied' if is_copied else 'no copy'}"
    return Figure("P8", f"{table.num_rows:,} rows to pyarrow", words, "1 ms, no copy", min(times) < 1e-3 and not is_copied)


def flows_of(rows: int) -> Path:
    """A flood with at least this many flows."""
    path = CAPTURES / f"rows-{rows}.pcap"
    if not path.exists():
        subprocess.run([sys.executable, ROOT / "benchmarks" / "captures.py", "flood", path, str(2 * rows)], check=True)
    return path


def instructions(kind: str, most: int) -> Figure:
    """P13: instructions per packet, which other work on the machine cannot change."""
    counted = []
    for packets in HEADS:
        command = [
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            BENCH,
            "flows",
            head(capture(kind), packets),
            "1",
            "1024",
        ]
        err = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        found = re.search(r"Collected : (\d+)", err)
        assert found, err
        counted.append(int(found[1]))
    each = (counted[1] - counted[0]) / (HEADS[1] - HEADS[0])
    return Figure("P13", f"instructions per packet, {kind}", f"{each:.0f}", f"at most {most}", each <= most)


def processor() -> str:
    """What the machine calls its processor."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def main() -> int:
    """Print the table; 1 when a figure is worse than promised."""
    figures = [share_of_parsing("mixed", 0.45), share_of_parsing("flood", 0.11)]
    figures += [table_memory(memory_mb) for memory_mb in TABLE_MB]
    figures += [hand_over(rows) for rows in ROWS]
    if shutil.which("valgrind"):
        figures += [instructions("mixed", 900), instructions("flood", 1_300)]
    else:
        print("P13 left out: valgrind is not installed", file=sys.stderr)
    print(f"{processor()}, {platform.system()} {platform.release()}, Python {platform.python_version()}\n")
    print("| | what | measured | target | |\n|---|---|---|---|---|")
    for figure in figures:
        print(f"| {figure.id} | {figure.what} | {figure.value} | {figure.target} | {'met' if figure.is_met else 'missed'} |")
    print(f"\npeak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
