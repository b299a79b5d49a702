"""The commands in the README and the output it shows for them.

    bin/demo --once | .venv/bin/python tests/readme.py

writes the output it reads into the README, below the command. Read the diff before you accept it.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
FENCE = re.compile(r"^```console\n\$ (?P<command>.*)\n(?P<output>(?:.*\n)*?)```$", re.MULTILINE)
DEMO = "bin/demo --once"
PASSING = re.compile(r"^weir: |, waiting for ")  # lines that come or not, as the machine is quick or slow
EXTRA_RUN = re.compile(r"no packets waited$")  # the hourly run, when the demo happens to run at that minute
RUN = re.compile(r"^  weir_\d_")


def blocks(text: str) -> dict[str, str]:
    """Each command of the README with the output below it."""
    return {found["command"]: found["output"] for found in FENCE.finditer(text)}


def lasting(output: str) -> list[str]:
    """The lines of an output that every run of the demo prints."""
    return [line.rstrip() for line in output.splitlines() if not PASSING.search(line) and not EXTRA_RUN.search(line)]


def shape(line: str) -> str:
    """A line with everything replaced that may differ between two runs: numbers, times, names made by chance."""
    line = re.sub(r"(password +)\S+", r"\1PASSWORD", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "ID", line)
    line = re.sub(r"\d[\d,.:]*\d|\d", "N", line)
    return re.sub(r" +", " ", line)


def shapes(output: str) -> list[str]:
    """The shapes of the lasting lines; runs of one shape count once, as a schedule may have added one."""
    found: list[str] = []
    for line in lasting(output):
        if not RUN.search(line) or shape(line) not in found:
            found.append(shape(line))
    return found


def written(text: str, output: str) -> str:
    """The README with this output below the demo's command."""
    lines = "\n".join(lasting(output)).strip("\n")
    old = next(found for found in FENCE.finditer(text) if found["command"] == DEMO)
    return text[: old.start()] + f"```console\n$ {DEMO}\n{lines}\n```" + text[old.end() :]


if __name__ == "__main__":
    README.write_text(written(README.read_text(), sys.stdin.read()))
