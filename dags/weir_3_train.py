"""### A challenger is trained; the gate decides whether it becomes champion

Starts every Monday at 03:00 UTC, and by itself when `weir_4_drift` says that traffic has changed.

- `snapshot` writes down exactly which hours are trained on. *Red:* no validated hour yet.
- `train` runs `dvc repro` in a workspace of its own, then `dvc push`; the pool `dvc` lets one at a time
  in. *Red:* the log ends with what the stage said; `dvc repro` in a checkout shows the same.
- `propose` enters the model as challenger. *Red:* the artifact could not prove itself.
- `promote` asks the gate: recall on the frozen attacks, alerts against the budget, speed. It is **not**
  red when the gate says no: the champion stays, and the note says why.
- `hand_over` tells `weir_5_score` that another model scores from now on; pink when none does.
- `summary` says which model, and what the gate said; it is also the note of the run.

Drift alone never promotes: an attacker may cause drift. Back to the model before: `weir promote --rollback`.
"""

from typing import Any

from airflow.sdk import AssetOrTimeSchedule, dag, task

from weir.site.handover import DRIFT, MODELS, TAG, TASKS, at


@dag(
    dag_id="weir_3_train",
    dag_display_name="3 · train and promote",
    description="dvc repro on a snapshot of validated hours; the new model becomes champion if it passes the gate",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=at("0 3 * * 1"), assets=[DRIFT]),
    catchup=False,
    max_active_runs=1,
    default_args=TASKS,
    tags=[TAG, "models"],
)
def train() -> None:
    """A challenger is trained; the gate decides."""

    @task
    def snapshot() -> dict[str, Any]:
        from weir import jobs

        return jobs.snapshot(None)

    @task(task_id="train", pool="dvc")
    def reproduce(taken: dict[str, Any]) -> str:
        from weir.site import training

        return training.reproduce(taken)

    @task
    def propose(model_folder: str) -> dict[str, Any]:
        from weir import jobs

        return jobs.propose(model_folder)

    @task
    def promote(proposed: dict[str, Any]) -> dict[str, Any]:
        from weir import jobs

        return jobs.promote(proposed["model_id"])

    @task(outlets=[MODELS])
    def hand_over(decided: dict[str, Any], *, outlet_events: Any = None) -> str:
        from airflow.sdk.exceptions import AirflowSkipException

        if not decided["promoted"]:
            raise AirflowSkipException("the champion stays; nothing new to score with")
        outlet_events[MODELS].extra = {"model_id": decided["model_id"]}
        return str(decided["model_id"])

    @task(trigger_rule="none_failed")
    def summary(taken: dict[str, Any], decided: dict[str, Any]) -> str:
        from weir.site.notes import of_train

        return of_train(taken, decided)

    taken = snapshot()
    decided = promote(propose(reproduce(taken)))
    hand_over(decided)
    summary(taken, decided)


train()
