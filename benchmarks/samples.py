"""The captures of a run of the benchmark: made when they are not there, and checked before anything is measured on them."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

import captures
import oracle
from processes import WrongError, run, warm

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "bench" / "captures"
CORE = ROOT / "build" / "capture" / "bench" / "weir-core-bench"
WEIR = ROOT / ".venv" / "bin" / "weir"
SOURCES = ("captures", "flood", "mixed", "conversations", "frames", "hellos", "places")
CHECKED = 100_000  # packets that the oracle counts
STRESS_RECORD = np.dtype([("seconds", "<u4"), ("micros", "<u4"), ("lengths", "V8"), ("frame", "u1", 60)])


class Sample(NamedTuple):
    """A capture by name: its kind and how many packets."""

    name: str
    kind: str
    packets: int

    @property
    def path(self) -> Path:
        """Its file, made when it is not there or was made by other sources."""
        out = PLACE / f"{self.kind}-{self.packets}-{stamp()}.pcap"
        if not out.exists():
            PLACE.mkdir(parents=True, exist_ok=True)
            for stale in PLACE.glob(f"{self.kind}-{self.packets}-*.pcap"):
                stale.unlink()
            maker = Path(__file__).with_name("captures.py")  # a process of its own, as it takes twice the file in memory
            subprocess.run([sys.executable, maker, self.kind, out, str(self.packets)], check=True)
        return out


MIX, MIX200 = Sample("mix", "mixed", 2_400_000), Sample("mix200", "mixed", 480_000)
STRESS, STRESS1M = Sample("stress", "flood", 8_000_000), Sample("stress1m", "flood", 1_000_000)
SMALLER = {MIX: MIX200, STRESS: STRESS1M}


@cache
def stamp() -> str:
    """A word that changes when what makes the captures does."""
    files = [Path(__file__).with_name(f"{name}.py") for name in SOURCES] + sorted(ROOT.glob("examples/captures/*.pcap.gz"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]


def ready(sample: Sample) -> Path:
    """A capture that is in the page cache now, of whose kind the first packets were counted twice.

    Raises
    ------
    WrongError
        Weir's flows are not those of the oracle
    """
    checked(sample.kind)
    warm(sample.path)
    return sample.path


@cache
def checked(kind: str) -> None:
    """Compare flows, packets and bytes of the first packets with the oracle's."""
    path = Sample("head", kind, CHECKED).path
    wanted = oracle.count(path)
    found = flows_of(path)
    core = json.loads(run([CORE, "flows", path]).output)
    if found != wanted or (core["packets"], core["flows"]) != (CHECKED, wanted.flows):
        raise WrongError(f"first packets of {kind}: {found} and {core['flows']} flows of the core, but there are {wanted}")


def flows_of(path: Path) -> oracle.Totals:
    """What the rows of ``weir flows`` add up to."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    out = path.with_suffix(".parquet")
    run([WEIR, "flows", path, "--out", out])
    table = pq.read_table(out, columns=["packets_fwd", "packets_bwd", "bytes_fwd", "bytes_bwd"])
    out.unlink()
    total = {name: pc.sum(table[name]).as_py() for name in table.column_names}
    return oracle.Totals(table.num_rows, total["packets_fwd"] + total["packets_bwd"], total["bytes_fwd"] + total["bytes_bwd"])


def head(path: Path, packets: int) -> Path:
    """The first packets of a capture as one of their own."""
    out = path.with_name(f"{path.stem}-head-{packets}.pcap")
    if not out.exists():
        with path.open("rb") as whole, out.open("wb") as first:
            first.write(whole.read(len(captures.FILE_HEADER)))
            for _ in range(packets):
                header = whole.read(16)
                first.write(header + whole.read(struct.unpack_from("<I", header, 8)[0]))
    return out


def most_alive(path: Path, idle_us: int = oracle.IDLE_US) -> int:
    """How many flows of a flood are alive at once: each from its first packet until it was silent for that long.

    A connection that ends and opens anew keeps its place, so the two count once.
    """
    table = np.fromfile(path, STRESS_RECORD, offset=len(captures.FILE_HEADER))
    time = table["seconds"].astype(np.int64) * 1_000_000 + table["micros"]
    ends = table["frame"][:, 26:38].copy()  # both addresses, both ports
    source = ends[:, [0, 1, 2, 3, 8, 9]].astype(np.uint64) @ (1 << np.arange(40, -8, -8, dtype=np.uint64))
    destination = ends[:, [4, 5, 6, 7, 10, 11]].astype(np.uint64) @ (1 << np.arange(40, -8, -8, dtype=np.uint64))
    order = np.lexsort((time, np.maximum(source, destination), np.minimum(source, destination)))
    low, high, when = np.minimum(source, destination)[order], np.maximum(source, destination)[order], time[order]
    is_first = np.ones(len(when), bool)
    is_first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1]) | (np.diff(when) > idle_us)
    begins = np.sort(when[is_first])
    ended = np.sort(when[np.append(is_first[1:], True)] + idle_us)
    alive = np.arange(1, len(begins) + 1) - np.searchsorted(ended, begins)
    return int(alive.max())


def counted(output: str, name: str) -> int:
    """A number from the lines ``name: 123`` of weir."""
    found = re.search(rf"^{name}: (\d+)", output, re.MULTILINE)
    if not found:
        raise WrongError(f"weir did not say {name}")
    return int(found[1])
