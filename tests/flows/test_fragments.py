"""Fragments count to the flow of their datagram in whatever order they come, and are set aside where the first never does."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from weir.flows.build import Flows

START_US = 1_772_442_000_000_000
LIFE_US = 60_000_000
STEP_US = 1_000
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
ENDS = {"src": "10.0.0.1", "dst": "10.0.0.2"}
TCP_ENDS = {"sport": 40_000, "dport": 9_999}


def pieces(version: int) -> list[bytes]:
    """Three fragments of a datagram, in their order."""
    data = UDP(sport=40_000, dport=53) / Raw(bytes(2_000))
    if version == 4:
        parts = fragment(IP(**ENDS, id=7) / data, fragsize=800)
    else:
        parts = fragment6(IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=7) / data, 900)
    assert len(parts) == 3
    return [bytes(Ether(**MACS) / part) for part in parts]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_they_count_to_their_flow_in_any_order(
    version: int, order: tuple[int, ...], tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows]
) -> None:
    sent = pieces(version)
    frames = [(START_US + i * STEP_US, sent[piece]) for i, piece in enumerate(order)]
    flows = flows_of(write_pcap(tmp_path / "some.pcap", frames))
    (row,) = flows.table.to_pylist()
    assert (row["src_port"], row["dst_port"], row["packets_fwd"], row["packets_bwd"]) == (40_000, 53, 3, 0)
    assert row["payload_fwd"] == 2_000
    assert (flows.counts["accepted"], flows.counts["fragment"]) == (3, 0)
    first_us = START_US + order.index(0) * STEP_US
    assert (row["start_us"], row["duration_us"]) == (first_us, START_US + 2 * STEP_US - first_us)
    assert flows.counts["odd_network_fragment_overlap"] == 0


def test_no_byte_of_tcp_is_missing_where_its_fragments_come_in_another_order(
    tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows]
) -> None:
    def segment(flags: str, seq: int, data: bytes = b"") -> Packet:
        return IP(**ENDS, id=7) / TCP(**TCP_ENDS, flags=flags, seq=seq, ack=1) / Raw(data)

    parts = fragment(segment("PA", 101, bytes(2_000)), fragsize=800)
    packets = [segment("S", 100), *reversed(parts), segment("A", 2_101), segment("FA", 2_101)]
    frames = [(START_US + i * STEP_US, bytes(Ether(**MACS) / packet)) for i, packet in enumerate(packets)]
    (row,) = flows_of(write_pcap(tmp_path / "some.pcap", frames)).table.to_pylist()
    assert (row["packets_fwd"], row["payload_fwd"]) == (6, 2_000)
    assert (row["gap_bytes_fwd"], row["out_of_order_fwd"], row["retransmitted_fwd"]) == (0, 0, 0)


@pytest.mark.parametrize(("late_us", "accepted"), [(LIFE_US, 3), (LIFE_US + 1, 1)])
def test_they_wait_a_minute_for_the_first_one(
    late_us: int, accepted: int, tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows]
) -> None:
    first, *later = pieces(4)
    frames = [(START_US, later[0]), (START_US, later[1]), (START_US + late_us, first)]
    flows = flows_of(write_pcap(tmp_path / "some.pcap", frames))
    assert (flows.counts["accepted"], flows.counts["fragment"]) == (accepted, 3 - accepted)
    assert sum(flows.table["packets_fwd"].to_pylist()) == accepted


def test_those_of_another_datagram_wait_on(
    tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows], assert_balanced: Callable[[Flows], None]
) -> None:
    _, *others = pieces(6)
    first, *later = pieces(4)
    frames = [(START_US + i, frame) for i, frame in enumerate([*others, *later, first])]
    flows = flows_of(write_pcap(tmp_path / "some.pcap", frames))
    assert (flows.counts["accepted"], flows.counts["fragment"]) == (3, 2)
    assert_balanced(flows)


def test_a_flood_of_them_takes_no_more_memory_and_loses_no_count(
    tmp_path: Path, write_pcap: Callable[..., Path], flows_of: Callable[..., Flows], assert_balanced: Callable[[Flows], None]
) -> None:
    first, *later = pieces(4)
    lone = bytearray(later[0])
    flood = []
    for number in range(5_000):
        lone[18:20] = number.to_bytes(2, "big")
        flood.append((START_US, bytes(lone)))
    flows = flows_of(write_pcap(tmp_path / "some.pcap", [(START_US, later[0]), *flood, (START_US, later[1]), (START_US, first)]))
    assert flows.counts["read"] == 5_003
    assert flows.counts["accepted"] == 2  # the first, and the one that came behind the flood
    assert_balanced(flows)
