"""The flow core spends as many instructions on a packet as capture_cpp/bench/instructions.json says.

A change that makes it slower, or faster, is written down with: python benchmarks/instructions.py --write
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

import instructions
from weir import _native


def test_the_beginning_of_a_capture_is_its_first_packets() -> None:
    records = [bytes(8) + size.to_bytes(4, "little") + bytes(4) + bytes(size) for size in (1, 60, 0)] * instructions.FIRST
    begin = instructions.beginning(bytes(instructions.FILE_HEADER) + b"".join(records))
    assert begin == bytes(instructions.FILE_HEADER) + b"".join(records[: instructions.FIRST])


@pytest.mark.parametrize("program", [instructions.BENCH, Path(_native.__file__)], ids=["program", "module"])
def test_memory_is_asked_for_before_it_is_needed(program: Path) -> None:
    shown = subprocess.run(
        ["objdump", "--disassemble", "--no-show-raw-insn", program], check=True, capture_output=True, text=True
    )
    lines = re.findall(r"\t(?:prefetch|prfm)", shown.stdout)
    assert len(lines) > 20, "the compiler has left the prefetches out; see PrefetchLine"


@pytest.mark.parametrize("kind", instructions.KINDS)
def test_a_packet_costs_as_many_instructions_as_kept(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = json.loads(instructions.BASELINE.read_text())[kind]
    counted = instructions.per_packet(kind, tmp_path_factory.mktemp(kind))
    assert counted == pytest.approx(kept, rel=instructions.TOLERANCE), "python benchmarks/instructions.py --write"
