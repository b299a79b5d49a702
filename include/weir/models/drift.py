"""Drift: has the traffic changed since the hours the model was made from?

Rows of one network are not independent, so the p-value of a two-sample test calls nearly every
hour a drift. Instead the reference is its own yardstick: it is cut into contiguous pieces, each is
compared with the rest of the reference, and the current rows have to differ from the reference by
far more than these calm pieces do. ``docs/drift.md`` says how often that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from weir.settings import DriftSettings

if TYPE_CHECKING:
    import pyarrow as pa

BINS = 20  # quantile bins of the reference
EDGE_ROWS = 100_000  # rows that the bins are chosen from; the counts use all rows
KS_NOISE = 0.26  # standard deviation of Kolmogorov's distribution: sqrt(pi**2 / 12 - pi / 2 * ln(2)**2)
Z_MOST = 37.0  # what the smallest p-value in float64 comes to

Verdict = Literal["drift", "no drift", "insufficient data"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class DriftVerdict:
    """What was found, and why.

    ``columns`` has one entry per column asked for: name, statistic (largest difference of the two
    distribution functions), z, drifted, the medians ``reference`` and ``current``, and ``words``,
    which is empty unless the column could not be judged; then the numbers are None.
    ``summary`` can be stored as JSON: verdict, words, drifted, judged, not_judged, needed,
    z_limit, reference_rows, current_rows, pieces, piece_rows.
    """

    verdict: Verdict
    columns: list[dict[str, Any]]
    summary: dict[str, Any]


@dataclass(frozen=True)
class _Pieces:
    """How both tables are cut: ``rows`` per piece, ``reference`` and ``current`` pieces."""

    rows: int
    reference: int
    current: int


def drift(reference: pa.Table, current: pa.Table, columns: Sequence[str], settings: DriftSettings) -> DriftVerdict:
    """Compare the current rows with the reference.

    Both are put in the order of ``start_us`` where they have it. A column drifts when its largest
    difference of distribution functions, taken over pieces of equal size, has a z above
    ``settings.z``; the traffic drifts when enough columns do.

    Parameters
    ----------
    reference : the validated rows of the hours a model was made from, none of the current ones
    current : the rows in question
    columns : numeric columns to judge

    Returns
    -------
    DriftVerdict. "no drift" is said only when every column could be judged; a table that is empty
    or too small, a reference too short to know its own calm, and a column that is missing or not
    finite make the verdict "insufficient data", unless enough other columns drift.
    """
    pieces = _cut(reference.num_rows, current.num_rows, settings)
    if isinstance(pieces, str):
        unjudged = [_unjudged(name, pieces) for name in columns]
        return _verdict(unjudged, (reference.num_rows, current.num_rows), _Pieces(0, 0, 0), settings, pieces)
    reference, current = _in_time(reference), _in_time(current)
    judged = [_judge(name, reference, current, pieces, settings.z) for name in columns]
    return _verdict(judged, (reference.num_rows, current.num_rows), pieces, settings, "")


def _cut(reference: int, current: int, settings: DriftSettings) -> _Pieces | str:
    """Pieces as large as the current rows, or smaller so that the reference has enough of them."""
    if current < settings.min_rows:
        return f"{current} current rows, fewer than drift.min_rows = {settings.min_rows}"
    needed = settings.min_rows * settings.pieces
    if reference < needed:
        return f"{reference} reference rows, fewer than drift.min_rows * drift.pieces = {needed}"
    rows = min(current, reference // settings.pieces)
    return _Pieces(rows, reference // rows, current // rows)


def _in_time(rows: pa.Table) -> pa.Table:
    return rows.sort_by("start_us") if "start_us" in rows.column_names else rows


def _judge(name: str, reference: pa.Table, current: pa.Table, pieces: _Pieces, z_limit: float) -> dict[str, Any]:
    values: list[Floats] = []
    for rows, which in ((reference, "reference"), (current, "current")):
        found = _numbers(rows, name, which)
        if isinstance(found, str):
            return _unjudged(name, found)
        values.append(found)
    statistic, z = _moved(values[0], values[1], pieces)
    medians = {"reference": float(np.median(values[0])), "current": float(np.median(values[1]))}
    return {"name": name, "statistic": statistic, "z": z, "drifted": z > z_limit, **medians, "words": ""}


def _numbers(rows: pa.Table, name: str, which: str) -> Floats | str:
    """The column as numbers, or why it cannot be judged."""
    import pyarrow as pa

    if name not in rows.column_names:
        return f"missing in the {which} rows"
    column = rows.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return f"no numbers in the {which} rows"
    values: Floats = column.to_numpy().astype(np.float64)
    odd = int((~np.isfinite(values)).sum())
    return f"{odd} of {len(values)} {which} rows are not finite" if odd else values


def _unjudged(name: str, words: str) -> dict[str, Any]:
    return {"name": name, "statistic": None, "z": None, "drifted": False, "reference": None, "current": None, "words": words}


def _moved(reference: Floats, current: Floats, pieces: _Pieces) -> tuple[float, float]:
    """The statistic of the current rows, and how far that is above the calm pieces' ones."""
    edges = _edges(reference)
    total = np.bincount(np.searchsorted(edges, reference), minlength=len(edges) + 1)
    calm_counts = _counts(reference, edges, pieces.rows, pieces.reference)
    calm = _distance(calm_counts, total - calm_counts)
    found = float(np.median(_distance(_counts(current, edges, pieces.rows, pieces.current), total)))
    return found, _z(found, calm, pieces.rows)


def _edges(reference: Floats) -> Floats:
    """Quantiles of the reference, equal ones merged, and one edge just below the lowest: what lies under it is new."""
    some = reference[:: max(1, len(reference) // EDGE_ROWS)]
    quantiles = np.unique(np.quantile(some, np.arange(1, BINS) / BINS, method="lower"))
    return np.concatenate([[np.nextafter(quantiles[0], -np.inf)], quantiles])


def _counts(values: Floats, edges: Floats, rows: int, pieces: int) -> Ints:
    """Rows of each piece in each bin, shape (pieces, bins); what is left over after the last piece is not counted."""
    bins = len(edges) + 1
    piece = np.repeat(np.arange(pieces), rows)
    place = np.searchsorted(edges, values[: pieces * rows])
    return np.bincount(piece * bins + place, minlength=pieces * bins).reshape(pieces, bins)


def _distance(counts: Ints, others: Ints) -> Floats:
    """Largest difference of the distribution functions of each row of ``counts`` and of ``others``."""

    def shares(of: Ints) -> Floats:
        below: Floats = of.cumsum(axis=-1) / of.sum(axis=-1, keepdims=True)
        return below

    far: Floats = np.abs(shares(counts) - shares(others)).max(axis=-1)
    return far


def _z(found: float, calm: Floats, rows: int) -> float:
    """How strange one more value is after the calm ones, as the normal deviate of equal probability.

    A few calm pieces know their own spread badly, hence Student's distribution for one further
    value. The spread is never taken below that of independent rows: a constant column has none.
    """
    from scipy.special import ndtri, stdtr  # type: ignore[import-untyped]

    spread = max(float(calm.std(ddof=1)), KS_NOISE / math.sqrt(rows))
    deviation = (found - float(calm.mean())) / (spread * math.sqrt(1 + 1 / len(calm)))
    tail = float(stdtr(len(calm) - 1, -deviation))
    return min(-float(ndtri(tail)), Z_MOST)


def _verdict(
    columns: list[dict[str, Any]], rows: tuple[int, int], pieces: _Pieces, settings: DriftSettings, why: str
) -> DriftVerdict:
    drifted = sorted((c for c in columns if c["drifted"]), key=lambda c: (-c["z"], c["name"]))
    unjudged = {c["name"]: c["words"] for c in columns if c["words"]}
    judged = len(columns) - len(unjudged)
    needed = min(judged, max(settings.columns_min, math.ceil(settings.columns_share * judged)))
    verdict: Verdict = "no drift"
    if judged and len(drifted) >= needed:
        verdict = "drift"
    elif unjudged or not judged:
        verdict = "insufficient data"
    summary = {
        "verdict": verdict,
        "words": why or _words(drifted, unjudged, judged, needed),
        "drifted": [c["name"] for c in drifted],
        "judged": judged,
        "not_judged": unjudged,
        "needed": needed,
        "z_limit": settings.z,
        "reference_rows": rows[0],
        "current_rows": rows[1],
        "pieces": pieces.reference,
        "piece_rows": pieces.rows,
    }
    return DriftVerdict(verdict, columns, summary)


def _words(drifted: list[dict[str, Any]], unjudged: dict[str, str], judged: int, needed: int) -> str:
    if not judged:
        return "no column could be judged"
    found = f"{len(drifted)} of {judged} judged columns moved more than calm traffic does; {needed} make a drift"
    most = ", ".join(f"{c['name']} (z {c['z']:.1f})" for c in drifted[:3])
    left = f"; {len(unjudged)} could not be judged" if unjudged else ""
    return found + (f"; most: {most}" if most else "") + left
