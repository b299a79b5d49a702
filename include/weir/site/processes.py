"""Services of the site: started under a guard each, watched, and stopped in order.

No service outlives the supervisor: each is held by ``guard.py``, which the kernel tells when the
supervisor dies. What a killed guard might leave is ended by the next start, from the notes in ``run``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weir.errors import SiteError
from weir.site.places import Places
from weir.store import put

GUARD = Path(__file__).with_name("guard.py")
LOOK_S = 0.1  # between two looks at a service that starts or stops
LAST_LINES = 12  # of a log, in an error message
GUARD_EXTRA_S = 6.0  # what a guard may need beyond its grace, on a busy machine


@dataclass(frozen=True)
class Service:
    """A command that runs as long as the site does."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    stop: str = "TERM"  # the signal, without SIG, that ends it in good order
    grace_s: float = 20.0


class Services:
    """All services of a site; use it as a context, so that leaving it stops them."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._running: list[tuple[Service, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Services:  # noqa: D105
        return self

    def __exit__(self, *_: object) -> None:  # noqa: D105
        self.stop()

    def start(self, service: Service) -> None:
        """Start it under a guard, its output going to ``logs/<name>.log``."""
        self.places.logs.mkdir(parents=True, exist_ok=True)
        python = [sys.executable, "-I", "-S", str(GUARD), "--stop", service.stop, "--grace", str(service.grace_s), "--"]
        with self.log(service.name).open("wb") as log:
            process = subprocess.Popen(
                [*python, *service.command],
                env=dict(service.env),
                cwd=service.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor, which stops them in order
            )
        self._running.append((service, process))
        _note(self.places.run / f"{service.name}.json", process.pid)

    def log(self, name: str) -> Path:
        """Where a service writes."""
        return self.places.logs / f"{name}.log"

    def check(self) -> None:
        """SiteError when a service ended by itself."""
        for service, process in self._running:
            if (code := process.poll()) is not None:
                raise SiteError(f"{service.name} stopped by itself (exit {code}). {self._last_words(service.name)}")

    def wait(self, name: str, ready: Callable[[], bool], seconds: float, tell: Callable[[str], None]) -> None:
        """Wait until ``ready`` says yes; SiteError after ``seconds`` or when a service ended."""
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise SiteError(f"{name} was not ready after {seconds:.0f} s. {self._last_words(name)}")
            tell(f"{name} to answer")
            time.sleep(LOOK_S)

    def stop(self) -> None:
        """Stop all, the last started first; returns when nothing is left."""
        for service, process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(service.grace_s + GUARD_EXTRA_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            (self.places.run / f"{service.name}.json").unlink(missing_ok=True)
        self._running.clear()

    def stop_together(self, names: Sequence[str]) -> None:
        """Ask several to stop at once; ``stop`` waits for them."""
        for service, process in self._running:
            if service.name in names and process.poll() is None:
                process.terminate()

    def _last_words(self, name: str) -> str:
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
        return "\n".join([f"Its log is {log} and ends with:", *(f"    {line}" for line in lines)])


def lock(places: Places) -> int:
    """Take the site for this process until it ends; SiteError when another has it."""
    places.run.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(places.run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode().strip() or "unknown"
        os.close(descriptor)
        raise SiteError(f"this checkout's site runs already (pid {holder}); stop it with Ctrl-C, or kill {holder}") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def end_leftovers(places: Places) -> list[str]:
    """End what an earlier supervisor left running, by its notes; their names."""
    ended = []
    for note in sorted(places.run.glob("*.json")):
        pid, started = json.loads(note.read_text())
        if _started(pid) == started:
            _end(pid, started)
            ended.append(note.stem)
        note.unlink()
    return ended


def _end(pid: int, started: int) -> None:
    """Ask a guard to stop, and kill it when it does not."""
    until = time.monotonic() + GUARD_EXTRA_S
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while _started(pid) == started:
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
            time.sleep(LOOK_S)


def _note(path: Path, pid: int) -> None:
    """Remember a guard by pid and start, as pids are used again."""
    put(path, json.dumps([pid, _started(pid)]).encode())


def _started(pid: int) -> int:
    """When a live process started, in clock ticks since boot; 0 when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])  # field 22 of proc(5), counted after the name
