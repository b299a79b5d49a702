"""Robust z-score: how many spreads each column lies from its median."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from weir.models.detectors.base import Detector, Parts
from weir.models.graph import Graph

MAD_TO_SIGMA = 1.4826  # makes the MAD of a normal sample equal its standard deviation
FLAT = 1e-6  # a spread below this is none


class ZScore(Detector):
    """Mean over columns of ln(1 + z^2), with z from the median and the MAD.

    The logarithm keeps one wild column from owning the order of the strangest rows. Where more than
    half of a column's rows are equal the MAD is 0 and the standard deviation stands in; in a constant
    column, 1.
    """

    median: NDArray[np.float32]
    spread: NDArray[np.float32]

    def fit(self, x: NDArray[np.float32], seed: int) -> Self:
        """Learn each column's median and spread; nothing here is random."""
        self.median = np.median(x, axis=0).astype(np.float32)
        mad = np.median(np.abs(x - self.median), axis=0) * MAD_TO_SIGMA
        deviation = x.std(axis=0, dtype=np.float64)
        spread = np.where(mad > FLAT, mad, np.where(deviation > FLAT, deviation, 1.0))
        self.spread = spread.astype(np.float32)
        return self

    def to_onnx(self, graph: Graph, x: str) -> Parts:
        """Add the arithmetic to a graph."""
        z = graph.add("Div", graph.add("Sub", x, graph.constant(self.median)), graph.constant(self.spread))
        return Parts(graph.mean_log(graph.add("Mul", z, z), len(self.median)))
