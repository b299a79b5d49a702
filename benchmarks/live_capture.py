"""Live capture against tcpdump: CPU per packet, and what a stalled reader loses.

    sudo .venv/bin/python benchmarks/live_capture.py [--runs 5] [--kpps 200] [--capture FILE]

Needs root, tcpdump and build/capture/bin/weir-capture. It makes a network namespace of its own with two ends of a virtual
cable, sends a capture over it (by default made here: 400,000 packets, 405 bytes on average), and lets the readers take
turns. CPU is user + system of the reader without its start (rings are zeroed then), the minimum over the runs. It fails
where a count is not exact.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

REPOSITORY = Path(__file__).parents[1]
SENSOR = REPOSITORY / "build" / "capture" / "bin" / "weir-capture"
BURST = 64  # packets per system call of the sender
PCAP_HEADER, RECORD_HEADER = 24, 16


class Outcome(NamedTuple):
    """What one reader did: CPU in us per packet sent, packets it wrote, packets it says were lost."""

    cpu_us: float
    written: int
    lost: int


def make_capture(path: Path, packets: int = 400_000, seed: int = 7) -> None:
    """Ethernet frames of 60 to 1,500 bytes between 5,000 hosts, half of each payload random."""
    random = np.random.default_rng(seed)
    sizes = random.choice([60, 66, 120, 590, 1514], size=packets, p=[0.35, 0.2, 0.15, 0.1, 0.2])
    hosts = random.integers(0, 5000, size=(packets, 2))
    noise = random.bytes(1 << 20)
    with path.open("wb") as out:
        out.write(np.array([0xA1B2C3D4, 4 << 16 | 2, 0, 0, 262144, 1], dtype="<u4").tobytes())
        for i, (size, (a, b)) in enumerate(zip(sizes.tolist(), hosts.tolist(), strict=True)):
            ip = b"\x45\x00" + (size - 14).to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0"
            ip += bytes([10, 0, a >> 8, a & 255, 10, 1, b >> 8, b & 255])
            body = ip + i.to_bytes(8, "big") + noise[i % 500_000 : i % 500_000 + (size - 42) // 2]
            frame = (b"\x02" * 12 + b"\x08\x00" + body).ljust(size, b".")
            out.write(np.array([i // 200_000, i % 200_000 * 5, size, size], dtype="<u4").tobytes() + frame)


def send(interface: str, path: Path, packets_per_s: float) -> int:
    """Send every packet of a little-endian pcap, in bursts, at this rate; returns how many were sent."""
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    places = []
    at = PCAP_HEADER
    while at < len(whole):
        size = int.from_bytes(whole[at + 8 : at + 12].tobytes(), "little")
        places.append((at + RECORD_HEADER, size))
        at += RECORD_HEADER + size
    vectors = np.array(places, dtype=np.uint64)
    vectors[:, 0] += whole.ctypes.data
    messages = np.zeros((len(places), 8), dtype=np.uint64)  # struct mmsghdr on 64-bit Linux
    messages[:, 2] = vectors.ctypes.data + 16 * np.arange(len(places), dtype=np.uint64)
    messages[:, 3] = 1
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    start, sent = time.monotonic(), 0
    while sent < len(places):
        burst = min(BURST, len(places) - sent)
        done = libc.sendmmsg(wire.fileno(), ctypes.c_void_p(messages.ctypes.data + 64 * sent), burst, 0)
        sent += max(done, 0)
        ahead = sent / packets_per_s - (time.monotonic() - start)
        if ahead > 0.0005:
            time.sleep(ahead)
    return sent


class Cable:
    """A network namespace with ``wire0`` and ``wire1``, and nothing else in it."""

    def __init__(self) -> None:
        """Make it; whoever made it ends ``holder``, and with it the namespace."""
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 3600"], stdout=subprocess.PIPE)
        assert self.holder.stdout is not None
        self.holder.stdout.readline()
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self.run("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
        for end in ("wire0", "wire1"):
            self.run("ip", "link", "set", end, "mtu", "9000", "arp", "off", "up")

    def inside(self, *command: object) -> list[str]:
        """The command line that runs this command there."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *map(str, command)]

    def run(self, *command: object) -> None:
        """Run a command there, to its end."""
        subprocess.run(self.inside(*command), check=True)


def cpu_s(process: int) -> float:
    """CPU seconds of all threads of a process, from the scheduler's own nanoseconds."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{process}/task").glob("*/schedstat")) / 1e9


def run_reader(cable: Cable, reader: list[object], capture: Path, kpps: float, stall_s: float) -> tuple[int, float, str]:
    """Packets sent, the reader's CPU seconds behind its start, and its last words."""
    process = subprocess.Popen(cable.inside(*reader), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(1.5)
    sender = subprocess.Popen(
        cable.inside(sys.executable, __file__, "--send", capture, "--kpps", kpps), stdout=subprocess.PIPE, text=True
    )
    if stall_s:
        time.sleep(1.5)  # the sender takes about a second to begin
        process.send_signal(signal.SIGSTOP)
        time.sleep(stall_s)
        process.send_signal(signal.SIGCONT)
    sent = int(sender.communicate()[0])
    time.sleep(0.5)
    used = cpu_s(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    words = process.stderr.read()
    process.wait()
    return sent, used, words


def of_sensor(words: str) -> tuple[int, int]:
    """Packets written and lost, from the last line of weir-capture."""
    counters = json.loads([line for line in words.splitlines() if '"done"' in line][-1])["counters"]
    return counters["written"], counters["kernel_dropped"] + counters["unread"] + counters["drop_disk"]


def of_tcpdump(words: str) -> tuple[int, int]:
    """The same from what tcpdump prints at its end."""
    numbers = {line.split(" ", 1)[1]: int(line.split()[0]) for line in words.splitlines() if line[:1].isdigit()}
    return numbers["packets captured"], numbers["packets dropped by kernel"]


def measure(cable: Cable, folder: Path, capture: Path, kpps: float, runs: int, stall_s: float) -> dict[str, list[Outcome]]:
    """All outcomes of each reader, the readers taking turns; ends the program where a count is not exact."""
    readers: dict[str, tuple[list[object], Callable[[str], tuple[int, int]]]] = {
        "tcpdump -w": (["tcpdump", "-Z", "root", "-B", "32768", "-i", "wire1", "-w", folder / "t.pcap"], of_tcpdump),
        "weir-capture -w": ([SENSOR, "-i", "wire1", "-w", folder / "w.pcap"], of_sensor),
        "weir-capture, sealed segments": ([SENSOR, "-i", "wire1", "--spool", folder / "spool"], of_sensor),
    }
    outcomes: dict[str, list[Outcome]] = {name: [] for name in readers}
    for _ in range(runs):
        for name, (command, read) in readers.items():
            sent, used, words = run_reader(cable, command, capture, kpps, stall_s)
            written, lost = read(words)
            if name != "tcpdump -w" and written + lost != sent:
                raise SystemExit(f"{name}: sent {sent}, written {written}, lost {lost}: the counts do not add up")
            outcomes[name].append(Outcome(used * 1e6 / sent, written, lost))
    return outcomes


def main() -> None:
    """Measure, or with ``--send`` be the sender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kpps", type=float, default=200)
    parser.add_argument("--capture", type=Path)
    parser.add_argument("--send", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.send:
        print(send("wire0", chosen.send, chosen.kpps * 1000))
        return
    cable = Cable()
    try:
        with tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as name:
            capture = chosen.capture or Path(name) / "made.pcap"
            if not chosen.capture:
                make_capture(capture)
            report(cable, Path(name), capture, chosen.kpps, chosen.runs)
    finally:
        cable.holder.terminate()


def report(cable: Cable, folder: Path, capture: Path, kpps: float, runs: int) -> None:
    """Steady capture, then with readers stopped for a while."""
    for stall_s in (0.0, 0.3, 2.0):
        outcomes = measure(cable, folder, capture, kpps, runs if stall_s == 0 else 1, stall_s)
        print(f"reader stopped for {stall_s} s at {kpps:g} kpps" if stall_s else f"steady, {kpps:g} kpps, {runs} runs")
        peer = min(outcome.cpu_us for outcome in outcomes["tcpdump -w"])
        for name, all_runs in outcomes.items():
            best = min(outcome.cpu_us for outcome in all_runs)
            lost = [outcome.lost for outcome in all_runs]
            print(f"  {name:31} {best:6.3f} us/packet  {best / peer:5.2f} x tcpdump  lost {min(lost)} to {max(lost)}")


if __name__ == "__main__":
    main()
