"""### Features in, alerts out

Starts by itself when hours were validated, or when another model became champion. It scores every
hour that the champion has not scored yet, groups what stands out into alerts, keeps the alert
budget, and publishes new alerts to SNS.

- `units` lists the hours without scores of the champion, or those you gave. None while there is no
  champion: run `weir_3_train`.
- `score` writes score, p-value and model id for each row under `5_scores/`. *Red:* the model refused
  itself, the log says which check failed; go back with `weir promote --rollback`.
- `alert` writes the hour's alerts with reasons and evidence under `6_alerts/`, and sends each once.
  *Red:* SNS refused; a retry sends the rest, never one twice.
- `hand_over` tells `weir_4_drift` which hours are new; pink when a new champion scored old ones again.
- `summary` counts rows and alerts; it is also the note of the run.

**Running it again is safe**: an alert that was sent is known and is not sent again.
"""

from typing import Any

from airflow.sdk import dag, task

from weir.site.handover import CALLED, FEATURES, MODELS, SCORES, TAG, TASKS, called, units_in, units_param


@dag(
    dag_id="weir_5_score",
    dag_display_name="5 · score and alert",
    description="The champion scores each new hour; what stands out becomes alerts within the budget, sent by SNS",
    doc_md=__doc__,
    schedule=(FEATURES | MODELS),
    catchup=False,
    max_active_runs=1,
    default_args=TASKS,
    params={"units": units_param("hours to score again, as sensor/hour; empty: those not scored")},
    tags=[TAG, "scores", "alerts"],
)
def score() -> None:
    """Features in, alerts out."""

    @task
    def units(*, params: Any = None) -> list[str]:
        from weir import jobs

        return list(params["units"]) or jobs.unscored()

    @task(task_id="score", map_index_template=CALLED)
    def rate(unit: str) -> dict[str, Any]:
        from weir import jobs

        called(unit)
        return jobs.score(unit)

    @task(map_index_template=CALLED)
    def alert(scored: dict[str, Any], *, run_id: Any = None) -> dict[str, Any]:
        from weir import jobs

        unit = scored["unit"]
        sent = jobs.alert(unit, run_id)
        called(f"{unit}: {sent['alerts']} alerts")
        return sent

    @task(outlets=[SCORES])
    def hand_over(alerted: Any, *, outlet_events: Any = None, triggering_asset_events: Any = None) -> list[str]:
        from airflow.sdk.exceptions import AirflowSkipException

        new = sorted({counts["unit"] for counts in alerted} & set(units_in(triggering_asset_events)))
        if not new:
            raise AirflowSkipException("no hour was new")
        outlet_events[SCORES].extra = {"units": new}
        return new

    @task(trigger_rule="none_failed")
    def summary(scored: Any, alerted: Any) -> str:
        from weir.site.notes import of_score

        return of_score(list(scored or []), list(alerted or []))

    scored = rate.expand(unit=units())
    alerted = alert.expand(scored=scored)
    hand_over(alerted)
    summary(scored, alerted)


score()
