"""From scores to p-values, and from an alert budget to a threshold.

Scores of two detectors cannot be compared, so both are read against held-back rows that are normal,
later than the training rows and not among them. The unit an analyst counts is not the row but the
host and hour: a flood of equal rows is one alert, and cannot move the threshold either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from weir.models.graph import INPUT, Graph, run, session, steps

TAIL = 0.98  # above this share of the reference, surprise follows the mean excess, not the counts
KNOTS = 56  # of the piecewise-linear part of the surprise
MOST_STEPS = 1023  # of the p-value; more reference rows are thinned, always towards the larger p-value
LEAST_EXCESS = 1e-6


@dataclass(frozen=True)
class Surprise:
    """A score read against reference scores: 1 is a one-in-ten row, 2 about one in a hundred, without end.

    Up to the reference's 98 % quantile it is -log10 of the share of reference rows above, linear
    between ``KNOTS`` knots; beyond, it grows by log10(1 + excess / mean excess), so that rows
    stranger than all reference rows keep their order.
    """

    at: NDArray[np.float64]
    """scores at the knots, ascending, shape (k,)"""
    value: NDArray[np.float64]
    """surprise at the knots, shape (k,); below the first knot it is 0"""
    excess: float
    """mean excess of the reference above the last knot"""

    @classmethod
    def fit(cls, reference: NDArray[np.float32]) -> Self:
        """Learn from scores of reference rows, shape (n,), n >= 1."""
        scores = np.sort(reference.astype(np.float64))
        share = np.linspace(0, TAIL, KNOTS)
        at, first = np.unique(np.quantile(scores, share, method="higher"), return_index=True)
        if len(at) == 1:
            at, first = np.r_[at - 1, at], np.zeros(2, int)
        above = scores[scores > at[-1]] - at[-1]
        excess = above.mean() if len(above) else scores.std()
        return cls(at, -np.log10(1 - share[first]), float(max(excess, LEAST_EXCESS)))

    def of(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Surprise of scores, shape (n,), by running the graph."""
        graph = Graph(1)
        model = graph.bytes({"surprise": (self.to_onnx(graph, graph.cast(INPUT, np.float32)), np.float64)})
        surprise: NDArray[np.float64] = run(session(model), "surprise", scores.astype(np.float64)[:, None])[:, 0]
        return surprise

    def to_onnx(self, graph: Graph, score: str) -> str:
        """Add the arithmetic; ``score`` names float32 (n, 1); returns float64 (n, 1)."""
        s = graph.cast(score, np.float64)
        past = graph.add("Sub", s, graph.constant(self.at[None, :-1]))
        stretches = graph.add("Div", past, graph.constant(np.diff(self.at)[None, :]))
        done = graph.add("Clip", stretches, graph.constant(np.float64(0)), graph.constant(np.float64(1)))
        linear = graph.add("MatMul", done, graph.constant(np.diff(self.value)[:, None]))
        beyond = graph.add("Relu", graph.add("Sub", s, graph.constant(self.at[-1:])))
        grown = graph.log_plus_one(graph.add("Div", beyond, graph.constant(np.float64(self.excess))), 1, np.float64)
        tail = graph.add("Mul", graph.first_columns(grown, 1), graph.constant(np.float64(1 / math.log(10))))
        return graph.add("Add", linear, tail)


def p_value_onnx(graph: Graph, score: str, reference: NDArray[np.float32]) -> str:
    """Add the conformal p-value (1 + reference rows at least as strange) / (n + 1); float64, shape (n, 1).

    It is never 0: n reference rows cannot speak of anything rarer than 1 / (n + 1).
    """
    known = np.unique(reference)
    if len(known) > MOST_STEPS:
        known = known[np.linspace(0, len(known) - 1, MOST_STEPS).round().astype(int)]
    # Above known[i] lie these rows; a score between two kept values is given the larger count.
    above = len(reference) - np.searchsorted(np.sort(reference), known, side="right")
    count = np.r_[len(reference), above].astype(np.float32)
    rows = steps(graph, score, [known], [count[:, None]])
    total = graph.constant(np.float64(len(reference) + 1))
    return graph.add("Div", graph.add("Add", graph.cast(rows, np.float64), graph.constant(np.float64(1))), total)


@dataclass(frozen=True)
class Budget:
    """What the alert budget came to.

    ``promise`` is the number of alerts a day on normal traffic that the calibration supports, or
    None where it supports none; then ``threshold`` is the strictest it knows. ``expected`` is the best
    estimate either way. ``words`` says it in one sentence.
    """

    per_day: float
    expected: float
    promise: float | None
    n: int
    threshold: float
    words: str


def budget(maxima: NDArray[np.float64], hours: float, per_day: float) -> Budget:
    """Threshold that spends ``per_day`` alerts a day on traffic like the reference.

    Parameters
    ----------
    maxima : largest score of each (sensor, host, hour) of the reference, shape (n,), n >= 1
    hours : capture time the reference spans, summed over sensors, > 0

    Returns
    -------
    Budget; an alert is a host and hour with a score above ``threshold``

    Notes
    -----
    The threshold is the ceil((n + 1)(1 - q))-th smallest maximum, where q is the share of host-hours
    the budget allows. None exists when n < 1 / q - 1: then no promise is made, as any number would be
    a guess about hosts rarer than all that were seen.
    """
    n = len(maxima)
    ordered = np.sort(maxima)
    groups_per_day = n / hours * 24
    allowed = per_day / groups_per_day
    rank = math.ceil((n + 1) * (1 - allowed))
    if allowed >= 1:
        words = f"{n} host-hours in {hours:.1f} h stay within {per_day:.3g} alerts a day even if each one alerts"
        return Budget(per_day, groups_per_day, groups_per_day, n, float(ordered[0]), words)
    if rank > n:
        words = (
            f"no promise: {n} host-hours in {hours:.1f} h cannot tell which ones are rarer than {allowed:.2%}; at least "
            f"{math.ceil(1 / allowed) - 1} are needed for {per_day:.3g} alerts a day; only what is stranger than all alerts"
        )
        return Budget(per_day, groups_per_day / (n + 1), None, n, float(ordered[-1]), words)
    expected = groups_per_day * (n + 1 - rank) / (n + 1)
    words = f"{expected:.1f} of {per_day:.3g} alerts a day expected on normal traffic, from {n} host-hours in {hours:.1f} h"
    return Budget(per_day, expected, expected, n, float(ordered[rank - 1]), words)


def maxima(groups: Sequence[NDArray[np.object_]], scores: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Largest score of each group over several tables, in the groups' order.

    Parameters
    ----------
    groups : per table, the name of each row's (sensor, host, hour), shape (n,)
    scores : per table, shape (n,)
    """
    names, index = np.unique(np.concatenate([np.asarray(g, dtype=str) for g in groups]), return_inverse=True)
    largest = np.full(len(names), -np.inf)
    np.maximum.at(largest, index, np.concatenate(scores))
    return largest
