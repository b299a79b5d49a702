"""A site of its own for each test, and waiting for what processes do."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weir.site import aws
from weir.site.places import Places
from weir.site.ports import Ports
from weir.site.processes import Services

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0  # never reached unless something is broken
LOOK_S = 0.02


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    found = Places(tmp_path)
    found.local.mkdir()
    yield found
    if os.geteuid() == 0:
        shutil.rmtree(found.database.parent, ignore_errors=True)


@pytest.fixture
def stand_in(places: Places) -> Iterator[Ports]:
    """The AWS stand-in, running and with what Weir needs in it."""
    (places.local / "aws-venv").symlink_to(ROOT / ".local" / "aws-venv")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ports = Ports(int(probe.getsockname()[1]))
    with Services(places) as services:
        services.start(aws.service(places, ports, dict(os.environ)))
        services.wait("aws", lambda: aws.is_ready(ports), PATIENCE_S, lambda _: None)
        aws.create(ports)
        yield ports


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(LOOK_S)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    return until


@pytest.fixture
def alive() -> Callable[[int], bool]:
    return is_alive
