"""weir-capture and the readers of its pipes: one that stalls or never comes keeps neither a stop nor a segment waiting."""

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PIPE_BYTES = 65536  # what Linux keeps for a reader


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def waiting_in(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), "little")


def test_no_capture_is_poured_onto_a_terminal(binary) -> None:
    ours, theirs = pty.openpty()
    golden = Path(__file__).parents[1] / "golden" / "flows.pcap"
    done = subprocess.run([binary, "-r", golden, "-w", "-"], stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert b"a capture is nothing for a terminal" in done.stderr


def holds_back_stops(pid: int) -> bool:
    """Whether the process has blocked SIGTERM, to read it when it likes."""
    (blocked,) = re.findall(r"^SigBlk:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(blocked, 16) >> (signal.SIGTERM - 1) & 1 == 1


@pytest.fixture
def stalled(tmp_path) -> Iterator[tuple[Path, int]]:
    """A FIFO that is held open and never read: its path and descriptor."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    yield fifo, holder
    os.close(holder)


@pytest.fixture
def sensor(binary) -> Iterator[Callable[..., subprocess.Popen]]:
    running = []

    def run(*arguments: object) -> subprocess.Popen:
        command = [str(binary), *map(str, arguments)]
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen) -> str:
    """Ask it to stop; what it said."""
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=30)[1]


def test_a_stop_does_not_wait_for_a_reader_of_flows_that_stalls_and_its_rows_are_counted(sensor, stalled, write_pcap, pcaps):
    fifo, holder = stalled
    process = sensor("-r", write_pcap(pcaps.many_flows(10_000)), "--flows", f"json:{fifo}")
    until(lambda: waiting_in(holder) == PIPE_BYTES)
    events = pcaps.parse_events(stop(process))
    assert process.returncode == 4
    assert [event["why"] for event in events if event["event"] == "flows_failed"] == ["its reader takes nothing"]
    (target,) = events[-1]["targets"]
    assert target["drop_stopped"] == target["taken"] == events[-1]["rows"] > 0


def test_a_reader_of_flows_that_is_slow_gets_every_row(sensor, stalled, write_pcap, pcaps):
    fifo, holder = stalled
    process = sensor("-r", write_pcap(pcaps.many_flows(2000)), "--flows", f"json:{fifo}")
    until(lambda: waiting_in(holder) == PIPE_BYTES)
    rows = b""
    while process.poll() is None or waiting_in(holder):
        rows += os.read(holder, PIPE_BYTES) if waiting_in(holder) else b""
    assert process.returncode == 0
    assert rows.count(b"\n") == 2000


def test_a_stop_does_not_wait_for_a_reader_of_packets_that_stalls_and_the_rest_is_counted(sensor, stalled, write_pcap, pcaps):
    fifo, holder = stalled
    process = sensor("-r", write_pcap(pcaps.steady(100_000, size=400)), "-w", fifo)
    until(lambda: waiting_in(holder) == PIPE_BYTES)
    events = pcaps.parse_events(stop(process))
    assert process.returncode == 4
    totals = events[-1]["counters"]
    assert totals["drop_disk"] > 0
    assert totals["written"] + totals["drop_disk"] == totals["read"]


@pytest.mark.parametrize(("option", "form"), [("-w", "{}"), ("--flows", "json:{}")])
def test_a_stop_is_heard_while_nobody_reads_a_fifo(sensor, write_pcap, pcaps, tmp_path, option, form):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = sensor("-r", write_pcap(pcaps.steady(10)), option, form.format(fifo))
    until(lambda: holds_back_stops(process.pid))  # before, a stop just kills
    assert f"{fifo}: nobody read this FIFO before the sensor was told to stop" in stop(process)
    assert process.returncode == 4


@pytest.mark.parametrize(
    ("arguments", "closed", "stream"),
    [
        ("-r in.pcap -w -", ">&-", "stdout"),
        ("-r in.pcap -w /dev/stdout", ">&-", "stdout"),
        ("-r in.pcap --flows json:-", ">&-", "stdout"),
        ("-r in.pcap --flows arrow:/dev/fd/1", "<&- >&-", "stdout"),
        ("-r - -w out.pcap", "<&-", "stdin"),
        ("-r /dev/stdin --spool spool", "<&- >&-", "stdin"),
    ],
)
def test_a_standard_stream_that_is_closed_is_refused(binary, write_pcap, pcaps, tmp_path, arguments, closed, stream):
    write_pcap(pcaps.steady(10))
    command = f"{binary} {arguments} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{stream} is closed" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.pcap"]


def test_what_is_said_where_stderr_is_closed_gets_into_no_file(binary, write_pcap, pcaps, tmp_path):
    write_pcap(pcaps.many_flows(50))
    command = f"{binary} -r in.pcap --flows json:rows.json <&- >&- 2>&-"
    subprocess.run(["sh", "-c", command], check=True, timeout=20, cwd=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "rows.json").read_text().splitlines()]
    assert len(rows) == 50
    assert all("flow_id" in row for row in rows)
