"""What every detector promises, asked of all of them; then each one against what it claims to compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from weir.models.detectors.base import Detector
from weir.models.detectors.ecod import Ecod
from weir.models.detectors.iforest import IsolationForest
from weir.models.detectors.members import DETECTORS
from weir.models.detectors.pair import Pair
from weir.models.detectors.record import Record
from weir.models.detectors.zscore import ZScore
from weir.models.graph import INPUT, Graph, session

COLUMNS = 5
QUICK: dict[str, Callable[[], Detector]] = {  # enough for these tests, in a tenth of the time
    "pair": lambda: Pair(effort=0.1),
    "iforest": lambda: IsolationForest(trees=20),
}


def usual(rows: int, seed: int) -> NDArray[np.float32]:
    """Rows whose last two columns follow from the first two."""
    x = np.random.default_rng(seed).normal(size=(rows, COLUMNS)).astype(np.float32)
    x[:, 3] = x[:, 0] + x[:, 1]
    x[:, 4] = np.abs(x[:, 0])
    return x


def make(name: str) -> Detector:
    return QUICK.get(name, DETECTORS[name])()


@cache
def fitted(name: str) -> Detector:
    return make(name).fit(usual(600, 7), seed=1)


@pytest.fixture(params=sorted(DETECTORS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_row_scores_the_same_alone_and_in_a_batch(name: str) -> None:
    x = usual(50, 8).astype(np.float64)
    graph = Graph(COLUMNS)
    parts = fitted(name).to_onnx(graph, graph.cast(INPUT, np.float32))
    model = session(graph.bytes({"score": (parts.score, np.float32)}))
    alone = np.concatenate([model.run(None, {INPUT: row[None]})[0] for row in x])
    np.testing.assert_array_equal(model.run(None, {INPUT: x})[0], alone)


def test_far_rows_score_higher_than_usual_ones(name: str) -> None:
    near, far = usual(200, 9), usual(50, 10) + 6
    assert fitted(name).score(far).min() > np.quantile(fitted(name).score(near), 0.95)


def test_the_same_rows_and_seed_give_the_same_detector(name: str) -> None:
    x = usual(50, 8)
    again = make(name).fit(usual(600, 7), seed=1)
    np.testing.assert_array_equal(again.score(x), fitted(name).score(x))


def test_fitting_leaves_the_rows_as_they_were(name: str) -> None:
    x = usual(300, 7)
    before = x.copy()
    make(name).fit(x, seed=1)
    np.testing.assert_array_equal(x, before)


def test_scores_are_finite_for_the_widest_encoded_values(name: str) -> None:
    wild = np.array([[1000, -1000, 0, 1000, -1000]], np.float32)
    assert np.isfinite(fitted(name).score(np.concatenate([wild, -wild]))).all()


def test_constant_columns_and_equal_rows_do_no_harm(name: str) -> None:
    x = usual(300, 7)
    x[:, 2] = 3
    assert np.isfinite(make(name).fit(x, seed=1).score(x)).all()
    assert np.isfinite(make(name).fit(np.ones((300, COLUMNS), np.float32), seed=1).score(x)).all()


def test_a_column_that_was_constant_is_strange_when_it_moves(name: str) -> None:
    if name == "iforest":  # no tree splits on a constant column: its known blind spot
        return
    x = usual(300, 7)
    x[:, 2] = 0
    moved = x[:20].copy()
    moved[:, 2] = 5
    detector = make(name).fit(x, seed=1)
    assert detector.score(moved).mean() > detector.score(x[:20]).mean() * 1.1


def test_the_forest_scores_as_scikit_learn_does() -> None:
    from sklearn.ensemble import IsolationForest as Reference

    reference = Reference(n_estimators=50, max_samples=256, random_state=3).fit(usual(600, 7))
    x = usual(2000, 11)
    ours = IsolationForest(trees=50).fit(usual(600, 7), seed=3).score(x)
    np.testing.assert_allclose(ours, -reference.score_samples(x), atol=1e-6)


def test_the_z_score_is_the_mean_log_of_squared_robust_distances() -> None:
    x = usual(601, 7)
    median = np.median(x, axis=0)
    spread = 1.4826 * np.median(np.abs(x - median), axis=0)
    row = usual(1, 12)
    wanted = np.log(1 + ((row - median) / spread) ** 2).mean(axis=1)
    np.testing.assert_allclose(ZScore().fit(x, 1).score(row), wanted, rtol=1e-5)


def test_a_column_mostly_zero_is_judged_by_its_standard_deviation() -> None:
    x = np.zeros((100, 1), np.float32)
    x[:10] = 1
    wanted = np.log(1 + (3 / x.std()) ** 2)
    np.testing.assert_allclose(ZScore().fit(x, 1).score(np.full((1, 1), 3, np.float32)), [wanted], rtol=1e-5)


def test_ecod_sums_the_tails_of_the_training_rows() -> None:
    x = np.arange(1, 10, dtype=np.float32)[:, None]  # not skewed; n + 1 = 10
    scores = Ecod().fit(x, 1).score(np.array([[5], [9], [1], [50], [-50]], np.float32))
    np.testing.assert_allclose(scores, -np.log([0.6, 0.2, 0.2, 0.1, 0.1]), rtol=1e-5)


def test_ecod_scores_do_not_depend_on_the_other_rows_scored() -> None:
    flood = np.full((5000, COLUMNS), 4, np.float32)
    detector = fitted("ecod")
    np.testing.assert_array_equal(detector.score(flood)[:1], detector.score(flood[:1]))


def test_the_pair_sees_a_column_that_no_longer_follows_from_the_others() -> None:
    broken = usual(200, 13)
    broken[:, 3] = usual(200, 14)[:, 3]  # an ordinary value, of another row
    pair = Pair(effort=0.5).fit(usual(600, 7), seed=1)
    assert np.median(pair.score(broken)) > np.quantile(pair.score(usual(200, 15)), 0.9)


def test_a_record_is_the_second_highest_group_of_a_column() -> None:
    x = np.array([[1, 0], [2, 0], [9, 0], [3, 1]], np.float32)
    record = Record()
    record.fit_apart(x, np.array([0, 0, 1, 2]), seed=1)
    rows = np.array([[3, 0], [5, 0], [4, 3], [1, -2]], np.float32)
    np.testing.assert_allclose(record.score(rows), [0, 2 * 1.05, 3 + 0.05 * 4, -2], atol=1e-6)


def test_no_group_is_judged_by_its_own_records() -> None:
    x = np.random.default_rng(5).normal(size=(60, COLUMNS)).astype(np.float32)
    group = np.arange(60) // 6
    apart = Record().fit_apart(x, group, seed=1)
    for own in range(10):
        others = Record()
        others.fit_apart(x[group != own], group[group != own], seed=1)
        np.testing.assert_allclose(apart[group == own], others.score(x[group == own]), atol=1e-6)


def test_a_record_ignores_columns_that_are_low() -> None:
    record = Record().fit(usual(300, 7), seed=1)
    assert record.score(np.full((1, COLUMNS), -50, np.float32))[0] < 0
