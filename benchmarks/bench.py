"""Measures what Weir promises about speed and prints it beside the promise; bin/bench starts this.

    bin/bench                 everything: about %(minutes)s minutes, 2 GB of disk, 5 GB of memory
    bin/bench P2 P8           some promises
    bin/bench --small         shorter captures: a quick look, as the promises are about the long ones
    bin/bench --write         write what was measured to benchmarks/results.json, README.md and docs/performance.md

Exits with 1 where a promise is not kept. Other programs that it compares with are brought in by itself, to build/bench; one
that cannot be had is named as absent. P6 and P7 need root, as they make a network of their own.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import against
import core
import figures
import live
from figures import Figure, absent, wrong
from processes import AbsentError, WrongError
from samples import MIX, SMALLER, STRESS, Sample

MINUTES = 15
Measure = Callable[[Sample, Sample], Iterator[Figure]]
MEASURES: dict[str, Measure] = {
    "P1": against.nfstream,
    "P2": core.share_of_parsing,
    "P3": against.counters,
    "P4": against.cicflowmeter,
    "P5": core.memory,
    "P6": live.cost,
    "P7": live.stalls,
    "P8": core.hand_over,
    "P13": core.counts,
    "parsing": core.applications,
}


def chosen() -> argparse.Namespace:
    """The command line."""
    text = (__doc__ or "") % {"minutes": MINUTES}
    parser = argparse.ArgumentParser("bin/bench", description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("promises", nargs="*", metavar="PROMISE", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--small", action="store_true", help="shorter captures")
    parser.add_argument("--write", action="store_true", help="write the results down")
    given = parser.parse_args()
    unknown = sorted(set(given.promises) - set(MEASURES))
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such promise; there are {', '.join(MEASURES)}")
    if given.small and given.write:
        parser.error("--write keeps figures of the long captures only; leave out --small")
    return given


def measured(id_: str, mix: Sample, stress: Sample) -> Iterator[Figure]:
    """The figures of one promise; a measurement that fails is a figure too."""
    try:
        yield from MEASURES[id_](mix, stress)
    except AbsentError as why:
        yield absent(id_, about(id_), why)
    except WrongError as why:
        yield wrong(id_, about(id_), why)


def about(id_: str) -> str:
    """What a promise is about."""
    return (MEASURES[id_].__doc__ or id_).split(": ", 1)[-1].rstrip(".")


def machine() -> str:
    """What it was measured on."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    compiler = subprocess.run(["c++", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    processor = found[1].strip() if found else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {system}, g++ {compiler}, Python {platform.python_version()}"


def main() -> int:
    """Measure, print, and keep when asked."""
    given = chosen()
    mix, stress = (SMALLER[MIX], SMALLER[STRESS]) if given.small else (MIX, STRESS)
    began = datetime.now(UTC)
    loads = [os.getloadavg()[0]]
    print(machine(), end="\n\n", flush=True)
    print(figures.table([]), end="", flush=True)
    found: list[Figure] = []
    for id_ in MEASURES:
        if id_ not in (given.promises or MEASURES):
            continue
        for figure in measured(id_, mix, stress):
            found.append(figure)
            print(figure.line(), flush=True)
            loads.append(os.getloadavg()[0])
        if given.write:
            keep(began, loads, found)
    took = (datetime.now(UTC) - began).total_seconds()
    print(f"\n{figures.summary(found)}; {took // 60:.0f} min {took % 60:.0f} s, load {min(loads):.1f} to {max(loads):.1f}")
    return 1 if figures.falls_short(found) else 0


def keep(began: datetime, loads: list[float], found: list[Figure]) -> None:
    """Write down what was found so far, so that a run that is stopped keeps it."""
    beside = f"{began:%Y-%m-%d}, beside other work (load {min(loads):.0f} to {max(loads):.0f} on {os.cpu_count()} cores)"
    figures.write(figures.merged(figures.read(), figures.as_results(machine(), beside, against.versions(), found)))


if __name__ == "__main__":
    sys.exit(main())
