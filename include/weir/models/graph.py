"""Writing ONNX graphs, piece by piece.

Every arithmetic a model needs at scoring time is written once, as graph nodes; there is no twin of
it in Python that could drift away. Three rules keep a row's score the same alone and in a batch, to
the last bit: sums over columns are matrix products (``ReduceMean`` adds in an order that depends on
where the row lies in memory); logarithms are taken of rows padded to whole vector registers (what is
left over at the end of an array goes another way, which rounds otherwise); and sessions run on one
thread (a forest on two threads adds its trees in another order). Scaling past one core is for
processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

LANES = 16  # float32 values in the widest vector register in use (AVX-512); float64 takes half
OPSET = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 9
INPUT = "numbers"
ROWS_PER_RUN = 16_384


def padded(columns: int) -> int:
    """The next multiple of ``LANES``."""
    return -(-columns // LANES) * LANES


class Graph:
    """An ONNX graph in the making; its input is ``numbers``, float64, shape (n, columns)."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """A constant of the graph; returns its name."""
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One more node; returns the name of its only output."""
        from onnx import helper

        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def cast(self, value: str, dtype: type[np.generic]) -> str:
        """The same values in another dtype."""
        from onnx import helper

        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def row_sum(self, value: str, weights: NDArray[np.float32]) -> str:
        """Weighted sum over columns, float32, shape (n, 1)."""
        return self.add("MatMul", value, self.constant(weights.astype(np.float32)[:, None]))

    def log_plus_one(self, value: str, columns: int, dtype: type[np.floating[Any]]) -> str:
        """ln(1 + value), shape (n, padded(columns)); the padding is 0."""
        wide = self.add("Pad", value, self.constant(np.array([0, 0, 0, padded(columns) - columns])))
        return self.add("Log", self.add("Add", wide, self.constant(dtype(1))))

    def first_columns(self, value: str, columns: int) -> str:
        """The value without its padding, shape (n, columns)."""
        return self.add("Gather", value, self.constant(np.arange(columns)), axis=1)

    def mean_log(self, ratio: str, columns: int) -> str:
        """Mean over columns of ln(1 + ratio), float32, shape (n, 1)."""
        weights = np.where(np.arange(padded(columns)) < columns, 1 / columns, 0.0)
        return self.row_sum(self.log_plus_one(ratio, columns, np.float32), weights.astype(np.float32))

    def bytes(self, outputs: dict[str, tuple[str, type[np.generic]]]) -> bytes:
        """The finished model; the same nodes give the same bytes.

        Parameters
        ----------
        outputs : name of the output -> (name of the node's value, its dtype)
        """
        from onnx import checker, helper

        for name, (value, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        kind: dict[type[np.generic], int] = {
            dtype: helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) for dtype in (np.float32, np.float64)
        }
        graph = helper.make_graph(
            self._nodes,
            "weir",
            [helper.make_tensor_value_info(INPUT, kind[np.float64], [None, self.columns])],
            [helper.make_tensor_value_info(name, kind[dtype], [None, None]) for name, (_, dtype) in outputs.items()],
            self._constants,
        )
        opset = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="weir")
        checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def steps(graph: Graph, x: str, thresholds: Sequence[NDArray[np.float32]], values: Sequence[NDArray[np.float32]]) -> str:
    """Step functions of single columns, as one node of balanced trees.

    Parameters
    ----------
    x : float32, shape (n, len(thresholds))
    thresholds : per column, ascending, shape (k,)
    values : per column, shape (k + 1, m); row i holds where thresholds[i - 1] < x <= thresholds[i]

    Returns
    -------
    name of a float32 value, shape (n, m * columns); column j's values lie at j * m ... j * m + m - 1
    """
    trees = Trees()
    for column, (edges, levels) in enumerate(zip(thresholds, values, strict=True)):
        trees.begin()
        _balance(trees, column, edges, levels, 0, len(edges))
    return trees.add_to(graph, x, sum(level.shape[1] for level in values))


def _balance(trees: Trees, column: int, edges: NDArray[np.float32], levels: NDArray[np.float32], first: int, last: int) -> int:
    if first == last:
        width = levels.shape[1]
        return trees.leaf({column * width + m: float(v) for m, v in enumerate(levels[first]) if v})
    middle = (first + last) // 2
    node = trees.branch(column, float(edges[middle]))
    left = _balance(trees, column, edges, levels, first, middle)
    trees.link(node, left, _balance(trees, column, edges, levels, middle + 1, last))
    return node


class Trees:
    """Regression trees that become one TreeEnsembleRegressor node, whose output is the sum of all leaves reached."""

    def __init__(self) -> None:
        self._tree = -1
        self._next = 0
        self._nodes: list[list[Any]] = []  # tree, node, column, mode, threshold, left, right
        self._leaves: list[tuple[int, int, int, float]] = []  # tree, node, target, weight

    def begin(self) -> None:
        """Start another tree; its first node is the root."""
        self._tree += 1
        self._next = 0

    def branch(self, column: int, threshold: float) -> int:
        """A node that sends rows with x[column] <= threshold to the left; link its children later."""
        return self._node(column, "BRANCH_LEQ", threshold)

    def leaf(self, weights: dict[int, float]) -> int:
        """An end with a weight for each target."""
        node = self._node(0, "LEAF", 0.0)
        self._leaves += [(self._tree, node, target, weight) for target, weight in (weights or {0: 0.0}).items()]
        return node

    def link(self, node: int, left: int, right: int) -> None:
        """Tell a branch of the current tree its children."""
        self._nodes[node - self._next][5:7] = left, right

    def _node(self, column: int, mode: str, threshold: float) -> int:
        self._nodes.append([self._tree, self._next, column, mode, threshold, 0, 0])
        self._next += 1
        return self._next - 1

    def add_to(self, graph: Graph, x: str, targets: int) -> str:
        """The node; returns its output, float32, shape (n, targets)."""
        tree, node, column, mode, threshold, left, right = (list(part) for part in zip(*self._nodes, strict=True))
        leaf_tree, leaf_node, target, weight = (list(part) for part in zip(*self._leaves, strict=True))
        return graph.add(
            "TreeEnsembleRegressor",
            x,
            domain="ai.onnx.ml",
            n_targets=targets,
            aggregate_function="SUM",
            post_transform="NONE",
            nodes_treeids=tree,
            nodes_nodeids=node,
            nodes_featureids=column,
            nodes_modes=mode,
            nodes_values=threshold,
            nodes_truenodeids=left,
            nodes_falsenodeids=right,
            target_treeids=leaf_tree,
            target_nodeids=leaf_node,
            target_ids=target,
            target_weights=weight,
        )


def session(model: bytes) -> onnxruntime.InferenceSession:
    """A session that gives a row the same score alone and in a batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors are raised; its warnings would break the log's one-line form
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(model: onnxruntime.InferenceSession, output: str, x: NDArray[np.float64]) -> NDArray[Any]:
    """One output for all rows, some thousand at a time, so that memory stays flat; a row's value does not depend on it."""
    parts = [model.run([output], {INPUT: x[first : first + ROWS_PER_RUN]})[0] for first in range(0, max(len(x), 1), ROWS_PER_RUN)]
    return np.concatenate(parts)
