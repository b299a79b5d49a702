"""The page that people read and the summary that programs read say what the verdict says."""

import json
import warnings

import numpy as np
import pyarrow as pa
import pytest

from weir.models import drift_report
from weir.models.drift import DriftVerdict, drift
from weir.models.drift_report import draw
from weir.settings import DriftSettings

SETTINGS = DriftSettings(min_rows=500, pieces=6)
NAMES = ["bytes_fwd", "<script>alert(1)</script>", "iat_mean_us"]


@pytest.fixture(autouse=True)
def _quiet_evidently(monkeypatch):
    """Importing Evidently warns of its own dependencies; what happens afterwards is ours."""
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evidently.presets  # noqa: F401


def table(rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({name: rng.normal(size=rows) + shift for name in NAMES})


def judged(reference: pa.Table, current: pa.Table) -> DriftVerdict:
    return drift(reference, current, NAMES, SETTINGS)


@pytest.mark.parametrize(("shift", "words"), [(0.0, "no drift"), (2.0, "drift")])
def test_page_summary_and_evidently_agree_with_the_verdict(shift, words):
    reference, current = table(3_000, 1), table(500, 2, shift)
    verdict = judged(reference, current)
    report = draw(reference, current, verdict, seed=7)
    assert report.summary["verdict"] == verdict.verdict == words
    assert f"<h1>Weir: {words}</h1>" in report.html
    counted = next(m["value"] for m in report.summary["evidently"]["metrics"] if "DriftedColumnsCount" in m["metric_name"])
    assert counted["count"] == len(verdict.summary["drifted"])
    assert json.loads(json.dumps(report.summary)) == report.summary


def test_names_are_escaped_in_our_part_of_the_page():
    reference, current = table(3_000, 1), table(500, 2, 2.0)
    page = draw(reference, current, judged(reference, current), seed=7).html
    ours = page[page.index("<section") : page.index("</section>")]
    assert "&lt;script&gt;alert(1)" in ours
    assert "<script>" not in ours


def test_the_same_seed_draws_the_same_rows(monkeypatch):
    monkeypatch.setattr(drift_report, "ROWS_DRAWN", 100)
    reference, current = table(3_000, 1), table(500, 2)
    verdict = judged(reference, current)
    first, again, other = (draw(reference, current, verdict, seed=seed).summary for seed in (7, 7, 8))
    assert first == again
    assert first["rows_drawn"] == [100, 100]
    assert other["seed"] == 8


def test_only_the_columns_that_moved_most_are_drawn(monkeypatch):
    monkeypatch.setattr(drift_report, "COLUMNS_DRAWN", 1)
    reference, current = table(3_000, 1), table(500, 2)
    current = current.set_column(2, "iat_mean_us", pa.array(current.column("iat_mean_us").to_numpy() + 3))
    assert draw(reference, current, judged(reference, current), seed=7).summary["columns_drawn"] == ["iat_mean_us"]


def test_a_verdict_without_judged_columns_gets_a_small_page_of_words():
    reference, current = table(3_000, 1), table(1, 2)
    report = draw(reference, current, judged(reference, current), seed=7)
    assert "1 current rows, fewer than drift.min_rows = 500" in report.html
    assert report.summary["evidently"] is None
    assert len(report.html) < 5_000
