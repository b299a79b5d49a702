"""No process outlives the one that wanted it, whatever happens to either."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from weir.site import guard

GUARD = [sys.executable, "-I", "-S", guard.__file__, "--grace", "1", "--"]
STUBBORN = "trap '' TERM; (setsid sleep 600 & echo $! >grandchild); sleep 601 & echo $! >child; wait; wait"
# Starts a guarded command, says so, and waits to be killed.
PARENT = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)"


def pids(folder: Path, wait_until) -> list[int]:
    """The two processes the stubborn command started, once they run."""
    files = [folder / "child", folder / "grandchild"]
    wait_until(lambda: all(file.exists() and file.read_text().strip() for file in files), "the command has started both")
    return [int(file.read_text()) for file in files]


def test_the_exit_code_of_the_command_is_passed_on(tmp_path):
    assert subprocess.run([*GUARD, "sh", "-c", "exit 7"], check=False).returncode == 7


def test_a_command_that_does_not_exist_is_named(tmp_path):
    ended = subprocess.run([*GUARD, "weir-no-such-command"], check=False, capture_output=True, text=True)
    assert ended.returncode == guard.NOT_FOUND
    assert "weir-no-such-command: No such file or directory" in ended.stderr


def test_what_the_command_left_running_is_ended_with_it(tmp_path, wait_until, alive):
    command = "(setsid sleep 600 & echo $! >grandchild); sleep 601 & echo $! >child; exit 3"
    assert subprocess.run([*GUARD, "sh", "-c", command], cwd=tmp_path, check=False).returncode == 3
    assert not any(alive(pid) for pid in pids(tmp_path, wait_until))


def test_a_command_that_ignores_the_request_to_stop_is_killed_after_the_grace(tmp_path, wait_until, alive):
    held = subprocess.Popen([*GUARD, "bash", "-c", STUBBORN], cwd=tmp_path)
    below = pids(tmp_path, wait_until)
    held.terminate()
    assert held.wait() == guard.KILLED + signal.SIGKILL
    assert not any(alive(pid) for pid in below)


def test_a_killed_parent_takes_everything_with_it(tmp_path, wait_until, alive):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *GUARD, "bash", "-c", STUBBORN], cwd=tmp_path)
    below = pids(tmp_path, wait_until)
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(alive(pid) for pid in below), "the orphans are gone")


def test_a_signal_that_the_shell_ignores_for_us_still_reaches_the_command(tmp_path, wait_until):
    command = "trap 'exit 5' INT; touch ready; while :; do sleep 0.05; done"
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    held = subprocess.Popen([*ignoring, *GUARD[:-2], "60", "--stop", "INT", "--", "bash", "-c", command], cwd=tmp_path)
    wait_until((tmp_path / "ready").exists, "the command runs")
    os.kill(held.pid, signal.SIGTERM)
    assert held.wait() == 5


def test_the_command_gets_the_signal_that_was_chosen_for_it(tmp_path, wait_until):
    command = "trap 'echo asked >said; exit 0' INT; touch ready; while :; do sleep 0.05; done"
    held = subprocess.Popen([*GUARD[:-2], "60", "--stop", "INT", "--", "bash", "-c", command], cwd=tmp_path)
    wait_until((tmp_path / "ready").exists, "the command runs")
    os.kill(held.pid, signal.SIGTERM)
    assert held.wait() == 0
    assert (tmp_path / "said").read_text() == "asked\n"
