"""weir-capture on a disk without room: what fits is whole, and the rest is counted to the packet."""

import subprocess

import pytest

from spooled import all_balance, random_packets, restart, sound_manifests, total
from weir.packets import spool


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


@pytest.mark.parametrize("level", [-100, -1, 0, 1, 19])
def test_every_level_keeps_every_packet_and_zero_only_stores(capture, write_pcap, pcaps, level):
    packets = random_packets(pcaps, 2500) + pcaps.steady(20_000)
    source = write_pcap(packets)
    run = capture("-r", source, "--level", level)
    assert pcaps.packets_in(run.spool) == packets
    size = sum(manifest.file_bytes for manifest in sound_manifests(run.spool))
    assert size >= source.stat().st_size if level == 0 else size < 0.95 * source.stat().st_size


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
