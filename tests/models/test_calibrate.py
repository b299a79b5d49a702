from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from weir.models import calibrate
from weir.models.calibrate import Surprise, budget, maxima, p_value_onnx
from weir.models.graph import INPUT, Graph, session


def run(reference: NDArray[np.float32], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Surprise and p-value of raw scores, shape (n,) each."""
    graph = Graph(1)
    raw = graph.cast(INPUT, np.float32)
    outputs = {"surprise": Surprise.fit(reference).to_onnx(graph, raw), "p": p_value_onnx(graph, raw, reference)}
    model = graph.bytes({name: (value, np.float64) for name, value in outputs.items()})
    s, p = session(model).run(None, {INPUT: scores[:, None]})
    return s[:, 0], p[:, 0]


def test_the_p_value_is_the_conformal_share_of_reference_rows_at_least_as_strange() -> None:
    reference = np.array([1, 2, 2, 3], np.float32)
    _, p = run(reference, np.array([0.5, 1, 1.5, 2, 2.5, 3, 3.5]))
    np.testing.assert_allclose(p, np.array([5, 5, 4, 4, 2, 2, 1]) / 5)


def test_beyond_the_largest_reference_score_the_p_value_stays_and_the_surprise_grows() -> None:
    reference = np.random.default_rng(1).normal(size=999).astype(np.float32)
    surprise, p = run(reference, np.array([5.0, 50.0, 5000.0]))
    np.testing.assert_allclose(p, 1 / 1000)
    assert (np.diff(surprise) > 0).all()


def test_many_reference_rows_are_thinned_towards_larger_p_values() -> None:
    reference = np.random.default_rng(2).normal(size=20_000).astype(np.float32)
    scores = np.random.default_rng(3).normal(size=500)
    _, p = run(reference, scores)
    exact = (1 + (reference[None, :] >= scores.astype(np.float32)[:, None]).sum(axis=1)) / 20_001
    assert (p >= exact - 1e-12).all()
    assert (p - exact).max() < 2 / calibrate.MOST_STEPS


def test_normal_rows_get_p_values_as_rare_as_they_say() -> None:
    random = np.random.default_rng(4)
    _, p = run(random.normal(size=4000).astype(np.float32), random.normal(size=20_000))
    assert abs((p <= 0.01).mean() - 0.01) < 0.004


@settings(max_examples=30, deadline=None)
@given(
    reference=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40),
    scores=st.lists(st.floats(-1e9, 1e9, width=32), min_size=2, max_size=20),
)
def test_stranger_scores_never_have_larger_p_values_or_smaller_surprise(reference: list[float], scores: list[float]) -> None:
    surprise, p = run(np.array(reference, np.float32), np.sort(np.array(scores)))
    assert np.isfinite(surprise).all()
    assert (p > 0).all()
    assert (p <= 1).all()
    assert (np.diff(p) <= 0).all()
    assert (np.diff(surprise) >= -1e-9 * np.abs(surprise[1:])).all()


def test_a_flood_of_equal_rows_is_one_group() -> None:
    group = np.array(["a"] * 1000 + ["b"], dtype=object)
    np.testing.assert_array_equal(maxima([group], [np.r_[np.full(1000, 9.0), 1.0]]), [9, 1])


def test_a_group_takes_the_largest_score_of_all_tables() -> None:
    flows, windows = np.array(["a", "b"], dtype=object), np.array(["b", "c"], dtype=object)
    np.testing.assert_array_equal(maxima([flows, windows], [np.array([1.0, 2.0]), np.array([5.0, 0.5])]), [1, 5, 0.5])


def test_the_threshold_spends_the_budget_on_traffic_like_the_reference() -> None:
    random = np.random.default_rng(5)
    found = budget(random.normal(size=2400), hours=24, per_day=24)  # 100 host-hours an hour, 1 alert an hour
    assert found.promise is not None
    assert 22 < found.promise <= 24
    assert abs((random.normal(size=200_000) > found.threshold).mean() * 2400 - 24) < 15


def test_too_few_host_hours_for_the_budget_give_no_promise_but_the_strictest_threshold() -> None:
    reference = np.arange(100.0)
    found = budget(reference, hours=1, per_day=20)
    assert found.promise is None
    assert found.threshold == 99
    assert "no promise" in found.words
    assert "119" in found.words


def test_the_refusal_ends_exactly_where_the_reference_suffices() -> None:
    hours, per_day = 24.0, 10.0
    assert budget(np.arange(9.0), hours, per_day).promise is not None  # fewer groups than the budget
    q_tenth = budget(np.arange(99.0), hours, per_day)  # q = 10 / 99, needs 9
    assert q_tenth.promise is not None
    assert q_tenth.promise <= per_day


@pytest.mark.parametrize("per_day", [1, 20, 400])
def test_what_is_expected_never_exceeds_the_budget_when_it_is_promised(per_day: int) -> None:
    found = budget(np.random.default_rng(6).normal(size=5000), hours=24, per_day=per_day)
    assert found.promise is not None
    assert found.expected <= per_day
