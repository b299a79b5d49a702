"""What the tests of packets share: the sensor's binary, captures made on the spot, and a plain reader."""

import fcntl
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pyarrow as pa
import pytest
from moto import mock_aws

from broker import Broker, Issued, issue
from mounts import MOUNTS, bind
from two_sensors import write_captures
from weir import jobs
from weir.store import FolderStore, S3Store, Store

REPOSITORY = Path(__file__).parents[2]
NINE_OCLOCK = 1_709_542_800  # 2024-03-04 09:00 UTC, s
ETHERNET = 1
MICRO, NANO = 0xA1B2C3D4, 0xA1B23C4D


class Packet(NamedTuple):
    """One packet: ns since 1970, the captured bytes, and how long it was on the wire (0: as captured)."""

    time_ns: int
    data: bytes
    length: int = 0


class Run(NamedTuple):
    """What a run of the sensor left: exit code, stderr, its JSON lines, and the spool."""

    code: int
    stderr: str
    events: list[dict]
    spool: Path

    def named(self, event: str) -> list[dict]:
        return [line for line in self.events if line["event"] == event]

    @property
    def totals(self) -> dict[str, int]:
        return self.named("done")[-1]["counters"]


def _binary() -> Path:
    if named := os.environ.get("WEIR_CAPTURE"):
        return Path(named)
    build = REPOSITORY / "build" / "capture"
    binary = build / "bin" / "weir-capture"
    build.mkdir(parents=True, exist_ok=True)
    with (build / ".lock").open("w") as lock:  # workers of one test run wait for the one that builds
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            source = str(REPOSITORY / "capture_cpp")
            configure = ["cmake", "-S", source, "-B", str(build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
            subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["cmake", "--build", str(build), "--target", "weir-capture"], check=True, stdout=subprocess.DEVNULL)
    return binary


@pytest.fixture(scope="session")
def binary() -> Path:
    return _binary()


def parse_events(stderr: str) -> list[dict]:
    return [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]


@pytest.fixture
def capture(binary: Path, tmp_path: Path) -> Callable[..., Run]:
    """Run the sensor on a file to its end: capture("-r", path, "-f", "tcp"), into tmp_path/spool."""

    def run(*arguments: object, spool: Path | None = None, stdin: bytes | None = None) -> Run:
        folder = spool or tmp_path / "spool"
        name = [] if "--sensor" in arguments else ["--sensor", "lab"]
        command = [str(binary), *name, "--spool", str(folder), *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
        stderr = done.stderr.decode()
        return Run(done.returncode, stderr, parse_events(stderr), folder)

    return run


def ethernet(
    number: int = 0, *, source: str = "10.0.0.1", to: str = "10.0.0.2", ports: tuple[int, int] = (40000, 53), size: int = 60
) -> bytes:
    """A UDP packet in an Ethernet frame of ``size`` bytes; ``number`` makes it unlike others."""
    address = [bytes(map(int, text.split("."))) for text in (source, to)]
    length = size - 14
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, number & 0xFFFF, 0, 64, 17, 0, *address)
    udp = struct.pack(">HHHH", *ports, length - 20, 0)
    return b"\x02" * 12 + b"\x08\x00" + ip + udp + struct.pack(">I", number).ljust(size - 42, b".")


def steady(count: int, *, start_s: float = NINE_OCLOCK, step_ns: int = 1_000_000, size: int = 60) -> list[Packet]:
    """``count`` packets, one each ``step_ns``."""
    return [Packet(int(start_s * 1e9) + i * step_ns, ethernet(i, size=size)) for i in range(count)]


def many_flows(count: int) -> list[Packet]:
    """Packets of ``count`` conversations, two each way, one conversation a millisecond."""
    packets = []
    for i in range(count):
        there, back = ("10.0.0.1", f"10.1.{i // 250}.{i % 250}"), (40000 + i % 5, 53)
        for step, (pair, ports) in enumerate([(there, back), (there[::-1], back[::-1])] * 2):
            frame = ethernet(i, source=pair[0], to=pair[1], ports=ports, size=60 + i % 100)
            packets.append(Packet((NINE_OCLOCK * 1000 + i) * 10**6 + step * 1000, frame))
    return packets


def pcap_bytes(
    packets: list[Packet], *, link_type: int = ETHERNET, magic: int = MICRO, order: str = "<", snaplen: int = 262144
) -> bytes:
    out = io.BytesIO()
    out.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type))
    tick = 1 if magic == NANO else 1000
    for packet in packets:
        seconds, rest = divmod(packet.time_ns, 1_000_000_000)
        out.write(struct.pack(order + "IIII", seconds, rest // tick, len(packet.data), packet.length or len(packet.data)))
        out.write(packet.data)
    return out.getvalue()


def read_pcap(whole: bytes) -> tuple[int, list[Packet]]:
    """Link type and packets of a pcap in this machine's byte order, as sensors write it."""
    magic, _, _, _, _, _, link_type = struct.unpack_from("=IHHiIII", whole)
    assert magic in (MICRO, NANO)
    tick = 1 if magic == NANO else 1000
    packets, at = [], 24
    while at < len(whole):
        seconds, fraction, captured, length = struct.unpack_from("=IIII", whole, at)
        data = whole[at + 16 : at + 16 + captured]
        assert len(data) == captured, "a record is torn"
        packets.append(Packet(seconds * 1_000_000_000 + fraction * tick, data, 0 if length == captured else length))
        at += 16 + captured
    return link_type, packets


def unpack(segment: Path) -> bytes:
    return pa.CompressedInputStream(pa.OSFile(str(segment)), "zstd").read()


def manifests_in(spool: Path) -> list[dict]:
    """All visible manifests, in the order of their names."""
    return [json.loads(path.read_text()) for path in sorted(spool.glob("[!.]*.json"))]


def packets_in(spool: Path) -> list[Packet]:
    """The packets of all visible segments that have a manifest, in the order they were sealed."""
    return [packet for manifest in manifests_in(spool) for packet in read_pcap(unpack(spool / manifest["file"]))[1]]


@pytest.fixture(scope="session")
def pcaps() -> SimpleNamespace:
    """The functions and constants above, as tests cannot import this file."""
    return SimpleNamespace(
        Packet=Packet,
        ethernet=ethernet,
        steady=steady,
        many_flows=many_flows,
        pcap_bytes=pcap_bytes,
        read_pcap=read_pcap,
        unpack=unpack,
        manifests_in=manifests_in,
        packets_in=packets_in,
        parse_events=parse_events,
        MICRO=MICRO,
        NANO=NANO,
        NINE_OCLOCK=NINE_OCLOCK,
    )


@pytest.fixture
def write_pcap(tmp_path: Path) -> Callable[..., Path]:
    def write(packets: list[Packet], name: str = "in.pcap", **form: object) -> Path:
        path = tmp_path / name
        path.write_bytes(pcap_bytes(packets, **form))
        return path

    return write


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, for running full; needs root."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def flows(binary: Path) -> Callable[..., tuple[int, list[dict], str]]:
    """Run the sensor on a file with --flows to its end: exit code, events, stderr."""

    def run(*arguments: object) -> tuple[int, list[dict], str]:
        done = subprocess.run([binary, "--sensor", "lab", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        return done.returncode, parse_events(done.stderr), done.stderr

    return run


SENDER = textwrap.dedent(
    """
    import socket, sys
    first, ports, count, size = map(int, sys.argv[1:])
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    for port in range(first, first + ports):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(("127.0.0.1", port))
        for _ in range(count):
            sender.sendto(b"." * size, sink.getsockname())
    """
)


class Loop:
    """weir-capture on the loopback of a network namespace of its own; it finds ``files`` under the names they have there."""

    def __init__(self, binary: Path, *arguments: object, interface: str = "lo", files: dict[str, Path] | None = None) -> None:
        words = "ip link set lo up; " + bind(files or {})
        words += "exec " + " ".join(map(str, (binary, "-i", interface, "--sensor", "lab", *arguments)))
        command = ["unshare", "--net", *(MOUNTS if files else []), "sh", "-c", words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_for("capturing")

    def wait_for(self, event: str) -> dict:
        for line in self.process.stderr:
            if line.startswith("{") and json.loads(line)["event"] == event:
                return json.loads(line)
        raise AssertionError(f"ended without {event}")

    def send(self, first: int, *, ports: int = 1, count: int = 1, size: int = 10) -> None:
        inside = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", sys.executable, "-c", SENDER]
        subprocess.run([*inside, *map(str, (first, ports, count, size))], check=True, timeout=60)

    def stop(self) -> tuple[dict, dict]:
        self.process.terminate()
        totals = self.wait_for("done")["counters"]
        return totals, self.wait_for("flows_done")


@pytest.fixture
def loop(binary: Path) -> Iterator[Callable[..., Loop]]:
    running: list[Loop] = []

    def start(*arguments: object, interface: str = "lo", files: dict[str, Path] | None = None) -> Loop:
        running.append(Loop(binary, *arguments, interface=interface, files=files))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.communicate()


@pytest.fixture(scope="session")
def made(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sensors that see a packet each in turn: their files, spool and store, and all packets in one file."""
    folder = tmp_path_factory.mktemp("made")
    write_captures(folder)
    for sensor in ("east", "west"):
        command = [binary, "--sensor", sensor, "-r", folder / f"{sensor}.pcap", "--spool", folder / "spool"]
        subprocess.run([*command, "--rotate-bytes", "100000", "--rotate-seconds", "3600"], check=True, capture_output=True)
    shutil.copytree(folder / "spool", folder / "collected")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEIR_SPOOL", str(folder / "collected"))
        patch.setenv("WEIR_STORE", str(folder / "store"))
        jobs.collect(jobs.waiting())
    return folder


@pytest.fixture
def site(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A copy of what was made, free to be spoiled."""
    folder = tmp_path / "site"
    shutil.copytree(made, folder)
    for name in ("AWS_ENDPOINT_URL", "WEIR_HOME", "WEIR_SPOOL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WEIR_STORE", str(folder / "store"))
    return SimpleNamespace(folder=folder, spool=folder / "spool", whole=folder / "all.pcap", out=folder / "found.pcap")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, site: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store, with all segments collected."""
    local = FolderStore(site.folder / "store")
    if request.param == "folder":
        yield local
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("WEIR_STORE", "s3://weir/site")
    with mock_aws():
        import boto3

        boto3.client("s3").create_bucket(Bucket="weir")
        remote = S3Store("weir", "site")
        for key in local.keys("1_packets/"):
            remote.put(key, local.get(key))
        yield remote


@pytest.fixture
def authority(tmp_path: Path) -> Issued:
    return issue(tmp_path / "authority", "authority")


@pytest.fixture
def lab(tmp_path: Path, authority: Issued) -> Issued:
    return issue(tmp_path / "sensor", "lab", authority)


@pytest.fixture
def broker(tmp_path: Path, authority: Issued) -> Iterator[Callable[..., Broker]]:
    made: list[Broker] = []

    def make(identity: Issued | None = None, inside: tuple[str, ...] = ()) -> Broker:
        folder = tmp_path / "broker"
        made.append(Broker(folder, authority, identity or issue(folder, "localhost", authority), list(inside)))
        return made[-1]

    (tmp_path / "broker").mkdir()
    yield make
    for one in made:
        one.stop()
