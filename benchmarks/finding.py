"""What the index of segments costs and saves: its size, how often it is wrong, and what a search reads.

Run: python benchmarks/finding.py CAPTURE... (such as those of weir simulate --out FOLDER --hours 2 --intensity 8)
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from weir.packets import find, folder
from weir.packets.find import Cost, Segment
from weir.packets.headers import ip_headers
from weir.packets.index import may_hold
from weir.packets.query import Query
from weir.packets.records import Form, unpack

SENSOR = Path(__file__).parents[1] / "build" / "capture" / "bin" / "weir-capture"
ABSENT = 2_000  # addresses that occur nowhere, asked of each frame
SEED = 7


def main(captures: list[str]) -> None:
    """Cut the captures into segments as a sensor does, and measure."""
    with tempfile.TemporaryDirectory(prefix="weir-finding-") as spool:
        for number, capture in enumerate(captures):
            subprocess.run([SENSOR, "-r", capture, "--sensor", f"s{number}", "--spool", spool], check=True, capture_output=True)
        segments, _ = folder.segments([Path(spool)])
        manifests = sum(path.stat().st_size for path in Path(spool).glob("*.json"))
        report(segments, manifests)


def report(segments: list[Segment], manifests: int) -> None:
    """Print sizes, how often the index errs, and what some searches cost."""
    frames = [(segment, frame) for segment in segments for frame in segment.manifest.frames]
    stored = sum(segment.file_bytes for segment in segments)
    packets = sum(frame.packets for _, frame in frames)
    print(f"{packets:,} packets in {len(frames)} frames of {len(segments)} segments, {stored:,} B")
    index = sum(len(frame.hosts) for _, frame in frames)
    print(
        f"index: {index:,} B, {index / len(frames):.0f} B a frame; manifests as a whole {manifests / stored:.2%} of the segments"
    )
    seen: Counter[bytes] = Counter()
    per_frame = []
    for segment, frame in frames:
        held = addresses(segment, frame)
        per_frame.append(len(held))
        seen.update(held)
    print(f"addresses: {len(seen):,}, {min(per_frame)} to {max(per_frame)} in a frame")
    absent = [address for address in strangers() if address not in seen]
    wrong = sum(may_hold(frame.hosts, address) for _, frame in frames for address in absent)
    print(f"wrong: an absent address seems to be in 1 of {len(absent) * len(frames) / max(wrong, 1):.0f} frames")
    ordered = [str(ip_address(address)) for address, _ in seen.most_common()]
    everything = Query()
    for words, query in (
        ("busiest host", Query(hosts=(ordered[0],))),
        ("host in the middle", Query(hosts=(ordered[len(ordered) // 2],))),
        ("rarest host", Query(hosts=(ordered[-1],))),
        ("absent host", Query(hosts=(str(ip_address(absent[0])),))),
        ("a port", Query(ports=(443,))),
        ("all packets", everything),
    ):
        print(f"{words}: {searched(segments, query)}")


def addresses(segment: Segment, frame: find.Frame) -> set[bytes]:
    """All addresses that occur in a frame."""
    raw = unpack(segment.fetch(frame.offset, frame.length))
    form = Form(segment.manifest.link_type, 0, has_nanoseconds=False)
    headers = (h for p in form.packets(raw) for h in ip_headers(form.link_type, p.data, p.length))
    return {address for header in headers for address in (header.source, header.destination)}


def strangers() -> Iterable[bytes]:
    """Addresses for benchmarks, which no capture should hold (RFC 2544)."""
    chance = random.Random(SEED)
    return (bytes([198, 18 + chance.randrange(2), *chance.randbytes(2)]) for _ in range(ABSENT))


def searched(segments: list[Segment], query: Query) -> str:
    """What a search found, and what it took."""
    cost, since = Cost(), time.process_time()
    for _ in find.merged(find.open_segments(segments, [query], cost), [query], cost):
        pass
    took = time.process_time() - since
    share = cost.bytes_read / cost.bytes_stored
    return f"{cost.packets:,} packets from {cost.frames_read} of {cost.frames} frames, {share:.1%} of the bytes, {took:.2f} s CPU"


if __name__ == "__main__":
    main(sys.argv[1:])
