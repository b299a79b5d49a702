"""How programs are measured, and how it is noticed that they did something else."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import captures
import oracle
import peers
import processes
import samples
from weir.flows.build import build
from weir.settings import FlowSettings


def test_cpu_and_memory_are_those_of_the_program_alone() -> None:
    ballast = np.ones(50_000_000)  # 400 MB, which a child must not inherit as its peak
    small = processes.run([sys.executable, "-IS", "-c", "print('done')"])
    assert small.output == "done\n"
    assert small.rss_bytes < 40e6 < ballast.nbytes
    large = processes.run([sys.executable, "-IS", "-c", "x = b'1' * 90_000_000\nfor i in range(3_000_000): pass"])
    assert large.rss_bytes > 90e6
    assert large.cpu_s > small.cpu_s


def test_the_cpu_of_children_counts() -> None:
    work = "for i in range(6_000_000): pass"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-IS', '-c', {work!r}])"
    alone = processes.run([sys.executable, "-IS", "-c", work])
    assert processes.run([sys.executable, "-IS", "-c", program]).cpu_s > alone.cpu_s / 2


def test_a_program_that_fails_is_no_measurement() -> None:
    with pytest.raises(processes.WrongError, match=r"exit code 3: .*alas"):
        processes.run([sys.executable, "-c", "import sys; print('alas'); sys.exit(3)"])


def test_a_program_that_takes_too_long_is_no_measurement() -> None:
    with pytest.raises(processes.WrongError, match="timed out"):
        processes.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.3)


@pytest.mark.parametrize("kind", ["flood", "mixed"])
def test_the_oracle_and_the_core_count_the_same(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    captures.make(kind, path, 30_000)
    table = build([path], FlowSettings(idle_timeout_s=120, active_timeout_s=1_800, memory_mb=1_024)).table
    total = {name: sum(table[name].to_pylist()) for name in ("packets_fwd", "packets_bwd", "bytes_fwd", "bytes_bwd")}
    found = oracle.Totals(table.num_rows, total["packets_fwd"] + total["packets_bwd"], total["bytes_fwd"] + total["bytes_bwd"])
    assert found == oracle.count(path)


def test_the_oracle_sees_one_packet_less(tmp_path: Path) -> None:
    path, shorter = tmp_path / "some.pcap", tmp_path / "shorter.pcap"
    captures.make("flood", path, 2_000)
    shorter.write_bytes(path.read_bytes()[:-76])
    whole, less = oracle.count(path), oracle.count(shorter)
    assert (whole.packets, whole.bytes) > (less.packets, less.bytes)


def test_flows_alive_at_once_are_counted_with_their_silence(tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    captures.make("flood", path, 3_000)
    everything = samples.most_alive(path, idle_us=10**9)
    assert everything == oracle.count(path).flows
    assert samples.most_alive(path, idle_us=1_000) < everything / 2


def test_the_head_of_a_capture_is_its_first_packets(tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    captures.make("mixed", path, 1_000)
    short = samples.head(path, 400)
    assert path.read_bytes().startswith(short.read_bytes())
    assert len(list(oracle.records(short))) == 400


def test_a_peer_that_no_source_has_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "PLACE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(peers, "DEBIAN", {"no-such-program": "no-such-package"})
    with pytest.raises(processes.AbsentError, match="no apt-get"):
        peers.debian("no-such-program")


def test_python_peers_are_pinned_with_hashes() -> None:
    for listed in peers.REQUIREMENTS.glob("*.txt"):
        text = listed.read_text()
        wanted = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
        assert wanted
        assert all("==" in line and line.endswith("\\") for line in wanted)
        assert text.count("--hash=sha256:") >= len(wanted)
    assert peers.pinned("cicflowmeter", "scapy") == "2.5.0"
