"""### The report of a day or a week, built and mailed

Runs at 06:00 UTC for the day before (`weir_6_report_daily`) and on Mondays for the week before
(`weir_6_report_weekly`). The report says first whether the ledger balances: were packets lost, and
where. It lies under `7_reports/` as HTML, PDF and JSON, and goes out by SES.

- `day` is the day to report on, or the one you gave. *Red:* it is not written as 2024-03-04.
- `report` builds the pages and mails them. *Red:* SES refused; is the sender verified? The pages are
  stored all the same.
- `summary` says where the report lies and whether it was mailed; it is also the note of the run.

**To report on another day**, start it with `{"day": "2024-03-04"}`; the page of that day is written anew.
"""

from typing import Any

from airflow.sdk import Param, dag, task

from weir.site.handover import TAG, TASKS, at

SCHEDULES = {"daily": "0 6 * * *", "weekly": "30 6 * * 1"}
DAY = r"^(\d{4}-\d{2}-\d{2})?$"
WORDS = {"daily": "Yesterday", "weekly": "Last week"}


def report_dag(kind: str) -> None:
    """One DAG for each kind of report."""

    @dag(
        dag_id=f"weir_6_report_{kind}",
        dag_display_name=f"6 · {kind} report",
        description=f"{WORDS[kind]} in traffic, alerts and models, as HTML, PDF and mail",
        doc_md=__doc__,
        schedule=at(SCHEDULES[kind]),
        catchup=False,
        max_active_runs=1,
        default_args=TASKS,
        params={"day": Param("", type="string", pattern=DAY, description="a day in the report's span; empty: yesterday")},
        tags=[TAG, "reports"],
    )
    def report() -> None:
        @task
        def day(*, params: Any = None, dag_run: Any = None) -> str:
            from datetime import timedelta

            return params["day"] or (dag_run.run_after - timedelta(days=1)).date().isoformat()

        @task(task_id="report")
        def build(about: str) -> dict[str, Any]:
            from weir import jobs

            return jobs.report(kind, about)

        @task
        def summary(built: dict[str, Any]) -> str:
            from weir.site.notes import of_report

            return of_report(built)

        summary(build(day()))

    report()


for _kind in SCHEDULES:
    report_dag(_kind)
