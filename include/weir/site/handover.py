"""What the DAGs hand to one another: assets that say "there is more now", with the units it came in.

Declared once, as every process that reads a DAG must see the same ones. A unit is a sensor and a
capture hour, written ``lab/2024-03-04T09``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, ExceptionRetryPolicy, Param, RetryAction, RetryRule, get_current_context

FLOWS = Asset("flows", uri="weir://2_flows", group="weir")
FEATURES = Asset("features", uri="weir://3_features", group="weir")
MODELS = Asset("models", uri="weir://4_models", group="weir")
SCORES = Asset("scores", uri="weir://5_scores", group="weir")
DRIFT = Asset("drift", uri="weir://4_models/drift", group="weir")

TAG = "weir"
# Errors that the same input will give again; waiting does not help, a person must.
HOPELESS = ("SettingsError", "SchemaError", "ArtifactError", "LedgerError")
NO_RETRY = [RetryRule(exception=f"weir.errors.{name}", action=RetryAction.FAIL) for name in HOPELESS]
TASKS: dict[str, Any] = {
    "owner": "weir",
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": ExceptionRetryPolicy(rules=NO_RETRY),
}


def at(cron: str) -> CronTriggerTimetable:
    """A schedule in UTC whose first run is the next one, never the one before the DAG was switched on."""
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0))


def units_in(events: Mapping[Asset, Iterable[Any]]) -> list[str]:
    """All units that the events which started a run brought, each once, in order."""
    return sorted({unit for of_asset in events.values() for event in of_asset for unit in event.extra.get("units", [])})


def units_param(words: str) -> Param:
    """The field ``units`` of the form that starts a run by hand."""
    return Param([], type="array", items={"type": "string"}, description=words)


def called(name: str) -> None:
    """Give a mapped task the name that the grid shows instead of its number."""
    get_current_context()["called"] = name


CALLED = "{{ called }}"  # the map_index_template of every mapped task
