"""weir-capture when the disk or the sensor itself fails: nothing torn shows, and every packet is accounted for."""

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from weir.packets import chain, spool
from weir.packets.manifest import Manifest

PACKETS = 300
EMPTY = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + b"\x00\x00\x04\x00\x01\x00\x00\x00"


@pytest.fixture
def source(write_pcap, pcaps) -> Path:
    return write_pcap(pcaps.steady(PACKETS))


@pytest.fixture
def traced(binary, source, tmp_path):
    """Run the sensor under strace with a fault injected; three segments when nothing goes wrong."""

    def run(fault: str, folder: Path) -> subprocess.CompletedProcess:
        sensor = [binary, "--sensor", "lab", "--spool", folder, "-r", source, "--rotate-bytes", "8000"]
        return subprocess.run(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={fault}", *sensor], capture_output=True, timeout=60
        )

    return run


def restart(binary: Path, folder: Path) -> None:
    """Start the sensor once more with nothing to read, so that it salvages."""
    subprocess.run(
        [binary, "--sensor", "lab", "--spool", folder, "-r", "-"], input=EMPTY, capture_output=True, check=True, timeout=60
    )


def sound_manifests(folder: Path) -> list[Manifest]:
    """All visible manifests; fails where one of them, or its segment, is torn."""
    return [spool.read(path)[0] for path in spool.sealed(folder)]


def all_balance(manifests: list[Manifest]) -> bool:
    """Whether each manifest obeys the law of the disk by itself."""
    sums = [[m.counters[name] for name in ("filtered", "written", "drop_disk", "drop_spool")] for m in manifests]
    return [m.counters["read"] for m in manifests] == [sum(parts) for parts in sums]


def total(manifests: list[Manifest], counter: str) -> int:
    return sum(manifest.counters[counter] for manifest in manifests)


@pytest.mark.parametrize("call", ["write", "fsync", "renameat", "ftruncate", "openat", "unlinkat", "mmap"])
def test_a_sensor_killed_at_any_call_leaves_nothing_torn_and_no_packet_unexplained(traced, binary, pcaps, source, tmp_path, call):
    everything = pcaps.steady(PACKETS)
    points = 0
    for number in range(1, 200):
        folder = tmp_path / f"{call}-{number}"
        if traced(f"{call}:signal=SIGKILL:when={number}", folder).returncode == 0:
            break
        points += 1
        if not folder.exists():
            continue
        sound_manifests(folder)
        restart(binary, folder)
        manifests = sound_manifests(folder)
        kept = pcaps.packets_in(folder)
        assert kept == everything[: len(kept)], f"{call} {number}"
        assert len(kept) == total(manifests, "written")
        assert total(manifests, "read") in (0, PACKETS) or len(kept) <= total(manifests, "read") < PACKETS
        assert total(manifests, "read") == total(manifests, "written") + total(manifests, "drop_disk")
        assert chain.missing(manifests) == []
        assert [path.name for path in folder.glob(".*")] == [".lab.lock"]
    assert points > 0


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT", "EROFS", "EMFILE"])
@pytest.mark.parametrize("call", ["write", "fsync", "renameat", "openat", "ftruncate"])
def test_a_call_that_fails_costs_counted_packets_and_nothing_else(traced, binary, pcaps, tmp_path, call, error):
    first = {"openat": 8}.get(call, 1)  # earlier ones load libraries
    for number in range(first, first + 12):
        folder = tmp_path / f"{call}-{number}"
        done = traced(f"{call}:error={error}:when={number}", folder)
        if done.returncode not in (0, 4):  # not even the spool could be opened
            continue
        restart(binary, folder)
        manifests = sound_manifests(folder)
        kept = pcaps.packets_in(folder)
        assert len(kept) == total(manifests, "written")
        assert total(manifests, "written") + total(manifests, "drop_disk") in (PACKETS, 0), (
            f"{call} {number}: {done.stderr.decode()}"
        )
        assert chain.missing(manifests) == []
        if total(manifests, "drop_disk"):
            assert done.returncode == 4
            assert b"disk_failed" in done.stderr or b"seal_failed" in done.stderr


def test_bytes_that_the_disk_swallowed_are_noticed(traced, binary, tmp_path):
    for number in range(5, 12):
        folder = tmp_path / str(number)
        traced(f"write:retval=40:when={number}", folder)  # says 40 bytes were written, writes none
        restart(binary, folder)
        manifests = sound_manifests(folder)
        assert total(manifests, "read") == total(manifests, "written") + total(manifests, "drop_disk")


def random_packets(pcaps, count: int, size: int = 1000) -> list:
    noise = random.Random(5)
    return [pcaps.Packet(pcaps.NINE_OCLOCK * 10**9 + i * 1000, noise.randbytes(size)) for i in range(count)]


@pytest.mark.parametrize("error", ["EINVAL", "EIO", "ENOSPC"])
@pytest.mark.parametrize("when", ["2", "2+2"])
def test_a_file_waits_for_a_disk_that_fails_now_and_then(binary, write_pcap, pcaps, tmp_path, error, when):
    packets = random_packets(pcaps, 6000)
    sensor = [binary, "--sensor", "lab", "--spool", tmp_path / "spool", "-r", write_pcap(packets), "--level", "0"]
    fault = f"inject=pwrite64:error={error}:when={when}"  # only large frames are written so
    done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, *sensor], capture_output=True, timeout=60)
    assert done.returncode == 0
    manifests = sound_manifests(tmp_path / "spool")
    assert all_balance(manifests)
    assert all(manifest.packets for manifest in manifests)
    assert pcaps.packets_in(tmp_path / "spool") == packets
    assert (b"disk_failed" in done.stderr) == (error != "EINVAL")  # then it goes through the page cache


@pytest.mark.parametrize("when", ["1", "2", "3", "1+4", "2+5"])
def test_a_segment_that_is_on_the_disk_is_sealed_at_a_later_try(traced, pcaps, tmp_path, when):
    done = traced(f"renameat:error=EIO:when={when}", tmp_path / "spool")
    assert done.returncode == 0
    assert b"seal_failed" in done.stderr
    manifests = sound_manifests(tmp_path / "spool")
    assert chain.missing(manifests) == []
    assert pcaps.packets_in(tmp_path / "spool") == pcaps.steady(PACKETS)
    assert len(list((tmp_path / "spool").iterdir())) == 2 * len(manifests) + 1  # and the lock


def test_what_a_disk_could_not_flush_is_not_believed_at_a_later_try(traced, tmp_path):
    assert traced("fsync:error=EIO:when=1", tmp_path / "spool").returncode == 4
    manifests = sound_manifests(tmp_path / "spool")
    assert 0 < total(manifests, "drop_disk") < PACKETS
    assert total(manifests, "written") + total(manifests, "drop_disk") == PACKETS


def test_a_file_goes_on_whole_where_a_full_disk_gets_room_in_time(binary, write_pcap, pcaps, tiny_disk):
    packets = random_packets(pcaps, 800)
    (tiny_disk / "in the way").write_bytes(bytes(700_000))
    sensor = [binary, "--sensor", "lab", "--spool", tiny_disk / "spool", "-r", write_pcap(packets), "--rotate-bytes", "100000"]
    with subprocess.Popen(sensor, stderr=subprocess.PIPE, text=True) as running:
        while "disk_failed" not in running.stderr.readline():
            assert running.poll() is None
        (tiny_disk / "in the way").unlink()
        running.stderr.read()
    assert running.returncode == 0
    assert pcaps.packets_in(tiny_disk / "spool") == packets


def test_a_file_waits_some_seconds_for_a_disk_that_stays_away(binary, write_pcap, pcaps, tmp_path):
    packets = random_packets(pcaps, 6000)
    sensor = [binary, "--sensor", "lab", "--spool", tmp_path / "spool", "-r", write_pcap(packets), "--level", "0"]
    fault = "inject=pwrite64:error=EIO:when=3+1"
    start = time.monotonic()
    done = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, *sensor], capture_output=True, timeout=60)
    assert 3 < time.monotonic() - start < 15
    assert done.returncode == 4
    manifests = sound_manifests(tmp_path / "spool")
    assert all_balance(manifests)
    kept = pcaps.packets_in(tmp_path / "spool")
    assert packets[: 2 * FRAME] == kept[: 2 * FRAME]
    assert len(kept) + total(manifests, "drop_disk") == 6000


def test_a_sensor_killed_in_a_large_frame_keeps_the_whole_ones(binary, write_pcap, pcaps, tmp_path):
    packets = random_packets(pcaps, 3000)
    sensor = [binary, "--sensor", "lab", "--spool", tmp_path / "spool", "-r", write_pcap(packets), "--level", "0"]
    fault = "inject=pwrite64:signal=SIGKILL:when=2"
    subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, *sensor], capture_output=True, timeout=60)
    restart(binary, tmp_path / "spool")
    manifests = sound_manifests(tmp_path / "spool")
    kept = pcaps.packets_in(tmp_path / "spool")
    assert 1000 < len(kept) < 3000
    assert kept == packets[: len(kept)]
    assert total(manifests, "written") == len(kept) == total(manifests, "read") - total(manifests, "drop_disk")


FRAME = 2**20 // 1016  # packets of 1,000 bytes that fit in a frame
FRAME_BYTES = 2**20 - 2**20 % 1016  # their length in the file too, but for some bytes, as noise is only stored


@pytest.fixture(scope="module")
def unfinished(binary, pcaps, tmp_path_factory):
    """A spool whose sensor was killed behind five large frames: the folder, and the packets of the frames."""
    folder = tmp_path_factory.mktemp("unfinished")
    packets = random_packets(pcaps, 6000)
    (folder / "in.pcap").write_bytes(pcaps.pcap_bytes(packets))
    sensor = [binary, "--sensor", "lab", "--spool", folder / "spool", "-r", folder / "in.pcap", "--level", "0"]
    fault = "inject=pwrite64:signal=SIGKILL:when=6"  # only large frames are written so
    subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, *sensor], capture_output=True, timeout=60)
    return folder / "spool", packets[: 5 * FRAME]


def change(folder: Path, *places: int, zeros: int = 0) -> int:
    """Damage the part file at each of ``places``, one byte or a stretch of ``zeros``; return how long it is."""
    (part,) = folder.glob(".*.part")
    whole = bytearray(part.read_bytes())
    for place in places:
        whole[place : place + (zeros or 1)] = bytes(zeros) or bytes([whole[place] ^ 1])
    part.write_bytes(whole)
    return len(whole)


def without(packets: list, *frames: int) -> list:
    return [packet for i, packet in enumerate(packets) if i // FRAME not in frames]


def inside(frame: int) -> int:
    """The beginning of a page in the middle of a frame; the frames before it are little longer than FRAME_BYTES."""
    return (frame * FRAME_BYTES + FRAME_BYTES // 2) // 4096 * 4096


@pytest.mark.parametrize(
    ("places", "zeros", "lost"),
    [
        ([], 0, ()),
        ([inside(2)], 0, (2,)),
        ([inside(2)], 4096, (2,)),
        ([inside(1), inside(3)], 4096, (1, 3)),
        ([inside(1), inside(2)], 4096, (1, 2)),
        ([inside(0)], 4096, (0,)),
        ([inside(4)], 4096, (4,)),
        ([inside(1)], FRAME_BYTES, (1, 2)),
        ([10], 0, (0, 1, 2, 3, 4)),
        ([0], 4096, (0, 1, 2, 3, 4)),
    ],
)
def test_what_is_sound_behind_damaged_bytes_is_kept_and_the_rest_is_counted(
    binary, capture, pcaps, unfinished, write_pcap, tmp_path, places, zeros, lost
):
    before, packets = unfinished
    folder = shutil.copytree(before, tmp_path / "spool")
    size = change(folder, *places, zeros=zeros)
    (event,) = capture("-r", write_pcap([]), spool=folder).named("segment_salvaged")
    manifests = sound_manifests(folder)
    kept = without(packets, *lost)
    assert pcaps.packets_in(folder) == kept
    assert total(manifests, "written") == len(kept) == sum(frame.packets for m in manifests for frame in m.frames)
    assert total(manifests, "read") == len(kept) + total(manifests, "drop_disk") >= len(packets)
    assert event["torn_bytes"] == (size - manifests[0].file_bytes if kept else size)
    assert chain.missing(manifests) == []
    for manifest in manifests:
        subprocess.run(["zstd", "-tq", folder / manifest.file], check=True, timeout=20)


@pytest.mark.parametrize(
    ("call", "fault"),
    [(call, "signal=SIGKILL") for call in ("write", "fsync", "renameat", "openat", "unlinkat", "pread64")]
    + [(call, "error=ENOSPC") for call in ("write", "fsync", "renameat")],
)
def test_a_salvage_that_is_stopped_at_any_call_loses_nothing_and_keeps_nothing_twice(
    binary, pcaps, unfinished, write_pcap, tmp_path, call, fault
):
    before, packets = unfinished
    kept = without(packets, 1, 3)
    sensor = [binary, "--sensor", "lab", "-r", write_pcap([]), "--spool"]
    reached = 0
    for number in range(1, 100):
        folder = shutil.copytree(before, tmp_path / str(number))
        change(folder, inside(1), inside(3), zeros=4096)
        trace = tmp_path / "trace"
        inject = ["strace", "-f", "-qq", "-o", trace, "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={number}"]
        subprocess.run([*inject, *sensor, folder], capture_output=True, timeout=60)
        if not any(mark in trace.read_text() for mark in ("INJECTED", "killed by SIGKILL")):
            break
        reached += 1
        sound_manifests(folder)
        restart(binary, folder)
        manifests = sound_manifests(folder)
        assert pcaps.packets_in(folder) == kept, f"{call} {number}"
        assert total(manifests, "written") == len(kept)
        assert total(manifests, "read") == len(kept) + total(manifests, "drop_disk") >= len(packets)
        assert chain.missing(manifests) == []
        assert [path.name for path in folder.glob(".*")] == [".lab.lock"]
        shutil.rmtree(folder)
    assert reached > 0


def test_a_salvage_that_fails_half_way_remembers_what_it_sealed(binary, capture, unfinished, write_pcap, tmp_path):
    """The first of two segments is sealed, the second cannot be; until the next try, the first one leaves the spool."""
    folder = shutil.copytree(unfinished[0], tmp_path / "spool")
    (part,) = folder.glob(".*.part")
    shutil.copy(part, folder / part.name.replace("-000000.", "-000001."))
    inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=renameat:error=ENOSPC:when=3"]
    sensor = [binary, "--sensor", "lab", "-r", write_pcap([]), "--spool", folder]
    assert b"salvage_failed" in subprocess.run([*inject, *sensor], capture_output=True, timeout=60).stderr
    (first,) = sound_manifests(folder)
    assert first.counters["drop_disk"] > 0
    for path in folder.glob("[!.]*"):
        path.unlink()
    assert capture("-r", write_pcap([]), spool=folder).named("segment_salvaged")
    (second,) = sound_manifests(folder)
    assert (second.seq, second.previous_sha256) == (first.seq + 1, first.sha256)
    assert second.counters["read"] == second.counters["written"] > 0


@pytest.mark.parametrize("level", [-100, -1, 0, 1, 19])
def test_every_level_keeps_every_packet_and_zero_only_stores(capture, write_pcap, pcaps, level):
    packets = random_packets(pcaps, 2500) + pcaps.steady(20_000)
    source = write_pcap(packets)
    run = capture("-r", source, "--level", level)
    assert pcaps.packets_in(run.spool) == packets
    size = sum(manifest.file_bytes for manifest in sound_manifests(run.spool))
    assert size >= source.stat().st_size if level == 0 else size < 0.95 * source.stat().st_size


def test_a_full_disk_costs_exactly_the_packets_that_are_counted(binary, capture, write_pcap, pcaps, tiny_disk):
    packets = random_packets(pcaps, 3000)
    run = capture("-r", write_pcap(packets), "--rotate-bytes", 300_000, spool=tiny_disk / "spool")
    assert run.code == 4
    assert run.totals["read"] == 3000
    assert run.totals["drop_disk"] > 1500
    assert "No space left on device" in run.named("disk_failed")[0]["why"]
    kept = pcaps.packets_in(run.spool)
    assert kept == packets[: len(kept)]
    assert len(kept) == run.totals["written"] == 3000 - run.totals["drop_disk"]
    for path in spool.sealed(run.spool)[:1]:
        spool.acknowledge(path, spool.read(path)[0].sha256)
    freed = 3000 - sum(m.counters["received"] for m in sound_manifests(run.spool))
    restart(binary, run.spool)
    manifests = sound_manifests(run.spool)
    assert total(manifests, "drop_disk") == run.totals["drop_disk"]
    assert freed >= 0


def test_segments_whose_packets_all_found_no_room_are_unlike_each_other(capture, write_pcap, pcaps, tiny_disk):
    source = write_pcap(random_packets(pcaps, 1500))
    for _ in range(3):
        run = capture("-r", source, "--level", 0, spool=tiny_disk / "spool")
    manifests = [m for m in sound_manifests(run.spool) if not m.packets]
    assert len({manifest.sha256 for manifest in manifests}) == len(manifests) >= 2
    assert all(f"-{m.seq:06d}".encode() in (run.spool / m.file).read_bytes() for m in manifests)


def test_a_file_size_limit_that_no_frame_fits_in_is_met_like_a_full_disk(binary, write_pcap, pcaps, tmp_path):
    source = write_pcap(random_packets(pcaps, 3000))
    command = [
        "prlimit",
        "--fsize=1000000",
        binary,
        "--sensor",
        "lab",
        "--spool",
        tmp_path / "spool",
        "-r",
        source,
        "--level",
        "0",
    ]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 4
    manifests = sound_manifests(tmp_path / "spool")
    assert total(manifests, "written") == len(pcaps.packets_in(tmp_path / "spool")) < 1000
    assert total(manifests, "written") + total(manifests, "drop_disk") == 3000


@pytest.mark.parametrize("limit", [1_052_000, 1_500_000, 2_000_000, 3_000_001])
def test_a_write_cut_short_inside_a_large_frame_leaves_it_to_the_next_segment(binary, write_pcap, pcaps, tmp_path, limit):
    packets = random_packets(pcaps, 4000)
    sensor = [binary, "--sensor", "lab", "--spool", tmp_path / "spool", "-r", write_pcap(packets), "--level", "0"]
    done = subprocess.run(["prlimit", f"--fsize={limit}", *sensor], capture_output=True, timeout=60)
    assert done.returncode == 0
    assert all_balance(sound_manifests(tmp_path / "spool"))
    assert pcaps.packets_in(tmp_path / "spool") == packets


def test_after_a_power_cut_sealed_segments_are_there_and_the_unfinished_one_is_counted(traced, binary, pcaps, tmp_path):
    folder = tmp_path / "spool"
    traced("renameat:signal=SIGKILL:when=3", folder)  # the second segment is whole, but under its hidden name
    sealed = [path.name for path in spool.sealed(folder)]
    assert len(sealed) == 1
    for part in folder.glob(".*.part"):
        part.unlink()  # had not reached the disk
    restart(binary, folder)
    manifests = sound_manifests(folder)
    assert [path.name for path in spool.sealed(folder)][:1] == sealed
    assert total(manifests, "written") == len(pcaps.packets_in(folder))
    assert total(manifests, "drop_disk") > 0
    assert total(manifests, "read") == total(manifests, "written") + total(manifests, "drop_disk")
    assert chain.missing(manifests) == []


def test_a_lock_that_a_dead_sensor_left_is_no_obstacle(binary, source, tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / ".lab.lock").write_text("pid 4194305")
    sensor = [binary, "--sensor", "lab", "--spool", folder, "-r", source]
    assert subprocess.run(sensor, capture_output=True, timeout=20).returncode == 0
    assert (folder / ".lab.lock").read_text() != "pid 4194305"


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


def test_a_spool_that_cannot_be_written_is_named(binary, source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = subprocess.run([binary, "--spool", tmp_path / "file", "-r", source], capture_output=True, timeout=20)
    assert done.returncode == 4
    assert f"spool {tmp_path}/file: Not a directory" in done.stderr.decode()


def test_a_spool_on_a_read_only_disk_is_named(binary, source, tiny_disk):
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    done = subprocess.run([binary, "--spool", tiny_disk, "-r", source], capture_output=True, timeout=20)
    assert done.returncode == 4
    assert "Read-only file system" in done.stderr.decode()


def test_hidden_files_of_other_sensors_are_left_alone(capture, source, tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    others = [
        ".lab-2-0123456789abcdef-000000.pcap.zst.part",
        ".lab-2-0123456789abcdef-000000.json.part",
        ".lab-2-0123456789abcdef.checkpoint",
        "lab-2-0123456789abcdef-000000.pcap.zst",
    ]
    for name in others:
        (folder / name).write_bytes(os.urandom(100))
    before = {name: (folder / name).read_bytes() for name in others}
    capture("-r", source)
    assert {name: (folder / name).read_bytes() for name in others} == before


def test_a_plain_file_on_a_full_disk_ends_whole_and_the_rest_is_counted(binary, write_pcap, pcaps, tmp_path):
    packets = random_packets(pcaps, 5000)
    command = ["prlimit", "--fsize=3000000", binary, "-r", write_pcap(packets), "-w", tmp_path / "out.pcap"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    totals = pcaps.parse_events(done.stderr)[-1]["counters"]
    _, kept = pcaps.read_pcap((tmp_path / "out.pcap").read_bytes())
    assert kept == packets[: len(kept)]
    assert len(kept) == totals["written"] > 1500
    assert totals["written"] + totals["drop_disk"] == totals["read"] == 5000


def test_what_a_plain_file_lacks_is_counted_though_the_spool_has_it(capture, write_pcap, pcaps, tiny_disk):
    packets = random_packets(pcaps, 5000)
    run = capture("-r", write_pcap(packets), "-w", tiny_disk / "out.pcap")
    assert run.code == 4
    assert run.totals["written"] == 5000
    _, kept = pcaps.read_pcap((tiny_disk / "out.pcap").read_bytes()) if (tiny_disk / "out.pcap").stat().st_size else (0, [])
    assert kept == packets[: len(kept)]
    assert run.named("done")[0]["plain_lost"] == 5000 - len(kept)


@pytest.mark.parametrize("count", [1, 1000, 1043, 1044, 1045, 3000])
def test_a_plain_file_has_every_packet_however_its_pieces_fall(binary, write_pcap, pcaps, tmp_path, count):
    packets = random_packets(pcaps, count, size=988)
    subprocess.run([binary, "-r", write_pcap(packets), "-w", tmp_path / "out.pcap"], capture_output=True, check=True, timeout=60)
    assert pcaps.read_pcap((tmp_path / "out.pcap").read_bytes())[1] == packets
