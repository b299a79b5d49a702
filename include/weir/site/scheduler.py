"""Airflow's scheduler with the libraries of our tasks already loaded.

The LocalExecutor forks its workers from the scheduler, and each worker forks its tasks; what is
loaded here is paid once instead of once a task. Our own modules are not loaded, so that a task runs
the code as it is on the disk.
"""

from __future__ import annotations

import importlib
import sys

LIBRARIES = ("boto3", "great_expectations", "numpy", "pandas", "pyarrow.compute", "pyarrow.parquet", "s3fs")


def main() -> None:
    """Load, then be ``airflow scheduler`` with the same arguments."""
    from airflow.__main__ import main as airflow

    for name in LIBRARIES:
        importlib.import_module(name)
    sys.argv = ["airflow", "scheduler", *sys.argv[1:]]
    airflow()


if __name__ == "__main__":
    main()
