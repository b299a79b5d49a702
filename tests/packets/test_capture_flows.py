"""weir-capture --flows: the rows of the batch path, from files and from a wire, and what becomes of those nobody takes."""

import json
import os
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pytest

from weir.flows.build import build
from weir.settings import FlowSettings

REPOSITORY = Path(__file__).parents[2]
GOLDEN = REPOSITORY / "tests" / "golden" / "flows.pcap"


def rows_in(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def batch_rows(*captures: Path, **settings: int) -> list[dict]:
    """What ``weir flows`` makes of the same packets, row by row in the same order."""
    return build(captures, FlowSettings(**settings)).table.to_pylist()


def test_json_lines_from_a_file_are_the_rows_of_the_batch_path(flows, tmp_path):
    captures = [GOLDEN, *sorted(GOLDEN.parent.rglob("truth/*/*.pcap")), *sorted((REPOSITORY / "examples").rglob("*.pcap.gz"))]
    assert len(captures) > 10
    for number, capture in enumerate(captures):
        out = tmp_path / f"{number}.jsonl"
        code, _, stderr = flows("-r", capture, "--flows", f"json:{out}")
        assert code == 0, stderr
        assert rows_in(out) == batch_rows(capture), capture


def test_an_arrow_stream_from_a_file_is_the_table_of_the_batch_path(flows, write_pcap, pcaps, tmp_path):
    source = write_pcap(pcaps.many_flows(10_000))
    code, events, stderr = flows("-r", source, "--flows", f"arrow:{tmp_path / 'rows.arrows'}", "--flows-idle", 5)
    assert code == 0, stderr
    table = pa.ipc.open_stream(tmp_path / "rows.arrows").read_all()
    table.validate(full=True)
    wanted = build([source], FlowSettings(idle_timeout_s=5)).table
    assert table.schema.names == wanted.schema.names
    assert table.schema.types == wanted.schema.types
    assert table.to_pylist() == wanted.to_pylist()
    assert table.num_rows == 10_000 == events[-1]["rows"]
    assert events[-1]["packets"]["accepted"] == 40_000


def test_a_pcapng_file_gives_the_places_of_its_own_records(flows, pcaps, tmp_path):
    capture = tmp_path / "in.pcapng"
    section = b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0"
    blocks = [section, b"\1\0\0\0\x14\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0"]
    for packet in pcaps.steady(50):
        time_us, padded = packet.time_ns // 1000, packet.data + bytes(-len(packet.data) % 4)
        head = [6, 32 + len(padded), 0, time_us >> 32, time_us & 0xFFFFFFFF, len(packet.data), len(packet.data)]
        blocks.append(
            b"".join(number.to_bytes(4, "little") for number in head) + padded + (32 + len(padded)).to_bytes(4, "little")
        )
    capture.write_bytes(b"".join(blocks))
    flows("-r", capture, "--flows", f"json:{tmp_path / 'rows'}")
    assert rows_in(tmp_path / "rows") == batch_rows(capture)
    assert rows_in(tmp_path / "rows")[0]["first_offset"] == 48


def test_flows_beside_segments_and_in_several_forms_are_the_same(flows, write_pcap, pcaps, tmp_path):
    source = write_pcap(pcaps.many_flows(300))
    both = ["--flows", f"json:{tmp_path / 'rows'}", "--flows", f"arrow:{tmp_path / 'rows.arrows'}"]
    code, _, stderr = flows("-r", source, "--spool", tmp_path / "spool", *both)
    assert code == 0, stderr
    assert pcaps.packets_in(tmp_path / "spool") == pcaps.read_pcap(source.read_bytes())[1]
    assert rows_in(tmp_path / "rows") == pa.ipc.open_stream(tmp_path / "rows.arrows").read_all().to_pylist() == batch_rows(source)


def test_flows_have_the_pseudonyms_of_an_anonymised_capture(flows, write_pcap, pcaps, tmp_path):
    (tmp_path / "key").write_text("ab" * 32)
    written = tmp_path / "out.pcap"
    options = ["--anonymise", tmp_path / "key", "-w", written, "--flows", f"json:{tmp_path / 'rows'}"]
    flows("-r", write_pcap(pcaps.many_flows(20)), *options)
    rows = rows_in(tmp_path / "rows")
    assert not any(row["src_ip"].startswith("10.0.0.") for row in rows)
    aside = ("first_offset",)  # payloads are gone from the written file, so its records begin elsewhere
    assert [{k: v for k, v in row.items() if k not in aside} for row in rows] == [
        {k: v for k, v in row.items() if k not in aside} for row in batch_rows(written)
    ]


def test_json_lines_are_added_to_a_file_and_an_arrow_stream_is_not(flows, tmp_path):
    for _ in range(2):
        assert flows("-r", GOLDEN, "--flows", f"json:{tmp_path / 'rows'}")[0] == 0
    assert rows_in(tmp_path / "rows") == batch_rows(GOLDEN) * 2
    assert flows("-r", GOLDEN, "--flows", f"arrow:{tmp_path / 'rows.arrows'}")[0] == 0
    before = (tmp_path / "rows.arrows").read_bytes()
    code, _, stderr = flows("-r", GOLDEN, "--flows", f"arrow:{tmp_path / 'rows.arrows'}")
    assert code == 2
    assert "rows.arrows: is there already" in stderr
    assert (tmp_path / "rows.arrows").read_bytes() == before


def test_a_capture_without_packets_gives_no_row_and_a_whole_arrow_stream(flows, write_pcap, tmp_path):
    code, events, _ = flows(
        "-r", write_pcap([]), "--flows", f"json:{tmp_path / 'rows'}", "--flows", f"arrow:{tmp_path / 'arrows'}"
    )
    assert code == 0
    assert events[-1]["rows"] == 0
    assert (tmp_path / "rows").read_bytes() == b""
    assert pa.ipc.open_stream(tmp_path / "arrows").read_all().num_rows == 0


def test_a_reader_that_goes_away_ends_a_sensor_that_works_for_it_alone(binary, write_pcap, pcaps):
    source = write_pcap(pcaps.many_flows(20_000))
    sensor = f"{binary} -r {source} --flows json:- --flows-idle 1"
    done = subprocess.run(
        ["bash", "-c", f"{sensor} | head -n 1; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, timeout=60
    )
    row, code = done.stdout.splitlines()
    assert json.loads(row)["packets_fwd"] == 2
    assert code == "4"
    assert '"drop_failed": 0' not in done.stderr.splitlines()[-1]


def test_rows_that_a_full_disk_cannot_take_are_counted_and_no_line_is_torn(flows, write_pcap, pcaps, tiny_disk):
    code, events, _ = flows(
        "-r", write_pcap(pcaps.many_flows(10_000)), "--flows", f"json:{tiny_disk / 'rows'}", "--flows-idle", 1
    )
    (target,) = events[-1]["targets"]
    assert code == 4
    assert [event["why"] for event in events if event["event"] == "flows_failed"] == ["No space left on device"]
    assert len(rows_in(tiny_disk / "rows")) == target["delivered"]
    assert target["delivered"] + target["drop_failed"] == target["taken"] == 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--flows", "csv:-"], "the format is json, arrow, ipfix or netflow9"),
        (["--flows", "json:-", "--flows", "arrow:-"], "two --flows to stdout would be mixed up"),
        (["--flows", "json:-", "-w", "-"], "both to stdout"),
        (["--flows", "json:/nowhere/a", "--flows", "arrow:/nowhere/./a"], "two --flows to /nowhere/a would be mixed up"),
        (["-w", "/nowhere/./a", "--flows", "json:/nowhere/a"], "-w and --flows both to /nowhere/./a would be mixed up"),
        (
            ["--flows", "json:/nowhere/at/all"],
            "/nowhere/at/all: cannot be opened for flows: No such file or directory; make its folder first",
        ),
        (["--flows", "json:mqtts://broker.example:99999"], "a port from 1 to 65535"),
        (["--flows", "ipfix:udp://no-such-host.invalid"], "no-such-host.invalid"),
        (["--flows", "json:-", "--flows-idle", "3601"], "--flows-idle wants a whole number from 1 to 3600"),
        (["--flows", "json:-", "--flows-memory-mb", "8796093022207"], "--flows-memory-mb wants a whole number from 1 to 1048576"),
        (["--flows", f"json:{GOLDEN}"], "flows.pcap, which is to be read; name another file"),
        (["-w", GOLDEN], "flows.pcap, which is to be read; name another file"),
        ([], "somewhere for flows to go (--flows)"),
    ],
)
def test_a_target_that_cannot_be_is_refused_in_words(flows, arguments, words):
    code, _, stderr = flows("-r", GOLDEN, *arguments)
    assert code in (2, 4)
    assert words in stderr


@pytest.mark.parametrize("words", ["-w {}", "--flows json:{}"])
def test_a_capture_that_comes_by_stdin_is_not_written_over(binary, tmp_path, words):
    source = tmp_path / "same.pcap"
    source.write_bytes(GOLDEN.read_bytes())
    with source.open("rb") as stdin:
        command = [binary, "-r", "-", *words.format(source).split()]
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"names {source}, which is to be read; name another file" in done.stderr
    assert source.read_bytes() == GOLDEN.read_bytes()


def test_memory_that_the_machine_does_not_give_is_refused_in_words(binary):
    words = f"ulimit -v 2000000; exec {binary} -r {GOLDEN} --flows json:- --flows-memory-mb 1048576"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--flows-memory-mb 1048576: this machine, or a limit of this process" in done.stderr


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("words", ["-w {} --flows json:-", "-w - --flows json:{}", "--flows json:{} --flows arrow:-"])
def test_stdout_is_given_out_once_under_whatever_name(binary, tmp_path, name, words):
    command = [binary, "-r", GOLDEN, *words.format(name).split()]
    with (tmp_path / "out").open("w") as file:
        for stdout in (file, subprocess.PIPE):
            done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
            assert done.returncode == 2
            assert "would be mixed up" in done.stderr


def test_a_silent_wire_ends_flows_in_time_and_they_are_those_of_the_file(loop, tmp_path):
    rows = tmp_path / "rows"
    sensor = loop("-w", tmp_path / "out.pcap", "--flows", f"json:{rows}", "--flows-idle", 1)
    sensor.send(20_000, ports=50, count=3)
    while len(rows_in(rows)) < 50:  # no packet comes that could end them
        time.sleep(0.1)
    assert sensor.process.poll() is None
    assert {row["end_reason"] for row in rows_in(rows)} == {"idle"}
    sensor.send(30_000, ports=5)
    totals, done = sensor.stop()
    assert (totals["written"], done["rows"], done["drop_flows"]) == (155, 55, 0)
    assert rows_in(rows)[-1]["end_reason"] == "forced"
    assert rows_in(rows) == batch_rows(tmp_path / "out.pcap", idle_timeout_s=1)


def test_a_sensor_whose_flows_cannot_follow_says_what_it_skipped_and_keeps_its_segments_whole(loop, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sensor = loop("--spool", tmp_path / "spool", "--flows", f"json:{pipe}", "--flows-idle", 1)
    sensor.send(20_000, ports=300)  # their rows fill the pipe, and nobody reads it
    time.sleep(5)
    sensor.send(30_000, ports=2, count=20_000, size=1400)
    sensor.wait_for("flows_behind")
    sensor.process.terminate()
    totals = sensor.wait_for("done")["counters"]
    os.set_blocking(reader, True)
    with os.fdopen(reader) as lines:
        rows = [json.loads(line) for line in lines]
    done = sensor.wait_for("flows_done")
    assert totals["written"] == totals["read"] == 40_300
    assert done["drop_flows"] > 0
    assert sum(row["packets_fwd"] for row in rows) == 40_300 - done["drop_flows"] == done["packets"]["accepted"]
    assert sensor.process.wait(timeout=10) == 4
