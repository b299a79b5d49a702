"""Made-up traffic: the same seed makes the same bytes, packets are right, labels fit the packets."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import struct
import subprocess
import sys
import warnings
from collections import Counter
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from weir.errors import SettingsError
from weir.simulate.attacks import ATTACKS
from weir.simulate.run import rhythm, simulate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
    from scapy.layers.l2 import Ether
    from scapy.utils import RawPcapReader

START = datetime(2024, 3, 4, 9, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
HOUR_US = 3_600 * 1_000_000
IPV6_TYPE = b"\x86\xdd"


def small(out: Path, **changes):
    """An office of six, in one hour, with little to do."""
    return simulate(out, **({"start": START, "hours": 1, "seed": 1, "hosts": 6, "intensity": 0.3} | changes))


def frames(capture: Path) -> list[tuple[int, bytes]]:
    with RawPcapReader(str(capture)) as reader:
        return [(meta.sec * 1_000_000 + meta.usec, frame) for frame, meta in reader]


def labels(out: Path) -> list[dict[str, str]]:
    with (out / "labels.flows.csv").open() as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """One hour that holds every attack, and where it lies."""
    out = tmp_path_factory.mktemp("attacked")
    return out, small(out, attacks=list(ATTACKS), quiet_start_s=600)


def test_two_processes_make_the_same_bytes_from_the_same_seed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from datetime import datetime; from weir.simulate.run import simulate; "
        "simulate(Path(sys.argv[1]), start=datetime(2024, 3, 4, 9), hours=2, seed=5, hosts=5, intensity=0.2, "
        "attacks=['c2-beacon', 'ddos'], is_packed=True)"
    )
    digests = []
    for name, hash_seed in (("one", "1"), ("two", "2")):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)],
            check=True,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "include"},
        )
        digests.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / name).iterdir()})
    assert len(digests[0]) == 4
    assert digests[0] == digests[1]


def test_another_seed_makes_other_packets(tmp_path):
    one, two = small(tmp_path / "1"), small(tmp_path / "2", seed=2)
    assert Path(one["captures"][0]).read_bytes() != Path(two["captures"][0]).read_bytes()


def test_each_file_holds_the_packets_of_its_hour_in_order(tmp_path):
    made = small(tmp_path, hours=2)
    assert [Path(name).name for name in made["captures"]] == ["2024-03-04T09.pcap", "2024-03-04T10.pcap"]
    for number, name in enumerate(made["captures"]):
        times = [time_us for time_us, _ in frames(Path(name))]
        assert times == sorted(times)
        assert START_US + number * HOUR_US <= times[0]
        assert times[-1] < START_US + (number + 1) * HOUR_US
    assert made["packets"] == sum(len(frames(Path(name))) for name in made["captures"])


def test_a_packed_capture_unpacks_to_the_plain_one(tmp_path):
    plain, packed = small(tmp_path / "plain"), small(tmp_path / "packed", is_packed=True)
    assert gzip.decompress(Path(packed["captures"][0]).read_bytes()) == Path(plain["captures"][0]).read_bytes()


def test_lengths_and_checksums_are_what_scapy_computes(attacked):
    out, _ = attacked
    kinds = Counter()
    whole = [frame for _, frame in frames(out / "2024-03-04T09.pcap")]
    for frame in whole[::29] + [frame for frame in whole if frame[12:14] == IPV6_TYPE][:200]:
        packet = Ether(frame)
        layers = [layer for layer in (IP, IPv6, TCP, UDP, ICMP, ICMPv6EchoRequest) if layer in packet]
        fresh = packet.copy()
        for layer in layers:
            for name in ("len", "plen", "chksum", "cksum"):
                if name in fresh[layer].fields:
                    del fresh[layer].fields[name]
        assert bytes(fresh) == frame, packet.summary()
        kinds.update(layer.__name__ for layer in layers)
    assert min(kinds[name] for name in ("IP", "IPv6", "TCP", "UDP", "ICMP")) > 10


def test_every_attack_is_labelled_in_flows_and_timeline(attacked):
    out, made = attacked
    assert set(made["attacks"]) == set(ATTACKS)
    assert {row["label"] for row in labels(out)} == {"benign", *ATTACKS}
    with (out / "labels.timeline.csv").open() as lines:
        assert {row["label"] for row in csv.DictReader(lines)} == {"benign", *ATTACKS}


def test_labels_count_every_ip_packet_of_the_capture(attacked):
    out, _ = attacked
    on_wire = Counter()
    for _, frame in frames(out / "2024-03-04T09.pcap"):
        if frame[12:14] in (b"\x08\x00", IPV6_TYPE):
            size, protocol, at = (4, frame[23], 26) if frame[12:14] != IPV6_TYPE else (16, frame[20], 22)
            addresses = frozenset(str(ip_address(frame[at + side * size : at + (side + 1) * size])) for side in (0, 1))
            ports = struct.unpack_from("!HH", frame, at + 2 * size) if protocol in (6, 17) else (0, 0)
            on_wire[addresses, tuple(sorted(ports))] += 1
    labelled = Counter()
    for row in labels(out):
        ports = tuple(sorted((int(row["src_port"]), int(row["dst_port"]))))
        labelled[frozenset((row["src_ip"], row["dst_ip"])), ports] += int(row["fwd_packets"]) + int(row["bwd_packets"])
    assert labelled == on_wire


def test_nothing_is_attacked_while_it_is_quiet(attacked):
    out, _ = attacked
    firsts = [row["first_seen"] for row in labels(out) if row["label"] != "benign"]
    assert min(firsts) >= "2024-03-04T09:10:00"


def test_an_attack_more_leaves_the_benign_flows_as_they_were(tmp_path):
    small(tmp_path / "calm")
    small(tmp_path / "flood", attacks=["dos-syn-flood"])
    calm, flood = (
        Counter(
            (row["dst_ip"], row["first_seen"], row["fwd_bytes"]) for row in labels(tmp_path / name) if row["label"] == "benign"
        )
        for name in ("calm", "flood")
    )
    assert calm == flood


def test_a_scan_touches_many_ports_and_a_sweep_many_hosts(attacked):
    out, _ = attacked
    rows = labels(out)
    assert len({row["dst_port"] for row in rows if row["label"] == "portscan"}) > 900
    assert len({row["dst_ip"] for row in rows if row["label"] == "host-sweep"}) > 200
    assert len({row["src_ip"] for row in rows if row["label"] == "ddos"}) > 150
    assert len({row["src_ip"] for row in rows if row["label"] == "dos-syn-flood"}) == 1


def test_an_office_sleeps_at_night_and_on_sunday():
    monday = START_US - 9 * HOUR_US
    assert rhythm(monday + 3 * HOUR_US) < 0.1 < rhythm(monday + 10 * HOUR_US)
    assert rhythm(monday - 14 * HOUR_US) < 0.2


def test_an_unknown_attack_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'portscan'"):
        small(tmp_path, attacks=["port-scan"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "value"), [("hours", 0), ("hosts", 3), ("intensity", 0.0)])
def test_a_number_out_of_range_is_refused_by_name(tmp_path, name, value):
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        small(tmp_path, **{name: value})


def test_progress_is_told_after_each_hour(tmp_path):
    told = []
    small(tmp_path, hours=2, progress=lambda done, hours: told.append((done, hours)))
    assert told == [(1, 2), (2, 2)]


def test_the_summary_is_plain_json(attacked):
    _, made = attacked
    assert json.loads(json.dumps(made)) == made
