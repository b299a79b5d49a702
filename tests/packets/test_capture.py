"""weir-capture reading files: what goes in comes out, cut into segments that add up."""

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from weir.packets import chain, spool
from weir.packets.manifest import ACK_SUFFIX, FORMAT, FRAME_BYTES, MANIFEST_SUFFIX, PART_SUFFIX, SEGMENT_SUFFIX, Manifest


def believed(folder: Path) -> list[Manifest]:
    return [spool.read(path)[0] for path in spool.sealed(folder)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", ["MICRO", "NANO"])
def test_a_segment_holds_the_packets_of_the_file_to_the_last_digit_of_their_times(capture, write_pcap, pcaps, magic, order):
    odd_ns = 789 if magic == "NANO" else 0
    packets = [pcaps.Packet(p.time_ns + 123_456_000 + odd_ns, p.data) for p in pcaps.steady(300)]
    run = capture("-r", write_pcap(packets, magic=getattr(pcaps, magic), order=order))
    assert run.code == 0, run.stderr
    assert pcaps.packets_in(run.spool) == packets


def test_tools_of_others_read_a_segment(capture, write_pcap, pcaps):
    source = write_pcap(pcaps.steady(500, size=400))
    run = capture("-r", source)
    (segment,) = run.spool.glob("*.pcap.zst")
    subprocess.run(["zstd", "-q", "-d", segment, "-o", run.spool / "plain.pcap"], check=True)
    printed = [
        subprocess.run(["tcpdump", "-n", "-tt", "-xx", "-r", path], check=True, capture_output=True).stdout
        for path in (source, run.spool / "plain.pcap")
    ]
    assert printed[0].count(b"\n") > 500
    assert printed[0] == printed[1]


def test_wireshark_opens_a_segment_of_several_frames(capture, write_pcap, pcaps):
    source = write_pcap(pcaps.steady(6_000, size=400))
    run = capture("-r", source, "--level", "19")
    (segment,) = run.spool.glob("*.pcap.zst")
    assert len(believed(run.spool)[0].frames) > 2
    assert segment.stat().st_size < 128 << 10  # beyond its first buffer, Wireshark 4.0 looks for frames in the wrong place
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "ip.id"]
    shown = [
        subprocess.run(["tshark", "-n", "-r", path, *fields], check=True, capture_output=True).stdout
        for path in (source, segment)
    ]
    assert shown[0].count(b"\n") == 6_000
    assert shown[0] == shown[1]


@pytest.mark.parametrize("text", ["udp port 53", "src host 10.0.0.9", "not ip", "len > 100"])
def test_a_filter_takes_what_tcpdump_takes_and_counts_the_rest(capture, write_pcap, pcaps, text):
    frames = [pcaps.ethernet(i, source=f"10.0.0.{i % 12}", ports=(1000 + i, (53, 80)[i % 2]), size=60 + i) for i in range(200)]
    source = write_pcap([pcaps.Packet(pcaps.NINE_OCLOCK * 10**9 + i, frame) for i, frame in enumerate(frames)])
    run = capture("-r", source, "-f", text)
    printed = subprocess.run(["tcpdump", "-n", "-r", source, text], check=True, capture_output=True).stdout
    expected = printed.count(b"\n")
    assert run.totals["written"] == expected == len(pcaps.packets_in(run.spool))
    assert run.totals["filtered"] == 200 - expected
    assert run.totals["received"] == run.totals["read"] == 200
    assert [m.filter for m in believed(run.spool)] == [text]


def test_a_filter_that_does_not_compile_is_refused_by_its_text(capture, write_pcap, pcaps):
    run = capture("-r", write_pcap(pcaps.steady(3)), "-f", "tcp prot 80")
    assert run.code == 2
    assert 'the filter "tcp prot 80" does not work on EN10MB' in run.stderr
    assert run.events == []  # it never began
    assert not list(run.spool.glob("[!.]*"))


def test_snaplen_cuts_packets_and_counts_those_it_cut(capture, write_pcap, pcaps):
    packets = pcaps.steady(10, size=60) + pcaps.steady(5, size=900)
    run = capture("-r", write_pcap(packets), "-s", 100)
    assert pcaps.packets_in(run.spool) == [
        pcaps.Packet(p.time_ns, p.data[:100], 900 if len(p.data) > 100 else 0) for p in packets
    ]
    (manifest,) = believed(run.spool)
    assert manifest.snaplen == 100
    assert manifest.counters["truncated"] == 5


def test_a_segment_ends_before_it_grows_beyond_rotate_bytes(capture, write_pcap, pcaps):
    packets = pcaps.steady(1000, size=200)
    run = capture("-r", write_pcap(packets), "--rotate-bytes", 50_000)
    sizes = [len(pcaps.unpack(path)) for path in sorted(run.spool.glob("*.zst"))]
    assert len(sizes) == 5
    assert max(sizes) <= 50_000
    assert pcaps.packets_in(run.spool) == packets


def test_a_segment_of_a_file_ends_after_rotate_seconds_of_packet_time(capture, write_pcap, pcaps):
    packets = pcaps.steady(100, step_ns=1_000_000_000)
    run = capture("-r", write_pcap(packets), "--rotate-seconds", 30)
    assert [m.packets for m in believed(run.spool)] == [30, 30, 30, 10]
    assert pcaps.packets_in(run.spool) == packets


def test_no_segment_spans_two_capture_hours(capture, write_pcap, pcaps):
    packets = pcaps.steady(120, start_s=pcaps.NINE_OCLOCK + 3600 - 60, step_ns=1_000_000_000)
    run = capture("-r", write_pcap(packets))
    assert [(m.hour, m.packets) for m in believed(run.spool)] == [("2024-03-04T09", 60), ("2024-03-04T10", 60)]


def test_frames_say_where_their_packets_lie(capture, write_pcap, pcaps):
    packets = pcaps.steady(4000, size=1000)
    run = capture("-r", write_pcap(packets))
    (manifest,) = believed(run.spool)
    whole = pcaps.unpack(run.spool / manifest.file)
    packed = (run.spool / manifest.file).read_bytes()
    assert len(manifest.frames) == 4
    done = 0
    for frame in manifest.frames:
        alone = run.spool / "alone.zst"
        alone.write_bytes(packed[: manifest.frames[0].offset] + packed[frame.offset : frame.offset + frame.length])
        _, found = pcaps.read_pcap(pcaps.unpack(alone))
        assert found == packets[done : done + frame.packets]
        assert whole[frame.raw_offset :].startswith(pcaps.unpack(alone)[24:])
        assert (frame.first_us, frame.last_us) == (found[0].time_ns // 1000, found[-1].time_ns // 1000)
        done += frame.packets


def test_segments_of_one_start_form_a_chain(capture, write_pcap, pcaps):
    run = capture("-r", write_pcap(pcaps.steady(1000)), "--rotate-bytes", 10_000)
    manifests = believed(run.spool)
    assert len(manifests) > 5
    assert [m.seq for m in manifests] == list(range(len(manifests)))
    assert [m.previous_sha256 for m in manifests] == ["", *[m.sha256 for m in manifests[:-1]]]
    assert chain.missing(manifests) == []


def test_the_counts_of_all_segments_make_up_the_totals(capture, write_pcap, pcaps):
    run = capture("-r", write_pcap(pcaps.steady(1000)), "--rotate-bytes", 10_000, "-f", "udp[8:4] & 1 = 0")
    assert run.totals["written"] == run.totals["filtered"] == 500
    assert {name: sum(m.counters[name] for m in believed(run.spool)) for name in run.totals} == run.totals


def test_the_same_file_gives_the_same_digests(capture, write_pcap, pcaps, tmp_path):
    source = write_pcap(pcaps.steady(3000, size=800))
    digests = [[m.sha256 for m in believed(capture("-r", source, spool=tmp_path / name).spool)] for name in ("one", "two")]
    assert digests[0] == digests[1]


def test_counts_reach_the_ledger_even_where_no_packet_was_kept(capture, write_pcap, pcaps):
    source = write_pcap(pcaps.steady(50))
    capture("-r", source, "-f", "tcp")
    run = capture("-r", source, "-f", "tcp")
    manifests = believed(run.spool)
    assert [(m.packets, m.counters["filtered"], m.hour, m.first_us) for m in manifests] == [(0, 50, "2024-03-04T09", None)] * 2
    assert manifests[0].sha256 != manifests[1].sha256
    assert pcaps.packets_in(run.spool) == []


def test_count_stops_after_as_many_packets_as_were_asked_for(capture, write_pcap, pcaps):
    packets = pcaps.steady(100)
    run = capture("-r", write_pcap(packets), "-c", 7, "-f", "udp")
    assert pcaps.packets_in(run.spool) == packets[:7]


def test_a_capture_can_come_through_a_pipe(capture, pcaps):
    packets = pcaps.steady(2000)
    run = capture("-r", "-", stdin=pcaps.pcap_bytes(packets))
    assert pcaps.packets_in(run.spool) == packets


def test_a_plain_capture_file_can_be_written_instead_of_segments(binary, write_pcap, pcaps, tmp_path):
    source = write_pcap(pcaps.steady(100))
    done = subprocess.run([binary, "-r", source, "-w", tmp_path / "out.pcap", "-c", "30"], capture_output=True, timeout=20)
    assert done.returncode == 0
    assert pcaps.read_pcap((tmp_path / "out.pcap").read_bytes()) == (1, pcaps.steady(30))


@pytest.mark.parametrize("words", ["-w out", "-w - > out", "-w - | cat > out", "-w fifo & cat fifo > out; wait $!"])
def test_a_capture_file_without_packets_is_a_capture_as_tcpdump_leaves_it(binary, write_pcap, pcaps, tmp_path, words):
    os.mkfifo(tmp_path / "fifo")
    sensor = f"{binary} -r {write_pcap(pcaps.steady(5))} -f tcp {words}"
    subprocess.run(["bash", "-o", "pipefail", "-c", sensor], cwd=tmp_path, check=True, capture_output=True, timeout=20)
    assert pcaps.read_pcap((tmp_path / "out").read_bytes()) == (1, [])
    subprocess.run(["tcpdump", "-r", tmp_path / "out"], check=True, capture_output=True, timeout=20)


@pytest.mark.parametrize(("count", "link_type"), [(5, 101), (0, 1)])
def test_a_capture_file_without_packets_has_the_link_type_of_those_that_were_seen(
    binary, write_pcap, pcaps, tmp_path, count, link_type
):
    source, out = write_pcap(pcaps.steady(count), link_type=101), tmp_path / "out"
    subprocess.run([binary, "-r", source, "-f", "tcp", "-w", out], check=True, capture_output=True, timeout=20)
    assert pcaps.read_pcap(out.read_bytes()) == (link_type, [])


def test_an_empty_file_is_said_and_gives_no_segment(capture, tmp_path):
    (tmp_path / "empty.pcap").write_bytes(b"")
    run = capture("-r", tmp_path / "empty.pcap")
    assert run.code == 0
    assert [event["file"] for event in run.named("odd_empty_file")] == [str(tmp_path / "empty.pcap")]
    assert set(run.totals.values()) == {0}
    assert not list(run.spool.glob("[!.]*"))


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 75])
def test_a_capture_that_ends_inside_a_record_keeps_what_came_before(capture, pcaps, tmp_path, cut):
    (tmp_path / "cut.pcap").write_bytes(pcaps.pcap_bytes(pcaps.steady(20))[:-cut])
    run = capture("-r", tmp_path / "cut.pcap")
    assert run.code == 0
    assert pcaps.packets_in(run.spool) == pcaps.steady(19)
    (warning,) = run.named("odd_truncated_tail")
    assert warning["bytes"] == 76 - cut


def test_a_record_that_claims_too_much_ends_the_reading_but_not_the_keeping(capture, pcaps, tmp_path):
    whole = pcaps.pcap_bytes(pcaps.steady(5))
    (tmp_path / "bad.pcap").write_bytes(whole + b"\x01\0\0\0" * 2 + b"\xff\xff\xff\x7f" * 2 + b"more")
    run = capture("-r", tmp_path / "bad.pcap")
    assert run.code == 6
    assert f"bad.pcap:{len(whole)}: " in run.stderr
    assert pcaps.packets_in(run.spool) == pcaps.steady(5)


@pytest.mark.parametrize("content", [b"GIF89a and so on, for longer than a header is", b"\xd4\xc3", b"<html>" * 10])
def test_what_is_no_capture_is_refused_by_name(capture, tmp_path, content):
    (tmp_path / "picture.pcap").write_bytes(content)
    run = capture("-r", tmp_path / "picture.pcap")
    assert run.code == 6
    assert "picture.pcap" in run.stderr
    assert not list(run.spool.glob("[!.]*"))


def test_a_file_that_is_not_there_is_named(capture, tmp_path):
    run = capture("-r", tmp_path / "nowhere.pcap")
    assert run.code == 6
    assert "nowhere.pcap" in run.stderr
    assert "No such file" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["-r", "x", "--rotate-bytes", "many"],
            '--rotate-bytes wants a whole number from 1024 to 9223372036854775807, not "many"',
        ),
        (["-r", "x", "--rotate-bytes", "1"], "--rotate-bytes wants a whole number from 1024"),
        (["-r", "x", "-s", "0"], "--snaplen wants"),
        (["-r", "x", "--spool", "elsewhere"], "--spool is given twice"),
        (["-r", "x", "-r", "y"], "--read is given twice"),
        (["-r", "x", "-f", "tcp", "-f", "port 443"], "--filter is given twice"),
        (["-i", "q+1", "-i", "q_1"], "-i q+1 and -i q_1 would both be sensor lab-q_1; start a sensor for each"),
        (["-r", "x", "-i", "lo"], "either an interface (-i) or a file (-r)"),
        (["--sensor", "../x", "-r", "x"], "--sensor wants"),
        (["-r", "x", "--when-full", "weep"], "--when-full wants drop-newest, drop-oldest or stop"),
        (["-r", "x", "--colour"], "unknown option --colour"),
        (["-r", "x", "tcp"], 'unexpected argument "tcp" (a filter goes behind -f)'),
        (["-r"], "the option -r wants a value"),
    ],
)
def test_a_wrong_argument_is_refused_in_words(capture, arguments, words):
    run = capture(*arguments)
    assert run.code == 2
    assert words in run.stderr


def test_a_later_name_counts_so_that_a_service_can_be_given_another(capture, write_pcap, pcaps):
    run = capture("--sensor", "host", "-r", write_pcap(pcaps.steady(3)), "--sensor", "lab2")
    assert [manifest.sensor_id for manifest in believed(run.spool)] == ["lab2"]


def test_a_second_sensor_of_the_same_name_is_refused_naming_the_first(binary, capture, tmp_path):
    first = subprocess.Popen(
        [binary, "-r", "-", "--sensor", "lab", "--spool", tmp_path / "spool"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        first.stdin.write(b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + b"\0" * 8 + b"\0\0\x04\0\x01\0\0\0")
        first.stdin.flush()
        assert b"capturing" in first.stderr.readline()
        run = capture("-r", "/dev/null")
        assert run.code == 4
        assert f'sensor "lab" is running already (pid {first.pid})' in run.stderr
    finally:
        first.communicate(timeout=20)
    assert first.returncode == 0


def test_the_example_of_the_help_text_is_true(binary, write_pcap, pcaps, tmp_path):
    text = subprocess.run([binary, "--help"], check=True, capture_output=True, text=True).stdout
    write_pcap(pcaps.steady(10), name="trace.pcap")
    example = re.search(r"^  \$ (weir-capture .*)\n  (.*)\n  \$ (weir packets .*)$", text, re.MULTILINE)
    path = f"{binary.parent}:{Path(sys.executable).parent}:$PATH"
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, check=True)
    done = run(["bash", "-ec", f"PATH={path}; {example[1]}"])
    write_pcap(pcaps.steady(7), name="trace.pcap")
    run(["bash", "-ec", f"PATH={path}; {example[1]}; {example[3]}"])
    names = done.stdout.split()
    shape = [re.sub(r"-[0-9a-f]{16}-", "-", name) for name in example[2].split()]
    assert [re.sub(r"-[0-9a-f]{16}-", "-", name) for name in names] == shape
    assert len(pcaps.read_pcap((tmp_path / "all.pcap").read_bytes())[1]) == 17


def test_reader_and_writer_agree_on_names_and_numbers():
    header = (Path(__file__).parents[2] / "capture_cpp" / "sensor" / "segment_format.h").read_text()
    written = dict(re.findall(r'constexpr \S+ k(\w+) = "?([^";]+)"?;', header))
    names = ("SegmentSuffix", "ManifestSuffix", "AckSuffix", "PartSuffix")
    assert [written[name] for name in names] == [SEGMENT_SUFFIX, MANIFEST_SUFFIX, ACK_SUFFIX, PART_SUFFIX]
    assert int(written["ManifestFormat"]) == FORMAT
    assert written["FrameBytes"] == "1 << 20"
    assert FRAME_BYTES == 1 << 20


def test_the_manifest_page_names_every_field(capture, write_pcap, pcaps):
    page = (Path(__file__).parents[2] / "docs" / "formats" / "manifest.md").read_text()
    (said,) = pcaps.manifests_in(capture("-r", write_pcap(pcaps.steady(5))).spool)
    for field in [*said, *said["counters"], *said["frames"][0]]:
        assert f"`{field}`" in page, field


def pcapng(packets: list[tuple[int, int, bytes]], link_types: list[int]) -> bytes:
    """A pcapng file: (interface, time in us, bytes) over interfaces of these link types."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + size + body + size

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += b"".join(block(1, struct.pack("<HHI", link_type, 0, 0)) for link_type in link_types)
    for interface, time_us, data in packets:
        out += block(6, struct.pack("<IIIII", interface, time_us >> 32, time_us & 0xFFFFFFFF, len(data), len(data)) + data)
    return out


def test_each_link_type_of_a_pcapng_file_gets_segments_of_its_own(capture, pcaps, tmp_path):
    start_us = pcaps.NINE_OCLOCK * 10**6
    interfaces = [0, 0, 1, 1, 1, 0]
    packets = [(interface, start_us + i, pcaps.ethernet(i)) for i, interface in enumerate(interfaces)]
    (tmp_path / "two.pcapng").write_bytes(pcapng(packets, [1, 101]))
    run = capture("-r", tmp_path / "two.pcapng")
    assert [(m.link_type, m.packets) for m in believed(run.spool)] == [(1, 2), (101, 3), (1, 1)]
    assert pcaps.packets_in(run.spool) == [pcaps.Packet(time_us * 1000, data) for _, time_us, data in packets]


def test_a_plain_file_keeps_what_came_before_another_link_type(binary, pcaps, tmp_path):
    """The packets before the change still wait in memory when it comes."""
    packets = [(0, i, pcaps.ethernet()) for i in range(30)] + [(1, 30 + i, pcaps.ethernet()[14:]) for i in range(20)]
    (tmp_path / "two.pcapng").write_bytes(pcapng(packets, [1, 101]))
    done = subprocess.run([binary, "-r", tmp_path / "two.pcapng", "-w", tmp_path / "out.pcap"], capture_output=True, timeout=20)
    assert done.returncode == 4
    assert b"the link type changes" in done.stderr
    link_type, kept = pcaps.read_pcap((tmp_path / "out.pcap").read_bytes())
    assert (link_type, [packet.data for packet in kept]) == (1, [pcaps.ethernet()] * 30)
    totals = json.loads(done.stderr.splitlines()[-1])["counters"]
    assert (totals["written"], totals["drop_disk"]) == (30, 20)


PACKED = [gzip.compress, lambda whole: pa.compress(whole, codec="zstd", asbytes=True)]


@pytest.mark.parametrize("pack", PACKED)
def test_a_compressed_capture_is_read_as_it_is(capture, pcaps, tmp_path, pack):
    (tmp_path / "packed").write_bytes(pack(pcaps.pcap_bytes(pcaps.steady(100))))
    assert pcaps.packets_in(capture("-r", tmp_path / "packed").spool) == pcaps.steady(100)


@pytest.mark.parametrize("pack", PACKED)
def test_a_compressed_capture_can_come_through_a_pipe(capture, pcaps, pack):
    packets = pcaps.steady(2000)
    run = capture("-r", "-", stdin=pack(pcaps.pcap_bytes(packets)))
    assert pcaps.packets_in(run.spool) == packets


def test_a_fifo_is_written_for_its_reader_and_for_nobody_refused(binary, write_pcap, pcaps, tmp_path):
    source, fifo = write_pcap(pcaps.steady(100)), tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        assert subprocess.run([binary, "-r", source, "-w", fifo], capture_output=True, timeout=20).returncode == 0
        assert pcaps.read_pcap(reader.communicate(timeout=20)[0]) == (1, pcaps.steady(100))
    done = subprocess.run([binary, "-r", source, "-w", fifo], capture_output=True, timeout=20, text=True)
    assert done.returncode == 4
    assert f"{fifo}: nobody reads this FIFO" in done.stderr


def test_times_beyond_what_pcap_can_say_are_named_and_kept_at_its_end(capture, pcaps, tmp_path):
    (tmp_path / "late.pcapng").write_bytes(pcapng([(0, 2**32 * 10**6 + 5, pcaps.ethernet())], [1]))
    run = capture("-r", tmp_path / "late.pcapng")
    assert run.named("odd_time")[0]["packets"] == 1
    assert [m.hour for m in believed(run.spool)] == ["2106-02-07T06"]


@pytest.mark.parametrize("seconds", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_clock_that_was_wrong_gives_the_hour_it_says(capture, write_pcap, pcaps, seconds):
    run = capture("-r", write_pcap([pcaps.Packet(seconds * 10**9, pcaps.ethernet())]))
    (manifest,) = believed(run.spool)
    assert manifest.hour == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H")
    assert manifest.first_us == seconds * 10**6


def test_packets_out_of_order_stay_in_the_order_they_came(capture, write_pcap, pcaps):
    packets = pcaps.steady(100)[::-1]
    run = capture("-r", write_pcap(packets))
    assert pcaps.packets_in(run.spool) == packets
    (manifest,) = believed(run.spool)
    assert (manifest.first_us, manifest.last_us) == (packets[-1].time_ns // 1000, packets[0].time_ns // 1000)


def test_a_quiet_pipe_can_be_stopped_and_loses_nothing(binary, pcaps, tmp_path):
    sensor = subprocess.Popen(
        [binary, "-r", "-", "--sensor", "lab", "--spool", tmp_path / "spool"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    sensor.stdin.write(pcaps.pcap_bytes(pcaps.steady(10)))
    sensor.stdin.flush()
    assert b"capturing" in sensor.stderr.readline()
    while not list((tmp_path / "spool").glob(".*.part")):  # handed over once the pipe is quiet
        time.sleep(0.05)
    sensor.terminate()
    assert sensor.wait(timeout=5) == 0
    sensor.stdin.close()
    sensor.stderr.close()
    assert pcaps.packets_in(tmp_path / "spool") == pcaps.steady(10)


CANARY = b"my password is hunter2"


def test_no_payload_is_left_where_payloads_are_cut(capture, write_pcap, pcaps):
    frames = [pcaps.ethernet(i, size=200)[:60] + CANARY * 8 for i in range(50)]
    source = write_pcap([pcaps.Packet(pcaps.NINE_OCLOCK * 10**9 + i * 1000, frame) for i, frame in enumerate(frames)])
    run = capture("-r", source, "--cut-payload")
    assert pcaps.packets_in(run.spool) == [
        pcaps.Packet(pcaps.NINE_OCLOCK * 10**9 + i * 1000, frame[:42], len(frame)) for i, frame in enumerate(frames)
    ]
    assert all(CANARY not in pcaps.unpack(path) for path in run.spool.glob("*.zst"))
    assert pcaps.manifests_in(run.spool)[0]["privacy"] == "cut-payload"
    assert run.totals["truncated"] == 50


def test_no_address_is_left_where_addresses_are_replaced(capture, write_pcap, pcaps, tmp_path):
    key = tmp_path / "key"
    key.write_text("17" * 32 + "\n")
    hosts = [f"10.{i % 3}.{i}.7" for i in range(40)]
    frames = [pcaps.ethernet(i, source=host, to="192.0.2.1") + b"\xc0\x00\x02\x01" for i, host in enumerate(hosts)]
    run = capture("-r", write_pcap([pcaps.Packet(pcaps.NINE_OCLOCK * 10**9, frame) for frame in frames]), "--anonymise", key)
    packets = [packet.data for packet in pcaps.packets_in(run.spool)]
    sources = [data[26:30] for data in packets]
    assert all(b"\xc0\x00\x02\x01" not in data for data in packets)
    assert len({data[30:34] for data in packets}) == 1
    assert len(set(sources)) == 40
    assert len({source[:1] for source in sources}) == 1  # all in 10/8 share the first byte of their pseudonyms
    assert len({source[:2] for source in sources}) == 3
    assert pcaps.manifests_in(run.spool)[0]["privacy"] == "anonymised"


def test_a_key_file_that_holds_no_key_is_refused(capture, write_pcap, pcaps, tmp_path):
    (tmp_path / "key").write_text("too short")
    run = capture("-r", write_pcap(pcaps.steady(1)), "--anonymise", tmp_path / "key")
    assert run.code == 2
    assert f"{tmp_path / 'key'}: is no key, which is 32 bytes or 64 hexadecimal digits" in run.stderr
    assert "> weir.key" in run.stderr  # not over what is there


@pytest.mark.parametrize("path", ["/dev/zero", "/dev"])
def test_a_key_is_not_sought_in_what_is_no_file(capture, write_pcap, pcaps, path):
    run = capture("-r", write_pcap(pcaps.steady(1)), "--anonymise", path)
    assert run.code == 2
    assert f"--anonymise {path}: " in run.stderr


def test_a_filter_tells_no_address_where_addresses_are_replaced(capture, write_pcap, pcaps, tmp_path):
    (tmp_path / "key").write_text("ab" * 32)
    run = capture("-r", write_pcap(pcaps.steady(10)), "--anonymise", tmp_path / "key", "-f", "not host 10.77.0.1")
    [manifest] = pcaps.manifests_in(run.spool)
    assert manifest["filter"] == "hidden"
    assert not any("10.77.0.1" in path.read_text(errors="replace") for path in run.spool.iterdir())


def test_a_key_file_that_is_not_there_is_named(capture, write_pcap, pcaps, tmp_path):
    run = capture("-r", write_pcap(pcaps.steady(1)), "--anonymise", tmp_path / "key")
    assert run.code == 2
    assert f"{tmp_path / 'key'}: cannot be read" in run.stderr


def test_the_sensor_page_names_every_event():
    repository = Path(__file__).parents[2]
    page = (repository / "docs" / "sensor.md").read_text()
    events = {
        name
        for path in (repository / "capture_cpp" / "sensor").rglob("*.cc")
        for name in re.findall(r'Event\("(\w+)"\)', path.read_text())
    }
    assert len(events) > 8
    assert [name for name in sorted(events) if f"`{name}`" not in page] == []
