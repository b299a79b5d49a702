"""The page that says where things live is true, and the import rules hold."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
UNLISTED = {"__pycache__", "__init__.py", "_native.pyi", "py.typed"}


def listed(heading: str) -> set[str]:
    table = PAGE.split(heading, 1)[1].split("\n\n", 1)[0]
    return {name.rstrip("/") for name in re.findall(r"^\| `([^`]+)` \|", table, re.M)}


def tracked(folder: str) -> set[str]:
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", folder or "."], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.removeprefix(folder).lstrip("/").split("/")[0] for name in found.stdout.splitlines()}


def test_the_page_names_every_module_of_the_package_and_no_other() -> None:
    assert listed("| in `include/weir/` |") == tracked("include/weir") - UNLISTED


def test_the_page_names_every_folder_of_the_project_and_no_other() -> None:
    folders = {name for name in tracked("") if (ROOT / name).is_dir() and not name.startswith(".")} - {"include"}
    assert {name.split("/")[0] for name in listed("| place |")} - {"include"} == folders


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("planted", ["from weir.models import train", "from weir.store import open_store"])
def test_a_forbidden_import_is_found(planted: str, tmp_path: Path) -> None:
    copy = tmp_path / "weir"
    subprocess.run(["cp", "-r", ROOT / "include" / "weir", copy], check=True)
    (copy / "alerts" / "planted.py").write_text(planted + "\n")
    config = tmp_path / "pyproject.toml"
    config.write_text((ROOT / "pyproject.toml").read_text())
    # -S leaves out the hook of the editable install, which would find the true package first
    packages = (
        Path(sys.executable).parents[1] / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    )
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(packages)!r}]; from importlinter.cli import lint_imports_command; "
        f"sys.argv = ['lint-imports', '--no-cache', '--config', {str(config)!r}]; lint_imports_command()"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "weir.alerts.planted" in done.stdout


# Rooms of the C++: what each may include beside its own files and those of the folder that it lies in.
ROOMS = {
    "capture_cpp/src": {
        "reader": set(),
        "decode": {"reader"},
        "application": set(),
        "record": set(),
        "columns": {"application", "record"},
        "table": {"application", "columns", "record"},
    },
    "capture_cpp/sensor": {"capture": set(), "privacy": set(), "store": set(), "flows": {"export"}, "export": {"flows"}},
}


def trespasses(place: str, folder: Path) -> list[str]:
    """Includes of one room by another that may not know it."""
    found = []
    for room, others in ROOMS[place].items():
        for path in sorted((folder / room).iterdir()):
            for included in re.findall(r'^#include "([^"/]+)/', path.read_text(), re.M):
                if included in ROOMS[place] and included not in others | {room}:
                    found.append(f"{room}/{path.name} includes {included}/")
    return found


@pytest.mark.parametrize("place", ROOMS)
def test_rooms_of_the_cpp_do_not_include_one_another(place: str) -> None:
    folders = {path.name for path in (ROOT / place).iterdir() if path.is_dir()} - {"tests"}
    assert folders == set(ROOMS[place])
    assert trespasses(place, ROOT / place) == []


def test_a_forbidden_include_is_found(tmp_path: Path) -> None:
    for room in ROOMS["capture_cpp/sensor"]:
        (tmp_path / room).mkdir()
    (tmp_path / "store" / "planted.h").write_text('#include "disk.h"\n#include "store/spool.h"\n#include "flows/rows.h"\n')
    assert trespasses("capture_cpp/sensor", tmp_path) == ["store/planted.h includes flows/"]
