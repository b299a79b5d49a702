"""weir-capture at the limit of its spool: which packets go, and that their counts stay."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from spooled import all_balance, random_packets, restart, sound_manifests, total
from weir.packets import spool


def test_a_spool_at_its_limit_drops_the_newest_packets_and_counts_them(capture, write_pcap, pcaps):
    packets = random_packets(pcaps, 3000)
    run = capture("-r", write_pcap(packets), "--rotate-bytes", 200_000, "--spool-mb", 1)
    kept = pcaps.packets_in(run.spool)
    assert 500 < len(kept) < 1100
    assert kept == packets[: len(kept)]
    assert run.totals["drop_spool"] == 3000 - len(kept)
    assert total(sound_manifests(run.spool), "drop_spool") == run.totals["drop_spool"]
    assert all_balance(sound_manifests(run.spool))
    assert len(run.named("spool_full")) == 1
    assert sum(path.stat().st_size for path in run.spool.iterdir()) < 1.1 * 2**20
    assert run.code == 0


def test_a_spool_at_its_limit_drops_the_oldest_packets_where_that_was_chosen(capture, write_pcap, pcaps):
    packets = random_packets(pcaps, 3000)
    run = capture("-r", write_pcap(packets), "--rotate-bytes", 200_000, "--spool-mb", 1, "--when-full", "drop-oldest")
    kept = pcaps.packets_in(run.spool)
    assert 500 < len(kept) < 1100
    assert kept == packets[-len(kept) :]
    manifests = sound_manifests(run.spool)
    assert total(manifests, "received") == total(manifests, "read") == 3000
    assert total(manifests, "drop_spool") == 3000 - len(kept)
    assert manifests[0].seq > 0
    assert len(run.named("segment_dropped")) == manifests[0].seq
    assert all_balance(manifests)
    assert run.totals == {name: total(manifests, name) for name in run.totals}


def seen_by_the_dead(folder: Path) -> int | None:
    """How many packets a killed sensor had read, by its checkpoint; None where that is not there."""
    checkpoints = list(folder.glob(".*.checkpoint"))
    return int.from_bytes(checkpoints[0].read_bytes()[8:16], "little") if checkpoints else None


@pytest.mark.parametrize(("call", "step"), [("unlinkat", 1), ("renameat", 2), ("fsync", 3)])
def test_a_sensor_killed_while_it_drops_segments_neither_loses_nor_doubles_their_counts(
    binary, capture, write_pcap, pcaps, tmp_path, call, step
):
    before = capture("-r", write_pcap(random_packets(pcaps, 600), "before.pcap"), "--rotate-bytes", 200_000).spool
    packets = random_packets(pcaps, 1500)
    limits = ["--rotate-bytes", 200_000, "--spool-mb", 1, "--when-full", "drop-oldest"]
    sensor = [str(word) for word in (binary, "--sensor", "lab", "-r", write_pcap(packets), *limits, "--spool")]
    killed = 0
    for number in range(1, 200, step):
        folder = shutil.copytree(before, tmp_path / f"{call}-{number}")
        fault = f"inject={call}:signal=SIGKILL:when={number}"
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, *sensor, folder], capture_output=True, timeout=60
        )
        if done.returncode == 0:
            break
        seen = seen_by_the_dead(folder)
        restart(binary, folder)
        manifests = sound_manifests(folder)
        assert total(manifests, "read") == 600 + (len(packets) if seen is None else seen), f"{call} {number}"
        assert total(manifests, "written") == len(pcaps.packets_in(folder))
        assert total(manifests, "received") == total(manifests, "read")
        assert all_balance(manifests)
        assert {path.name.split(".")[0] for path in folder.glob("*.zst")} == {path.stem for path in spool.sealed(folder)}
        shutil.rmtree(folder)
        killed += 1
    assert killed > 5


def test_counts_of_a_drop_that_was_not_begun_stay_with_the_segment_that_a_collector_takes(
    binary, capture, write_pcap, pcaps, tmp_path
):
    folder = capture("-r", write_pcap(random_packets(pcaps, 600), "before.pcap"), "--rotate-bytes", 200_000).spool
    limits = ["--rotate-bytes", "200000", "--spool-mb", "1", "--when-full", "drop-oldest"]
    sensor = [binary, "--sensor", "lab", "-r", write_pcap(random_packets(pcaps, 1500)), *limits, "--spool", folder]
    fault = "inject=unlinkat:signal=SIGKILL:when=1"
    subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, *sensor], capture_output=True, timeout=60)
    seen = seen_by_the_dead(folder)
    oldest = spool.sealed(folder)[0]
    taken = spool.read(oldest)[0]
    spool.acknowledge(oldest, taken.sha256)
    restart(binary, folder)
    assert total(sound_manifests(folder), "read") + taken.counters["read"] == 600 + seen


def test_a_spool_smaller_than_a_segment_still_balances_in_each_manifest(capture, write_pcap, pcaps):
    packets = random_packets(pcaps, 6000)
    for number, choice in enumerate(("drop-newest", "drop-oldest")):
        source = write_pcap(packets)
        options = ["--rotate-bytes", 2_000_000, "--spool-mb", 1, "--when-full", choice]
        run = capture("-r", source, *options, spool=source.parent / str(number))
        manifests = sound_manifests(run.spool)
        assert all_balance(manifests)
        assert run.totals == {name: total(manifests, name) for name in run.totals}
        assert run.totals["read"] == 6000
        assert run.totals["written"] == len(pcaps.packets_in(run.spool))


def test_a_spool_at_its_limit_stops_the_sensor_where_that_was_chosen(capture, write_pcap, pcaps):
    packets = random_packets(pcaps, 3000)
    run = capture("-r", write_pcap(packets), "--rotate-bytes", 200_000, "--spool-mb", 1, "--when-full", "stop")
    assert run.code == 4
    assert "is at its limit of 1 MB and --when-full is stop" in run.stderr
    manifests = sound_manifests(run.spool)
    assert total(manifests, "written") == len(pcaps.packets_in(run.spool)) > 500
    assert total(manifests, "read") == total(manifests, "written") + total(manifests, "drop_spool")


def test_leftovers_of_acknowledged_segments_make_room_before_anything_is_dropped(capture, write_pcap, pcaps):
    packets = random_packets(pcaps, 800)
    source = write_pcap(packets)
    run = capture("-r", source, "--rotate-bytes", 200_000)
    for path in spool.sealed(run.spool):
        sha256 = json.loads(path.read_text())["sha256"]
        path.with_suffix(".ack").write_text(json.dumps({"sha256": sha256}))  # killed before it removed anything
    again = capture("-r", source, "--rotate-bytes", 200_000, "--spool-mb", 1)
    assert again.totals["drop_spool"] == 0
    assert pcaps.packets_in(run.spool) == packets
