"""By which column of a window row does each simulated attack stand out most?

    python benchmarks/window_columns.py

For each attack of ``weir simulate``: the column in which the attacker's most extreme window is
matched by the fewest windows of three calm hours of the same office. ``docs/features.md`` holds the
figures. One column at a time: what a detector makes of all of them together is another matter.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from weir import schema
from weir.features.windows import windows
from weir.flows.build import build
from weir.settings import FlowSettings, WindowSettings
from weir.simulate.attacks import ATTACKS
from weir.simulate.run import simulate

CALM, ATTACKED = datetime(2024, 3, 5, 9, tzinfo=UTC), datetime(2024, 3, 5, 10, tzinfo=UTC)


def windows_of(capture: Path) -> pa.Table:
    """Window rows of one capture."""
    flows = build([capture], FlowSettings()).table
    hours = [schema.hour_of(start) for start in flows.column("start_us").to_pylist()]
    for name, texts in (("sensor_id", ["office"] * len(hours)), ("hour", hours), ("segment", [""] * len(hours))):
        flows = flows.append_column(name, pa.array(texts, pa.string()))
    return windows(flows, WindowSettings().seconds)


def attacked_windows(labels: Path) -> set[tuple[str, int]]:
    """Host and minute, in us, in which a flow starts that is labelled as an attack."""
    with labels.open() as lines:
        bad = [row for row in csv.DictReader(lines) if row["label"] != "benign"]
    return {
        (row["src_ip"], int(datetime.fromisoformat(row["first_seen"]).timestamp()) // 60 * 60 * schema.US_PER_S) for row in bad
    }


def standing_out(attacked: pa.Table, bad: set[tuple[str, int]], calm: pa.Table) -> Iterator[tuple[float, float, str]]:
    """For each column: share of calm windows at least as high as the attackers' highest, that value, the column."""
    names = zip(attacked.column("host").to_pylist(), attacked.column("start_us").to_pylist(), strict=True)
    theirs = np.array([name in bad for name in names])
    for name in schema.features("windows"):
        highest = float(attacked.column(name).to_numpy()[theirs].max())
        yield float((calm.column(name).to_numpy() >= highest).mean()), -highest, name


def main() -> None:
    """Print one line per attack."""
    with tempfile.TemporaryDirectory() as folder:
        made = simulate(Path(folder) / "calm", start=CALM, hours=3, seed=3, is_packed=True)
        calm = pa.concat_tables([windows_of(Path(capture)) for capture in made["captures"]])
        for attack in ATTACKS:
            out = Path(folder) / attack
            made = simulate(out, start=ATTACKED, hours=1, seed=11, attacks=[attack], is_packed=True)
            bad = attacked_windows(out / "labels.flows.csv")
            found = sorted(standing_out(windows_of(Path(made["captures"][0])), bad, calm))
            best = "; ".join(f"{name} {-highest:,.2f} ({share:.4f})" for share, highest, name in found[:3])
            print(f"{attack:<16} {best}", flush=True)


if __name__ == "__main__":
    main()
