"""What a sensor makes of the unfinished segment that a dead one left: all that is sound is kept, the rest is counted."""

import shutil
import subprocess
from pathlib import Path

import pytest

from spooled import FRAME, random_packets, restart, sound_manifests, total
from weir.packets import chain

FRAME_BYTES = 2**20 - 2**20 % 1016  # of a frame's packets, in the file too but for some bytes, as noise is only stored


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
