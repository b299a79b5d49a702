"""ECOD: how far in its tails each column lies (Li et al., 2022), with tails frozen at training."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from weir.models.detectors.base import Detector, Parts
from weir.models.graph import Graph, steps

KNOTS = 255  # distinct values kept per column: a tail is then known to 0.4 % of the rows


class Ecod(Detector):
    """Largest of three mean surprises: of all left tails, all right tails, and the tail each column's skew points to.

    A value's tails are those of the nearest value seen in training. The widespread implementation
    puts the scored rows among the training rows, so that a row's score depends on its batch; here the
    tails never change after training. Below the smallest and above the largest value seen the
    tail is 1 / (n + 1).
    """

    def fit(self, x: NDArray[np.float32], seed: int) -> Self:
        """Freeze the tails of each column; nothing here is random."""
        self._edges, self._tails = zip(*(_tails(column) for column in x.T), strict=True)
        centred = x - x.mean(axis=0, dtype=np.float64)
        self._left_tailed = (centred**3).sum(axis=0) < 0
        return self

    def to_onnx(self, graph: Graph, x: str) -> Parts:
        """Add the arithmetic to a graph."""
        tails = steps(graph, x, self._edges, self._tails)
        left = np.tile([1, 0], len(self._edges))
        skewed = np.where(np.repeat(self._left_tailed, 2), left, 1 - left)
        sums = [graph.row_sum(tails, (which / len(self._edges)).astype(np.float32)) for which in (left, 1 - left, skewed)]
        return Parts(graph.add("Max", *sums))


def _tails(column: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Edges between known values, shape (k,), and -ln of the left and right tail between them, shape (k + 1, 2)."""
    ordered = np.sort(column)
    known = np.unique(ordered)
    if len(known) > KNOTS:
        known = np.unique(ordered[np.linspace(0, len(ordered) - 1, KNOTS).round().astype(int)])
    between = (known[:-1] + known[1:]) / np.float32(2)
    edges = np.concatenate([[np.nextafter(known[0], np.float32(-np.inf))], between, known[-1:]]).astype(np.float32)
    n = len(ordered)
    left = np.searchsorted(ordered, known, side="right")
    right = n - np.searchsorted(ordered, known, side="left")
    share = (np.stack([np.r_[0, left, n], np.r_[n, right, 0]], axis=1) + 1.0) / (n + 1.0)
    return edges, -np.log(share).astype(np.float32)
