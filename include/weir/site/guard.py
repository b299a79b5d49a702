"""Holds one command and everything it starts, and never outlives its own parent.

    python3 -I -S guard.py [--stop SIGNAL] [--grace SECONDS] -- COMMAND...

The guard is the reaper of all descendants of the command, also of those that changed their session
or lost their parent. When its own parent dies, by ``kill -9`` too, the kernel tells the guard, which
asks the command to stop, waits for the grace and then ends whatever is left. So no service of a site
stays behind. It needs Linux and the standard library only: ``bin/setup`` uses it before anything is
installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
WATCHED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
GRACE_S = 20.0
LOOK_S = 0.05  # between two looks at what is left while stopping
NOT_FOUND = 127  # the shell's exit code for a command that does not exist
KILLED = 128  # plus the signal's number: the shell's exit code for a killed command


def prctl(option: int, value: int) -> None:
    """Set one property of this process (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def descendants(pid: int) -> list[int]:
    """Every live process below ``pid``, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name may hold blanks and brackets; the fields after its last bracket are state and parent.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    below = list(children.get(pid, []))
    while below:
        one = below.pop()
        found.append(one)
        below.extend(children.get(one, []))
    return found


def start(command: list[str]) -> int:
    """Fork the command into a session of its own; its pid."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        for number in WATCHED:  # a shell starts what it puts in the background with SIGINT ignored, and so would the command be
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)  # noqa: S606  a list of words, and no shell
        except OSError as error:
            print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(NOT_FOUND)
    return pid


def reap(main: int) -> int | None:
    """Collect all that ended; the exit code of ``main`` if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            if ended[0] == main:
                status = os.waitstatus_to_exitcode(ended[1])
                code = status if status >= 0 else KILLED - status
    return code


def end_the_rest(number: signal.Signals) -> None:
    """Send a signal to every descendant."""
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def hold(command: list[str], stop: signal.Signals, grace_s: float) -> int:
    """Run the command until it ends or we are told to stop; its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    parent = os.getppid()
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked to be told
        return KILLED + signal.SIGTERM
    main = start(command)
    code: int | None = None
    while code is None:
        if signal.sigwait(WATCHED) != signal.SIGCHLD:
            os.kill(main, stop)
            break
        code = reap(main)
    return finish(main, code, grace_s)


def finish(main: int, code: int | None, grace_s: float) -> int:
    """Wait out the grace for ``main``, then end all that is left."""
    until = time.monotonic() + grace_s
    while code is None and time.monotonic() < until:
        time.sleep(LOOK_S)
        code = reap(main)
    end_the_rest(signal.SIGTERM)
    until = time.monotonic() + min(grace_s, 2.0)
    while descendants(os.getpid()):
        if time.monotonic() > until:
            end_the_rest(signal.SIGKILL)
        time.sleep(LOOK_S)
        ended = reap(main)
        code = ended if code is None else code
    return KILLED + signal.SIGKILL if code is None else code


def main(arguments: list[str]) -> NoReturn:
    """Read the command line, hold the command, exit as it did."""
    stop, grace_s = signal.SIGTERM, GRACE_S
    split = arguments.index("--")
    options, command = arguments[:split], arguments[split + 1 :]
    for name, value in zip(options[::2], options[1::2], strict=True):
        if name == "--stop":
            stop = signal.Signals[f"SIG{value}"]
        elif name == "--grace":
            grace_s = float(value)
        else:
            sys.exit(f"guard.py: no option {name}")
    sys.exit(hold(command, stop, grace_s))


if __name__ == "__main__":
    main(sys.argv[1:])
