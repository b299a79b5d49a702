"""``bin/demo``: the whole platform on this machine, playing one day, and what came of it.

    bin/demo [--once]

--once      stop everything after the last page and exit 0, or non-zero with the reason
WEIR_PORTS  first of three ports on 127.0.0.1 (28600): Airflow, the AWS stand-in, the mail catcher
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from weir.errors import SettingsError, SiteError, WeirError
from weir.site import airflow, aws, mailbox, platform, story
from weir.site.places import Places
from weir.site.platform import Platform
from weir.site.progress import Progress

STRANGEST = 3
CLAUSES = 2  # of a run's note; the whole of it is in Airflow
INTERRUPTED = 130  # the shell's exit code after Ctrl-C
CHECK_S = 2.0  # between two looks at the services while the demo stays up
KINDS = ("daily", "weekly")
DAGS_S = 120.0


class Interrupted(BaseException):
    """Somebody asked us to stop; not an error, and nothing may swallow it."""


def main(arguments: list[str] | None = None) -> None:
    """Run the demo; the exit code says whether it went well."""
    given = sys.argv[1:] if arguments is None else arguments
    if given not in ([], ["--once"]):
        print(__doc__, file=sys.stdout if given in (["--help"], ["-h"]) else sys.stderr)
        raise SystemExit(0 if given in (["--help"], ["-h"]) else SettingsError.exit_code)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        play(sys.stdout, stays=not given)
    except Interrupted:
        print("\nweir: stopped; nothing is left running")
        raise SystemExit(INTERRUPTED) from None
    except WeirError as error:
        print(f"\nweir: {error}\nweir: everything is stopped again; logs are in .local/logs", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _interrupt(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # stopping in order must not be cut short by a second Ctrl-C
    raise Interrupted


def play(out: TextIO, *, stays: bool) -> None:
    """Start the site, play the story, print the last page; stay until interrupted if asked to."""
    places = Places(platform.home())
    progress = Progress(out)
    with platform.running(places, os.environ, progress) as site:
        _play(site, progress)
        progress.say(last_page(site, stays=stays))
        if stays:
            _stay(site)
        progress.say("\nStopping …")
    progress.say("Stopped; nothing is left running.")


def _stay(site: Platform) -> None:
    try:
        while True:
            site.services.check()
            time.sleep(CHECK_S)
    except Interrupted:
        return


def _play(site: Platform, progress: Progress) -> None:
    with progress.stage("read the DAGs"):
        _wait_for_dags(site, progress.waits_for)
    with progress.stage(f"make {story.QUIET_HOURS + 1} hours of office traffic, beside two hours of real captures"):
        ordinary, attacked = story.hours(site.places)
    with progress.stage(f"ordinary hours: replay {len(ordinary)} through the sensor, collect, make features"):
        for capture in ordinary:
            story.replay(site, capture)
        site.api.trigger("weir_1_collect", "the demo's ordinary hours")
        story.settle(site, progress, at_least={"weir_1_collect": 1, "weir_2_features": 1, "weir_5_score": 1})
    with progress.stage("train the first model, and score those hours"):
        site.api.trigger("weir_3_train", "the demo's first model")
        story.settle(site, progress, at_least={"weir_3_train": 1})
        story.demand_champion(site)
        story.settle(site, progress, at_least={"weir_5_score": 2})
    with progress.stage(f"hours with attacks: replay {len(attacked)}, collect, make features, score, alert, look for drift"):
        for capture in attacked:
            story.replay(site, capture)
        site.api.trigger("weir_1_collect", "the demo's hours with attacks")
        story.settle(site, progress, at_least={"weir_1_collect": 2, "weir_2_features": 2, "weir_4_drift": 1, "weir_5_score": 3})
    with progress.stage("build and mail the reports"):
        for kind in KINDS:
            site.api.trigger(f"weir_6_report_{kind}", "the demo's day", {"day": story.DAY})
        story.settle(site, progress, at_least={f"weir_6_report_{kind}": 1 for kind in KINDS})


def _wait_for_dags(site: Platform, tell: Callable[[str], None]) -> None:
    wanted = {path.stem for path in (site.places.home / "dags").glob("weir_[1-5]*.py")}
    wanted |= {f"weir_6_report_{kind}" for kind in KINDS}
    until = time.monotonic() + DAGS_S
    while missing := wanted - site.api.dags().keys():
        if errors := site.api.import_errors():
            raise SiteError("Airflow cannot read a DAG: " + "; ".join(errors))
        if time.monotonic() > until:
            raise SiteError(f"Airflow has not read {', '.join(sorted(missing))}; see {site.services.log('airflow-dags')}")
        site.services.check()
        tell(", ".join(sorted(missing)))
        time.sleep(story.LOOK_S)


def last_page(site: Platform, *, stays: bool) -> str:
    """What the demo prints at its end."""
    lines = ["", f"Airflow   {airflow.address(site.ports)}   user {airflow.ADMIN}   password {site.password}", "", "Runs"]
    for run in story.ended_runs(site):
        words = "; ".join(run.words.split("; ")[:CLAUSES])
        lines.append(f"  {run.dag_id:<20} {run.state:<8} {run.seconds:>4.0f} s  {words}")
    *laws, verdict = story.ledger(site)
    lines += ["", verdict, *(f"  {law}" for law in laws)]
    found = story.alerts(site)
    lines += ["", *_alert_lines(site, found), "", *_report_lines(site), ""]
    if not stays:
        return "\n".join([*lines, "Without --once it stays up until Ctrl-C."])
    for alert in found[:1]:
        lines += [f"Packets   of the first alert, in another shell here:\n  {_packets(site.places, alert['alert_id'])}", ""]
    return "\n".join([*lines, "Stop it with Ctrl-C."])


def _packets(places: Places, alert_id: str) -> str:
    return f". {_short(places, places.shell)} && weir packets --alert {alert_id} -o alert.pcap"


def _alert_lines(site: Platform, found: list[dict[str, Any]]) -> list[str]:
    sent = len(aws.delivered(site.ports, site.resources))
    lines = [f"Alerts    {len(found)}, of which SNS delivered {sent}; the strangest:"]
    return [*lines, *(f"  {number}. {alert['severity']}: {alert['words']}" for number, alert in enumerate(found[:STRANGEST], 1))]


def _report_lines(site: Platform) -> list[str]:
    lines = []
    for kind in KINDS:
        pages = [aws.download(site.ports, key, site.places.reports / f"{kind}{Path(key).suffix}") for key in _report_keys(kind)]
        lines.append(f"Report    {kind:<7} {'   '.join(_short(site.places, page) for page in pages)}")
    mails = mailbox.mails(site.places.outbox)[-len(KINDS) :]
    return [*lines, f"Mail      {'   '.join(_short(site.places, mail) for mail in mails) or 'none was sent'}"]


def _report_keys(kind: str) -> list[str]:
    year, week, _ = story.FIRST_HOUR.isocalendar()
    name = story.DAY if kind == "daily" else f"{year}-W{week:02d}"
    return [f"7_reports/{kind}/{name}/report.{suffix}" for suffix in ("html", "pdf")]


def _short(places: Places, path: Path) -> str:
    return str(path.relative_to(places.home))


if __name__ == "__main__":
    main()
