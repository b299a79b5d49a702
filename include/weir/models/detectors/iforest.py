"""Isolation forest: strange rows are cut off by few random splits (Liu, Ting and Zhou, 2008)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from weir.models.detectors.base import Detector, Parts
from weir.models.graph import Graph, Trees

TREES = 200
ROWS_PER_TREE = 256  # the paper's; more rows hide strange ones behind each other


def usual_depth(rows: float) -> float:
    """Mean depth of an unsuccessful search in a binary tree of ``rows`` rows, c(n) in the paper."""
    if rows <= 1:
        return 0.0
    if rows == 2:
        return 1.0
    return float(2 * (np.log(rows - 1) + np.euler_gamma) - 2 * (rows - 1) / rows)


class IsolationForest(Detector):
    """2^(-mean depth / c(rows per tree)), as scikit-learn gives it, negated so that higher is stranger.

    The whole forest is one TreeEnsemble node whose leaves hold depth + c(rows in the leaf). The usual
    converter writes thousands of nodes, which is two orders slower on a single row.
    """

    def __init__(self, trees: int = TREES) -> None:
        self.trees = trees

    def fit(self, x: NDArray[np.float32], seed: int) -> Self:
        """Grow the trees."""
        from sklearn.ensemble import IsolationForest as Forest

        self._forest = Forest(n_estimators=self.trees, max_samples=min(ROWS_PER_TREE, len(x)), random_state=seed).fit(x)
        return self

    def to_onnx(self, graph: Graph, x: str) -> Parts:
        """Add the arithmetic to a graph."""
        trees = Trees()
        for tree, columns in zip(self._forest.estimators_, self._forest.estimators_features_, strict=True):
            trees.begin()
            _copy(trees, tree.tree_, columns, 0, 0)
        depth = trees.add_to(graph, x, 1)
        per_depth = -1 / (len(self._forest.estimators_) * usual_depth(self._forest.max_samples_))
        exponent = graph.add("Mul", depth, graph.constant(np.float32(per_depth)))
        return Parts(graph.add("Pow", graph.constant(np.float32(2)), exponent))


def _copy(trees: Trees, source: Any, columns: NDArray[np.int64], node: int, depth: int) -> int:
    left, right = int(source.children_left[node]), int(source.children_right[node])
    if left < 0:
        return trees.leaf({0: depth + usual_depth(int(source.n_node_samples[node]))})
    copy = trees.branch(int(columns[source.feature[node]]), _down(source.threshold[node]))
    first = _copy(trees, source, columns, left, depth + 1)
    trees.link(copy, first, _copy(trees, source, columns, right, depth + 1))
    return copy


def _down(threshold: float) -> float:
    """The largest float32 not above the threshold, so that ``<=`` keeps its answer for float32 rows."""
    near = np.float32(threshold)
    return float(np.nextafter(near, np.float32(-np.inf)) if near > threshold else near)
