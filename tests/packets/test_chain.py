from dataclasses import replace
from random import Random

import pytest

from weir.packets import chain, spool
from weir.packets.chain import Gap


@pytest.fixture
def manifests(capture, write_pcap, pcaps):
    """The manifests of six segments of one start."""
    run = capture("-r", write_pcap(pcaps.steady(600)), "--rotate-bytes", 8000)
    return [spool.read(path)[0] for path in spool.sealed(run.spool)]


def test_a_whole_chain_has_no_gaps_in_whatever_order_it_comes(manifests):
    Random(3).shuffle(manifests)
    assert len(manifests) == 6
    assert chain.missing(manifests) == []


def test_segments_that_did_not_come_are_counted(manifests):
    boot = manifests[0].boot_id
    assert chain.missing(manifests[2:3] + manifests[5:]) == [Gap("lab", boot, 0, 2, "missing"), Gap("lab", boot, 3, 2, "missing")]


def test_a_segment_that_came_twice_is_no_gap(manifests):
    assert chain.missing(manifests + manifests[:2]) == []


def test_a_segment_that_names_another_predecessor_breaks_the_chain(manifests):
    manifests[3] = replace(manifests[3], previous_sha256="0" * 64)
    assert chain.missing(manifests) == [Gap("lab", manifests[0].boot_id, 3, 1, "broken")]


def test_two_segments_of_one_number_are_told(manifests):
    other = replace(manifests[5], sha256="f" * 64)
    assert chain.missing([*manifests, other]) == [Gap("lab", manifests[0].boot_id, 5, 1, "twice")]


def test_each_start_of_a_sensor_has_its_own_chain(manifests):
    restarted = [replace(m, boot_id="f" * 16) for m in manifests]
    assert chain.missing(manifests + restarted[1:]) == [Gap("lab", "f" * 16, 0, 1, "missing")]


def test_no_manifests_have_no_gaps():
    assert chain.missing([]) == []
