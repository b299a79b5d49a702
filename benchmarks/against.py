"""Weir beside other programs that make flows, on the same capture, in turns.

They do not compute the same: nfstream and CICFlowMeter come near, nfpcapd and softflowd count packets and bytes one way only.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import peers
from figures import Figure, absent
from processes import AbsentError, Run, WrongError, least, run
from samples import CORE, MIX200, STRESS1M, WEIR, Sample, counted, head, ready, warm

ROUNDS = 3
LONG_S, LONG_ROUNDS = 30, 2  # a program that takes longer runs less often
FIRST = 20_000  # packets for a program that takes half a millisecond for each


class Turns(NamedTuple):
    """The best of our runs and of theirs, in CPU seconds, and what theirs found."""

    ours: float
    theirs: float
    found: int
    peer: peers.Peer


def in_turns(name: str, ours: Callable[[], Run], capture: Path, rounds: int) -> Turns:
    """Run both, round by round, ours before and after the peer; a run in which the peer found nothing is none."""
    peer = peers.get(name)
    mine, others, found = [], [], 0
    for _ in range(rounds):
        mine.append(ours())
        with tempfile.TemporaryDirectory(dir=peers.PLACE.parent) as out:
            warm(capture)  # a run takes long enough for the kernel to let go of it
            others.append(run(peer.command(capture, Path(out)), environment=peers.environment()))
            found = peer.found(others[-1].output, Path(out))
        mine.append(ours())
        if found <= 0:
            raise AbsentError(f"{name} {peer.version} ended well but found nothing")
        if others[-1].cpu_s > LONG_S and len(others) >= LONG_ROUNDS:
            break
    return Turns(least(mine), least(others), found, peer)


def to_parquet(sample: Sample, reads_payload: bool = True) -> Run:
    """The whole of ``weir flows``, interpreter and imports included."""
    files = {} if reads_payload else {"params.yaml": "flows:\n  parse_applications: false\n"}
    with tempfile.TemporaryDirectory(dir=peers.PLACE.parent) as folder:
        taken = run([WEIR, "flows", ready(sample), "--out", Path(folder) / "flows.parquet"], files=files)
    if counted(taken.output, "read") != sample.packets:
        raise WrongError(f"weir flows read {counted(taken.output, 'read')} of {sample.packets} packets of {sample.name}")
    return taken


def engine(sample: Sample) -> Run:
    """The flow engine with all columns, without Parquet. Payload is not read, as by those it is compared with."""
    taken = run([CORE, "headers", ready(sample)])
    if json.loads(taken.output)["packets"] != sample.packets:
        raise WrongError(f"the engine did not read all packets of {sample.name}")
    return taken


def compared(id_: str, what: str, turns: Turns, promised: float | None, ours: str = "Weir") -> Figure:
    """A ratio of CPU seconds."""
    words = f"{ours} {turns.ours:.2f} CPU s, {turns.peer.name} {turns.theirs:.2f}"
    return Figure(id_, what, turns.theirs / turns.ours, promised, True, "×", words)


def nfstream(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P1: capture to Parquet with all statistical columns, against nfstream with its own; payload unread, then read."""
    for sample, promised in ((mix, 20), (STRESS1M, 40)):
        what = f"capture to Parquet against nfstream, payload not read, {sample.name}"
        try:
            turns = in_turns("nfstream", partial(to_parquet, sample, False), ready(sample), ROUNDS)
        except AbsentError as why:
            yield absent("P1", what, why)
            continue
        yield compared("P1", what, turns, promised)
        ours = least([to_parquet(sample) for _ in range(ROUNDS)])
        what = f"the same where Weir reads payload, {sample.name}"
        yield compared("P1", what, turns._replace(ours=ours), None)
        both = in_turns("nfstream_ndpi", partial(to_parquet, sample), ready(sample), ROUNDS)
        yield compared("P1", f"the same where both read payload, {sample.name}", both, None)


def counters(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P3: flow engine against programs in C that count far less; argus only for comparison."""
    for name, sample, promised in (
        ("nfpcapd", mix, 2.5),
        ("nfpcapd", stress, 7),
        ("softflowd", mix, 2.5),
        ("softflowd", stress, 7),
        ("argus", mix, None),
    ):
        what = f"flow engine, payload not read, against {name}, {sample.name}"
        try:
            turns = in_turns(name, partial(engine, sample), ready(sample), ROUNDS)
        except AbsentError as why:
            yield absent("P3", what, why)
        except WrongError as why:
            if name != "argus":
                raise
            yield absent("P3", what, f"it failed: {why}")  # as it may: it aborts on some malformed packets
        else:
            yield compared("P3", what, turns, promised, "engine")


def cicflowmeter(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P4: packets per CPU second of the engine against those of cicflowmeter on the first packets."""
    what = f"flow engine, payload not read, on {MIX200.name} against cicflowmeter on its first {FIRST:,} packets, per packet"
    try:
        turns = in_turns("cicflowmeter", partial(engine, MIX200), head(ready(MIX200), FIRST), ROUNDS)
    except AbsentError as why:
        yield absent("P4", what, why)
        return
    ours, theirs = turns.ours / MIX200.packets, turns.theirs / FIRST
    words = f"{ours * 1e6:.2f} us of CPU a packet, cicflowmeter {theirs * 1e6:,.0f}"
    yield Figure("P4", what, theirs / ours, 1_000, True, "×", words)


def versions() -> dict[str, str]:
    """Of the peers that are there."""
    found = {}
    for name in peers.PEERS:
        try:
            found[name] = peers.get(name).version
        except AbsentError:
            continue
    return found
