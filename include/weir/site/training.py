"""The DVC workspace of the training DAG: the stages of ``dvc.yaml``, apart from anybody's checkout.

Two ``dvc repro`` in one workspace block each other, and a run must not change files that somebody
works on. So the DAG has a folder of its own without git, with copies of what the stages depend on.
What the stages made is pushed to ``dvc`` in the store, from where a checkout may pull it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weir.errors import SiteError
from weir.store import put

LOG = logging.getLogger(__name__)
FOLDER_VARIABLE = "WEIR_TRAINING"
FOLDER = Path(".local/training")
COPIED = ("dvc.yaml", "params.yaml", "examples", "capture_cpp/src", "great_expectations", "include/weir")
MODEL = Path("data/4_models/candidate")
LAST_LINES = 15  # of DVC's words, in an error message
CONFIG = """[core]
    no_scm = true
    analytics = false
    check_update = false
    remote = store
['remote "store"']
    url = {url}
"""


def reproduce(snapshot: Mapping[str, Any], checkout: Path | None = None) -> str:
    """Run the stages on a snapshot and push what they made; the folder of the new model."""
    workspace = prepare(snapshot, checkout or Path.cwd())
    dvc(workspace, "repro")
    dvc(workspace, "push")
    return str(workspace / MODEL)


def prepare(snapshot: Mapping[str, Any], checkout: Path) -> Path:
    """Bring the workspace up to date with the checkout and the snapshot."""
    workspace = Path(os.environ.get(FOLDER_VARIABLE) or checkout / FOLDER).resolve()
    for name in COPIED:
        _copy(checkout / name, workspace / name)
    put(workspace / "snapshot.json", json.dumps(snapshot, sort_keys=True, indent=1).encode())
    store = str(snapshot["store"]).removeprefix("file://")
    put(workspace / ".dvc" / "config", CONFIG.format(url=f"{store}/dvc").encode())
    return workspace


def dvc(workspace: Path, verb: str) -> None:
    """One DVC command, its words in the log; SiteError with the last of them when it fails."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", verb],
        cwd=workspace,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line.rstrip())
            LOG.info("dvc %s: %s", verb, said[-1])
    if running.returncode != 0:
        raise SiteError(f"dvc {verb} failed (exit {running.returncode}) in {workspace}:\n" + "\n".join(said[-LAST_LINES:]))


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder; what is gone from the source goes from the copy too."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "uncommitted"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
