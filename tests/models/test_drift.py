"""Drift verdicts on simulated bursty traffic, and on everything that is no traffic at all."""

import numpy as np
import pyarrow as pa
import pytest

from weir.models.drift import DriftVerdict, drift
from weir.settings import DriftSettings

SETTINGS = DriftSettings(min_rows=1_000, pieces=12, z=4.0, columns_min=2, columns_share=0.03)
COLUMNS = [f"c{number}" for number in range(8)]
BURST = 50  # rows that share a part of their value, as the flows of one busy moment do


def traffic(rows: int, seed: int, shift: float = 0.0, shifted: int = 0) -> pa.Table:
    """Flow-like columns (heavy tails, zeros, shares, small integers) in bursts; the first ``shifted`` moved."""
    rng = np.random.default_rng(seed)
    columns = {}
    for number, name in enumerate(COLUMNS):
        burst = np.repeat(rng.standard_normal(-(-rows // BURST)), BURST)[:rows]
        z = 0.84 * rng.standard_normal(rows) + 0.55 * burst + (shift if number < shifted else 0)
        columns[name] = (np.exp(1.5 * z), np.where(z > 0.3, np.exp(z), 0.0), 1 / (1 + np.exp(-z)), np.floor(np.exp(np.abs(z))))[
            number % 4
        ]
    return pa.table({"start_us": np.arange(rows), **columns})


REFERENCE = traffic(12_000, seed=0)


def judge(current: pa.Table, reference: pa.Table = REFERENCE, columns: list[str] = COLUMNS) -> DriftVerdict:
    return drift(reference, current, columns, SETTINGS)


def replaced(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def test_calm_windows_are_no_drift():
    assert [judge(traffic(1_000, seed)).verdict for seed in range(100, 120)] == ["no drift"] * 20


def test_a_shift_of_one_deviation_in_three_columns_is_a_drift_every_time():
    found = [judge(traffic(1_000, seed, shift=1.0, shifted=3)) for seed in range(200, 210)]
    assert {verdict.verdict for verdict in found} == {"drift"}
    assert all(set(verdict.summary["drifted"]) >= {"c0", "c2"} for verdict in found)


def test_one_column_alone_is_named_but_makes_no_drift():
    verdict = judge(traffic(1_000, 300, shift=2.0, shifted=1))
    assert (verdict.verdict, verdict.summary["drifted"]) == ("no drift", ["c0"])


def test_a_larger_window_is_judged_by_pieces_of_the_calm_size():
    verdict = judge(traffic(5_000, 301, shift=1.0, shifted=3))
    assert verdict.verdict == "drift"
    assert (verdict.summary["pieces"], verdict.summary["piece_rows"]) == (12, 1_000)


def test_the_order_of_the_rows_does_not_matter_when_they_have_a_time():
    current = traffic(1_000, 302)
    mixed = REFERENCE.take(pa.array(np.random.default_rng(1).permutation(REFERENCE.num_rows)))
    assert judge(current, mixed) == judge(current)


def test_the_share_of_columns_rules_where_there_are_many():
    settings = DriftSettings(min_rows=1_000, columns_min=2, columns_share=0.5)
    assert drift(REFERENCE, traffic(1_000, 303, shift=2.0, shifted=3), COLUMNS, settings).summary["needed"] == 4


@pytest.mark.parametrize("rows", [0, 1, 999])
def test_too_few_current_rows_are_insufficient_data(rows):
    verdict = judge(traffic(1_000, 304).slice(0, rows))
    assert verdict.verdict == "insufficient data"
    assert verdict.summary["words"] == f"{rows} current rows, fewer than drift.min_rows = 1000"
    assert [column["words"] for column in verdict.columns] == [verdict.summary["words"]] * len(COLUMNS)


@pytest.mark.parametrize("rows", [0, 1, 11_999])
def test_a_reference_too_short_to_know_its_own_calm_is_insufficient_data(rows):
    verdict = judge(traffic(1_000, 305), REFERENCE.slice(0, rows))
    assert verdict.verdict == "insufficient data"
    assert "fewer than drift.min_rows * drift.pieces = 12000" in verdict.summary["words"]


@pytest.mark.parametrize("broken", ["reference", "current"])
def test_a_missing_column_is_told_and_keeps_the_verdict_from_being_no_drift(broken):
    tables = {"reference": REFERENCE, "current": traffic(1_000, 306)}
    tables[broken] = tables[broken].drop_columns(["c5"])
    verdict = judge(tables["current"], tables["reference"])
    assert verdict.verdict == "insufficient data"
    assert verdict.summary["not_judged"] == {"c5": f"missing in the {broken} rows"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_told_and_keeps_the_verdict_from_being_no_drift(value):
    current = traffic(1_000, 307)
    values = current.column("c2").to_numpy().copy()
    values[:3] = value
    verdict = judge(replaced(current, "c2", values))
    assert verdict.verdict == "insufficient data"
    assert verdict.summary["not_judged"] == {"c2": "3 of 1000 current rows are not finite"}


def test_a_column_of_texts_is_told():
    texts = REFERENCE.append_column("host", pa.array(["h"] * REFERENCE.num_rows))
    verdict = judge(traffic(1_000, 308), texts, ["c0", "host"])
    assert verdict.summary["not_judged"] == {"host": "no numbers in the reference rows"}


def test_enough_drifting_columns_are_a_drift_even_when_another_is_missing():
    verdict = judge(traffic(1_000, 309, shift=2.0, shifted=4).drop_columns(["c7"]))
    assert verdict.verdict == "drift"
    assert "1 could not be judged" in verdict.summary["words"]


def test_no_columns_at_all_are_insufficient_data():
    assert judge(traffic(1_000, 310), columns=[]).verdict == "insufficient data"


def test_columns_that_are_and_stay_constant_do_not_drift():
    constant = pa.table({name: np.full(12_000, 3.0) for name in COLUMNS})
    assert judge(constant.slice(0, 1_000), constant).verdict == "no drift"


@pytest.mark.parametrize("value", [2.0, 4.0])
def test_constants_that_change_drift_whichever_way(value):
    constant = pa.table({name: np.full(12_000, 3.0) for name in COLUMNS})
    changed = pa.table({name: np.full(1_000, value) for name in COLUMNS})
    verdict = judge(changed, constant)
    assert verdict.verdict == "drift"
    assert all(column["statistic"] == 1.0 and np.isfinite(column["z"]) for column in verdict.columns)


def test_a_few_odd_rows_in_a_constant_column_are_no_drift():
    constant = pa.table({name: np.zeros(12_000) for name in COLUMNS})
    odd = np.zeros(1_000)
    odd[:5] = 9.0
    assert judge(pa.table(dict.fromkeys(COLUMNS, odd)), constant).verdict == "no drift"


def test_a_reference_that_strays_by_itself_calls_no_drift_what_it_has_already_done():
    daily = np.sin(np.arange(24_000) / 24_000 * 2 * np.pi) * 3
    noise = np.random.default_rng(4).normal(size=(24_000, len(COLUMNS)))
    reference = pa.table({name: daily + noise[:, number] for number, name in enumerate(COLUMNS)})
    assert judge(reference.slice(5_500, 1_000), reference).verdict == "no drift"
