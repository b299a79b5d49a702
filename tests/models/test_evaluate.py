from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from synthetic import artifact, table
from weir.errors import SchemaError
from weir.models.evaluate import POINTS, evaluate

STRANGE = 20


def labelled(strange: int = STRANGE, seed: int = 9) -> tuple[dict[str, pa.Table], dict[str, list[str]]]:
    tables = {name: table(name, 300, seed=seed + i, strange=strange) for i, name in enumerate(("flows", "windows"))}
    return tables, {name: [""] * (300 - strange) + ["scan"] * strange for name in tables}


def test_an_attack_the_model_sees_is_found_and_ranked_first() -> None:
    found = evaluate(artifact("pair"), *labelled(), budget_per_day=20)
    assert found["recall"] == 1.0
    assert found["kinds"]["scan"]["alerted"]
    assert found["kinds"]["scan"]["rank"] == 1
    assert found["kinds"]["scan"]["rows"] == 2 * STRANGE
    assert found["tables"]["windows"]["auc"] > 0.95


def test_the_confusion_matrix_adds_up_to_the_rows() -> None:
    flows = evaluate(artifact(), *labelled(), budget_per_day=20)["tables"]["flows"]
    assert sum(flows["confusion"].values()) == flows["rows"] == 300
    assert flows["confusion"]["true_positive"] + flows["confusion"]["false_negative"] == flows["attack_rows"] == STRANGE


def test_without_labels_of_attacks_recall_and_auc_are_not_available_rather_than_zero() -> None:
    found = evaluate(artifact(), *labelled(strange=0), budget_per_day=20)
    assert found["recall"] is None
    assert found["precision"] is None
    assert found["tables"]["flows"]["auc"] is None
    assert found["curves"]["flows"] is None
    assert found["alerts_per_day"] is not None


def test_attacks_alone_say_nothing_of_false_alerts() -> None:
    tables, labels = labelled()
    found = evaluate(artifact(), tables, {name: ["scan"] * 300 for name in labels}, budget_per_day=20)
    assert found["alerts_per_day"] is None
    assert found["tables"]["flows"]["false_positive_rate"] is None
    assert found["tables"]["flows"]["auc"] is None


def test_only_as_many_alerts_as_the_budget_allows_count() -> None:
    found = evaluate(artifact("pair"), *labelled(), budget_per_day=1)
    assert found["alerts"] <= 1
    generous = evaluate(artifact("pair"), *labelled(), budget_per_day=10_000)
    assert generous["over_budget"] == 0
    assert generous["alerts"] >= found["alerts"]


def test_false_alerts_are_counted_by_host_and_hour_on_hosts_without_attacks() -> None:
    tables, labels = labelled()
    found = evaluate(artifact("pair"), tables, labels, budget_per_day=10_000)
    assert found["alerts"] == found["false_alerts"] + len({"10.9.9.9"}) * _attacked_hours(tables)
    assert found["alerts_per_day"] == pytest.approx(found["false_alerts"] / found["hours"] * 24)


def _attacked_hours(tables: dict[str, pa.Table]) -> int:
    return len({hour for rows in tables.values() for hour in rows.column("hour").to_pylist()[-STRANGE:]})


def test_curves_rise_from_nothing_to_everything_in_few_points() -> None:
    roc = evaluate(artifact(), *labelled(), budget_per_day=20)["curves"]["flows"]["roc"]
    assert roc["true_positive_rate"][0] == 0
    assert roc["true_positive_rate"][-1] == 1
    assert len(roc["true_positive_rate"]) <= POINTS
    assert (np.diff(roc["false_positive_rate"]) >= 0).all()


def test_the_metrics_are_json() -> None:
    found = evaluate(artifact(), *labelled(), budget_per_day=20)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_labels_that_do_not_fit_the_rows_are_refused() -> None:
    tables, labels = labelled()
    with pytest.raises(SchemaError, match="labels for 300 rows"):
        evaluate(artifact(), tables, labels | {"flows": ["scan"]}, budget_per_day=20)
