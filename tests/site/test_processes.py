"""Services start, are watched, and stop without a trace."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from weir.errors import SiteError
from weir.site import processes
from weir.site.processes import Service, Services

# A supervisor that starts one service and waits to be killed.
SUPERVISOR = """
import os, sys, time
from pathlib import Path
from weir.site.places import Places
from weir.site.processes import Service, Services
places = Places(Path(sys.argv[1]))
services = Services(places)
services.start(Service("sleeper", ["sh", "-c", "echo $$ >pid; exec sleep 600"], dict(os.environ), places.home, grace_s=1))
time.sleep(600)
"""


def service(places, name: str, command: str) -> Service:
    return Service(name, ["sh", "-c", command], dict(os.environ), places.home, grace_s=60)


def pid_in(file: Path, wait_until) -> int:
    wait_until(lambda: file.exists() and bool(file.read_text().strip()), f"{file} is written")
    return int(file.read_text())


def test_leaving_the_context_stops_every_service(places, wait_until, alive):
    with Services(places) as services:
        for name in ("one", "two"):
            services.start(service(places, name, f"echo $$ >{name}; exec sleep 600"))
        running = [pid_in(places.home / name, wait_until) for name in ("one", "two")]
        assert all(alive(pid) for pid in running)
    assert not any(alive(pid) for pid in running)
    assert list(places.run.glob("*.json")) == []


def test_services_stop_in_the_reverse_order_of_their_start(places, wait_until):
    with Services(places) as services:
        for name in ("one", "two"):
            services.start(
                service(places, name, f"trap 'echo {name} >>order; exit' TERM; touch {name}; while :; do sleep 0.05; done")
            )
            wait_until((places.home / name).exists, f"{name} runs")
    assert (places.home / "order").read_text().split() == ["two", "one"]


def test_a_service_that_ends_by_itself_is_named_with_its_last_words(places):
    with Services(places) as services:
        services.start(service(places, "short", "echo no licence; exit 5"))
        with pytest.raises(SiteError, match=r"short stopped by itself \(exit 5\)") as ended:
            services.wait("it", lambda: False, 60, lambda words: None)
    assert "no licence" in str(ended.value)
    assert str(places.logs / "short.log") in str(ended.value)


def test_a_service_that_never_answers_is_named(places):
    with Services(places) as services:
        services.start(service(places, "mute", "exec sleep 600"))
        with pytest.raises(SiteError, match="mute was not ready after 0 s"):
            services.wait("mute", lambda: False, 0, lambda words: None)


def test_a_killed_supervisor_leaves_no_service(places, wait_until, alive):
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(places.home)])
    running = pid_in(places.home / "pid", wait_until)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    wait_until(lambda: not alive(running), "the service is gone")


def test_the_next_start_ends_what_an_earlier_one_left(places, wait_until, alive):
    services = Services(places)
    services.start(service(places, "left", "echo $$ >pid; exec sleep 600"))
    running = pid_in(places.home / "pid", wait_until)
    assert processes.end_leftovers(places) == ["left"]
    assert not alive(running)
    services.stop()


def test_a_note_of_a_process_that_is_long_gone_ends_nothing(places):
    places.run.mkdir()
    (places.run / "old.json").write_text(f"[{os.getpid()}, 1]")
    assert processes.end_leftovers(places) == []
    assert list(places.run.iterdir()) == []


def test_one_checkout_runs_one_site(places):
    held = processes.lock(places)
    with pytest.raises(SiteError, match=f"runs already \\(pid {os.getpid()}\\)"):
        processes.lock(places)
    os.close(held)
    os.close(processes.lock(places))
