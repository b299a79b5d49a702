"""``simulate``: hours of ordinary office traffic and labelled attacks, one pcap for each hour.

Everything follows from the seed: the same arguments give the same bytes, on any machine. Each hour
and each attack has its own dice, so that one attack more does not change the dice of the others.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import Any

from weir.errors import SettingsError
from weir.simulate.attacks import ATTACKS, Attack, Plan
from weir.simulate.normal import HABITS
from weir.simulate.office import Office, build
from weir.simulate.rounds import HOUR_S, client_rounds, site_rounds
from weir.simulate.scene import Scene
from weir.simulate.tape import BENIGN, Tape, flows_csv, timeline_csv
from weir.simulate.wire import US_PER_S, pcap
from weir.store import put

SESSIONS_PER_HOUR = 4.0
"""Sessions one client of ordinary diligence starts in an hour of work, at intensity 1."""

QUIET_START_S = 1_500
"""Attacks do not begin before this many seconds, so that there is something normal to learn from."""

_DAY = (
    0.08,
    0.06,
    0.06,
    0.06,
    0.06,
    0.08,
    0.15,
    0.4,
    0.8,
    1.0,
    1.0,
    0.95,
    0.7,
    0.9,
    1.0,
    1.0,
    0.9,
    0.7,
    0.4,
    0.25,
    0.2,
    0.15,
    0.12,
    0.1,
)
_WEEKEND = 0.15
_GZIP_LEVEL = 6

Progress = Callable[[int, int], None]


def simulate(
    out: Path, *, start: datetime, hours: int, seed: int, hosts: int = 50, attacks: Sequence[str] = (),
    intensity: float = 1.0, quiet_start_s: int = QUIET_START_S, is_packed: bool = False, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write ``<out>/<hour>.pcap`` for each hour, ``labels.flows.csv`` and ``labels.timeline.csv``.

    Parameters
    ----------
    start : the first hour; cut down to the whole hour, UTC if it names no zone
    hours : how many; 1 or more
    seed : the same seed and arguments give the same bytes
    hosts : clients in the office, from 4 to 2,000
    attacks : names from ``weir.simulate.attacks.ATTACKS``; spread over the time after ``quiet_start_s``
    intensity : 1 is about 70,000 packets, 6,000 flows and 35 MB in an hour of work for 50 hosts
    is_packed : write ``.pcap.gz``
    progress : called with (hours written, hours)

    Returns
    -------
    ``captures`` and ``labels`` (paths as text), ``packets``, ``flows``, and ``attacks`` (packets by label)

    Raises
    ------
    SettingsError
        an unknown attack, with the nearest known name, or a number out of range.
    """
    first_us = _first_us(start)
    _check(hours, hosts, intensity, attacks)
    office, tape = build(hosts, Random(f"{seed}/office")), Tape()
    _attack(tape, office, attacks, seed, first_us, first_us + hours * HOUR_S * US_PER_S, quiet_start_s)
    captures, packets = [], 0
    for number in range(hours):
        hour_us = first_us + number * HOUR_S * US_PER_S
        _live(Scene(tape, office, Random(f"{seed}/hour/{number}")), hour_us, intensity)
        taken = tape.cut(hour_us + HOUR_S * US_PER_S)
        captures.append(_write(out, hour_us, pcap(taken), is_packed))
        packets += len(taken)
        if progress is not None:
            progress(number + 1, hours)
    return _summary(out, tape, captures, packets)


def _first_us(start: datetime) -> int:
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return int(start.timestamp()) // HOUR_S * HOUR_S * US_PER_S


def _check(hours: int, hosts: int, intensity: float, attacks: Sequence[str]) -> None:
    for name, value, least, most in (
        ("hours", hours, 1, 10_000),
        ("hosts", hosts, 4, 2_000),
        ("intensity", intensity, 0.01, 1_000),
    ):
        if not least <= value <= most:
            raise SettingsError(f"{name} is {value}; give a number from {least} to {most}")
    for name in attacks:
        if name not in ATTACKS:
            near = get_close_matches(name, ATTACKS, n=1, cutoff=0.0)[0]
            raise SettingsError(f"there is no attack {name!r}; did you mean {near!r}? Known: {', '.join(ATTACKS)}")


def _attack(
    tape: Tape, office: Office, attacks: Sequence[str], seed: int, first_us: int, end_us: int, quiet_start_s: int
) -> None:
    """Put the attacks on the tape, their starts spread evenly over the time that is not quiet."""
    begin_us = min(first_us + quiet_start_s * US_PER_S, end_us)
    step_us = (end_us - begin_us) // max(len(attacks), 1)
    for number, name in enumerate(attacks):
        rng = Random(f"{seed}/attack/{number}/{name}")
        attack: Attack = ATTACKS[name]
        at_us = begin_us + number * step_us + int(step_us * rng.uniform(0.05, 0.25))
        attack(Plan(tape, office, rng, name, at_us, end_us, number))


def rhythm(hour_us: int) -> float:
    """How busy an office is in this hour, from 0 to 1."""
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=hour_us)
    return _DAY[when.hour] * (_WEEKEND if when.weekday() > 4 else 1.0)


def _live(scene: Scene, hour_us: int, intensity: float) -> None:
    """One hour of everybody's day."""
    weights, habits = zip(*HABITS, strict=True)
    site_rounds(scene, hour_us // (HOUR_S * US_PER_S) % 24, hour_us)
    for number, client in enumerate(scene.office.clients):
        client_rounds(scene, client, number, hour_us)
        rate = SESSIONS_PER_HOUR * intensity * rhythm(hour_us) * client.busy / HOUR_S
        at_s = scene.rng.expovariate(rate)
        while at_s < HOUR_S:
            scene.rng.choices(habits, weights)[0](scene, client, hour_us + int(at_s * US_PER_S))
            at_s += scene.rng.expovariate(rate)


def _write(out: Path, hour_us: int, whole: bytes, is_packed: bool) -> str:
    hour = datetime.fromtimestamp(hour_us // US_PER_S, UTC).strftime("%Y-%m-%dT%H")
    target = out / (f"{hour}.pcap.gz" if is_packed else f"{hour}.pcap")
    put(target, gzip.compress(whole, _GZIP_LEVEL, mtime=0) if is_packed else whole)
    return str(target)


def _summary(out: Path, tape: Tape, captures: list[str], packets: int) -> dict[str, object]:
    seen = [flow for flow in tape.flows if flow.first_us >= 0]
    labels = [out / "labels.flows.csv", out / "labels.timeline.csv"]
    for target, text in zip(labels, (flows_csv(seen), timeline_csv(seen)), strict=True):
        put(target, text.encode())
    counts: dict[str, int] = {}
    for flow in seen:
        counts[flow.label] = counts.get(flow.label, 0) + flow.fwd_packets + flow.bwd_packets
    counts.pop(BENIGN, None)
    return {
        "captures": captures,
        "labels": [str(label) for label in labels],
        "packets": packets,
        "flows": len(seen),
        "attacks": counts,
    }
