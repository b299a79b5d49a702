"""Whether all segments of a sensor arrived, judged by what the segments say of one another.

A sensor numbers its segments from 0 each time it starts (``boot_id``), and each names the sha256 of
the one before. A listing of files cannot show what is missing; this chain can.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from weir.packets.manifest import Manifest


@dataclass(frozen=True)
class Gap:
    """A place where the chain of one sensor start does not hold.

    ``missing``: ``count`` segments from ``seq`` on are not here. ``broken``: segment ``seq`` names
    another predecessor than the one that is here. ``twice``: two different segments have the number
    ``seq``. For the last two ``count`` is 1.
    """

    sensor_id: str
    boot_id: str
    seq: int
    count: int
    kind: Literal["missing", "broken", "twice"]


def missing(manifests: Iterable[Manifest]) -> list[Gap]:
    """All gaps, by sensor, start and number.

    The same segment given twice is no gap. What came after the newest segment given cannot be
    known.
    """
    ordered = sorted(manifests, key=lambda m: (m.sensor_id, m.boot_id, m.seq, m.sha256))
    gaps = []
    for _, of_boot in groupby(ordered, key=lambda m: (m.sensor_id, m.boot_id)):
        segments = list(of_boot)
        first = segments[0]
        if first.seq > 0:
            gaps.append(Gap(first.sensor_id, first.boot_id, 0, first.seq, "missing"))
        for earlier, later in pairwise(segments):
            gaps.extend(_between(earlier, later))
    return gaps


def _between(earlier: Manifest, later: Manifest) -> list[Gap]:
    if earlier.sha256 == later.sha256 and earlier.seq == later.seq:
        return []
    if earlier.seq == later.seq:
        return [Gap(later.sensor_id, later.boot_id, later.seq, 1, "twice")]
    absent = later.seq - earlier.seq - 1
    if absent > 0:
        return [Gap(later.sensor_id, later.boot_id, earlier.seq + 1, absent, "missing")]
    if later.previous_sha256 != earlier.sha256:
        return [Gap(later.sensor_id, later.boot_id, later.seq, 1, "broken")]
    return []
