"""### Flows in, validated features out

Starts by itself when `weir_1_collect` has built flows. For each new hour it sums the flows up into
one row per host and minute, and lets **Great Expectations** judge every row of both tables.

- `units` lists the hours that are new, or those you gave when you started it by hand.
- `features` writes the window rows of an hour. *Red:* its flows are missing; run `weir_1_collect`.
- `validate` lets good rows go on to `3_features/`; refused rows go to `3_features/quarantine/` with the
  broken expectation. *Red:* the suite does not fit the table; was Weir updated half-way? See the log.
- `hand_over` tells scoring and drift which hours are ready.
- `summary` says how many rows are good and why others are not; it is also the note of the run.

A refused row never stops the good ones. Look at them with `weir quarantine list`.
**To do hours again**, start it with `{"units": ["lab/2024-03-04T09"]}`: the same hours give the same objects.
"""

from typing import Any

from airflow.sdk import dag, task

from weir.site.handover import CALLED, FEATURES, FLOWS, TAG, TASKS, called, units_in, units_param


@dag(
    dag_id="weir_2_features",
    dag_display_name="2 · make and validate features",
    description="Flows become window rows; Great Expectations lets good rows pass and quarantines the others",
    doc_md=__doc__,
    schedule=[FLOWS],
    catchup=False,
    max_active_runs=1,
    default_args=TASKS,
    params={"units": units_param("hours to do again, as sensor/hour; empty: the new ones")},
    tags=[TAG, "features", "quality"],
)
def features() -> None:
    """Flows in, validated features out."""

    @task
    def units(*, params: Any = None, triggering_asset_events: Any = None) -> list[str]:
        return list(params["units"]) or units_in(triggering_asset_events)

    @task(task_id="features", map_index_template=CALLED)
    def make(unit: str) -> str:
        from weir import jobs

        called(unit)
        jobs.features(unit)
        return unit

    @task(map_index_template=CALLED)
    def validate(unit: str) -> dict[str, Any]:
        from weir import jobs

        called(unit)
        return jobs.validate(unit)

    @task(outlets=[FEATURES])
    def hand_over(judged: Any, *, outlet_events: Any = None) -> list[str]:
        ready = [counts["unit"] for counts in judged]
        outlet_events[FEATURES].extra = {"units": ready}
        return ready

    @task(trigger_rule="none_failed")
    def summary(judged: Any) -> str:
        from weir.site.notes import of_features

        return of_features(list(judged or []))

    judged = validate.expand(unit=make.expand(unit=units()))
    hand_over(judged)
    summary(judged)


features()
