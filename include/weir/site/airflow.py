"""Airflow on this machine: its settings, its four processes, and its API as the demo uses it."""

from __future__ import annotations

import json
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weir.errors import SiteError
from weir.site.places import Places
from weir.site.ports import HOST, Ports
from weir.site.processes import Service

ADMIN = "admin"
PARALLELISM = 4  # each is a forked worker of about 60 MB
DVC_POOL = "dvc"
SERVICES = {  # what runs, and the arguments: -s leaves out log servers that would listen to the network
    "airflow-api": ("api-server",),
    "airflow-scheduler": ("scheduler", "-s"),
    "airflow-dags": ("dag-processor",),
    "airflow-triggerer": ("triggerer", "-s"),
}
HEALTH_NAMES = ("metadatabase", "scheduler", "triggerer", "dag_processor")
ANSWER_S = 30.0
PRIVATE = 0o600
SECRET_BYTES = 32
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine is never behind a proxy


@dataclass(frozen=True)
class Secrets:
    """Made once for a checkout and kept in ``.local/airflow/secrets.json``, readable by its owner only."""

    password: str
    fernet_key: str
    jwt_secret: str
    page_secret: str


def read_secrets(places: Places) -> Secrets:
    """The site's secrets; made when there are none."""
    path = places.airflow / "secrets.json"
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    from cryptography.fernet import Fernet

    made = Secrets(
        secrets.token_urlsafe(9), Fernet.generate_key().decode(), secrets.token_hex(SECRET_BYTES), secrets.token_hex(SECRET_BYTES)
    )
    _write_private(path, json.dumps(made.__dict__))
    return made


def env(places: Places, ports: Ports, known: Secrets, database: str) -> dict[str, str]:
    """Airflow's settings, as environment variables."""
    passwords = places.airflow / "passwords.json"
    _write_private(passwords, json.dumps({ADMIN: known.password}))
    settings = {
        "CORE": {
            "EXECUTOR": "LocalExecutor",
            "PARALLELISM": str(PARALLELISM),
            "LOAD_EXAMPLES": "False",
            "DAGS_FOLDER": str(places.home / "dags"),
            "PLUGINS_FOLDER": str(places.home / "plugins"),
            "DAGS_ARE_PAUSED_AT_CREATION": "False",
            "FERNET_KEY": known.fernet_key,
            "SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
            "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "EXECUTION_API_SERVER_URL": f"{address(ports)}/execution/",
        },
        "API": {
            "HOST": HOST,
            "PORT": str(ports.airflow),
            "BASE_URL": address(ports),
            "SECRET_KEY": known.page_secret,
            "INSTANCE_NAME": "Weir",
            "WORKERS": "1",
        },
        "API_AUTH": {"JWT_SECRET": known.jwt_secret},
        "DATABASE": {"SQL_ALCHEMY_CONN": database},
        "DAG_PROCESSOR": {"REFRESH_INTERVAL": "30", "MIN_FILE_PROCESS_INTERVAL": "60"},
        "SCHEDULER": {"ORPHANED_TASKS_CHECK_INTERVAL": "60", "TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60"},
        "USAGE_DATA_COLLECTION": {"ENABLED": "False"},
    }
    named = {f"AIRFLOW__{section}__{name}": value for section, values in settings.items() for name, value in values.items()}
    return {"AIRFLOW_HOME": str(places.airflow), **named}


def address(ports: Ports) -> str:
    """Where Airflow's pages are."""
    return f"http://{HOST}:{ports.airflow}"


def command(*arguments: str) -> list[str]:
    """Airflow's command line, in this interpreter's environment."""
    return [sys.executable, "-m", "airflow", *arguments]


def services(places: Places, whole_env: dict[str, str]) -> list[Service]:
    """The four processes, to be started together."""
    commands = {name: command(*arguments) for name, arguments in SERVICES.items()}
    commands["airflow-scheduler"] = [sys.executable, "-m", "weir.site.scheduler", *SERVICES["airflow-scheduler"][1:]]
    return [Service(name, words, whole_env, places.home) for name, words in commands.items()]


class Api:
    """Airflow's REST API, spoken to as the demo's user."""

    def __init__(self, ports: Ports, password: str) -> None:
        self.root = address(ports)
        self._password = password
        self._token = ""

    def health(self) -> dict[str, str]:
        """Each component's state; empty while nobody answers."""
        try:
            found = self._send("GET", "/api/v2/monitor/health")
        except (SiteError, OSError):
            return {}
        return {name: str(found.get(name, {}).get("status")) for name in HEALTH_NAMES}

    def is_ready(self) -> bool:
        """Whether all components are healthy."""
        found = self.health()
        return bool(found) and all(state == "healthy" for state in found.values())

    def dags(self) -> dict[str, Any]:
        """The DAGs that Airflow has read, by id."""
        return {dag["dag_id"]: dag for dag in self.get("/api/v2/dags?limit=100")["dags"]}

    def import_errors(self) -> list[str]:
        """DAG files that could not be read, with the last line of why."""
        found = self.get("/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in found]

    def make_pool(self, name: str, slots: int, why: str) -> None:
        """A pool of ``slots``; kept when it exists."""
        known = {pool["name"] for pool in self.get("/api/v2/pools?limit=100")["pools"]}
        if name not in known:
            body = {"name": name, "slots": slots, "description": why, "include_deferred": False}
            self._authorised("POST", "/api/v2/pools", body)

    def trigger(self, dag_id: str, note: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; its id."""
        body = {"logical_date": None, "note": note, "conf": conf or {}}
        return str(self._authorised("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self) -> list[dict[str, Any]]:
        """All runs of all DAGs, the oldest first."""
        found = self.get("/api/v2/dags/~/dagRuns?limit=200&order_by=run_after")["dag_runs"]
        return sorted(found, key=lambda run: (run["start_date"] or run["queued_at"] or "", run["dag_id"]))

    def tasks(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """The task instances of a run."""
        path = f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances?limit=500"
        return list(self.get(path)["task_instances"])

    def summary(self, run: dict[str, Any], tasks: Iterable[dict[str, Any]]) -> str:
        """What the run's tasks said of themselves, from the XComs named ``summary``."""
        path = f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        for task in tasks:
            if task["map_index"] == -1 and task["task_id"] == "summary" and task["state"] == "success":
                return str(self.get(f"{path}/summary/xcomEntries/return_value?deserialize=true")["value"])
        return ""

    def errors(self, task: dict[str, Any]) -> list[str]:
        """The errors that a task's last try logged, one a line."""
        path = (
            f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
            f"/logs/{max(task['try_number'], 1)}?map_index={task['map_index']}"
        )
        said = self.get(path).get("content", [])
        return [_event(line) for line in said if isinstance(line, dict) and line.get("level") in ("error", "critical")]

    def get(self, path: str) -> Any:
        """Ask for something."""
        return self._authorised("GET", path)

    def _authorised(self, verb: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if not self._token:
            token = self._send("POST", "/auth/token", {"username": ADMIN, "password": self._password})
            self._token = token["access_token"]
        return self._send(verb, path, body, self._token)

    def _send(self, verb: str, path: str, body: dict[str, Any] | None = None, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data=data, headers=headers, method=verb)  # noqa: S310  our own http address
        try:
            with DIRECT.open(request, timeout=ANSWER_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            words = error.read().decode(errors="replace")[:300]
            raise SiteError(f"Airflow refused {verb} {path}: {error.code} {words}") from error
        except urllib.error.URLError as error:
            raise SiteError(f"Airflow does not answer at {self.root}: {error.reason}") from error


def _event(line: dict[str, Any]) -> str:
    """One entry of a task's log as text."""
    return " ".join([str(line.get("event", "")), *_errors(line.get("error_detail") or [])]).strip()


def _errors(details: Iterable[dict[str, Any]]) -> Iterator[str]:
    for detail in details:
        yield f"{detail.get('exc_type')}: {detail.get('exc_value')}"


def _write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name("." + path.name)
    hidden.touch(PRIVATE)
    hidden.write_text(text)
    hidden.rename(path)
