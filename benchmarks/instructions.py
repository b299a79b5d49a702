"""Instructions that the flow core spends on a packet, which other work on the machine cannot change.

python benchmarks/instructions.py           counts them and says how far they are from capture_cpp/bench/instructions.json
python benchmarks/instructions.py --write   writes them there, after a change that is worth its price

Payload is not read for it: what Nettle spends there depends on the processor.

Counted by valgrind on the captures of captures.py, from packet 10,000 to 100,000, so that what a start costs is left out. The
same program gives the same number everywhere: valgrind hides all vectors beyond AVX2, and string functions of the C library,
which it picks by processor, are held to those of any x86-64. Another compiler gives other numbers; these are of Debian 12's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "build" / "capture" / "bench" / "weir-core-bench"
BASELINE = ROOT / "capture_cpp" / "bench" / "instructions.json"
KINDS = ("flood", "mixed")
FIRST, LAST = 10_000, 100_000
TOLERANCE = 0.03
FILE_HEADER, RECORD_HEADER = 24, 16
ANY_X86_64 = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM"


def measured() -> dict[str, int]:
    """Instructions per packet of each kind of capture."""
    with tempfile.TemporaryDirectory(prefix="weir-instructions-") as folder:
        return {kind: per_packet(kind, Path(folder)) for kind in KINDS}


def per_packet(kind: str, folder: Path) -> int:
    """Instructions per packet of one kind; its captures are made in ``folder``."""
    whole, begin = folder / f"{kind}.pcap", folder / f"{kind}-begin.pcap"
    subprocess.run([sys.executable, ROOT / "benchmarks" / "captures.py", kind, whole, str(LAST)], check=True)
    begin.write_bytes(beginning(whole.read_bytes()))
    return round((counted(whole) - counted(begin)) / (LAST - FIRST))


def beginning(capture: bytes) -> bytes:
    """The first packets of a capture."""
    at = FILE_HEADER
    for _ in range(FIRST):
        at += RECORD_HEADER + int.from_bytes(capture[at + 8 : at + 12], "little")
    return capture[:at]


def counted(capture: Path) -> int:
    """Instructions from the start of the program to its end."""
    command: list[str | Path] = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", BENCH, "headers", capture]
    environment = {**os.environ, "GLIBC_TUNABLES": ANY_X86_64}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"valgrind did not count {BENCH}: {done.stderr[-500:]}")
    return int(found[1])


def main() -> None:
    """Count, and compare or write."""
    if sys.argv[1:] not in ([], ["--write"]):
        raise SystemExit(__doc__)
    now = measured()
    if sys.argv[1:]:
        BASELINE.write_text(json.dumps(now, indent=2) + "\n")
    before: dict[str, int] = json.loads(BASELINE.read_text())
    for kind in KINDS:
        print(f"{kind}: {now[kind]} instructions per packet, {now[kind] / before[kind] - 1:+.1%} of the {before[kind]} kept")


if __name__ == "__main__":
    main()
