"""Airflow with a home of its own, set before anything imports it."""

import os
import tempfile
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="weir-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(HOME / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(HOME / "plugins")


@pytest.fixture(scope="session")
def checkout() -> Path:
    return HOME
