"""weir-capture when a call of the system fails or the sensor dies: nothing torn shows, and every packet is accounted for."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from spooled import FRAME, all_balance, random_packets, restart, sound_manifests, total
from weir.packets import chain, spool

PACKETS = 300


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
