"""capture_cpp/fuzz/run with targets that are scripts: which of them it starts, and what its exit code says."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

RUN = Path("capture_cpp") / "fuzz" / "run"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Start it in a copy of the project with two sound targets and one that breaks."""
    (tmp_path / RUN).parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / RUN, tmp_path / RUN)
    built = tmp_path / "build" / "fuzz" / "fuzz"
    built.mkdir(parents=True)
    for name, code in (("make_seeds", 0), ("fuzz_decoder", 0), ("fuzz_dns", 0), ("fuzz_broken", 77)):
        (built / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (built / name).chmod(0o755)
    return lambda *names: subprocess.run([tmp_path / RUN, *names], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("names", [("dns", "decoder"), ("fuzz_dns", "fuzz_decoder"), ("fuzz_dns", "decoder")])
def test_a_target_is_known_by_its_name_with_and_without_fuzz(run, names):
    done = run(*names)
    assert done.returncode == 0, done.stderr
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == ["decoder", "dns"]


@pytest.mark.parametrize("name", ["nope", "fuzz_nope", "", "."])
def test_a_name_that_is_no_targets_is_refused_before_anything_runs(run, name):
    done = run("dns", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("no such target; there are: broken decoder dns\n")


def test_a_target_that_breaks_ends_the_run_with_exit_code_1_behind_all_others(run):
    done = run()
    assert done.returncode == 1
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == ["decoder", "dns"]
    assert "fuzz: broken: broken by" in done.stderr
