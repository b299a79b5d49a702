"""The whole platform on this machine: started in order, with an empty site, and stopped in order."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from weir.errors import SiteError
from weir.site import airflow, aws, mailbox, ports, postgres, processes, shell
from weir.site.places import Places
from weir.site.ports import HOST, Ports
from weir.site.processes import Services
from weir.site.progress import Progress

NEEDED_MB = 1_000  # free disk without which a run would stop half-way
POSTGRES_S, AWS_S, AIRFLOW_S = 60.0, 60.0, 240.0  # patience, far beyond what a busy machine of 2 cores took
# A user's own settings are not the site's.
NOT_PASSED_ON = ("AIRFLOW", "AWS_", "BOTO_", "DVC_", "PG", "PYTHON", "VIRTUAL_ENV", "WEIR_")


@dataclass(frozen=True)
class Platform:
    """A running site."""

    places: Places
    ports: Ports
    services: Services
    api: airflow.Api
    password: str
    resources: aws.Resources
    env: dict[str, str]


@contextmanager
def running(places: Places, environ: Mapping[str, str], progress: Progress) -> Iterator[Platform]:
    """A fresh site for as long as the context lasts."""
    chosen = ports.read(environ)
    check_machine(places)
    held = processes.lock(places)
    try:
        for name in processes.end_leftovers(places):
            progress.say(f"ended {name}, which an earlier start had left")
        ports.check_free(chosen)
        empty(places)
        with mailbox.opened(places.outbox, chosen.mail), Services(places) as services:
            site = _start(places, chosen, services, base_env(places, chosen, environ), progress)
            with shell.offered(places, site.env):
                yield site
            services.stop_together(list(airflow.SERVICES))
    finally:
        os.close(held)


def check_machine(places: Places) -> None:
    """SiteError when something is missing that no later message would name well."""
    if not places.capture.exists():
        raise SiteError(f"{places.capture} is missing; bin/setup builds it")
    if not (places.local / "aws-venv" / "bin" / "python").exists():
        raise SiteError(f"{places.local}/aws-venv is missing; bin/setup makes it")
    free_mb = shutil.disk_usage(places.local).free // 10**6
    if free_mb < NEEDED_MB:
        raise SiteError(f"{places.local}: only {free_mb} MB of disk are free, a run needs {NEEDED_MB}; free some and start again")


def empty(places: Places) -> None:
    """Remove what an earlier run left, so that each start is the first one; settings made once stay."""
    logs = (places.logs, places.airflow / "logs")
    for folder in (places.aws, places.spool, places.outbox, places.reports, places.training, *logs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)


def base_env(places: Places, chosen: Ports, environ: Mapping[str, str]) -> dict[str, str]:
    """What every process of the site has in its environment."""
    kept = {name: value for name, value in environ.items() if not name.startswith(NOT_PASSED_ON)}
    return {
        **kept,
        **aws.client_env(chosen),
        "NO_PROXY": HOST,
        "no_proxy": HOST,
        "PYTHONUNBUFFERED": "1",
        "OPENBLAS_NUM_THREADS": "1",  # tasks are forked, and run beside one another; threads suit neither
        "OMP_NUM_THREADS": "1",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(places.cache / "dvc"),
        "MPLCONFIGDIR": str(places.cache / "matplotlib"),
        "WEIR_HOME": str(places.local),
        "WEIR_STORE": f"s3://{aws.BUCKET}",
        "WEIR_SPOOL": str(places.spool),
        "WEIR_TRAINING": str(places.training),
        "WEIR_MAIL_FROM": aws.MAIL_FROM,
        "WEIR_MAIL_TO": aws.MAIL_TO,
    }


def _start(places: Places, chosen: Ports, services: Services, env: dict[str, str], progress: Progress) -> Platform:
    with progress.stage("start PostgreSQL and the AWS stand-in"):
        postgres.prepare(places)
        services.start(postgres.service(places, env))
        services.start(aws.service(places, chosen, env))
        services.wait("PostgreSQL", lambda: postgres.is_ready(places), POSTGRES_S, progress.waits_for)
        services.wait("the AWS stand-in", lambda: aws.is_ready(chosen), AWS_S, progress.waits_for)
        resources = aws.create(chosen)
    known = airflow.read_secrets(places)
    env = {**env, "WEIR_SNS_TOPIC": resources.topic}
    with progress.stage("make Airflow's database"):
        progress.waits_for("its tables")
        database = postgres.fresh(places, version("apache-airflow-core"), lambda url: _migrate(places, chosen, known, env, url))
        env = {**env, **airflow.env(places, chosen, known, database)}
    api = airflow.Api(chosen, known.password)
    with progress.stage("start Airflow"):
        for service in airflow.services(places, env):
            services.start(service)
        services.wait("Airflow", api.is_ready, AIRFLOW_S, progress.waits_for)
        api.make_pool(airflow.DVC_POOL, 1, "one dvc repro at a time: two in one workspace would block each other")
    return Platform(places, chosen, services, api, known.password, resources, env)


def _migrate(places: Places, chosen: Ports, known: airflow.Secrets, env: dict[str, str], url: str) -> None:
    whole = {**env, **airflow.env(places, chosen, known, url)}
    log = places.logs / "airflow-migrate.log"
    command = airflow.command("db", "migrate")
    with log.open("wb") as out:
        done = subprocess.run(command, env=whole, cwd=places.home, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise SiteError(f"airflow db migrate failed (exit {done.returncode}); see {log}")


def home() -> Path:
    """The checkout this package is installed from; SiteError when it is none."""
    found = Path(__file__).resolve().parents[3]
    if not (found / "dags").is_dir():
        raise SiteError(f"{found} is no checkout of Weir; run bin/demo in one")
    return found
