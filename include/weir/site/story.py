"""What the demo plays: ordinary hours first, from which a model learns; then an hour with attacks.

Everything goes the way that production goes: the sensor reads captures and seals segments, DAGs
start one another by assets, and only the first of a chain is started by hand.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weir.errors import SiteError
from weir.site.places import Places
from weir.site.platform import Platform
from weir.site.progress import Progress

FIRST_HOUR = datetime(2024, 3, 5, 11, tzinfo=UTC)  # after the two hours of real captures
DAY = FIRST_HOUR.date().isoformat()
QUIET_HOURS = 6
HOSTS = 50
SEED = 7
ATTACKS = ("portscan", "c2-beacon", "exfiltration")
SENSOR = "lab"
SEGMENT_S = 1200  # packet time
LOOK_S = 1.0
QUIET_S = 4.0  # a consumer of an asset starts 1 to 3 s after the event
PATIENCE_S = 900.0
OF_AN_HOUR = re.compile(r"6_alerts/[^/]+/\d{4}-\d\d-\d\dT\d\d\.json")
ENDED = ("success", "failed")
AT_WORK = ("running", "queued", "scheduled", "up_for_retry")


@dataclass(frozen=True)
class Ended:
    """One finished run: what the last page says of it."""

    dag_id: str
    state: str
    seconds: float
    words: str


def hours(places: Places) -> tuple[list[Path], list[Path]]:
    """Captures of the ordinary hours of the day, and of those with attacks; the first of each is real traffic."""
    ordinary, labelled = sorted((places.home / "examples" / "captures").glob("*.pcap.gz"))
    *quiet, attacked = _simulated(places)
    return [ordinary, *quiet], [labelled, attacked]


def _simulated(places: Places) -> list[Path]:
    """A capture for each hour of an office; those that this very simulator made before are used again."""
    from weir.simulate.run import simulate

    code = (places.home / "include" / "weir" / "simulate").glob("*.py")
    made_by = hashlib.sha256(b"".join(file.read_bytes() for file in [*sorted(code), Path(__file__)])).hexdigest()[:12]
    folder = places.cache / "story" / made_by
    if not (folder / "whole").exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        simulate(
            folder, start=FIRST_HOUR, hours=QUIET_HOURS + 1, seed=SEED, hosts=HOSTS,
            attacks=ATTACKS, quiet_start_s=QUIET_HOURS * 3600,
        )  # fmt: skip
        (folder / "whole").touch()
    return sorted(folder.glob("*.pcap"))


def replay(site: Platform, capture: Path) -> None:
    """Let the sensor read a capture and leave sealed segments in the spool."""
    options = {"--sensor": SENSOR, "--spool": str(site.places.spool), "--rotate-seconds": str(SEGMENT_S)}
    command = [str(site.places.capture), "-r", "-", *(word for option in options.items() for word in option)]
    with (site.places.logs / "capture.log").open("ab") as log:
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=site.env)
        assert running.stdin is not None
        with _opened(capture) as packets, running.stdin:
            shutil.copyfileobj(packets, running.stdin)
    if running.wait() != 0:
        raise SiteError(f"weir-capture could not read {capture} (exit {running.returncode}); see {site.places.logs}/capture.log")


def _opened(capture: Path) -> Any:
    return gzip.open(capture) if capture.suffix == ".gz" else capture.open("rb")


def settle(site: Platform, progress: Progress, *, at_least: Mapping[str, int]) -> None:
    """Wait until each named DAG has so many good runs and nothing runs any more.

    Raises
    ------
    SiteError
        when a run failed, with what the failed task said, or when patience ended.
    """
    until, quiet_since = time.monotonic() + PATIENCE_S, None
    while quiet_since is None or time.monotonic() - quiet_since < QUIET_S:
        site.services.check()
        runs = site.api.runs()
        active = [run for run in runs if run["state"] not in ENDED]
        for run in runs:
            if run["state"] == "failed":
                raise SiteError(_why(site, run))
        lacking = [dag_id for dag_id, n in at_least.items() if sum(run["dag_id"] == dag_id for run in runs) < n]
        quiet_since = None if active or lacking else quiet_since or time.monotonic()
        progress.waits_for(_waited_for(site, active, lacking))
        if time.monotonic() > until:
            waited = _waited_for(site, active, lacking)
            raise SiteError(f"still waiting for {waited} after {PATIENCE_S:.0f} s; see {site.places.logs}")
        time.sleep(LOOK_S)


def _waited_for(site: Platform, active: Sequence[Mapping[str, Any]], lacking: Sequence[str]) -> str:
    """In words: which DAGs, and the task that is at work."""
    if not active:
        return f"{', '.join(lacking)} to start" if lacking else "followers"
    words = []
    for run in active:
        tasks = site.api.tasks(dict(run))
        at_work = sorted({task["task_id"] for task in tasks if task["state"] in AT_WORK})
        words.append(f"{run['dag_id']} ({', '.join(at_work) or run['state']})")
    return ", ".join(words)


def _why(site: Platform, run: dict[str, Any]) -> str:
    """What a failed run says: the task, and the end of its log."""
    failed = [task for task in site.api.tasks(run) if task["state"] == "failed"]
    if not failed:
        return f"{run['dag_id']} failed; see {site.places.logs}/airflow-scheduler.log"
    said = [f"    {line}" for line in site.api.errors(failed[0])]
    return "\n".join([f"{run['dag_id']} failed at {failed[0]['task_id']}:", *said])


def demand_champion(site: Platform) -> None:
    """SiteError, with what the gate said, when training has not given a champion."""
    said = [run.words for run in ended_runs(site) if run.dag_id == "weir_3_train"]
    if not any("is champion now" in words for words in said):
        raise SiteError(f"the first model did not pass the gate, so nothing can be scored: {'; '.join(said)}")


def ended_runs(site: Platform) -> list[Ended]:
    """Every run that ended, in the order of the DAGs and then of time, with what it says of itself."""
    runs = [_ended(site, run) for run in site.api.runs() if run["state"] in ENDED]
    return sorted(runs, key=lambda run: run.dag_id)  # a stable sort: the order of time stays


def _ended(site: Platform, run: dict[str, Any]) -> Ended:
    words = (run.get("note") or "").splitlines()
    seconds = (_time(run["end_date"]) - _time(run["start_date"])).total_seconds()
    return Ended(run["dag_id"], run["state"], seconds, words[-1] if words else "")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def alerts(site: Platform) -> list[dict[str, Any]]:
    """All alerts in the store, the strangest first."""
    from weir.site import aws

    s3 = aws.client("s3", site.ports)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=aws.BUCKET, Prefix="6_alerts/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", []) if OF_AN_HOUR.fullmatch(found["Key"])]
    found = [alert for key in keys for alert in json.loads(s3.get_object(Bucket=aws.BUCKET, Key=key)["Body"].read())]
    return sorted(found, key=lambda alert: (-alert["excess"], alert["p_value"]))


def ledger(site: Platform) -> list[str]:
    """The ledger's laws and verdict, as ``weir ledger verify`` prints them."""
    said = subprocess.run(
        [sys.executable, "-m", "weir.cli", "ledger", "verify", "--json"],
        env=site.env, cwd=site.places.home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not said.stdout:
        raise SiteError(f"weir ledger verify said nothing (exit {said.returncode}): {said.stderr.strip()}")
    facts = json.loads(said.stdout)
    return [*facts["laws"], facts["verdict"]]
