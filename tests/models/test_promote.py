from __future__ import annotations

from typing import Any

import pytest

from weir.models.promote import gate, most_by_chance
from weir.settings import PromoteSettings

SETTINGS = PromoteSettings(recall_floor=0.5, recall_tolerance=0.05, budget_factor=2.0)


def metrics(**given: Any) -> dict[str, Any]:
    return {
        "recall": 0.8,
        "alerts_per_day": 15.0,
        "alerts_hours": 24.0,
        "budget_per_day": 20,
        "schema_hash": {"flows": "a"},
    } | given


def failed(champion: dict[str, Any] | None, challenger: dict[str, Any]) -> list[str]:
    verdict = gate(champion, challenger, SETTINGS)
    assert verdict.passed == all(check.passed for check in verdict.checks)
    return [check.name for check in verdict.checks if not check.passed]


def test_the_first_model_passes_on_the_floors_alone_and_says_so() -> None:
    assert failed(None, metrics()) == []
    assert any("first model" in check.words for check in gate(None, metrics(), SETTINGS).checks)


def test_a_challenger_as_good_as_the_champion_passes() -> None:
    assert failed(metrics(), metrics()) == []


@pytest.mark.parametrize(("recall", "names"), [(0.75, []), (0.74, ["recall kept"]), (0.4, ["recall floor", "recall kept"])])
def test_recall_may_fall_by_the_tolerance_and_not_below_the_floor(recall: float, names: list[str]) -> None:
    assert failed(metrics(), metrics(recall=recall)) == names


@pytest.mark.parametrize(("spent", "names"), [(40.0, []), (51.0, []), (52.0, ["alert budget"]), (None, ["alert budget"])])
def test_false_alerts_must_stay_near_the_budget_and_be_known(spent: float | None, names: list[str]) -> None:
    assert failed(metrics(), metrics(alerts_per_day=spent)) == names


@pytest.mark.parametrize(("alerts", "names"), [(2, []), (4, []), (5, ["alert budget"])])
def test_a_short_time_leaves_room_for_chance(alerts: int, names: list[str]) -> None:
    assert failed(metrics(), metrics(alerts_per_day=alerts * 24.0, alerts_hours=1.0)) == names  # 1.7 are allowed on average


@pytest.mark.parametrize(("expected", "count"), [(0.0, 0), (0.01, 0), (1.67, 4), (40.0, 51)])
def test_what_chance_reaches_follows_poisson(expected: float, count: int) -> None:
    from scipy.stats import poisson

    assert most_by_chance(expected) == count
    assert poisson.sf(count - 1, expected) >= 0.05 > poisson.sf(count, expected)


def test_a_model_of_another_schema_does_not_pass() -> None:
    assert failed(metrics(), metrics(schema_hash={"flows": "b"})) == ["schema"]


def test_a_challenger_that_was_never_measured_does_not_pass() -> None:
    assert failed(None, {}) == ["recall floor", "alert budget", "schema"]
    assert "recall kept" in failed(metrics(), {})


def test_a_champion_without_labels_to_compare_with_does_not_block() -> None:
    assert failed(metrics(recall=None), metrics()) == []


def test_every_check_says_in_words_what_it_saw() -> None:
    verdict = gate(metrics(), metrics(recall=0.1, alerts_per_day=99.0), SETTINGS).as_dict()
    assert [check["name"] for check in verdict["checks"]] == ["recall floor", "recall kept", "alert budget", "schema"]
    assert "10%" in verdict["checks"][0]["words"]
    assert "99 alerts in 24.0 h" in verdict["checks"][2]["words"]
