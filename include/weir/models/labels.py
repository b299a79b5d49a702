"""Labels of rows, from a list that says which 5-tuple did what and when.

The list is a CSV as ``examples/captures`` ships it: src_ip, src_port, dst_ip, dst_port, ip_proto,
first_seen, last_seen (ISO 8601, UTC) and label. Labels come only from such sources, never from
what a model said.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from weir import schema
from weir.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

NORMAL = ""
BENIGN = ("", "benign", "normal")
SLACK_US = schema.US_PER_S  # label lists are written in other precisions than captures
NEEDED = ("src_ip", "src_port", "dst_ip", "dst_port", "ip_proto", "first_seen", "last_seen", "label")

Ends = tuple[tuple[str, int], tuple[str, int], int]
Labelled = Mapping[Ends, list[tuple[int, int, str]]]


def read(text: str, what: str) -> Labelled:
    """The labelled spans of each 5-tuple, whichever side spoke first; SettingsError names the bad line."""
    rows = csv.DictReader(io.StringIO(text))
    missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise SettingsError(f"{what}: columns {', '.join(missing)} are missing; a label list has {', '.join(NEEDED)}")
    spans: dict[Ends, list[tuple[int, int, str]]] = defaultdict(list)
    for number, row in enumerate(rows, 2):
        try:
            ends = _ends(row["src_ip"], int(row["src_port"]), row["dst_ip"], int(row["dst_port"]), int(row["ip_proto"]))
            label = NORMAL if row["label"] in BENIGN else row["label"]
            spans[ends].append((_us(row["first_seen"]), _us(row["last_seen"]), label))
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{what}: line {number}: {error}; mend or remove the line") from error
    return spans


def of_flows(flows: pa.Table, labelled: Labelled) -> list[str]:
    """The kind of attack of each flow, "" for normal ones and for those that no list names, shape (n,)."""
    names = ("src_ip", "src_port", "dst_ip", "dst_port", "protocol", "start_us", "duration_us")
    found = []
    for src, src_port, dst, dst_port, protocol, start, duration in zip(
        *(flows.column(n).to_pylist() for n in names), strict=True
    ):
        spans = labelled.get(_ends(src, src_port, dst, dst_port, protocol), ())
        near = [label for first, last, label in spans if start <= last + SLACK_US and start + duration >= first - SLACK_US]
        found.append(next((label for label in near if label), NORMAL))
    return found


def of_windows(windows: pa.Table, flows: pa.Table, flow_labels: list[str], seconds: int) -> list[str]:
    """The kind of attack that a host took part in, on either side, during each window, "" for none, shape (n,)."""
    length = seconds * schema.US_PER_S
    part: dict[tuple[str, str, int], str] = {}
    names = ("sensor_id", "src_ip", "dst_ip", "start_us")
    for (sensor, src, dst, start), label in zip(
        zip(*(flows.column(n).to_pylist() for n in names), strict=True), flow_labels, strict=True
    ):
        if label:
            for host in (src, dst):
                part.setdefault((sensor, host, start // length * length), label)
    keys = zip(*(windows.column(n).to_pylist() for n in ("sensor_id", "host", "start_us")), strict=True)
    return [part.get(key, NORMAL) for key in keys]


def _ends(src: str, src_port: int, dst: str, dst_port: int, protocol: int) -> Ends:
    one, other = sorted(((src, src_port), (dst, dst_port)))
    return one, other, protocol


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * schema.US_PER_S)
