"""A data scientist's day: reproduce in a fresh clone, push to the store, pull into another clone."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from weir.site import aws
from weir.site.places import Places
from weir.site.ports import Ports
from weir.site.processes import Services

ROOT = Path(__file__).parents[1]
STARTS_S = 60.0
STAGES = ("flows", "features", "validate", "train", "evaluate", "drift")

pytestmark = pytest.mark.whole


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The AWS stand-in on free ports, with the bucket; what a client needs to reach it."""
    places, ports = Places(tmp_path / "site"), Ports(free_base())
    places.local.mkdir(parents=True)
    (places.local / "aws-venv").symlink_to(ROOT / ".local" / "aws-venv")
    with Services(places) as services:
        services.start(aws.service(places, ports, dict(os.environ)))
        services.wait("aws", lambda: aws.is_ready(ports), STARTS_S, lambda _: None)
        aws.create(ports)
        yield aws.client_env(ports)


def free_base() -> int:
    """A port with free ones after it; the system gives out ports one by one, so its neighbours are rarely taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clone(source: Path, target: Path) -> Path:
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", source, target], check=True)
    return target


def dvc(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEIR_", "AWS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env={**kept, "PATH": path, "DVC_NO_ANALYTICS": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_is_reproduced_in_one_clone_is_pulled_into_another(tmp_path: Path, stand_in: dict[str, str]) -> None:
    first = clone(ROOT, tmp_path / "first")
    ran = dvc(first, "repro")
    assert all(f"Running stage '{stage}'" in ran for stage in STAGES), ran
    model = contents(first / "data" / "4_models" / "candidate")
    assert {"manifest.json", "flows.onnx", "windows.onnx", "training.json"} <= set(model)

    compiled = first / "include" / "weir" / "features" / "__pycache__"
    compiled.mkdir()
    (compiled / "windows.cpython-311.pyc").write_bytes(b"as an import would leave it")
    again = dvc(first, "repro")
    assert "Running stage" not in again
    assert "up to date" in again

    dvc(first, "push", env=stand_in)
    second = clone(ROOT, tmp_path / "second")
    shutil.copy(first / "dvc.lock", second / "dvc.lock")  # as a commit would bring it
    dvc(second, "pull", env=stand_in)
    assert contents(second / "data" / "4_models" / "candidate") == model
    assert "recall" in dvc(second, "metrics", "show")
