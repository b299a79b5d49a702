"""Records: a row is strange when a column is larger than it ever was before."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from weir.models.detectors.base import Detector, Parts
from weir.models.graph import Graph

REST = 0.05  # of what the other columns exceed counts too, so that every one of them can be named as a reason
WITHOUT = 1  # the strongest group of each column is left out, so that one scan among the training rows does not hide the next


class Record(Detector):
    """The largest excess of any column over its record, and a little of what the other columns exceed theirs by.

    On logarithms that are not scaled, a score of ln(10) says "ten times as much as was ever seen".
    A record is the second-highest maximum of the groups seen at training (one group is one host in
    one hour). Only one side counts: a host that does less is not strange here. One column is
    enough, which is how scans, floods, tunnels and brute force stand out, and a network with other
    habits in many columns does not by that alone.
    """

    works_on_logs = True
    judges_apart = True
    record: NDArray[np.float32]

    def fit(self, x: NDArray[np.float32], seed: int) -> Self:
        """Learn the records, each row being a group; nothing here is random."""
        self.fit_apart(x, np.arange(len(x)), seed)
        return self

    def fit_apart(self, x: NDArray[np.float32], group: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
        """Learn the records, and score each row by the records of the other groups.

        So rows can be calibrated on that are also learned from: no group is judged by itself.
        """
        most = np.full((int(group.max()) + 1, x.shape[1]), -np.inf, np.float32)
        np.maximum.at(most, group, x)
        ordered = np.sort(most, axis=0)
        place = max(len(ordered) - 1 - WITHOUT, 0)
        self.record = ordered[place]
        without_own = ordered[max(place - 1, 0)]
        bar = np.where(most >= self.record, without_own, self.record)
        excess = x - bar[group]
        apart: NDArray[np.float32] = excess.max(axis=1) + np.float32(REST) * np.maximum(excess, 0).sum(axis=1)
        return apart

    def to_onnx(self, graph: Graph, x: str) -> Parts:
        """Add the arithmetic to a graph."""
        excess = graph.add("Sub", x, graph.constant(self.record))
        most = graph.add("ReduceMax", excess, graph.constant(np.array([1])), keepdims=1)
        rest = graph.row_sum(graph.add("Relu", excess), np.full(len(self.record), REST, np.float32))
        return Parts(graph.add("Add", most, rest))
