"""weir-capture --flows to a collector of NetFlow v9 and IPFIX: nfdump's nfcapd takes them, nfdump says what it read."""

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from mounts import MOUNTS, bind
from weir.flows.build import build
from weir.settings import FlowSettings

REPOSITORY = Path(__file__).parents[2]
GOLDEN = REPOSITORY / "tests" / "golden" / "flows.pcap"
ICMP = {1, 58}
ASKS = {8: 0, 128: 129, 133: 134, 135: 136}  # ICMP types and their answers, RFC 792, 4443 and 4861
ANSWERS = ASKS | {answer: ask for ask, answer in ASKS.items()}
FLAG_LETTERS = "CEUAPRSF"
Uniflow = tuple[object, ...]


class Collector:
    """nfcapd on a port of its own; the files it leaves are read by nfdump."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = ["nfcapd", "-b", "127.0.0.1", "-p", str(self.port), "-l", str(folder), "-t", "3600"]
        with (folder.parent / "nfcapd.log").open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.log = folder.parent / "nfcapd.log"
        while "Startup" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def flows(self) -> list[dict]:
        """Everything it has taken; it ends."""
        time.sleep(0.3)  # what was sent is in its socket
        self.process.terminate()
        self.process.wait(timeout=20)
        done = subprocess.run(["nfdump", "-R", self.folder, "-o", "json"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Callable[[], Collector]]:
    running: list[Collector] = []

    def start() -> Collector:
        folder = tmp_path / f"collected{len(running)}"
        folder.mkdir()
        running.append(Collector(folder))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.wait()


def moment(time_us: int) -> str:
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00")


def flag_text(flags: int) -> str:
    return "".join(letter if flags >> (7 - i) & 1 else "." for i, letter in enumerate(FLAG_LETTERS))


def icmp_of(row: dict, name: str) -> tuple[int, int]:
    if name == "fwd":
        return row["icmp_type"], row["icmp_code"]
    return ANSWERS.get(row["icmp_type"], row["icmp_type"]), 0


def uniflows(row: dict) -> Iterator[Uniflow]:
    """What a flow row is in the eyes of NetFlow: one flow for each direction that has packets."""
    times = (moment(row["start_us"]), moment(row["start_us"] + row["duration_us"]))
    ends = ((row["src_ip"], row["src_port"]), (row["dst_ip"], row["dst_port"]))
    for name, (source, destination) in (("fwd", ends), ("bwd", ends[::-1])):
        if row[f"packets_{name}"]:
            ports = icmp_of(row, name) if row["protocol"] in ICMP else (source[1], destination[1])
            numbers = (row[f"packets_{name}"], row[f"bytes_{name}"], flag_text(row[f"tcp_flags_{name}"]))
            yield (row["protocol"], source[0], destination[0], *ports, *numbers, *times)


def read_back(flow: dict) -> Uniflow:
    source, destination = (str(ip_address(flow.get(f"{end}4_addr") or flow[f"{end}6_addr"])) for end in ("src", "dst"))
    ports = (flow["icmp_type"], flow["icmp_code"]) if flow["proto"] in ICMP else (flow["src_port"], flow["dst_port"])
    return (
        flow["proto"],
        source,
        destination,
        *ports,
        flow["in_packets"],
        flow["in_bytes"],
        flow.get("tcp_flags", flag_text(0)),
        flow["first"],
        flow["last"],
    )


@pytest.mark.parametrize("form", ["ipfix", "netflow9"])
def test_nfdump_reads_the_flows_that_the_batch_path_makes(flows, collector, form):
    captures = [GOLDEN, *sorted(GOLDEN.parent.rglob("truth/*/*.pcap"))]
    for capture in captures:
        place = collector()
        code, events, stderr = flows("-r", capture, "--flows", f"{form}:udp://127.0.0.1:{place.port}")
        assert code == 0, stderr
        wanted = Counter(one for row in build([capture], FlowSettings()).table.to_pylist() for one in uniflows(row))
        assert Counter(map(read_back, place.flows())) == wanted, capture
        assert events[-1]["targets"][0]["delivered"] == wanted.total()
        assert "Sequence Errors: 0, Bad Packets: 0" in place.log.read_text()


def forward(relay: socket.socket, port: int, skipped: int) -> int:
    """Pass datagrams on until none comes for a second, without the first ones; how many were passed on."""
    passed = 0
    relay.settimeout(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        while True:
            try:
                message = relay.recv(65536)
            except TimeoutError:
                return passed
            if skipped:
                skipped -= 1
                continue
            out.sendto(message, ("127.0.0.1", port))
            passed += 1


@pytest.mark.parametrize("form", ["ipfix", "netflow9"])
def test_a_collector_that_missed_the_first_messages_learns_the_templates(binary, collector, write_pcap, pcaps, form):
    source = write_pcap(pcaps.many_flows(5_000))
    place = collector()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
        relay.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        relay.bind(("127.0.0.1", 0))
        to = f"{form}:udp://127.0.0.1:{relay.getsockname()[1]}"
        command = [binary, "-r", source, "--flows", to, "--flows-idle", "1"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sensor:
            passed = forward(relay, place.port, skipped=5)
    assert sensor.returncode == 0
    read = Counter(map(read_back, place.flows()))
    wanted = Counter(one for row in build([source], FlowSettings(idle_timeout_s=1)).table.to_pylist() for one in uniflows(row))
    assert read <= wanted
    assert passed > 100
    assert read.total() >= wanted.total() * (passed - 20) / (passed + 5) * 0.9  # templates come each 20 messages


def test_the_domain_is_what_the_operator_said(flows, collector):
    place = collector()
    assert flows("-r", GOLDEN, "--flows", f"ipfix:udp://127.0.0.1:{place.port}", "--domain", 77)[0] == 0
    assert place.flows()
    assert "Observation domain 77 " in place.log.read_text()


def test_records_that_nobody_takes_are_counted(flows, write_pcap, pcaps):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code, events, _ = flows("-r", write_pcap(pcaps.many_flows(5_000)), "--flows", f"ipfix:udp://127.0.0.1:{port}")
    (target,) = events[-1]["targets"]
    assert code == 4
    assert target["drop_refused"] > 0
    assert target["delivered"] + target["drop_refused"] + target["drop_failed"] == target["taken"] == 10_000
    assert [event["why"] for event in events if event["event"] == "flows_failed"] == ["Connection refused"]


def tells_templates(message: bytes, form: str) -> bool:
    at, number = {"ipfix": (16, 2), "netflow9": (20, 0)}[form]
    return int.from_bytes(message[at : at + 2]) == number


def taker(port: int = 0) -> socket.socket:
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", port))
    sink.settimeout(20)
    return sink


@pytest.mark.parametrize("form", ["ipfix", "netflow9"])
def test_a_collector_that_was_started_again_gets_the_templates_with_its_first_message(binary, pcaps, form):
    def feed(minute: int) -> None:
        """Four flows, which end those of the minute before."""
        packets = [packet._replace(time_ns=packet.time_ns + minute * 60 * 10**9) for packet in pcaps.many_flows(4)]
        sensor.stdin.write(pcaps.pcap_bytes(packets)[24 if minute else 0 :])
        sensor.stdin.flush()

    first = taker()
    port = first.getsockname()[1]
    command = [binary, "-r", "-", "--flows", f"{form}:udp://127.0.0.1:{port}", "--flows-idle", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as sensor:
        feed(0)
        feed(1)
        assert tells_templates(first.recv(65536), form)
        feed(2)
        assert not tells_templates(first.recv(65536), form)
        first.close()
        feed(3)
        while b"flows_failed" not in sensor.stderr.readline():
            pass
        with taker(port) as second:
            feed(4)
            assert tells_templates(second.recv(65536), form)
            sensor.stdin.close()
            sensor.stderr.read()
    assert sensor.returncode == 4  # for what was refused


def test_a_collector_is_sought_at_each_address_of_its_name(binary, collector, tmp_path):
    (tmp_path / "hosts").write_text("::1 collector.test\n127.0.0.1 collector.test\n")
    place = collector()  # at 127.0.0.1 only
    sensor = f"{binary} -r {GOLDEN} --flows ipfix:udp://collector.test:{place.port}"
    words = bind({"/etc/hosts": tmp_path / "hosts"}) + f"getent ahosts collector.test; exec {sensor}"
    done = subprocess.run(["unshare", *MOUNTS, "sh", "-c", words], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("::1"), "the address that nobody listens at comes first"
    assert done.returncode == 0, done.stderr
    wanted = Counter(one for row in build([GOLDEN], FlowSettings()).table.to_pylist() for one in uniflows(row))
    assert Counter(map(read_back, place.flows())) == wanted
