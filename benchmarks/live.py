"""The sensor on a virtual cable: the figures of benchmarks/live_capture.py, which makes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import peers
from figures import Figure
from processes import AbsentError, WrongError
from samples import Sample

SCRIPT = Path(__file__).with_name("live_capture.py")
NEEDED = ("tcpdump", "ip")
CANNOT_RUN = 3
TOLD = {"us_per_packet": "us of CPU a packet", "kpps": "thousand packets sent a second", "sent": "sent"}


def cost(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P6: CPU of the sensor for each packet, against tcpdump, and packets lost at the sender's top speed."""
    return live("P6")


def stalls(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P7: packets lost by a reader that is stopped or overrun, and whether the counts add up."""
    return live("P7,steady,overload")


def live(only: str) -> Iterator[Figure]:
    """Run a part of it and read its lines.

    Raises
    ------
    AbsentError
        it cannot run here
    WrongError
        it failed
    """
    for program in NEEDED:
        peers.debian(program)
    command: list[str | Path] = [sys.executable, SCRIPT, "--only", only]
    done = subprocess.run(command, capture_output=True, text=True, env=peers.environment(), stdin=subprocess.DEVNULL)
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if done.returncode == CANNOT_RUN:
        raise AbsentError(last)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise WrongError(last)
    yield from map(figure, lines)
    if done.returncode not in (0, 1):
        raise WrongError(last)


def figure(line: Mapping[str, Any]) -> Figure:
    """A line of it as a figure. One that is not met in spite of its number was not measured as it says."""
    details = line["details"]
    words = ", ".join(f"{details[name]:,.4g} {unit}" for name, unit in TOLD.items() if name in details)
    target = None if line["met"] is None else line["target"]
    found = Figure(line["id"], line["what"], line["value"], target, False, line["unit"], words)
    return replace(found, is_wrong=True) if line["met"] is False and found.verdict == "met" else found
