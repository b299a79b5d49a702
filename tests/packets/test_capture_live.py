"""weir-capture on a wire: a pair of virtual interfaces in a network namespace of the test's own."""

import json
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weir.packets import chain, spool

SENDER = textwrap.dedent(
    """
    import socket, sys
    count, size, first = map(int, sys.argv[1:])
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(("wire0", 0))
    head = bytes.fromhex("020000000001020000000002" + "88b5")  # an EtherType for experiments
    for number in range(first, first + count):
        wire.send(head + number.to_bytes(4, "big").ljust(size - 14, b"."))
    """
)


class Wire:
    """Two ends of a virtual cable, ``wire0`` and ``wire1``; nothing else uses it."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo here; exec sleep 600"], stdout=subprocess.PIPE, text=True
        )
        assert self.holder.stdout is not None
        self.holder.stdout.readline()
        self.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")
        self.run("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
        for end in ("wire0", "wire1"):
            self.run("ip", "link", "set", end, "arp", "off", "up")

    def inside(self, *command: object) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *map(str, command)]

    def run(self, *command: object) -> None:
        subprocess.run(self.inside(*command), check=True, timeout=60)

    def send(self, count: int, *, size: int = 60, first: int = 0) -> None:
        self.run(sys.executable, "-c", SENDER, count, size, first)

    def close(self) -> None:
        self.holder.terminate()
        self.holder.communicate()


class Sensor:
    """weir-capture on ``wire1``, running."""

    def __init__(self, process: subprocess.Popen, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.events: list[dict] = []

    def wait_for(self, event: str) -> dict:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{"):
                self.events.append(json.loads(line))
                if self.events[-1]["event"] == event:
                    return self.events[-1]
        raise AssertionError(f"ended without {event}: {self.events}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> dict[str, int]:
        """Ask it to stop; the totals it gave."""
        self.process.send_signal(how)
        totals = self.wait_for("done")["counters"]
        self.end()
        return totals

    def end(self) -> str:
        """Wait for its end; what it said after the last line read."""
        assert self.process.stderr is not None
        rest = self.process.stderr.read()
        self.process.wait(timeout=10)
        return rest


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def start(binary, wire, tmp_path) -> Iterator[Callable[..., Sensor]]:
    running = []

    def run(*arguments: object, folder: Path = tmp_path / "spool") -> Sensor:
        command = wire.inside(binary, "-i", "wire1", "--sensor", "lab", "--spool", folder, *arguments)
        sensor = Sensor(subprocess.Popen(command, stderr=subprocess.PIPE, text=True), folder)
        running.append(sensor.process)
        sensor.wait_for("capturing")
        return sensor

    yield run
    for process in running:
        process.kill()
        process.wait()
        process.stderr.close()


def numbers_in(pcaps, folder: Path) -> list[int]:
    return [int.from_bytes(packet.data[14:18], "big") for packet in pcaps.packets_in(folder)]


def manifests(folder: Path) -> list:
    return [spool.read(path)[0] for path in spool.sealed(folder)]


def total(folder: Path, counter: str) -> int:
    return sum(manifest.counters[counter] for manifest in manifests(folder))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_sensor_told_to_stop_first_reads_what_the_ring_holds(start, wire, pcaps, how):
    sensor = start()
    wire.send(20_000)
    totals = sensor.stop(how)
    assert sensor.process.returncode == 0
    assert totals["received"] == totals["read"] == totals["written"] == 20_000
    assert totals["unread"] == totals["kernel_dropped"] == 0
    assert numbers_in(pcaps, sensor.folder) == list(range(20_000))


def test_a_live_segment_keeps_bytes_and_nanoseconds(start, wire, pcaps):
    before = time.time_ns()
    sensor = start()
    wire.send(1000, size=300)
    sensor.stop()
    packets = pcaps.packets_in(sensor.folder)
    assert {len(packet.data) for packet in packets} == {300}
    assert any(packet.time_ns % 1000 for packet in packets)
    assert before < packets[0].time_ns <= packets[-1].time_ns < time.time_ns()


def test_a_ring_that_overflows_is_counted_to_the_packet(start, wire, pcaps):
    sensor = start("--ring-mb", 1)
    sensor.process.send_signal(signal.SIGSTOP)
    wire.send(30_000, size=200)
    sensor.process.send_signal(signal.SIGCONT)
    totals = sensor.stop()
    assert totals["kernel_dropped"] > 1000
    assert totals["received"] == 30_000 == totals["kernel_dropped"] + totals["read"]
    assert len(numbers_in(pcaps, sensor.folder)) == totals["written"] == totals["read"]
    assert total(sensor.folder, "kernel_dropped") == totals["kernel_dropped"]


def test_a_filter_works_inside_the_kernel_and_every_packet_it_passes_is_counted(start, wire, pcaps):
    sensor = start("-f", "ether[17] & 3 = 0")
    wire.send(4000)
    totals = sensor.stop()
    assert totals["received"] == totals["written"] == 1000
    assert numbers_in(pcaps, sensor.folder) == list(range(0, 4000, 4))


def test_snaplen_cuts_live_packets(start, wire, pcaps):
    sensor = start("-s", 64)
    wire.send(100, size=500)
    assert sensor.stop()["truncated"] == 100
    assert {(len(p.data), p.length) for p in pcaps.packets_in(sensor.folder)} == {(64, 500)}


def test_a_quiet_interface_still_ends_its_segment_in_time(start, wire):
    sensor = start("--rotate-seconds", 1)
    wire.send(10)
    assert sensor.wait_for("segment_sealed")["packets"] == 10
    assert sensor.process.poll() is None


def test_an_interface_without_a_packet_seals_nothing(start, wire):
    sensor = start()
    totals = sensor.stop()
    assert set(totals.values()) == {0}
    assert not list(sensor.folder.glob("[!.]*"))


def test_a_hangup_signal_seals_at_once_and_capture_goes_on(start, wire, pcaps):
    sensor = start()
    wire.send(50)
    while not manifests(sensor.folder):  # the kernel hands packets over within 0.1 s
        time.sleep(0.2)
        sensor.process.send_signal(signal.SIGHUP)
    wire.send(50, first=50)
    sensor.stop()
    assert numbers_in(pcaps, sensor.folder) == list(range(100))
    assert len(manifests(sensor.folder)) >= 2
    assert chain.missing(manifests(sensor.folder)) == []


def test_count_ends_a_live_capture(start, wire, pcaps):
    sensor = start("-c", 100)
    wire.send(300)
    totals = sensor.wait_for("done")["counters"]
    assert totals["written"] == 100
    assert totals["received"] == totals["read"] + totals["unread"]
    assert numbers_in(pcaps, sensor.folder) == list(range(100))


def test_capture_resumes_when_a_full_disk_has_space_again(start, wire, pcaps, tiny_disk):
    sensor = start("--rotate-seconds", 1, folder=tiny_disk / "spool")
    ballast = tiny_disk / "ballast"
    wire.send(1000)
    sensor.wait_for("segment_sealed")
    subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4096"], stderr=subprocess.DEVNULL)  # ends when nothing is left
    wire.send(3000, first=1000)
    sensor.wait_for("disk_failed")
    ballast.unlink()
    wire.send(1000, first=4000)
    sent = 5000
    while total(sensor.folder, "written") < 1500:  # until the disk is tried again
        wire.send(100, first=sent)
        sent += 100
        time.sleep(0.2)
    totals = sensor.stop()
    assert sensor.process.returncode == 4
    assert totals["received"] == sent == totals["written"] + totals["drop_disk"]
    assert totals["drop_disk"] == total(sensor.folder, "drop_disk") > 0
    kept = numbers_in(pcaps, sensor.folder)
    assert len(kept) == totals["written"]
    assert kept == sorted(set(kept))


def test_what_a_killed_sensor_had_read_is_kept_or_counted(start, wire, pcaps):
    sensor = start()
    wire.send(5000)
    time.sleep(1.5)  # longer than packets wait for their frame to fill
    sensor.process.kill()
    sensor.end()
    again = start()
    wire.send(10, first=5000)
    again.stop()
    assert total(sensor.folder, "received") == 5010
    assert numbers_in(pcaps, sensor.folder)[-10:] == list(range(5000, 5010))
    assert total(sensor.folder, "written") == len(numbers_in(pcaps, sensor.folder)) == 5010 - total(sensor.folder, "drop_disk")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-i", "nowhere0"], 6, 'there is no interface "nowhere0"; `ip link` lists those there are'),
        (["-i", "wire1", "-f", "tcp prot 1"], 2, 'the filter "tcp prot 1" does not work on wire1'),
        (["-i", "wire1", "--ring-mb", "0"], 2, "--ring-mb wants a whole number from 1 to 2047"),
    ],
)
def test_a_capture_that_cannot_start_says_why(binary, wire, tmp_path, arguments, code, words):
    command = wire.inside(binary, "--spool", tmp_path / "spool", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == code
    assert words in done.stderr


def test_a_capture_without_the_right_names_the_capability(binary, wire, tmp_path):
    command = wire.inside(
        "setpriv", "--bounding-set=-all", "--inh-caps=-all", binary, "-i", "wire1", "--spool", tmp_path / "spool"
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 6
    assert "CAP_NET_RAW" in done.stderr


def test_an_interface_that_is_removed_ends_the_capture_after_what_came_was_sealed(start, wire, pcaps):
    sensor = start()
    wire.send(100)
    wire.run("ip", "link", "delete", "wire1")
    totals = sensor.wait_for("done")["counters"]
    rest = sensor.end()
    assert sensor.process.returncode == 6
    assert "wire1: " in rest
    assert totals["written"] == 100
    assert numbers_in(pcaps, sensor.folder) == list(range(100))


def status(process: subprocess.Popen, thread: str) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/task/{thread}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_no_thread_of_a_running_sensor_has_any_right_left(start, wire, pcaps, tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(0o777)
    for parent in tmp_path.parents:
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)
    tmp_path.chmod(0o755)
    sensor = start("--user", "nobody")
    wire.send(1000)
    threads = [path.name for path in Path(f"/proc/{sensor.process.pid}/task").iterdir()]
    assert len(threads) == 2
    for thread in threads:
        said = status(sensor.process, thread)
        assert set(said["Uid"].split()) == {"65534"}
        assert said["Groups"] == ""
        assert {int(said[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
        assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    assert sensor.stop()["written"] == 1000
    assert numbers_in(pcaps, sensor.folder) == list(range(1000))


def test_the_sandbox_forbids_what_it_says_it_forbids(binary, tmp_path):
    done = subprocess.run([binary, "--check-sandbox", "--spool", tmp_path / "spool"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert sum(" is refused: " in line for line in lines) == 6
    assert lines[-1] == "as said writing in the spool works"


def test_a_user_who_is_not_there_is_named(capture, write_pcap, pcaps):
    run = capture("-r", write_pcap(pcaps.steady(1)), "--user", "nobody-at-all")
    assert run.code == 2
    assert "--user nobody-at-all: there is no such user" in run.stderr
