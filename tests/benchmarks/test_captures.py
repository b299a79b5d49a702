"""The captures that speed is measured on."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Layer

import captures
import frames
import mixed
import places
from conversations import KINDS, Packet
from weir.flows.build import Flows, build
from weir.settings import FlowSettings

ROOT = Path(__file__).parents[2]
PACKETS = 40_000

# To see the new ones after a change that is meant: python benchmarks/captures.py KIND OUT 40000; sha256sum OUT
SHA256 = {
    "flood": "91c1abbfde2d01e1f8474510f5c23f0fe8007a4686cc26a3bf9cdaffce1cb0ac",
    "mixed": "8e0214cf2b3d05259af99ddfffefb494a136be53d97401f2606ad23a003e5af4",
}


@pytest.fixture(scope="module", params=sorted(SHA256))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("captures")
    for name in SHA256:
        command = [sys.executable, ROOT / "benchmarks" / "captures.py", name, folder / f"{name}.pcap", str(PACKETS)]
        subprocess.run(command, check=True)
    return {name: folder / f"{name}.pcap" for name in SHA256}


def records(path: Path) -> list[tuple[int, bytes, int]]:
    """Time in us, frame and length on the wire of each packet."""
    data, at, out = path.read_bytes(), len(captures.FILE_HEADER), []
    while at < len(data):
        seconds, micros, captured, length = struct.unpack_from("<IIII", data, at)
        at += 16 + captured
        out.append((seconds * 1_000_000 + micros, data[at - captured : at], length))
    return out


def flows_of(path: Path) -> Flows:
    return build([path], FlowSettings(idle_timeout_s=120, active_timeout_s=1_800, memory_mb=1_024))


def test_a_capture_has_the_same_bytes_wherever_it_is_made(kind: str, made: dict[str, Path]) -> None:
    assert hashlib.sha256(made[kind].read_bytes()).hexdigest() == SHA256[kind]


def test_a_capture_has_as_many_packets_as_asked_in_the_order_of_time(kind: str, made: dict[str, Path]) -> None:
    times = [time for time, _, _ in records(made[kind])]
    assert len(times) == PACKETS
    assert times == sorted(times)


def test_a_kind_that_does_not_exist_is_refused_with_the_help(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "captures.py", "flod", tmp_path / "x"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "captures.py flood OUT.pcap" in done.stderr
    assert not list(tmp_path.iterdir())


def test_most_packets_of_a_flood_begin_a_flow_and_none_is_set_aside(made: dict[str, Path]) -> None:
    found = flows_of(made["flood"])
    assert found.counts["accepted"] == PACKETS
    assert 0.6 * PACKETS < found.table.num_rows < 0.7 * PACKETS
    assert {len(frame) for _, frame, _ in records(made["flood"])} == {60}


def test_a_flood_consists_of_what_its_page_says(made: dict[str, Path]) -> None:
    def kind_of(frame: bytes) -> str:
        flags = {0x02: "syn", 0x12: "syn ack", 0x14: "rst", 0x10: "ack"}
        return "udp" if frame[23] == frames.UDP else flags[frame[47]]

    shares = Counter(kind_of(frame) for _, frame, _ in records(made["flood"]))
    assert shares["syn"] == PACKETS * (35 + 15) // 100
    assert shares["syn ack"] == PACKETS * 5 // 100
    assert shares["rst"] == PACKETS * 15 // 100
    assert PACKETS * 20 // 100 < shares["udp"] < PACKETS * 25 // 100  # questions, answers, and the long flows of one service


def test_mixed_traffic_has_the_sizes_and_flows_of_ordinary_traffic(made: dict[str, Path]) -> None:
    lengths = [len(frame) for _, frame, _ in records(made["mixed"])]
    assert 380 < np.mean(lengths) < 450  # 405 in the long run
    found = flows_of(made["mixed"])
    assert 9 < found.counts["accepted"] / found.table.num_rows < 18


def test_mixed_traffic_speaks_what_networks_speak(made: dict[str, Path]) -> None:
    table = flows_of(made["mixed"]).table
    assert set(table["ip_version"].to_pylist()) == {4, 6}
    assert {frames.ICMP, frames.TCP, frames.UDP, frames.ICMPV6} <= set(table["protocol"].to_pylist())
    asked = set(table["dst_port"].to_pylist())
    assert {21, 22, 25, 53, 80, 123, 443, 445, 502, 1812, 1883, 2049} <= asked
    tunnels = {frames.VXLAN_PORT, frames.GENEVE_PORT, frames.GTP_PORT}
    assert not tunnels & asked, "the flow is the one inside the tunnel"


def test_mixed_traffic_comes_in_everything_that_carries_packets(made: dict[str, Path]) -> None:
    whole = [frame for _, frame, _ in records(made["mixed"])]
    types = {int.from_bytes(frame[12:14], "big") for frame in whole}
    assert {frames.IPV4, frames.IPV6, frames.VLAN, frames.QINQ, frames.MPLS, frames.PPPOE} <= types
    plain = [frame for frame in whole if frame[12:14] == b"\x08\x00" and len(frame) > 38]
    assert {frames.GRE, frames.IP_IN_IP, frames.IPV6_IN_IP} <= {frame[23] for frame in plain}
    ports = {int.from_bytes(frame[36:38], "big") for frame in plain if frame[23] == frames.UDP}
    assert {frames.VXLAN_PORT, frames.GENEVE_PORT, frames.GTP_PORT} <= ports


def test_mixed_traffic_has_cut_broken_and_fragmented_packets(made: dict[str, Path]) -> None:
    counts = flows_of(made["mixed"]).counts
    assert counts["read"] == PACKETS
    assert counts["accepted"] < PACKETS
    assert counts["non_ip"]
    assert counts["odd_cut_packet"]
    assert any(length > len(frame) for _, frame, length in records(made["mixed"]))
    assert any(
        frame[12:14] == b"\x08\x00" and frame[20:21] >= b"\x20" and frame[20] & 0x20 for _, frame, _ in records(made["mixed"])
    )


def unfolded(packet: Layer) -> list[Layer]:
    """All layers of a packet, the outermost first."""
    out = [packet]
    while out[-1].payload:
        out.append(out[-1].payload)
    return out


def with_fresh_sums(frame: bytes) -> bytes:
    """The frame with every checksum that it has computed anew by scapy."""
    packet = Ether(frame)
    for layer in unfolded(packet):
        if isinstance(layer, (IP, TCP, UDP)) and layer.chksum:
            layer.chksum = None
        elif type(layer).__name__.startswith("ICMPv6") and hasattr(layer, "cksum"):
            layer.cksum = None
    return bytes(packet)


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"broken", "fragmented"}))
def test_copies_of_a_conversation_have_ends_of_their_own_and_right_checksums(name: str) -> None:
    random = np.random.default_rng(3)
    for _ in range(8):
        conversation: list[Packet] = KINDS[name][1](random)[:40]
        rows, _ = mixed.copies_of(conversation, np.arange(2), mixed.Ends(random))
        ends = set()
        for row in rows:
            at = 0
            for packet in conversation:
                frame = row[at + 16 : at + 16 + len(packet.frame)].tobytes()
                at += 16 + len(packet.frame)
                assert with_fresh_sums(frame) == frame
                ends.add(places.conversation(frame))
        assert len(ends) == 2


def test_a_sum_that_was_wrong_stays_wrong_in_a_copy() -> None:
    random = np.random.default_rng(4)
    packet = KINDS["dns"][1](random)[0]
    wrong = packet.frame[:-1] + bytes([packet.frame[-1] ^ 1])
    rows, _ = mixed.copies_of([Packet(0, wrong, len(wrong))], np.arange(1), mixed.Ends(random))
    frame = rows[0, 16:].tobytes()
    assert with_fresh_sums(frame) != frame
    assert with_fresh_sums(frame)[:-1] != frame[:-1]


def test_an_ipv6_datagram_in_fragments_is_put_together_by_scapy() -> None:
    from scapy.layers.inet6 import defragment6

    here, there = frames.address("2001:db8::1"), frames.address("2001:db8::2")
    whole = frames.ip(here, there, frames.UDP, frames.udp(here, there, (1_000, 2_000), bytes(range(256)) * 10))
    parts = [IPv6(part) for part in frames.fragments(whole, 1_024, 5)]
    assert len(parts) == 3
    assert bytes(defragment6(parts)) == whole
