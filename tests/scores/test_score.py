from __future__ import annotations

import numpy as np
import pytest

from synthetic import artifact, columns, table
from weir import schema
from weir.errors import SchemaError
from weir.scores.score import anomalous, score


@pytest.mark.parametrize("name", ["flows", "windows"])
def test_scores_have_the_columns_of_the_schema_row_by_row(name: str) -> None:
    rows = columns(table(name, 50, seed=5))
    scored = score(artifact(), name, rows)
    assert list(scored) == [column.name for column in schema.SCORES]
    np.testing.assert_array_equal(scored["row_id"], rows[schema.ROW_ID[name]])
    np.testing.assert_array_equal(scored["host"], rows[schema.HOST[name]])
    assert set(scored["model_id"]) == {artifact().model_id}
    assert set(scored["table"]) == {name}


def test_a_row_alone_scores_as_in_the_batch() -> None:
    rows = columns(table("flows", 30, seed=5))
    batch = score(artifact("pair"), "flows", rows)
    for i in range(30):
        alone = score(artifact("pair"), "flows", {name: column[i : i + 1] for name, column in rows.items()})
        assert (alone["score"][0], alone["p_value"][0]) == (batch["score"][i], batch["p_value"][i])


def test_no_rows_give_no_scores() -> None:
    scored = score(artifact(), "flows", columns(table("flows", 3, seed=5).slice(0, 0)))
    assert {len(column) for column in scored.values()} == {0}


def test_a_row_alerts_when_its_score_is_above_the_artifacts_threshold() -> None:
    threshold = artifact().table("flows").threshold
    np.testing.assert_array_equal(anomalous(artifact(), "flows", np.array([threshold, threshold + 1e-9])), [False, True])


@pytest.mark.parametrize("name", ["src_ip", "flow_id", "sensor_id", "payload_mean"])
def test_a_missing_column_is_named(name: str) -> None:
    rows = columns(table("flows", 3, seed=5))
    del rows[name]
    with pytest.raises(SchemaError, match=name):
        score(artifact(), "flows", rows)


def test_a_table_that_is_not_scored_is_refused_with_those_that_are() -> None:
    with pytest.raises(SchemaError, match="flows and windows"):
        score(artifact(), "packets", {})
