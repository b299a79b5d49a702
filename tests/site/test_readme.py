"""The README's commands are the true ones, and so is the output it shows."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

import readme

CHECKOUT = Path(__file__).parents[2]
SITE = "WEIR_HOME=" + str(CHECKOUT / ".local")  # in the environment of every process of this checkout's site


def test_the_readme_names_the_two_commands():
    assert {readme.DEMO, "bin/test"} <= readme.blocks(readme.README.read_text()).keys()


def test_ci_runs_the_readmes_test_command_and_nothing_else():
    words = (CHECKOUT / ".ci" / "run").read_text().split("\n")
    assert [line for line in words if line and not line.startswith("#")] == ['exec "$(dirname "${BASH_SOURCE[0]}")/../bin/test"']


def test_numbers_times_and_chance_names_do_not_make_a_difference():
    one = "  1:05  train (12 s)  model 0123456789ab  10.0.0.7  password Ab-3_x"
    two = "  0:59  train (7 s)  model ba9876543210  10.0.0.41  password zZ9"
    assert readme.shape(one) == readme.shape(two)
    assert readme.shape(one) != readme.shape(one.replace("train", "trains"))


def processes_of_the_site() -> list[str]:
    """Commands of every process that runs with this site's environment."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if SITE.encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


@pytest.mark.whole
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_demo_that_is_ended_in_the_middle_leaves_nothing_running(number, wait_until):
    log = CHECKOUT / ".local" / "logs" / "airflow-scheduler.log"
    log.unlink(missing_ok=True)
    running = subprocess.Popen(["bin/demo"], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(log.exists, "Airflow is being started")
    assert processes_of_the_site()
    running.send_signal(number)
    said, _ = running.communicate()
    wait_until(lambda: not processes_of_the_site(), f"nothing runs any more, but {processes_of_the_site()}")
    if number == signal.SIGINT:
        assert running.returncode == 130
        assert "nothing is left running" in said


@pytest.mark.whole
@pytest.mark.timeout(1800)
def test_the_demo_prints_what_the_readme_shows_and_leaves_nothing_running():
    told = readme.blocks(readme.README.read_text())[readme.DEMO]
    ended = subprocess.run(readme.DEMO.split(), cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"
    assert readme.shapes(ended.stdout) == readme.shapes(told), (
        f"{ended.stdout}\nIf this is right, refresh the README: {readme.__doc__}"
    )
    assert processes_of_the_site() == []
