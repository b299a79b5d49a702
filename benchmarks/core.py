"""What the flow core costs by itself: against bare parsing, in memory, to Python, in instructions."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import instructions
import peers
from against import to_parquet
from figures import Figure, absent
from processes import AbsentError, Run, WrongError, least, run
from samples import CORE, Sample, head, most_alive, ready

ROUNDS = 7
MB = 10**6
MIB = 1 << 20
BYTES_PER_FLOW, ROOM = 400, 64 * MB
CAPPED_FLOWS, CAPPED_ROOM = 500_000, 96 * MB
READING = 160 * MB
ROWS = (10_000, 1_000_000)
ROWS_PER_PACKET = 0.6  # of a flood
HAND_OVERS = 9


def core(mode: str, sample: Sample, *options: object) -> tuple[Run, dict[str, Any]]:
    """One run over a whole capture, all of whose packets must have been read."""
    taken = run([CORE, mode, ready(sample), 1, *options])
    told = json.loads(taken.output)
    if told["packets"] != sample.packets:
        raise WrongError(f"{mode} of {sample.name}: {told['packets']} of {sample.packets} packets were read")
    return taken, told


def best_of_turns(sample: Sample, modes: tuple[str, ...], rounds: int = ROUNDS) -> dict[str, dict[str, Any]]:
    """The best run of each mode, the modes taking turns; all runs of a mode must find as many flows."""
    told: dict[str, list[dict[str, Any]]] = {mode: [] for mode in modes}
    for _ in range(rounds):
        for mode in modes:
            told[mode].append(core(mode, sample)[1])
    for mode, results in told.items():
        if len({result["flows"] for result in results}) != 1:
            raise WrongError(f"{mode} of {sample.name}: the runs differ in their flows")
    return {mode: min(results, key=lambda result: float(result["cpu_s"])) for mode, results in told.items()}


def share_of_parsing(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P2: the engine's speed as a share of bare parsing by the same program."""
    for sample, promised in ((mix, 45), (stress, 11)):
        best = best_of_turns(sample, ("parse", "headers"))
        parse, flows = best["parse"]["cpu_s"], best["headers"]["cpu_s"]
        speeds = [sample.packets / seconds / 1e6 for seconds in (parse, flows)]
        words = f"{speeds[1]:.1f} of {speeds[0]:.1f} million packets per CPU s, {best['headers']['flows']:,} flows"
        yield Figure(
            "P2",
            f"flow engine, payload not read, as a share of bare parsing, {sample.name}",
            100 * parse / flows,
            promised,
            True,
            "%",
            words,
        )


def applications(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """parsing: what looking for application protocols adds, to the whole of ``weir flows`` and to the engine alone."""
    with_and_without = zip(*((to_parquet(mix, True), to_parquet(mix, False)) for _ in range(ROUNDS)), strict=True)
    yield parsing(f"weir flows, application protocols on, against off, {mix.name}", *map(least, with_and_without))
    what = f"flow engine alone, application protocols on, against off, {mix.name}"
    try:
        core("headers", mix)
    except WrongError as why:
        if "usage:" not in str(why):
            raise
        yield absent("parsing", what, "this core has no application protocols")
        return
    best = best_of_turns(mix, ("flows", "headers"))
    yield parsing(what, best["flows"]["cpu_s"], best["headers"]["cpu_s"])


def parsing(what: str, on: float, off: float) -> Figure:
    """How much more one takes than the other."""
    return Figure("parsing", what, 100 * (on / off - 1), 25, False, "% more", f"{on:.3f} CPU s with, {off:.3f} without")


def memory(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P5: the largest the process of the engine becomes."""
    alive = most_alive(ready(stress))
    taken, told = core("flows", stress)
    words = f"{taken.rss_bytes / MB:,.0f} MB with {alive:,} flows at once"
    each = (taken.rss_bytes - ROOM) / alive
    yield Figure("P5", f"memory for a live flow beyond 64 MB, {stress.name}", each, BYTES_PER_FLOW, False, "B", words)

    limit = CAPPED_FLOWS * BYTES_PER_FLOW
    taken, capped = core("flows", stress, limit // MIB)
    words = (
        f"{capped['flows'] - told['flows']:,} more rows, as flows were exported early" if capped["flows"] > told["flows"] else ""
    )
    what = f"memory with the table capped at {CAPPED_FLOWS:,} flows, {stress.name}"
    yield Figure("P5", what, taken.rss_bytes / MB, (limit + CAPPED_ROOM) / MB, False, "MB", words)

    taken, _ = core("flows", mix)
    words = f"a file of {ready(mix).stat().st_size / MB:,.0f} MB"
    yield Figure("P5", f"memory of the engine reading a file, {mix.name}", taken.rss_bytes / MB, READING / MB, False, "MB", words)
    whole = to_parquet(mix).rss_bytes / MB
    yield Figure("P5", f"memory of weir flows writing Parquet of it, {mix.name}", whole, READING / MB, False, "MB")


def hand_over(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P8: from the core's columns to pyarrow, where they must stay at the same addresses."""
    import pyarrow as pa

    from weir import _native

    for rows in ROWS:
        path = Sample("rows", "flood", int(rows / ROWS_PER_PACKET)).path
        batch = _native.build_flows([str(path)], idle_timeout_us=10**8, active_timeout_us=10**9, memory_bytes=1 << 30)
        seconds, addresses = [], set()
        for _ in range(HAND_OVERS):
            began = time.perf_counter()
            table = pa.record_batch(batch)
            seconds.append(time.perf_counter() - began)
            addresses.add(tuple(table.column(i).buffers()[1].address for i in range(table.num_columns)))
        if len(addresses) != 1:
            raise WrongError("the columns were copied")
        if table.num_rows < rows:
            raise WrongError(f"{table.num_rows} rows instead of {rows}")
        words = f"{table.num_columns} columns, same addresses"
        yield Figure("P8", f"{table.num_rows:,} rows to pyarrow", min(seconds) * 1e3, 1, False, "ms", words)


def counts(mix: Sample, stress: Sample) -> Iterator[Figure]:
    """P13: instructions per packet, which other work on the machine cannot change; what payload adds is the figure of parsing."""
    first, last = instructions.FIRST, instructions.LAST
    for name, kind, promised in (("mix", "mixed", 900), ("stress", "flood", 1_300)):
        what = f"instructions per packet, payload not read, {name}"
        try:
            valgrind = peers.debian("valgrind")
        except AbsentError as why:
            yield absent("P13", what, why)
            continue
        whole = Sample("head", kind, last).path
        each = (counted(valgrind, whole) - counted(valgrind, head(whole, first))) / (last - first)
        yield Figure("P13", what, each, promised, False, "", f"valgrind, packets {first:,} to {last:,}")


def counted(valgrind: Path, path: Path) -> int:
    """Instructions of the engine over a capture."""
    command: list[str | Path] = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", CORE, "headers", path]
    environment = peers.environment() | {"GLIBC_TUNABLES": instructions.ANY_X86_64}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise WrongError(f"valgrind: {done.stderr[-200:]}")
    return int(found[1])
