"""### Is today's traffic still what the champion was trained on?

Starts by itself when `weir_5_score` has scored new hours and sent their alerts, so that a training
that drift asks for knows whose rows to leave out. Each hour is compared with the champion's own
training rows; the verdict is one of `no drift`, `drift`, `insufficient data`.

- `units` lists the hours that are new, or those you gave when you started it by hand.
- `drift` judges an hour, and leaves Evidently's report under `4_models/drift/`.
- `hand_over` starts `weir_3_train`, **only** when an hour drifted; pink otherwise.
- `summary` counts the verdicts; it is also the note of the run.

Drift asks for a new challenger; it never makes one champion.
"""

from typing import Any

from airflow.sdk import dag, task

from weir.site.handover import CALLED, DRIFT, SCORES, TAG, TASKS, called, units_in, units_param


@dag(
    dag_id="weir_4_drift",
    dag_display_name="4 · watch for drift",
    description="Compares each new hour with the champion's training rows; drift asks for retraining",
    doc_md=__doc__,
    schedule=[SCORES],
    catchup=False,
    max_active_runs=1,
    default_args=TASKS,
    params={"units": units_param("hours to judge again, as sensor/hour; empty: the new ones")},
    tags=[TAG, "models", "quality"],
)
def drift() -> None:
    """Is today's traffic still what the champion was trained on?"""

    @task
    def units(*, params: Any = None, triggering_asset_events: Any = None) -> list[str]:
        return list(params["units"]) or units_in(triggering_asset_events)

    @task(task_id="drift", map_index_template=CALLED)
    def judge(unit: str) -> dict[str, Any]:
        from weir import jobs

        found = jobs.drift(unit)
        called(f"{unit}: {found['verdict']}")
        return found

    @task(outlets=[DRIFT])
    def hand_over(verdicts: Any, *, outlet_events: Any = None) -> list[str]:
        from airflow.sdk.exceptions import AirflowSkipException

        drifted = [found["unit"] for found in verdicts if found["verdict"] == "drift"]
        if not drifted:
            raise AirflowSkipException("no hour drifted")
        outlet_events[DRIFT].extra = {"units": drifted}
        return drifted

    @task(trigger_rule="none_failed")
    def summary(verdicts: Any) -> str:
        from weir.site.notes import of_drift

        return of_drift(list(verdicts or []))

    verdicts = judge.expand(unit=units())
    hand_over(verdicts)
    summary(verdicts)


drift()
