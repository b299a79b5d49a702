"""weir-capture on a wire: a pair of virtual interfaces in a network namespace of the test's own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
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

    def run(*arguments: object, folder: Path = tmp_path / "spool", interfaces: tuple[str, ...] = ("wire1",)) -> Sensor:
        named = [word for interface in interfaces for word in ("-i", interface)]
        command = wire.inside(binary, *named, "--sensor", "lab", "--spool", folder, *arguments)
        sensor = Sensor(subprocess.Popen(command, stderr=subprocess.PIPE, text=True), folder)
        running.append(sensor.process)
        for _ in interfaces:
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


def test_segments_do_not_wait_for_the_reader_of_a_pipe_beside_them(start, wire, pcaps, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    holder = os.open(tmp_path / "fifo", os.O_RDWR)  # and never reads
    sensor = start("-w", tmp_path / "fifo")
    wire.send(5000, size=1000)
    assert sensor.wait_for("write_failed")["why"] == "its reader takes nothing"
    wire.send(5000, first=5000)
    totals = sensor.stop()
    os.close(holder)
    assert sensor.process.returncode == 4
    assert sensor.events[-1]["plain_lost"] == 10_000
    assert totals["written"] == totals["received"] == 10_000
    assert numbers_in(pcaps, sensor.folder) == list(range(10_000))


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


def test_a_filter_that_asks_the_kernel_for_the_direction_loses_nothing(start, wire, pcaps):
    sensor = start("-f", "inbound")
    wire.send(100)
    totals = sensor.stop()
    assert totals["received"] == totals["written"] == 100
    sensor = start("-f", "outbound")
    wire.send(100)
    assert sensor.stop()["received"] == 0


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


def gaps_in(folder: Path) -> list:
    return [gap for manifest in manifests(folder) for gap in manifest.gaps]


def test_a_link_that_was_down_leaves_a_gap_in_the_manifest_and_in_the_events(start, wire, pcaps):
    sensor = start()
    wire.send(100)
    wire.run("ip", "link", "set", "wire0", "down")  # the far end, as when a cable is pulled
    assert sensor.wait_for("link_down")["interface"] == "wire1"
    time.sleep(1.1)
    wire.run("ip", "link", "set", "wire0", "up")
    assert sensor.wait_for("link_up")["after_seconds"] >= 1
    wire.send(100, first=100)
    assert sensor.stop()["written"] == 200
    assert numbers_in(pcaps, sensor.folder) == list(range(200))
    (gap,) = gaps_in(sensor.folder)
    assert (gap.interface, gap.reason) == ("wire1", "link_down")
    assert 1 <= gap.seconds < 30
    assert abs((gap.end_wall_us - gap.start_wall_us) - (gap.end_mono_us - gap.start_mono_us)) < 500_000
    assert time.time() - 60 < gap.start_wall_us / 1e6 < time.time()


def test_an_interface_taken_down_itself_leaves_a_gap_too(start, wire, pcaps):
    sensor = start()
    wire.run("ip", "link", "set", "wire1", "down")
    sensor.wait_for("link_down")
    wire.run("ip", "link", "set", "wire1", "up")
    sensor.wait_for("link_up")
    wire.send(50)
    assert sensor.stop()["written"] == 50
    assert [gap.reason for gap in gaps_in(sensor.folder)] == ["link_down"]


def test_a_gap_that_lasts_when_the_sensor_stops_is_told_as_lasting(start, wire):
    sensor = start()
    wire.run("ip", "link", "set", "wire0", "down")
    sensor.wait_for("link_down")
    sensor.stop()
    (gap,) = gaps_in(sensor.folder)
    assert (gap.reason, gap.end_wall_us, gap.seconds) == ("link_down", None, None)


def test_capture_goes_on_when_a_removed_interface_comes_back(start, wire, pcaps):
    sensor = start()
    wire.send(100)
    wire.run("ip", "link", "delete", "wire1")
    assert sensor.wait_for("interface_removed")["interface"] == "wire1"
    assert sensor.process.poll() is None
    wire.run("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
    wire.run("ip", "link", "set", "wire1", "arp", "off", "up")
    wire.run("ip", "link", "set", "wire0", "arp", "off", "up")
    sensor.wait_for("interface_is_back")
    sensor.wait_for("link_up")
    wire.send(100, first=100)
    totals = sensor.stop()
    assert sensor.process.returncode == 0
    assert totals["received"] == totals["written"] == 200
    assert numbers_in(pcaps, sensor.folder) == list(range(200))
    assert "removed" in [gap.reason for gap in gaps_in(sensor.folder)]


def test_a_sensor_whose_interface_is_gone_still_stops_in_order(start, wire, pcaps):
    sensor = start()
    wire.send(100)
    wire.run("ip", "link", "delete", "wire1")
    sensor.wait_for("interface_removed")
    assert sensor.stop()["written"] == 100
    assert numbers_in(pcaps, sensor.folder) == list(range(100))


def test_an_interface_that_is_renamed_is_captured_on(start, wire, pcaps):
    sensor = start()
    wire.send(10)
    wire.run("ip", "link", "set", "wire1", "name", "tap7")
    assert sensor.wait_for("interface_renamed")["now"] == "tap7"
    wire.send(10, first=10)
    totals = sensor.stop()
    assert numbers_in(pcaps, sensor.folder) == list(range(20))
    assert totals["interface_dropped"] == 0


def test_a_silent_tap_is_told_and_so_is_the_end_of_its_silence(start, wire):
    sensor = start("--silence", 1)
    said = sensor.wait_for("too_little_traffic")
    assert (said["interface"], said["link"]) == ("wire1", "up")
    assert sensor.wait_for("segment_sealed")["packets"] == 0  # so that the collector hears of it
    (gap,) = gaps_in(sensor.folder)
    assert (gap.reason, gap.end_wall_us) == ("silent", None)
    wire.send(10)
    assert sensor.wait_for("traffic_again")["after_seconds"] >= 1
    sensor.stop()
    gaps = gaps_in(sensor.folder)
    assert [(gap.reason, gap.end_wall_us is None) for gap in gaps[:2]] == [("silent", True), ("silent", False)]
    assert gaps[0].start_mono_us == gaps[1].start_mono_us
    assert total(sensor.folder, "written") == 10


def test_the_state_file_says_how_a_running_sensor_is(start, wire):
    sensor = start("--silence", 1)
    sensor.wait_for("segment_sealed")
    for _ in range(100):
        (path,) = sensor.folder.glob(".lab-*.state")
        state = json.loads(path.read_text())
        if state["gap"]:
            break
        time.sleep(0.1)
    assert (state["sensor_id"], state["source"], state["pid"]) == ("lab", "live:wire1", sensor.process.pid)
    assert state["gap"]["reason"] == "silent"
    assert set(state["counters"].values()) == {0}
    sensor.stop()
    assert not list(sensor.folder.glob(".lab-*.state"))


def test_two_interfaces_are_kept_apart(start, wire, pcaps, tmp_path):
    sensor = start("-f", "inbound", folder=tmp_path, interfaces=("wire0", "wire1"))
    wire.send(300)
    wire.run("ip", "link", "set", "wire0", "down")
    sensor.wait_for("link_down")
    sensor.wait_for("link_down")
    sensor.process.send_signal(signal.SIGTERM)
    totals = {event["source"]: event["counters"] for event in (sensor.wait_for("done"), sensor.wait_for("done"))}
    sensor.end()
    assert sensor.process.returncode == 0
    assert {source: counters["written"] for source, counters in totals.items()} == {"live:wire0": 0, "live:wire1": 300}
    found = manifests(tmp_path)
    assert {(m.sensor_id, m.source) for m in found} == {("lab-wire0", "live:wire0"), ("lab-wire1", "live:wire1")}
    assert sum(m.counters["written"] for m in found if m.source == "live:wire1") == 300
    assert {gap.interface for gap in gaps_in(tmp_path)} == {"wire0", "wire1"}
    assert numbers_in(pcaps, tmp_path) == list(range(300))
    assert chain.missing(found) == []


def test_one_of_two_interfaces_may_go_without_the_other(start, wire, pcaps, tmp_path):
    wire.run("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
    wire.run("ip", "link", "set", "spare1", "up")
    sensor = start(folder=tmp_path, interfaces=("spare1", "wire1"))
    wire.run("ip", "link", "delete", "spare1")
    sensor.wait_for("interface_removed")
    wire.send(200)
    sensor.process.send_signal(signal.SIGTERM)
    sensor.wait_for("done")
    sensor.wait_for("done")
    sensor.end()
    assert numbers_in(pcaps, tmp_path) == list(range(200))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-i", "wire1", "-i", "wire1", "--spool", "s"], "the interface wire1 is given twice"),
        (["-i", "wire0", "-i", "wire1", "-w", "out.pcap"], "-w takes one interface"),
        (["-i", "wire0", "-r", "in.pcap", "--spool", "s"], "give either an interface (-i) or a file (-r)"),
    ],
)
def test_interfaces_that_make_no_sense_together_are_refused(binary, tmp_path, arguments, words):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=20, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr


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
    assert len(lines) == 13
    assert all(line.startswith("as said ") for line in lines)
    assert sum(" is refused: " in line for line in lines) == 8
    assert [line.rpartition(" says ")[2] for line in lines if " the kernel says " in line] == [
        "CapPrm 0",
        "NoNewPrivs 1",
        "Seccomp 2",
    ]
    assert lines[-2] == "as said reading what interfaces count works"
    assert lines[-1] == "as said writing in the spool works"


def test_a_user_who_is_not_there_is_named(capture, write_pcap, pcaps):
    run = capture("-r", write_pcap(pcaps.steady(1)), "--user", "nobody-at-all")
    assert run.code == 2
    assert "--user nobody-at-all: there is no such user" in run.stderr


@pytest.mark.parametrize("interface", ["lo", "any"])
@pytest.mark.parametrize("bpf", [[], ["-f", "udp"]])
def test_a_packet_over_the_loopback_is_counted_once(loop, tmp_path, interface, bpf):
    sensor = loop("--spool", tmp_path / "spool", *bpf, interface=interface)
    sensor.send(20_000, count=500)
    sensor.process.terminate()
    totals = sensor.wait_for("done")["counters"]
    assert (totals["received"], totals["read"], totals["written"], totals["unread"]) == (500, 500, 500, 0)


def test_compression_steps_aside_under_a_flood_and_the_sensor_still_stops_in_time(loop, pcaps, tmp_path):
    sensor = loop("--spool", tmp_path / "spool", "--level", 19)
    sensor.send(20_000, count=40_000, size=1_400)
    sensor.process.terminate()
    totals = sensor.wait_for("done")["counters"]
    sensor.process.wait(timeout=5)
    (segment,) = (tmp_path / "spool").glob("*.pcap.zst")
    raw = pcaps.unpack(segment)
    assert totals["written"] == totals["received"] == 40_000
    assert len(pcaps.read_pcap(raw)[1]) == 40_000
    assert segment.stat().st_size > 2 * len(pa.compress(raw, "zstd", asbytes=True))  # level 1 would have packed it better


def test_a_capture_file_of_a_silent_wire_has_its_link_type(loop, pcaps, tmp_path):
    cooked = 113
    sensor = loop("-w", tmp_path / "out", interface="any")
    sensor.process.terminate()
    sensor.wait_for("done")
    assert pcaps.read_pcap((tmp_path / "out").read_bytes()) == (cooked, [])
