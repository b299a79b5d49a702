"""From a table's numbers to what detectors learn from, and back; the arithmetic travels inside the model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.models.graph import INPUT, Graph, run, session

CODES = ("protocol", "ip_version", "icmp_type", "icmp_code")  # numbers that are names: 17 is not "more" than 6
FLAT = 1e-12  # a standard deviation below this is none
LIMIT = 1000.0  # standard deviations; keeps every encoded value finite in float32
PERCENT = 100.0  # shares are taken in percent, as ln(1 + share) would hardly move
FEW = {"flows": 5, "hosts": 5, "ports": 5, "packets": 50, "B": 500, "%": 2}
"""Amounts a host may reach in a minute without anybody asking why; the first ping of a day is no record."""
UNSEEN = 0.5  # rows that a code absent from training is taken to have had: rarer than all


_COLUMNS = {column.name: column for table in ("flows", "windows") for column in schema.TABLES[table]}


@dataclass(frozen=True)
class Encoder:
    """What an encoder knows of each column; all arrays have shape (d,), float64, in the column's own unit unless said.

    Numbers become (sign(v) ln(1 + |v|) - mean) / sd, clipped; the logarithm is the measured choice
    for heavy-tailed counts and times, and float64 keeps small rates exact. Columns bounded by 0 and
    1 count in percent. A code becomes -log10 of its share among the training rows.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    """of the logarithms"""
    sd: NDArray[np.float64]
    """of the logarithms; 1 where the column is constant"""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    usual: NDArray[np.float64]
    """median; for a code the most frequent one"""
    rarity: dict[int, dict[int, float]]
    """column number of a code -> code -> -log10 of its share"""
    rows: int
    scale: NDArray[np.float64]
    """what the column is multiplied by before the logarithm"""
    least: NDArray[np.float64] | None = None
    """logarithms below this count as this; None: as they are"""

    @classmethod
    def fit(cls, names: tuple[str, ...], x: NDArray[np.float64], codes: Collection[str] = CODES) -> Self:
        """Learn from training rows alone, float64, shape (n, d), finite; ``codes`` says which columns are names."""
        scale = np.array([PERCENT if _is_share(name) else 1.0 for name in names])
        logs = _log(x * scale)
        sd = logs.std(axis=0)
        rarity, usual = {}, np.median(x, axis=0)
        for column in (number for number, name in enumerate(names) if name in codes):
            seen, count = np.unique(x[:, column].astype(np.int64), return_counts=True)
            rarity[column] = dict(zip(seen.tolist(), (-np.log10(count / len(x))).tolist(), strict=True))
            usual[column] = seen[count.argmax()]
        spread = np.where(sd > FLAT, sd, 1.0)
        return cls(names, logs.mean(axis=0), spread, x.min(axis=0), x.max(axis=0), usual, rarity, len(x), scale)

    def unscaled(self) -> Encoder:
        """The same encoder, giving the logarithms as they are, but not below what a few come to."""
        few = np.array([np.log1p(FEW[_unit(name)]) if _unit(name) in FEW else -LIMIT for name in self.names])
        return replace(self, mean=np.zeros_like(self.mean), sd=np.ones_like(self.sd), least=few)

    def to_onnx(self, graph: Graph) -> str:
        """Add the encoding of the graph's input; returns the encoded rows, float32, shape (n, d)."""
        d = len(self.names)
        amount = graph.add("Mul", graph.add("Abs", INPUT), graph.constant(self.scale))
        size = graph.first_columns(graph.log_plus_one(amount, d, np.float64), d)
        logs = graph.add("Mul", graph.add("Sign", INPUT), size)
        if self.least is not None:
            logs = graph.add("Max", logs, graph.constant(self.least))
        z = graph.add("Div", graph.add("Sub", logs, graph.constant(self.mean)), graph.constant(self.sd))
        z = graph.cast(graph.add("Clip", z, graph.constant(np.float64(-LIMIT)), graph.constant(np.float64(LIMIT))), np.float32)
        if not self.rarity:
            return z
        parts = [self._code_onnx(graph, column) for column in self.rarity]
        order = np.arange(d)
        order[list(self.rarity)] = d + np.arange(len(parts))
        return graph.add("Gather", graph.add("Concat", z, *parts, axis=1), graph.constant(order), axis=1)

    def _code_onnx(self, graph: Graph, column: int) -> str:
        code = graph.cast(graph.add("Gather", INPUT, graph.constant(np.array([column])), axis=1), np.int64)
        return graph.add(
            "LabelEncoder",
            code,
            domain="ai.onnx.ml",
            keys_int64s=list(self.rarity[column]),
            values_floats=list(self.rarity[column].values()),
            default_float=float(-np.log10(UNSEEN / self.rows)),
        )

    def decode_onnx(self, graph: Graph, z: str | None) -> str:
        """Add the way back; returns values in the columns' own units, float64, shape (n, d), within what training saw.

        Columns of codes, and all columns where ``z`` is None, give the usual value.
        """
        usual = graph.add("Expand", graph.constant(self.usual[None, :]), graph.add("Shape", INPUT))
        if z is None:
            return usual
        logs = graph.cast(z, np.float64)
        logs = graph.add("Add", graph.add("Mul", logs, graph.constant(self.sd)), graph.constant(self.mean))
        low, high = graph.constant(_log(self.low * self.scale)), graph.constant(_log(self.high * self.scale))
        logs = graph.add("Max", graph.add("Min", logs, high), low)
        size = graph.add("Sub", graph.add("Exp", graph.add("Abs", logs)), graph.constant(np.float64(1)))
        value = graph.add("Div", graph.add("Mul", graph.add("Sign", logs), size), graph.constant(self.scale))
        is_code = np.isin(np.arange(len(self.names)), list(self.rarity))
        return graph.add("Where", graph.constant(is_code), usual, value)

    def encode(self, x: NDArray[np.float64]) -> NDArray[np.float32]:
        """Encoded rows, float32, shape (n, d), by running the graph."""
        graph = Graph(len(self.names))
        model = graph.bytes({"encoded": (self.to_onnx(graph), np.float32)})
        rows: NDArray[np.float32] = run(session(model), "encoded", x)
        return rows


def _is_share(name: str) -> bool:
    column = _COLUMNS.get(name)
    return column is not None and column.dtype == "float64" and column.low == 0 and column.high == 1


def _unit(name: str) -> str:
    return "%" if _is_share(name) else _COLUMNS[name].unit if name in _COLUMNS else ""


def _log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(x) * np.log1p(np.abs(x))
