"""What sensors left in their spools, for tests."""

import random
import subprocess
from pathlib import Path

from weir.packets import spool
from weir.packets.manifest import Manifest

EMPTY = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + b"\x00\x00\x04\x00\x01\x00\x00\x00"
FRAME = 2**20 // 1016  # packets of 1,000 bytes that fit in a frame


def restart(binary: Path, folder: Path) -> None:
    """Start the sensor once more with nothing to read, so that it salvages."""
    subprocess.run(
        [binary, "--sensor", "lab", "--spool", folder, "-r", "-"], input=EMPTY, capture_output=True, check=True, timeout=60
    )


def sound_manifests(folder: Path) -> list[Manifest]:
    """All visible manifests; fails where one of them, or its segment, is torn."""
    return [spool.read(path)[0] for path in spool.sealed(folder)]


def all_balance(manifests: list[Manifest]) -> bool:
    """Whether each manifest obeys the law of the disk by itself."""
    sums = [[m.counters[name] for name in ("filtered", "written", "drop_disk", "drop_spool")] for m in manifests]
    return [m.counters["read"] for m in manifests] == [sum(parts) for parts in sums]


def total(manifests: list[Manifest], counter: str) -> int:
    return sum(manifest.counters[counter] for manifest in manifests)


def random_packets(pcaps, count: int, size: int = 1000) -> list:
    noise = random.Random(5)
    return [pcaps.Packet(pcaps.NINE_OCLOCK * 10**9 + i * 1000, noise.randbytes(size)) for i in range(count)]
