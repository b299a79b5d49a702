"""The two captures that speed is measured on, made the same on every machine.

python benchmarks/captures.py flood OUT.pcap [PACKETS]     60-byte frames, most of them new flows
python benchmarks/captures.py mixed OUT.pcap [PACKETS]     conversations of all kinds, real and made up, side by side

A million packets where none are given. ``mixed`` takes as much memory as the file is long.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from flood import flood
from mixed import mixed

FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
PACKETS = 1_000_000
KINDS = {"flood": flood, "mixed": mixed}


def make(kind: str, out: Path, packets: int) -> None:
    """Write a capture; it appears whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    with part.open("wb") as whole:
        whole.write(FILE_HEADER)
        for records in KINDS[kind](packets):
            whole.write(records)
    part.rename(out)


def main() -> None:
    """Write the capture that the command line names."""
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in KINDS:
        raise SystemExit(__doc__)
    make(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else PACKETS)


if __name__ == "__main__":
    main()
