"""The measurement of detection, on planted alerts and labels, and once on a small capture as a whole."""

from __future__ import annotations

import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from weir.alerts.alert import Alert, Lineage
from weir.settings import Settings, TrainSettings

ROOT = Path(__file__).parents[2]
HOUR, HOUR_US = "2024-03-04T09", 1_709_542_800_000_000


@pytest.fixture(scope="module")
def detection() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_detection", ROOT / "benchmarks" / "detection.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def alert(host: str, score: float, severity: str = "low") -> Alert:
    return Alert(
        alert_id=f"id-{host}",
        fingerprint=f"print-{host}",
        sensor_id="capture",
        host=host,
        hour=HOUR,
        peers=(),
        tables=("windows",),
        kind_hint=None,
        first_us=HOUR_US,
        last_us=HOUR_US,
        severity=severity,
        rows_n=1,
        p_value=0.01,
        score=score,
        excess=score - 2.0,
        reasons=(),
        evidence=(),
        lineage=Lineage(segments=(), schema_hash={}, model_id="m", dag_run="", data_version=""),
        words=f"{host} did something",
    )


def row(host: str, row_id: int, table: str = "windows") -> dict[str, Any]:
    return {"table": table, "row_id": row_id, "host": host, "hour": HOUR}


BUDGET = {"per_day": 20, "expected": 12.0, "words": "so it is"}


def test_a_kind_is_found_when_an_anomalous_row_of_an_alert_carries_its_label(detection):
    found = detection.match([alert("a", 3.0)], [row("a", 1)], {("windows", 1): "portscan"}, 20)
    facts = detection.summary(found, {"portscan": "pure"}, {"portscan": 1}, 0.5, BUDGET)
    assert facts["kinds"]["portscan"]["found"]
    assert facts["false_alerts"] == 0


def test_a_labelled_row_that_is_not_anomalous_finds_nothing(detection):
    found = detection.match([alert("a", 3.0)], [row("a", 1)], {("windows", 2): "portscan"}, 20)
    facts = detection.summary(found, {"portscan": "pure"}, {"portscan": 1}, 0.5, BUDGET)
    assert not facts["kinds"]["portscan"]["found"]
    assert facts["false_alerts"] == 1
    assert facts["false_alerts_per_hour"] == 2.0


def test_an_alert_of_another_host_does_not_find_the_kind(detection):
    found = detection.match([alert("b", 3.0)], [row("a", 1), row("b", 2)], {("windows", 1): "portscan"}, 20)
    assert [one.kinds for one in found] == [frozenset()]


def test_a_row_of_one_table_does_not_lend_its_label_to_the_same_number_in_another(detection):
    found = detection.match([alert("a", 3.0)], [row("a", 1, "flows")], {("windows", 1): "portscan"}, 20)
    assert found[0].kinds == frozenset()


def test_a_kind_without_any_row_is_missed_and_not_left_out(detection):
    facts = detection.summary([], {"dos-dhcp-flood": "pure"}, {}, 1.0, BUDGET)
    assert facts["kinds"]["dos-dhcp-flood"] | {"found": False, "rows": 0} == facts["kinds"]["dos-dhcp-flood"]
    assert (facts["found"], facts["of"]) == (0, 1)


def test_the_most_urgent_alert_of_a_kind_gives_its_rank(detection):
    strange = [row("a", 1), row("b", 2), row("c", 3)]
    kinds = {("windows", 1): "flood", ("windows", 3): "flood"}
    found = detection.match([alert("a", 3.0), alert("b", 4.0), alert("c", 2.0, "high")], strange, kinds, 20)
    assert [one.host for one in found] == ["c", "b", "a"]
    assert detection.summary(found, {"flood": "pure"}, {"flood": 2}, 1.0, BUDGET)["kinds"]["flood"]["rank"] == 1


def test_alerts_beyond_the_budget_are_found_but_not_sent(detection):
    alerts = [alert(host, score) for host, score in (("a", 4.0), ("b", 3.0))]
    found = detection.match(alerts, [row("a", 1), row("b", 2)], {("windows", 2): "flood"}, 1)
    facts = detection.summary(found, {"flood": "pure"}, {"flood": 1}, 1.0, BUDGET)
    assert facts["kinds"]["flood"] | {"found": True, "sent": False} == facts["kinds"]["flood"]
    assert facts["sent"] == 1


def test_the_table_names_every_kind_and_what_was_found(detection):
    found = detection.match([alert("a", 3.0)], [row("a", 1)], {("windows", 1): "portscan"}, 20)
    facts = detection.summary(found, {"portscan": "pure", "c2-beacon": "mixed"}, {"portscan": 1}, 1.0, BUDGET)
    shown = detection.show(facts)
    assert "| portscan | pure | 1 | yes | 1 | yes | a did something |" in shown
    assert "| c2-beacon | mixed | 0 | **no** |" in shown
    assert "1 of 2 kinds found." in shown


def test_a_simulated_scan_is_found_by_learning_from_the_hours_before(detection, tmp_path):
    from weir.simulate.run import simulate

    start = datetime(2024, 3, 4, 9, tzinfo=UTC)
    made = simulate(tmp_path, start=start, hours=2, seed=3, hosts=12, intensity=0.5, attacks=["portscan"], quiet_start_s=4_000)
    flows, timeline = (Path(name) for name in made["labels"])
    captures = [Path(name) for name in made["captures"]]
    chosen = Settings(train=TrainSettings(flows_detector="zscore"))
    facts = detection.measure(captures, flows, timeline, start.replace(hour=10), chosen, simulated=0)
    assert facts["kinds"]["portscan"]["found"]
    assert facts["kinds"]["portscan"]["purity"] == "pure"
    assert facts["learned"]["flows"] > 100
