from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from synthetic import BUDGET, columns, table, trained
from weir.errors import ArtifactError, SchemaError
from weir.models.artifact import opened
from weir.models.detectors.members import DETECTORS
from weir.models.train import choose, train
from weir.settings import AlertSettings, TrainSettings

QUICK = TrainSettings(flows_detector="zscore", windows_detector="zscore")


def tables(flows: int = 400, windows: int = 300) -> dict[str, pa.Table]:
    return {"flows": table("flows", flows, seed=1), "windows": table("windows", windows, seed=2)}


def replaced(rows: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    return rows.set_column(
        rows.column_names.index(name), rows.schema.field(name), pa.array(values).cast(rows.schema.field(name).type)
    )


def test_the_same_rows_seed_and_version_give_the_same_bytes() -> None:
    assert train(tables(), QUICK, AlertSettings(), "v1").files == train(tables(), QUICK, AlertSettings(), "v1").files


def test_the_order_of_the_rows_does_not_matter() -> None:
    given = tables()
    shuffled = {name: rows.take(np.random.default_rng(0).permutation(len(rows))) for name, rows in given.items()}
    assert train(shuffled, QUICK, AlertSettings(), "v1").model_id == train(given, QUICK, AlertSettings(), "v1").model_id


def test_another_version_of_the_data_is_another_model() -> None:
    assert train(tables(), QUICK, AlertSettings(), "v1").model_id != train(tables(), QUICK, AlertSettings(), "v2").model_id


def test_rows_held_back_are_later_than_all_rows_fitted_on() -> None:
    facts = trained().manifest["tables"]
    for name in ("flows", "windows"):
        assert facts[name]["fitted"]["last_us"] < facts["flows"]["held_back"]["first_us"]
        assert facts[name]["fitted"]["last_us"] < facts["windows"]["held_back"]["first_us"]


def test_identifiers_and_lineage_never_enter_a_model() -> None:
    learned = set(trained().manifest["tables"]["flows"]["features"])
    assert not learned & {"src_ip", "dst_ip", "src_port", "dst_port", "start_us", "flow_id", "segment", "sensor_id"}


def test_a_model_finds_strange_rows_and_leaves_normal_ones_alone() -> None:
    rows = table("windows", 300, seed=9, strange=20)
    scorer = opened(trained("pair").files, "model").table("windows")
    scores, p_values = scorer.run(scorer.matrix(columns(rows)))
    assert (scores[-20:] > scorer.threshold).mean() > 0.9
    assert (scores[:-20] > scorer.threshold).mean() < 0.02
    assert p_values[-20:].max() < 0.01


def test_the_manifest_says_what_the_budget_came_to() -> None:
    budget = trained().manifest["budget"]
    assert budget["per_day"] == BUDGET
    assert budget["promise"] <= budget["per_day"]
    assert "alerts a day" in budget["words"]


@pytest.mark.parametrize("rows", [1, 60])
def test_too_few_rows_are_refused_by_the_rules_name(rows: int) -> None:
    with pytest.raises(ArtifactError, match="too few rows"):
        train(tables(flows=rows), QUICK, AlertSettings(), "v1")


def test_no_rows_at_all_are_refused() -> None:
    with pytest.raises(ArtifactError, match="no rows"):
        train(tables() | {"windows": table("windows", 5, seed=1).slice(0, 0)}, QUICK, AlertSettings(), "v1")


def test_rows_that_are_all_equal_are_refused() -> None:
    flows = table("flows", 300, seed=1)
    same = flows.take(np.zeros(300, int))
    for name in ("start_us", "flow_id"):
        same = replaced(same, name, flows.column(name).to_numpy())
    with pytest.raises(ArtifactError, match="all rows equal"):
        train(tables() | {"flows": same}, QUICK, AlertSettings(), "v1")


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_column(wild: float) -> None:
    flows = table("flows", 300, seed=1)
    values = flows.column("payload_mean").to_numpy().copy()
    values[7] = wild
    with pytest.raises(SchemaError, match="payload_mean"):
        train(tables() | {"flows": replaced(flows, "payload_mean", values)}, QUICK, AlertSettings(), "v1")


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaError, match="duration_us"):
        train(tables() | {"flows": table("flows", 300, seed=1).drop_columns(["duration_us"])}, QUICK, AlertSettings(), "v1")


def test_more_rows_than_the_limit_are_sampled_down_alike_each_time() -> None:
    few = dataclasses.replace(QUICK, rows_max=1000, calibrate_share=0.1)
    first, second = (train(tables(flows=2000, windows=900), few, AlertSettings(), "v1") for _ in range(2))
    assert first.manifest["tables"]["flows"]["fitted"]["rows"] == 1000
    assert first.model_id == second.model_id


def test_a_detector_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ArtifactError, match="zscore"):
        train(tables(), dataclasses.replace(QUICK, flows_detector="magic"), AlertSettings(), "v1")


@pytest.mark.parametrize("table_name", ["flows", "windows"])
def test_auto_chooses_a_detector_there_is(table_name: str) -> None:
    for rows in (60, 100_000):
        assert choose(table_name, rows, TrainSettings()) in DETECTORS


def test_each_table_spends_its_own_part_of_the_budget() -> None:
    manifest = trained().manifest
    flows, windows = (manifest["tables"][name]["budget"] for name in ("flows", "windows"))
    assert flows["per_day"] == BUDGET / 2
    assert windows["per_day"] == BUDGET - flows["expected"]  # what flows cannot spend is not lost
    assert manifest["budget"]["expected"] == flows["expected"] + windows["expected"] <= BUDGET


def test_an_odd_flow_in_the_reference_does_not_silence_the_windows() -> None:
    given = tables()
    flows = given["flows"]
    values = flows.column("payload_max").to_numpy().copy()
    values[-1] = 10**15
    loud = train(given | {"flows": replaced(flows, "payload_max", values)}, QUICK, AlertSettings(), "v1")
    quiet = train(given, QUICK, AlertSettings(), "v1")
    limit = [model.manifest["tables"]["windows"]["threshold"] for model in (loud, quiet)]
    assert limit[0] == limit[1]


def test_one_table_that_cannot_promise_leaves_the_model_without_a_promise() -> None:
    few = train(tables(), QUICK, AlertSettings(budget_per_day=1), "v1")
    assert few.manifest["budget"]["promise"] is None
    assert "no promise" in few.manifest["budget"]["words"]


def test_a_detector_that_judges_rows_apart_is_calibrated_on_all_of_them() -> None:
    facts = train(tables(), dataclasses.replace(QUICK, windows_detector="record"), AlertSettings(), "v1").manifest["tables"]
    assert facts["windows"]["held_back"] == facts["windows"]["fitted"]
    assert facts["flows"]["held_back"]["first_us"] > facts["flows"]["fitted"]["last_us"]
