"""How often drift is called where there is none, and how often it is found where there is some.

    python benchmarks/drift_alarms.py [windows per line]

Traffic is simulated: flow-like columns (heavy tails, many zeros, shares, small integers) whose rows
come in bursts that share a part of their value. ``docs/drift.md`` holds the figures.
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa

from weir.models.drift import drift
from weir.settings import DriftSettings

PIECES = 12
BURST_SHARE = 0.3  # of the variance is common to the rows of one burst
WINDOWS_PER_REFERENCE = 30


def traffic(rows: int, columns: int, seed: int, *, shift: float = 0.0, shifted: int = 0, burst: int = 50) -> pa.Table:
    """Rows in bursts; the first ``shifted`` columns moved by ``shift`` standard deviations of their logarithm."""
    rng = np.random.default_rng(seed)
    moment = np.repeat(np.arange(-(-rows // burst)), burst)[:rows]
    made = {}
    for number in range(columns):
        own, common = rng.standard_normal(rows), rng.standard_normal(moment[-1] + 1)[moment]
        z = np.sqrt(1 - BURST_SHARE) * own + np.sqrt(BURST_SHARE) * common + (shift if number < shifted else 0)
        shapes = (np.exp(1.5 * z), np.where(z > 0.3, np.exp(z), 0.0), 1 / (1 + np.exp(-z)), np.floor(np.exp(np.abs(z))))
        made[f"c{number}"] = shapes[number % len(shapes)]
    return pa.table(made)


def called(rows: int, columns: int, windows: int, *, shift: float = 0.0, shifted: int = 0, burst: int = 50) -> int:
    """How many of the windows are called a drift."""
    settings = DriftSettings(min_rows=rows, pieces=PIECES)
    count = 0
    for number in range(windows):
        if number % WINDOWS_PER_REFERENCE == 0:
            reference = traffic(rows * PIECES, columns, 50_000 + number, burst=burst)
        current = traffic(rows, columns, 90_000 + number, shift=shift, shifted=shifted, burst=burst)
        count += drift(reference, current, current.column_names, settings).verdict == "drift"
    return count


def main() -> None:
    """Print one line per size and kind of change."""
    windows = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    for rows in (1_000, 10_000):
        for columns in (80, 13):
            print(f"{rows:,} rows, {columns} columns:")
            print(f"  calm                  {called(rows, columns, windows)} of {windows}")
            print(f"  calm, bursts of 250   {called(rows, columns, windows, burst=250)} of {windows}")
            for shift, shifted in ((0.3, 5), (0.5, 5), (1.0, 5), (0.1, columns)):
                found = called(rows, columns, windows, shift=shift, shifted=shifted)
                print(f"  {shift} deviations in {shifted:<3} {found} of {windows}", flush=True)


if __name__ == "__main__":
    main()
