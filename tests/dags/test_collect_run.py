"""One run of the first DAG, tasks and all, on a spool that the real sensor filled."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CAPTURE = "build/capture/bin/weir-capture"
GOLDEN = "tests/golden/flows.pcap"
# Runs the DAG in one process, without a scheduler, on SQLite.
RUN = """
import json, runpy, sys
from airflow.dag_processing.dagbag import DagBag
run = DagBag().dags["weir_1_collect"].test()
states = {f"{task.task_id}[{task.map_index}]": str(task.state) for task in run.get_task_instances()}
print(json.dumps({"state": str(run.state), "tasks": states}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, checkout):
    folder = tmp_path_factory.mktemp("site")
    (folder / "spool").mkdir()
    database = f"sqlite:///{folder}/airflow.db"
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "WEIR_HOME": str(folder),
        "WEIR_STORE": str(folder / "store"),
        "WEIR_SPOOL": str(folder / "spool"),
    }
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=env, cwd=checkout, check=True, capture_output=True)
    return folder, env


def run_once(site, checkout: Path) -> dict:
    _, env = site
    said = subprocess.run([sys.executable, "-c", RUN], env=env, cwd=checkout, check=True, capture_output=True, text=True)
    return json.loads(said.stdout.splitlines()[-1])


def test_packets_of_the_spool_become_flows_of_the_store_and_a_second_run_finds_nothing(site, checkout):
    folder, _ = site
    sensor = [checkout / CAPTURE, "-r", checkout / GOLDEN, "--sensor", "lab", "--spool", folder / "spool"]
    subprocess.run(sensor, check=True, capture_output=True)

    first = run_once(site, checkout)
    assert first["state"] == "success"
    assert first["tasks"]["collect[0]"] == first["tasks"]["summary[-1]"] == "success"
    flows = sorted((folder / "store" / "2_flows" / "lab").glob("*.parquet"))
    assert flows
    assert list((folder / "spool").glob("*.pcap.zst")) == []

    before = [file.read_bytes() for file in flows]
    second = run_once(site, checkout)
    assert second["state"] == "success"
    assert second["tasks"]["summary[-1]"] == "success"
    assert [file.read_bytes() for file in flows] == before
