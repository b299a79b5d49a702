"""What every detector promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from weir.models.graph import INPUT, Graph, run, session


@dataclass(frozen=True)
class Parts:
    """What a detector adds to a graph, by name.

    ``score`` is float32, shape (n, 1). ``usual`` is what the detector would have expected in each
    column, given the others, encoded like its input, shape (n, d); None where it has no such idea.
    """

    score: str
    usual: str | None = None


class Detector(ABC):
    """Scores rows of an encoded matrix; a higher score is stranger, and nothing else is promised.

    The arithmetic is written once, as a graph. The threshold belongs to the artifact, not to the
    detector. Libraries with other signs or shapes are turned round inside their own file.
    """

    works_on_logs: ClassVar[bool] = False
    """True: it asks for logarithms as they are, not divided by their spread."""
    judges_apart: ClassVar[bool] = False
    """True: ``fit_apart`` can judge rows it learns from."""

    @abstractmethod
    def fit(self, x: NDArray[np.float32], seed: int) -> Self:
        """Learn from rows, float32, shape (n, d), finite; the same rows and seed give the same detector."""

    def fit_apart(self, x: NDArray[np.float32], group: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
        """Fit, and score each row by what the other groups taught, shape (n,); only where ``judges_apart``."""
        raise NotImplementedError

    @abstractmethod
    def to_onnx(self, graph: Graph, x: str) -> Parts:
        """Add the arithmetic to a graph; ``x`` names the encoded rows, float32, shape (n, d)."""

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of encoded rows, float32, shape (n,), by running the detector's own graph."""
        graph = Graph(x.shape[1])
        parts = self.to_onnx(graph, graph.cast(INPUT, np.float32))
        model = graph.bytes({"score": (parts.score, np.float32)})
        scores: NDArray[np.float32] = run(session(model), "score", x.astype(np.float64))[:, 0]
        return scores
