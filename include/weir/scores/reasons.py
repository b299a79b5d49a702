"""Reasons: which columns made a row strange, what was seen there and what is usual.

Leave-one-out: a column is put to its median at training, the model says what it would have expected
there given the row's other columns, that value is put in, and the fall of the score is the column's
part. A detector without such an expectation answers with the median, so the same lines are
then occlusion by the median. It takes 2 d + 1 scores a row, so it is for alerts only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.models.artifact import Artifact, Scorer

TOP = 5
LEAST_SHARE = 0.01  # a column below this explains nothing
SAME_FALL = 1e-3  # columns whose falls differ by less, relative, and that agree in value, say the same thing


def reasons(artifact: Artifact, table: str, columns: Mapping[str, NDArray[Any]], top: int = TOP) -> list[list[dict[str, Any]]]:
    """The ``top`` reasons of each row, the strongest first.

    Parameters
    ----------
    table : "flows" or "windows"
    columns : the table's columns by name, shape (n,) each

    Returns
    -------
    per row a list of ``feature``, ``meaning``, ``unit``, ``value``, ``usual`` (both in that unit),
    ``share`` of the fall of the score, in 0 to 1, and ``twins``: features that say the same in this
    row. Empty where no single column makes the row less strange.
    """
    scorer = artifact.table(table)
    x = scorer.matrix(columns)
    known = {column.name: column for column in schema.TABLES[table]}
    return [_of_row(scorer, row, known, top) for row in x]


def _of_row(scorer: Scorer, row: NDArray[np.float64], known: Mapping[str, schema.Column], top: int) -> list[dict[str, Any]]:
    usual, fall = leave_one_out(scorer, row)
    total = fall.sum()
    found: list[dict[str, Any]] = []
    for j in np.argsort(-fall, kind="stable"):
        if total <= 0 or fall[j] / total < LEAST_SHARE:
            break
        twin = next((reason for reason in found if _is_twin(reason, row[j], usual[j], fall[j] / total)), None)
        if twin:
            twin["twins"].append(scorer.features[j])
        elif len(found) < top:
            column = known[scorer.features[j]]
            found.append(
                {
                    "feature": column.name,
                    "meaning": column.meaning,
                    "unit": column.unit,
                    "value": float(row[j]),
                    "usual": float(usual[j]),
                    "share": float(fall[j] / total),
                    "twins": [],
                }
            )
    return found


def leave_one_out(scorer: Scorer, row: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each column's expected value, in its own unit, and how far the score falls with it; shape (d,) each, never below 0."""
    d = len(row)
    blanked = np.tile(row, (d, 1))
    np.fill_diagonal(blanked, scorer.usual)
    expected = np.diagonal(scorer.expected(blanked)).copy()
    np.fill_diagonal(blanked, expected)
    scores, _ = scorer.run(np.vstack([row, blanked]))
    return expected, np.maximum(scores[0] - scores[1:], 0)


def _is_twin(reason: dict[str, Any], value: float, usual: float, share: float) -> bool:
    return bool(
        reason["value"] == value
        and np.isclose(reason["usual"], usual, rtol=SAME_FALL)
        and np.isclose(reason["share"], share, rtol=SAME_FALL)
    )
