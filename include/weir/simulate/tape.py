"""What the wire carried: packets in time, and which labelled flow each belongs to."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from operator import itemgetter

from weir.simulate.wire import ETHERNET_BYTES, US_PER_S, Endpoint

BENIGN = "benign"
FLOW_COLUMNS = (
    "src_ip", "src_port", "dst_ip", "dst_port", "ip_proto", "first_seen", "last_seen",
    "fwd_packets", "fwd_bytes", "bwd_packets", "bwd_bytes", "label", "purity", "source_capture",
)  # fmt: skip
TIMELINE_COLUMNS = ("start", "end", "label", "purity", "packets", "source_repo", "source_path")
ORIGIN = "weir simulate"


@dataclass(slots=True)
class LabelledFlow:
    """One conversation and what was written of it so far; bytes are IP bytes.

    ``purity`` is ``mixed`` where its label holds for the capture as a whole, not for each flow.
    """

    client: Endpoint
    server: Endpoint
    protocol: int
    label: str
    purity: str = "pure"
    origin: str = ORIGIN
    first_us: int = -1
    last_us: int = -1
    fwd_packets: int = 0
    fwd_bytes: int = 0
    bwd_packets: int = 0
    bwd_bytes: int = 0

    def saw(self, time_us: int, frame_bytes: int, is_forward: bool) -> None:
        """Count one packet that went into a file."""
        self.first_us = time_us if self.first_us < 0 else self.first_us
        self.last_us = time_us
        if is_forward:
            self.fwd_packets += 1
            self.fwd_bytes += frame_bytes - ETHERNET_BYTES
        else:
            self.bwd_packets += 1
            self.bwd_bytes += frame_bytes - ETHERNET_BYTES


class Tape:
    """Packets not yet written, and the flows of all."""

    def __init__(self) -> None:
        self.flows: list[LabelledFlow] = []
        self._packets: list[tuple[int, bytes, LabelledFlow | None, bool]] = []

    def flow(self, client: Endpoint, server: Endpoint, protocol: int, label: str = BENIGN) -> LabelledFlow:
        """A new conversation, to be named with each of its packets."""
        flow = LabelledFlow(client, server, protocol, label)
        self.flows.append(flow)
        return flow

    def add(self, time_us: int, frame: bytes, flow: LabelledFlow | None, is_forward: bool = True) -> None:
        """A frame on the wire; ``flow`` is None for what is not IP."""
        self._packets.append((time_us, frame, flow, is_forward))

    def cut(self, until_us: int) -> list[tuple[int, bytes]]:
        """Take the packets before ``until_us`` off the tape, in time order; equal times keep the order they were added in."""
        self._packets.sort(key=itemgetter(0))
        end = bisect_left(self._packets, until_us, key=itemgetter(0))
        taken, self._packets = self._packets[:end], self._packets[end:]
        for time_us, frame, flow, is_forward in taken:
            if flow is not None:
                flow.saw(time_us, len(frame), is_forward)
        return [(time_us, frame) for time_us, frame, _, _ in taken]


def words_of_time(time_us: int) -> str:
    """Such as ``2024-03-04T09:01:07.170145Z``."""
    whole = datetime.fromtimestamp(time_us // US_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{time_us % US_PER_S:06d}Z"


def flows_csv(flows: Iterable[LabelledFlow]) -> str:
    """One line for each conversation of which a packet was written, by time."""
    seen = sorted((flow for flow in flows if flow.first_us >= 0), key=lambda flow: flow.first_us)
    return _csv(FLOW_COLUMNS, map(_line, seen))


def _line(flow: LabelledFlow) -> tuple[object, ...]:
    client, server = flow.client, flow.server
    key = (client.address, client.port, server.address, server.port, flow.protocol)
    counts = (flow.fwd_packets, flow.fwd_bytes, flow.bwd_packets, flow.bwd_bytes)
    return (*key, words_of_time(flow.first_us), words_of_time(flow.last_us), *counts, flow.label, flow.purity, flow.origin)


def timeline_csv(flows: Iterable[LabelledFlow]) -> str:
    """One line for each label: when it was first and last seen, and in how many packets."""
    by_label: dict[str, list[LabelledFlow]] = {}
    for flow in flows:
        if flow.first_us >= 0:
            by_label.setdefault(flow.label, []).append(flow)
    rows = [
        (
            min(flow.first_us for flow in same),
            max(flow.last_us for flow in same),
            label,
            sum(flow.fwd_packets + flow.bwd_packets for flow in same),
        )
        for label, same in by_label.items()
    ]
    lines = ((words_of_time(a), words_of_time(b), label, "pure", n, ORIGIN, label) for a, b, label, n in sorted(rows))
    return _csv(TIMELINE_COLUMNS, lines)


def _csv(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()
