"""Live capture against tcpdump: CPU per packet, and what stalled and overrun readers lose.

    sudo .venv/bin/python benchmarks/live_capture.py [--runs 3] [--seconds 60] [--only P6,P7,steady,overload] [--capture FILE]

Needs root, tcpdump, build/capture/bin/weir-capture and build/capture/bench/weir-wire-sender (bin/setup builds both). It makes
a network namespace of its own with two ends of a virtual cable, and lets the readers take turns. One line of JSON per
figure on stdout: id, what, value, unit, target (null: only stated), met (null without a target), details. Exit code 1 where
a target was missed or a count was not exact, 3 where it cannot run here.

CPU is user + system of the reader between the start of the sender and 0.5 s after its end, all threads, from the
scheduler's nanoseconds; the minimum over the runs. The sender's own share (kernel included) is not in it. Sender and
readers run at the highest priority that is not real-time, as a busy machine would measure its other work: a sender at real-time
priority keeps a processor from the kernel's threads that end a write to the disk, and what is lost then was lost by it. Where the
sender does not reach the rate, the figure is not met: it was not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

REPOSITORY = Path(__file__).parents[1]
SENSOR = REPOSITORY / "build" / "capture" / "bin" / "weir-capture"
SENDER = REPOSITORY / "build" / "capture" / "bench" / "weir-wire-sender"
CANNOT_RUN = 3
KPPS = 200
SMALLEST = 64  # B, frames of the steady and overload runs


class Outcome(NamedTuple):
    """What one reader did: packets sent, the sender's rate, CPU in us per packet, packets written, packets said to be lost."""

    sent: int
    kpps: float
    cpu_us: float
    written: int
    lost: int

    @property
    def is_at_rate(self) -> bool:
        """Whether the sender was as fast as the figure says."""
        return self.kpps >= 0.97 * KPPS

    @property
    def unexplained(self) -> int:
        """Packets that are neither written nor counted as lost; negative where there are too many."""
        return self.sent - self.written - self.lost


def make_capture(path: Path, packets: int = 400_000, seed: int = 7) -> None:
    """TCP frames of 60 to 1,514 bytes between 5,000 hosts; zstd level 1 packs them 1.5 to 1, like mixed traffic."""
    random = np.random.default_rng(seed)
    sizes = random.choice([60, 66, 120, 590, 1514], size=packets, p=[0.35, 0.2, 0.15, 0.1, 0.2])
    hosts = random.integers(0, 5000, size=(packets, 2))
    ports = random.integers(1024, 65_535, size=packets)
    is_encrypted = random.random(packets) < 0.6
    text = b"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nAccept: */*\r\nUser-Agent: a browser of some kind\r\n\r\n" * 16
    with path.open("wb") as out:
        out.write(np.array([0xA1B2C3D4, 4 << 16 | 2, 0, 0, 262144, 1], dtype="<u4").tobytes())
        for i, (size, (a, b), port, encrypted) in enumerate(
            zip(sizes.tolist(), hosts.tolist(), ports, is_encrypted, strict=True)
        ):
            head = b"\x02" * 12 + b"\x08\x00\x45\x00" + (size - 14).to_bytes(2, "big") + (i & 0xFFFF).to_bytes(2, "big")
            head += b"\x40\x00\x40\x06\0\0" + bytes([10, 0, a >> 8, a & 255, 10, 1, b >> 8, b & 255])
            head += int(port).to_bytes(2, "big") + b"\x01\xbb" + random.bytes(8) + b"\x50\x18\x01\xf6\0\0\0\0"
            payload = max(size - len(head), 0)
            noise = payload if encrypted else payload * 3 // 10
            frame = (head + random.bytes(noise) + text[: payload - noise]).ljust(size, b"\0")
            out.write(np.array([i // 200_000, i % 200_000 * 5, size, size], dtype="<u4").tobytes() + frame)


class Cable:
    """A network namespace with ``wire0`` and ``wire1``, and nothing else in it."""

    def __init__(self) -> None:
        """Make it; whoever made it ends ``holder``, and with it the namespace."""
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 7200"], stdout=subprocess.PIPE)
        assert self.holder.stdout is not None
        self.holder.stdout.readline()
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self.run("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
        for end in ("wire0", "wire1"):
            self.run("ip", "link", "set", end, "mtu", "9000", "arp", "off", "up")

    def inside(self, *command: object) -> list[str]:
        """The command line that runs this command there."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "nice", "-n", "-20", *map(str, command)]

    def run(self, *command: object) -> None:
        """Run a command there, to its end."""
        subprocess.run(self.inside(*command), check=True)


def cpu_s(process: int) -> float:
    """CPU seconds of all threads of a process, from the scheduler's own nanoseconds."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{process}/task").glob("*/schedstat")) / 1e9


def of_sensor(words: str) -> tuple[int, int]:
    """Packets written and lost, from the last line of weir-capture."""
    counters = json.loads([line for line in words.splitlines() if '"done"' in line][-1])["counters"]
    return counters["written"], sum(counters[name] for name in ("kernel_dropped", "unread", "drop_disk", "drop_spool"))


def of_tcpdump(words: str) -> tuple[int, int]:
    """The same from what tcpdump prints at its end."""
    numbers = {line.split(" ", 1)[1]: int(line.split()[0]) for line in words.splitlines() if line[:1].isdigit()}
    return numbers["packets captured"], numbers["packets dropped by kernel"]


class Reader(NamedTuple):
    """A program that captures on ``wire1``, and how its last words are read."""

    name: str
    command: list[object]
    read: Callable[[str], tuple[int, int]]


def readers(folder: Path) -> dict[str, Reader]:
    """The readers that are compared, all writing into ``folder``."""
    segments: list[object] = [SENSOR, "-i", "wire1", "--spool", folder / "spool"]
    tcpdump: list[object] = ["tcpdump", "-Z", "root", "-B", "32768", "-i", "wire1", "-w", folder / "t.pcap"]
    return {
        "tcpdump": Reader("tcpdump -w", tcpdump, of_tcpdump),
        "file": Reader("weir-capture -w", [SENSOR, "-i", "wire1", "-w", folder / "w.pcap"], of_sensor),
        "stored": Reader("weir-capture --level 0, sealed segments", [*segments, "--level", "0"], of_sensor),
        "zstd": Reader("weir-capture, sealed segments, zstd", segments, of_sensor),
    }


def run_reader(cable: Cable, reader: Reader, folder: Path, load: list[object], stall_s: float = 0.0) -> Outcome:
    """Let one reader capture one load; ``stall_s`` is how long it is stopped in the middle."""
    process = subprocess.Popen(cable.inside(*reader.command), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(1.8)  # rings are zeroed
    before = cpu_s(process.pid)
    sender = subprocess.Popen(cable.inside(SENDER, "wire0", *load), stdout=subprocess.PIPE, text=True)
    if stall_s:
        time.sleep(0.7)
        process.send_signal(signal.SIGSTOP)
        time.sleep(stall_s)
        process.send_signal(signal.SIGCONT)
    sent = json.loads(sender.communicate()[0])
    time.sleep(0.5)
    used = cpu_s(process.pid) - before
    process.send_signal(signal.SIGINT)
    words = process.communicate()[1]
    for leftover in folder.glob("*.pcap"):
        leftover.unlink()
    shutil.rmtree(folder / "spool", ignore_errors=True)
    return Outcome(sent["packets"], sent["kpps"], used * 1e6 / sent["packets"], *reader.read(words))


def say(figure: str, what: str, value: float, unit: str, target: float | None, met: bool | None, **details: Any) -> bool:
    """Print one figure; whether nothing is wrong with it."""
    line = {"id": figure, "what": what, "value": value, "unit": unit, "target": target, "met": met, "details": details}
    print(json.dumps(line), flush=True)
    return met is not False


def cost(cable: Cable, folder: Path, capture: Path, runs: int) -> bool:
    """P6: CPU per packet against tcpdump at 200 kpps, and packets lost at the sender's top speed."""
    all_readers = readers(folder)
    load: list[object] = ["--capture", capture, "--packets", 1_000_000]
    outcomes: dict[str, list[Outcome]] = {name: [] for name in all_readers}
    for _ in range(runs):
        for name, reader in all_readers.items():
            outcomes[name].append(run_reader(cable, reader, folder, [*load, "--kpps", KPPS]))
    peer = min(outcome.cpu_us for outcome in outcomes["tcpdump"])
    good = True
    for name in ("file", "stored", "zstd"):
        best = min(outcome.cpu_us for outcome in outcomes[name])
        target = 0.6 if name != "zstd" else None
        is_met = None if target is None else best / peer <= target
        details = {"us_per_packet": round(best, 3), "tcpdump_us_per_packet": round(peer, 3), "kpps": outcomes[name][0].kpps}
        good &= say("P6", f"{all_readers[name].name}: CPU per packet", best / peer, "x tcpdump -w", target, is_met, **details)
    for name, reader in all_readers.items():
        fast = run_reader(cable, reader, folder, load)
        is_met = None if name == "tcpdump" else fast.lost == 0 and fast.unexplained == 0
        good &= say("P6", f"{reader.name}: lost at top speed", fast.lost, "packets", 0, is_met, **fast._asdict())
    return good


def stalls(cable: Cable, folder: Path) -> bool:
    """P7: a reader stopped for 0.3 and 2 s at 200 kpps, with default settings."""
    good = True
    for stall_s, size in ((0.3, 400), (2.0, 400), (2.0, SMALLEST)):
        load: list[object] = ["--bytes", size, "--packets", KPPS * 1000 * 4, "--kpps", KPPS]
        outcome = run_reader(cable, readers(folder)["zstd"], folder, load, stall_s)
        what = f"stopped {stall_s:g} s at {KPPS} kpps of {size} B"
        if stall_s < 1:
            good &= say(
                "P7", f"{what}: lost", outcome.lost, "packets", 0, outcome.lost == 0 and outcome.is_at_rate, **outcome._asdict()
            )
        exact = outcome.unexplained == 0 and outcome.is_at_rate
        good &= say("P7", f"{what}: sent - stored - counted", outcome.unexplained, "packets", 0, exact, **outcome._asdict())
    return good


def steady(cable: Cable, folder: Path, seconds: int) -> bool:
    """A minute of the smallest packets at 200 kpps."""
    load: list[object] = ["--bytes", SMALLEST, "--packets", KPPS * 1000 * seconds, "--kpps", KPPS]
    outcome = run_reader(cable, readers(folder)["zstd"], folder, load)
    what = f"{seconds} s of {SMALLEST} B at {KPPS} kpps"
    is_met = outcome.lost == 0 and outcome.unexplained == 0 and outcome.is_at_rate
    return say("P7", f"{what}: lost", outcome.lost, "packets", 0, is_met, **outcome._asdict())


def overload(cable: Cable, folder: Path, seconds: int) -> bool:
    """Twice and five times as much as asked of the sender, with a small ring so that it must lose: the counts stay exact."""
    good = True
    for times in (2, 5):
        for ring_mb in (64, 2):
            load: list[object] = [
                "--bytes",
                SMALLEST,
                "--packets",
                KPPS * 1000 * times * seconds,
                "--kpps",
                KPPS * times,
                "--threads",
                2,
            ]
            reader = readers(folder)["zstd"]
            reader = reader._replace(command=[*reader.command, "--ring-mb", ring_mb])
            outcome = run_reader(cable, reader, folder, load)
            what = f"{times} x {KPPS} kpps asked for, ring {ring_mb} MB: sent - stored - counted"
            good &= say("P7", what, outcome.unexplained, "packets", 0, outcome.unexplained == 0, **outcome._asdict())
    return good


def missing() -> str:
    """What is missing to run here; empty where nothing is."""
    if os.geteuid() != 0:
        return "it makes network namespaces and captures, so it needs root: start it with sudo"
    for program in (SENSOR, SENDER):
        if not program.exists():
            return f"{program} is missing: bin/setup --tests builds it"
    for name in ("tcpdump", "nsenter", "unshare", "ip"):
        if shutil.which(name) is None:
            return f"{name} is missing: bin/setup --tests installs it"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        return "no network namespace can be made here; a container needs CAP_SYS_ADMIN for that"
    return ""


def main() -> int:
    """Measure what was asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="length of the steady run; a twelfth of it for each overload")
    parser.add_argument("--only", default="P6,P7,steady,overload")
    parser.add_argument("--capture", type=Path, help="a little-endian Ethernet pcap for P6; made here where it is not given")
    chosen = parser.parse_args()
    if why := missing():
        print(f"live_capture: {why}", file=sys.stderr)
        return CANNOT_RUN
    wanted = chosen.only.split(",")
    cable, good = Cable(), True
    try:
        with tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as name:
            folder = Path(name)
            if "P6" in wanted:
                capture = chosen.capture or folder / "made" / "mix.pcap"
                if not chosen.capture:
                    capture.parent.mkdir()
                    make_capture(capture)
                good &= cost(cable, folder, capture, chosen.runs)
            if "P7" in wanted:
                good &= stalls(cable, folder)
            if "steady" in wanted:
                good &= steady(cable, folder, chosen.seconds)
            if "overload" in wanted:
                good &= overload(cable, folder, max(chosen.seconds // 12, 1))
    finally:
        cable.holder.terminate()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
