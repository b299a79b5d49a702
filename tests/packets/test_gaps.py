"""Gaps of manifests, told once and in words."""

from dataclasses import replace

import pytest

from weir.packets import gaps
from weir.packets.manifest import Gap, Manifest

HOUR = 3_600_000_000
DOWN = Gap("eth0", "link_down", HOUR, 5_000_000, HOUR + 60_000_000, 65_000_000)
LASTING = replace(DOWN, end_wall_us=None, end_mono_us=None)


@pytest.fixture
def manifest(capture, write_pcap, pcaps) -> Manifest:
    run = capture("-r", write_pcap(pcaps.steady(5)))
    return Manifest.read(next(run.spool.glob("*.json")))


def test_a_gap_told_while_it_lasted_and_at_its_end_is_one(manifest):
    first, second = replace(manifest, gaps=(LASTING,)), replace(manifest, gaps=(DOWN,))
    assert gaps.gaps([first, second]) == [DOWN]
    assert gaps.gaps([second, first]) == [DOWN]


def test_gaps_of_two_starts_of_a_sensor_are_two(manifest):
    other = replace(manifest, boot_id="f" * 16, gaps=(DOWN,))
    assert len(gaps.gaps([replace(manifest, gaps=(DOWN,)), other])) == 2


def test_gaps_are_told_by_interface_and_reason(manifest):
    again = replace(DOWN, start_mono_us=100_000_000, end_mono_us=165_000_000)
    silent = replace(LASTING, interface="eth1", reason="silent")
    assert gaps.told([replace(manifest, gaps=(DOWN, again, silent))]) == [
        "eth0 brought no packets for 125 s in 2 gaps: its link was down",
        "eth1 brought no packets when it was last heard of: it was up but silent",
    ]


def test_a_sensor_without_gaps_says_nothing(manifest):
    assert gaps.told([manifest]) == []
