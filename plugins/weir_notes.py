"""Writes the note of each Weir run when it ends, so that the grid says what a run did.

A good run gets the sentence its task ``summary`` returned; a failed one gets the names of the tasks
to look at. It runs in the scheduler, which saves the note together with the run's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

PREFIX = "weir_"
NOTE_LENGTH = 1000  # what the database's column takes


class Notes:
    """A listener for the end of runs."""

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun, msg: str) -> None:
        """Note what the run says of itself."""
        if dag_run.dag_id.startswith(PREFIX):
            _note(dag_run, _summary(dag_run))

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun, msg: str) -> None:
        """Note which tasks to look at."""
        if dag_run.dag_id.startswith(PREFIX):
            _note(dag_run, _failure(dag_run))


def _summary(dag_run: DagRun) -> str:
    """What the task ``summary`` returned."""
    from airflow.models.xcom import XComModel

    query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids="summary", key="return_value", limit=1)
    found = _session_of(dag_run).scalars(query).first()
    return "" if found is None else str(XComModel.deserialize_value(found))


def _failure(dag_run: DagRun) -> str:
    """Which tasks failed, and what to do."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    query = select(TaskInstance.task_id).where(
        TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id, TaskInstance.state == "failed"
    )
    failed = sorted(set(_session_of(dag_run).scalars(query)))
    return f"failed at {', '.join(failed)}: its log says what to do; clear the task to run it again" if failed else ""


def _session_of(dag_run: DagRun) -> Session:
    """The scheduler's own session. Opening another one here would close the scheduler's."""
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        raise RuntimeError("a run that ends belongs to the scheduler's session")
    return session


def _note(dag_run: DagRun, words: str) -> None:
    """Put the words under a note that a person left."""
    if words:
        dag_run.note = "\n".join(part for part in (dag_run.note, words) if part)[:NOTE_LENGTH]


class WeirNotes(AirflowPlugin):
    """Registers the listener."""

    name = "weir_notes"
    listeners: ClassVar[list[Any]] = [Notes()]
