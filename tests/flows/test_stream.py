"""stream() gives the rows of build(), a batch at a time, in memory that does not grow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weir.errors import CaptureError, SettingsError, StoreError
from weir.flows.build import Flows, build, stream
from weir.jobs import flows_to_file
from weir.settings import FlowSettings

PACKETS = 40_000
STEP_US = 1_000
START_US = 1_772_442_000_000_000
UDP = bytes.fromhex("02000000000102000000000208004500001c00000000401100000a0000010a000002")


def question(number: int) -> bytes:
    """A UDP packet without payload; each number gives another pair of ports."""
    return UDP + (1_000 + number % 50_000).to_bytes(2, "big") + (number // 50_000).to_bytes(2, "big") + b"\x00\x08\x00\x00"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, write_pcap: Callable[..., Path]) -> Path:
    """A capture of flows of one packet each, over 40 s."""
    path = tmp_path_factory.mktemp("many") / "many.pcap"
    return write_pcap(path, ((START_US + number * STEP_US, question(number)) for number in range(PACKETS)))


def test_the_rows_are_those_of_build(many: Path, flows_of: Callable[..., Flows]) -> None:
    settings = FlowSettings(idle_timeout_s=2)
    batches: list[pa.RecordBatch] = []
    counts = stream([many], settings, batches.append)
    whole = flows_of(many, idle_timeout_s=2)
    assert len(batches) > 2
    assert pa.Table.from_batches(batches).equals(whole.table)
    assert counts == whole.counts
    assert counts["accepted"] == PACKETS


def test_a_batch_that_nobody_holds_lends_its_memory_to_a_later_one(many: Path) -> None:
    places: list[int] = []
    stream([many], FlowSettings(idle_timeout_s=2), lambda batch: places.append(batch.column(0).buffers()[1].address))
    assert len(set(places)) < len(places)


def test_a_batch_that_is_held_keeps_its_rows(many: Path) -> None:
    held: list[pa.RecordBatch] = []
    copies: list[list[int]] = []

    def keep(batch: pa.RecordBatch) -> None:
        held.append(batch)
        copies.append(batch["flow_id"].to_pylist())

    stream([many], FlowSettings(idle_timeout_s=2), keep)
    assert [batch["flow_id"].to_pylist() for batch in held] == copies


def test_no_capture_gives_one_batch_without_rows() -> None:
    batches: list[pa.RecordBatch] = []
    counts = stream([], FlowSettings(), batches.append)
    assert [len(batch) for batch in batches] == [0]
    assert set(counts.values()) == {0}


def test_what_the_taker_raises_ends_the_reading(many: Path) -> None:
    taken = []

    def refuse(batch: pa.RecordBatch) -> None:
        taken.append(len(batch))
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        stream([many], FlowSettings(idle_timeout_s=2), refuse)
    assert len(taken) == 1


def test_a_broken_capture_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pcap"
    broken.write_bytes(b"no capture at all, but long enough for a header")
    with pytest.raises(CaptureError, match=r"broken\.pcap"):
        stream([broken], FlowSettings(), lambda batch: None)


def test_a_file_of_flows_is_whole_or_not_there_and_never_a_capture(many: Path, tmp_path: Path) -> None:
    capture = tmp_path / "many.pcap"
    capture.write_bytes(many.read_bytes())
    with pytest.raises(SettingsError, match="is a capture that is to be read"):
        flows_to_file([capture], capture)
    with pytest.raises(SettingsError, match="nowhere is no folder; make it first"):
        flows_to_file([capture], tmp_path / "nowhere" / "flows.parquet")
    with pytest.raises(SettingsError, match="is a folder"):
        flows_to_file([capture], tmp_path)
    (tmp_path / "bad.pcap").write_bytes(b"nothing of the kind")
    with pytest.raises(CaptureError):
        flows_to_file([capture, tmp_path / "bad.pcap"], tmp_path / "flows.parquet")
    assert capture.read_bytes() == many.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.pcap", "many.pcap"]


def test_a_file_of_flows_that_cannot_be_written_is_named_with_the_reason(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "flows.parquet"
    command = f"ulimit -f 4; exec {sys.executable} -m weir.cli flows {many} --out {out}"  # KiB
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == StoreError.exit_code
    assert done.stderr == f"weir: {out}: cannot be written: File too large; free space or name another file with --out\n"
    assert list(tmp_path.iterdir()) == []


def test_flows_write_through_nothing_that_lies_beside_their_file(many: Path, tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine")
    (tmp_path / ".flows.parquet.part").symlink_to("diary")
    flows_to_file([many], tmp_path / "flows.parquet")
    assert (tmp_path / "diary").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".flows.parquet.part", "diary", "flows.parquet"]


def test_flows_never_replace_what_is_no_regular_file(many: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match=r"flows: .*/pipe is a pipe, not a regular file; name another file with --out"):
        flows_to_file([tmp_path / "nowhere.pcap"], tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_flows_follow_a_link_that_stays(many: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("flows.parquet")
    for _ in range(2):  # there is no such file yet, then there is
        counts = flows_to_file([many], tmp_path / "link")
        assert counts["out"] == str(tmp_path / "link")
        assert (tmp_path / "link").readlink() == Path("flows.parquet")
        assert pq.read_metadata(tmp_path / "flows.parquet").num_rows == counts["flows"]
        (tmp_path / "flows.parquet").write_bytes(b"old")
    (tmp_path / "capture").symlink_to(many)
    with pytest.raises(SettingsError, match="is a capture that is to be read"):
        flows_to_file([many], tmp_path / "capture")


def test_a_packed_capture_cut_before_its_first_packet_is_no_empty_one(many: Path, tmp_path: Path) -> None:
    packed = pa.compress(many.read_bytes(), "zstd", asbytes=True)
    (tmp_path / "cut.pcap.zst").write_bytes(packed[:700])
    counts = build([tmp_path / "cut.pcap.zst"], FlowSettings()).counts
    assert (counts["read"], counts["odd_truncated_tail"], counts["odd_empty_file"]) == (0, 1, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_ended_leaves_nothing_half_written(many: Path, tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-m", "weir.cli", "flows", "-", "--out", tmp_path / "flows.parquet"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(many.read_bytes()[:-1])
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()):
        assert time.monotonic() < deadline, "no file was begun"
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(30) == code
    process.stdin.close()
    assert list(tmp_path.iterdir()) == []
