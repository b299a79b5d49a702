"""Scores: how strange each row is, by a model at rest. Numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.errors import SchemaError
from weir.models.artifact import Artifact

NAMED = ("start_us", "sensor_id", "hour")


def score(artifact: Artifact, table: str, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Score the rows of a table.

    Parameters
    ----------
    table : "flows" or "windows"
    columns : the table's columns by name, shape (n,) each; more than needed do no harm

    Returns
    -------
    the columns of ``schema.SCORES``, in order, shape (n,) each; row i is row i of the input. A row's
    score is the same alone and in any batch, to the last bit.

    Raises
    ------
    SchemaError
        names columns that are missing or hold what a model cannot read.
    """
    scorer = artifact.table(table)
    missing = [name for name in (schema.ROW_ID[table], schema.HOST[table], *NAMED) if name not in columns]
    if missing:
        raise SchemaError(f"{table}: columns {', '.join(missing)} are missing; give rows as they are stored")
    x = scorer.matrix(columns)
    strange, p_value = scorer.run(x)
    return {
        "table": _repeat(table, len(x)),
        "row_id": np.asarray(columns[schema.ROW_ID[table]]),
        "start_us": np.asarray(columns["start_us"]),
        "host": np.asarray(columns[schema.HOST[table]]),
        "score": strange,
        "p_value": p_value,
        "model_id": _repeat(artifact.model_id, len(x)),
        "sensor_id": np.asarray(columns["sensor_id"]),
        "hour": np.asarray(columns["hour"]),
    }


def anomalous(artifact: Artifact, table: str, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows alert: those above the artifact's threshold, shape (n,)."""
    above: NDArray[np.bool_] = scores > artifact.table(table).threshold
    return above


def _repeat(text: str, rows: int) -> NDArray[np.object_]:
    return np.full(rows, text, dtype=object)
