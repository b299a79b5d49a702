"""Programs measured in turns.

Speed is CPU seconds, user and system together, children included, of a whole process on a warm page cache; of several runs
the least counts, as other work on the machine can only add to it. Programs that are compared take turns, so that the same
disturbances meet both.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

METER = Path(__file__).with_name("meter.py")
READ_BYTES = 1 << 22
LAST_WORDS = 400  # characters of a failed program's output that are shown
Command = Sequence[object]


class AbsentError(Exception):
    """A figure that there is not, and why."""


class WrongError(Exception):
    """A run that failed, or did something else than it was measured for."""


@dataclass(frozen=True)
class Run:
    """What a process took and said."""

    cpu_s: float
    rss_bytes: int
    output: str


def as_users_have_it() -> dict[str, str]:
    """Our environment without what developers tell Python, such as to compile its modules anew each time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def warm(path: Path) -> None:
    """Bring a file into the page cache."""
    with path.open("rb", buffering=0) as whole:
        while whole.read(READ_BYTES):
            pass


def run(
    command: Command,
    *,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    timeout_s: float = 1_800,
) -> Run:
    """Run a program to its end, in a folder of its own with ``files`` alone; ``output`` is both streams together.

    Raises
    ------
    WrongError
        it failed or took too long; with its last words
    """
    words = [str(part) for part in command]
    with tempfile.TemporaryDirectory() as folder:
        taken, said = Path(folder, "taken.json"), Path(folder, "said")
        for name, text in (files or {}).items():
            Path(folder, name).write_text(text)
        meter = [sys.executable, "-IS", str(METER), str(taken), *words]
        with said.open("wb") as out:
            begun = subprocess.Popen(
                meter, stdout=out, stderr=out, cwd=folder, env=environment or as_users_have_it(), start_new_session=True
            )
            wait(begun, words, timeout_s)
        result = json.loads(taken.read_text())
        output = said.read_text(errors="replace")
    if result["code"] != 0:
        raise WrongError(f"{' '.join(words)}: exit code {result['code']}: {output[-LAST_WORDS:]}")
    return Run(result["cpu_s"], result["rss_bytes"], output)


def wait(begun: subprocess.Popen[bytes], words: Sequence[str], timeout_s: float) -> None:
    """Wait for a program; leave nothing of it running when it takes too long or we are told to stop."""
    try:
        code = begun.wait(timeout_s)
    except BaseException as error:
        os.killpg(begun.pid, signal.SIGKILL)
        begun.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise WrongError(f"{words[0]} timed out after {timeout_s} s") from error
        raise
    if code != 0:
        raise WrongError(f"{words[0]} could not be started")


def least(runs: Sequence[Run]) -> float:
    """CPU seconds of the best run."""
    return min(taken.cpu_s for taken in runs)
