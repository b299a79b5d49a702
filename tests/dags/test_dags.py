"""Every DAG can be read, says what it does, survives a retry, and meets its neighbours."""

import json
import subprocess
import sys
import warnings

import pytest

WANTED = {
    "weir_1_collect",
    "weir_2_features",
    "weir_3_train",
    "weir_4_drift",
    "weir_5_score",
    "weir_6_report_daily",
    "weir_6_report_weekly",
}
HEAVY = ("pandas", "pyarrow", "great_expectations", "evidently", "sklearn", "matplotlib", "boto3", "onnxruntime", "weir.jobs")
# Reads the DAG files as the scheduler does, and prints what came with them beyond what any DAG loads.
READ = """
import json, runpy, sys
from airflow.sdk import Asset, dag, task
Asset("any", uri="weir://any")
task(lambda: None)
before = set(sys.modules)
for path in sys.argv[1:]:
    runpy.run_path(path)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture(scope="module")
def bag():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, while it is imported; those of our files are in the bag
        from airflow.dag_processing.dagbag import DagBag

        return DagBag()


@pytest.fixture(params=sorted(WANTED))
def dag(request, bag):
    return bag.dags[request.param]


def test_every_file_is_read_without_error_or_warning(bag):
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert set(bag.dags) == WANTED


def test_the_text_for_the_operator_names_every_task(dag):
    assert all(f"`{task.task_id}`" in dag.doc_md for task in dag.tasks)


def test_a_dag_has_a_name_a_sentence_and_the_tag(dag):
    assert "weir" in dag.tags
    assert dag.dag_display_name != dag.dag_id
    assert dag.description


def test_every_task_is_tried_again_with_growing_pauses(dag):
    for task in dag.tasks:
        assert task.retries >= 3, task.task_id
        assert task.retry_exponential_backoff, task.task_id


def test_an_error_that_will_come_again_is_not_tried_again(dag):
    from airflow.sdk import RetryAction

    from weir.errors import SchemaError, StoreError

    policy = dag.tasks[0].retry_policy
    assert policy.evaluate(SchemaError("no column"), 1, 3).action == RetryAction.FAIL
    assert policy.evaluate(StoreError("no answer"), 1, 3).action != RetryAction.FAIL


def test_every_run_ends_with_a_sentence_for_the_operator(dag):
    summary = dag.get_task("summary")
    assert summary.downstream_task_ids == set()


def test_no_dag_runs_for_the_past_when_it_is_switched_on(dag):
    assert not dag.catchup
    assert dag.start_date is None


def test_two_runs_of_one_dag_do_not_work_at_once(dag):
    assert dag.max_active_runs == 1


def test_mapped_tasks_show_names_instead_of_numbers(dag):
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    for task in dag.tasks:
        if isinstance(task, MappedOperator):
            assert task.partial_kwargs.get("map_index_template"), task.task_id


def test_assets_join_the_dags_up(bag):
    def wanted_by(dag):
        condition = getattr(dag.timetable, "asset_condition", None)
        return {asset.name for asset in condition.objects} if condition else set()

    made = {asset.name: dag.dag_id for dag in bag.dags.values() for task in dag.tasks for asset in task.outlets}
    assert made == {
        "flows": "weir_1_collect",
        "features": "weir_2_features",
        "models": "weir_3_train",
        "drift": "weir_4_drift",
        "scores": "weir_5_score",
    }
    assert {dag_id: wanted_by(dag) for dag_id, dag in bag.dags.items() if wanted_by(dag)} == {
        "weir_2_features": {"flows"},
        "weir_3_train": {"drift"},
        "weir_4_drift": {"scores"},
        "weir_5_score": {"features", "models"},
    }


def test_training_waits_for_its_turn_in_the_dvc_pool(bag):
    from weir.site.airflow import DVC_POOL

    assert bag.dags["weir_3_train"].get_task("train").pool == DVC_POOL


def test_reading_the_dag_files_loads_nothing_heavy(checkout):
    files = sorted((checkout / "dags").glob("*.py"))
    read = subprocess.run([sys.executable, "-c", READ, *map(str, files)], capture_output=True, text=True, check=True)
    loaded = json.loads(read.stdout.splitlines()[-1])
    assert "weir.site.handover" in loaded
    assert [module for module in loaded if module.split(".")[0] in HEAVY or module in HEAVY] == []


def test_units_come_from_all_the_events_of_a_run_each_once():
    from types import SimpleNamespace

    from weir.site.handover import FLOWS, units_in

    events = [
        SimpleNamespace(extra={"units": ["b/2024-03-04T09", "a/2024-03-04T09"]}),
        SimpleNamespace(extra={"units": ["a/2024-03-04T09"]}),
    ]
    assert units_in({FLOWS: [*events, SimpleNamespace(extra={})]}) == ["a/2024-03-04T09", "b/2024-03-04T09"]
