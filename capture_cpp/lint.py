"""What clang-tidy finds in our C++, by the checks of capture_cpp/.clang-tidy.

python capture_cpp/lint.py            looks at every source file, as many at a time as there are processors
python capture_cpp/lint.py NAME ...   at those only whose path ends in NAME

The commands come from a configuration of their own, build/lint, which is never built. It takes clang-tidy and nanobind of the
Python that runs it; both come with bin/setup --tests. Nothing is printed when nothing is found. A finding ends it with exit
code 1 after all files were looked at.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).parent.resolve()
BUILD = SOURCES.parent / "build" / "lint"
# A debug build, as its asserts tell the analyzer what may be taken for granted.
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Debug",
    "CMAKE_CXX_COMPILER": "clang++-19",
    "Python_EXECUTABLE": sys.executable,
    "SKBUILD": "ON",  # brings the Python module
    "WEIR_BENCH": "ON",
    "WEIR_FUZZ": "ON",
    "WEIR_SENSOR": "ON",
    "WEIR_TESTS": "ON",
}
START_OF_FINDING = re.compile(r"^(?=/\S+:\d+:\d+: (?:error|warning): )", re.MULTILINE)


def configure() -> None:
    """Write the compile commands of all our sources, each once: the fuzz targets compile the core again."""
    options = [f"-D{name}={value}" for name, value in OPTIONS.items()]
    command: list[str | Path] = ["cmake", "-S", SOURCES, "-B", BUILD, "-G", "Ninja", "--no-warn-unused-cli", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}\nlint: build/lint cannot be configured; run bin/setup --tests first")
    path = BUILD / "compile_commands.json"
    ours = [entry for entry in json.loads(path.read_text()) if Path(entry["file"]).is_relative_to(SOURCES)]
    path.write_text(json.dumps(list({entry["file"]: entry for entry in reversed(ours)}.values()), indent=1))


def sources(names: list[str]) -> list[Path]:
    """The source files whose path ends in one of ``names``, or all; the largest first, so that none is waited for at the end."""
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    found = [Path(entry["file"]) for entry in entries if not names or entry["file"].endswith(tuple(names))]
    return sorted(found, key=lambda path: path.stat().st_size, reverse=True)


def findings(source: Path) -> list[str]:
    """Each finding in one source file and its headers, with the lines that show it."""
    program = Path(sysconfig.get_path("scripts")) / "clang-tidy"
    done = subprocess.run([program, "-p", BUILD, "--quiet", source], capture_output=True, text=True, check=False)
    found = START_OF_FINDING.split(done.stdout)[1:]
    if done.returncode != 0 and not found:
        return [f"{source}: clang-tidy ended with {done.returncode}\n{done.stdout}{done.stderr}"]
    return found


def main() -> None:
    """Look at all files, then print each finding once, though many files may share its header."""
    configure()
    chosen = sources(sys.argv[1:])
    if not chosen:
        raise SystemExit(f"lint: no source file's path ends in {' or '.join(sys.argv[1:])}")
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = sorted({finding for each in pool.map(findings, chosen) for finding in each})
    if found:
        print("".join(found).replace(f"{SOURCES.parent}/", ""), end="")
        raise SystemExit(f"lint: {len(found)} findings in {len(chosen)} files; capture_cpp/.clang-tidy says what is asked")


if __name__ == "__main__":
    main()
