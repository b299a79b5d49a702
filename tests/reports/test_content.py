import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weir.reports.content import content, name
from weir.reports.verdict import POINTS_MOST

Facts = dict[str, Any]
Make = Callable[..., Facts]


def points(made: Facts) -> list[str]:
    return [point["words"] for point in made["verdict"]["points"]]


def test_every_kind_of_day_is_plain_json(days: dict[str, Facts]) -> None:
    for made in days.values():
        assert json.loads(json.dumps(made, allow_nan=False)) == made


@pytest.mark.parametrize(("day", "level"), [("ordinary", "look"), ("empty", "look"), ("crowded", "act"), ("week", "look")])
def test_a_day_has_the_level_of_its_worst_point(days: dict[str, Facts], day: str, level: str) -> None:
    verdict = days[day]["verdict"]
    assert verdict["level"] == level
    assert verdict["level"] == verdict["points"][0]["level"]
    assert len(verdict["points"]) <= POINTS_MOST


def test_a_calm_day_is_well(make_inputs: Make, make_alert: Make) -> None:
    calm = {
        "is_balanced": True,
        "lost": 0,
        "words": "Ledger: balanced, 0 packets lost and counted",
        "laws": make_inputs()["ledger"]["laws"],
    }
    made = content(**make_inputs(ledger=calm, alerts=[make_alert(severity="low")]))
    assert (made["verdict"]["level"], made["verdict"]["words"]) == ("well", "All well")
    assert points(made) == ["1 alert of low severity.", "The ledger balances; no packet was lost."]


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"models": {}}, "look", "No model is in use: nothing was scored."),
        ({"budget": {"per_day": 1}}, "look", "3 alerts were sent, 1 were promised."),
        ({"ledger": {}}, "look", "The ledger is empty: nothing proves that no packet was lost."),
        ({"arrivals": [{"sensor_id": "s", "missing": 2}]}, "look", "Sensor s: 2 segments never arrived."),
        ({"arrivals": [{"sensor_id": "s", "hours": 1, "hours_expected": 3}]}, "look", "Sensor s was silent for 2 of 3 hours."),
        (
            {"quality": [{"table": "flows", "rows": 100, "refused": {"x": 2}}]},
            "look",
            "2.0 % of the flows rows are in quarantine.",
        ),
        (
            {"drift": [{"sensor_id": "s", "hour": "h", "verdict": "drift", "summary": "", "columns": []}]},
            "look",
            "Traffic no longer looks like the reference (1 of 1 drift check).",
        ),
    ],
)
def test_what_went_wrong_is_told_on_top(make_inputs: Make, change: Facts, level: str, words: str) -> None:
    made = content(**make_inputs(**change))
    assert {"level": level, "words": words} in made["verdict"]["points"]


@pytest.mark.parametrize(
    ("alert", "level", "words"),
    [
        ({"severity": "critical"}, "act", "1 critical alert."),
        ({"severity": "high"}, "look", "1 high alert."),
        ({"severity": "high", "delivery": "failed"}, "act", "1 alert could not be sent."),
        ({"severity": "low", "delivery": "over_budget"}, "look", "1 alert held back by the budget."),
    ],
)
def test_alerts_weigh_by_severity_and_fate(make_inputs: Make, make_alert: Make, alert: Facts, level: str, words: str) -> None:
    made = content(**make_inputs(alerts=[make_alert(**alert)]))
    assert {"level": level, "words": words} in made["verdict"]["points"]


def test_a_broken_ledger_comes_before_everything_calm(days: dict[str, Facts]) -> None:
    told = points(days["crowded"])
    assert told[2] == "Ledger: NOT balanced at L5, 3 packets unexplained (lab/2024-03-04T09)."
    assert told[-1].startswith("And ")


def test_alerts_come_most_severe_first_and_are_counted_by_fate(days: dict[str, Facts]) -> None:
    made = days["crowded"]
    order = [("critical", "high", "medium", "low", "informational").index(a["severity"]) for a in made["alerts"]]
    assert order == sorted(order)
    assert sum(made["alert_counts"][fate]["alerts"] for fate in ("delivered", "grouped", "over_budget", "failed")) == 30
    assert made["budget"]["spent"] == made["alert_counts"]["delivered"]["alerts"] == 15


def test_a_week_has_a_line_per_day(days: dict[str, Facts]) -> None:
    trend = days["week"]["trend"]
    assert [day["day"] for day in trend] == [f"2024-03-{n:02d}" for n in range(4, 11)]
    assert (trend[0]["alerts"], trend[0]["refused"], trend[0]["flows"]) == (3, 12, 4_000)
    assert sum(day["flows"] for day in trend) == days["week"]["traffic"]["totals"]["flows"]


def test_a_report_is_named_by_its_day_or_iso_week(make_inputs: Make) -> None:
    start = make_inputs()["period_start"]
    assert (name("daily", start), name("weekly", start)) == ("2024-03-04", "2024-W10")


def test_the_same_inputs_give_the_same_content(make_inputs: Make) -> None:
    assert content(**make_inputs()) == content(**make_inputs())


def test_every_key_of_the_content_is_documented(days: dict[str, Facts]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "report.md").read_text()
    assert [key for key in days["ordinary"] if f"`{key}`" not in page] == []
