"""From an alert to its packets: the flows of a host, and where each of them lies in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weir.alerts.alert import Evidence, Peer

if TYPE_CHECKING:
    import pyarrow as pa

NEEDED = (
    "flow_id", "start_us", "duration_us", "src_ip", "src_port", "dst_ip", "dst_port", "protocol",
    "packets_fwd", "packets_bwd", "bytes_fwd", "bytes_bwd", "segment", "first_offset",
    "app", "dns_qname", "http_host", "tls_sni", "ftp_user", "ssh_client", "smtp_from", "mqtt_client_id",
)  # fmt: skip
NAMES = NEEDED[NEEDED.index("app") + 1 :]
"""Columns in which a conversation names somebody; paths and commands are left out, as they may hold secrets."""

Frames = Mapping[str, Sequence[Mapping[str, Any]]]
"""The frames of each segment's manifest, by the segment's sha256."""


@dataclass(frozen=True)
class HostFlows:
    """The flows one host took part in, as columns of equal length, in order of time.

    ``table`` holds the stored columns, ``peer`` the address at the other end, ``is_out`` whether
    the host spoke first, ``sent`` the IP bytes the host sent.
    """

    table: pa.Table
    start_us: NDArray[np.int64]
    is_out: NDArray[np.bool_]
    sent: NDArray[np.int64]
    peer: NDArray[np.object_]

    def at(self, chosen: NDArray[Any]) -> HostFlows:
        """The chosen flows only, by mask or by position."""
        positions = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        table = self.table.take(positions)
        return HostFlows(table, self.start_us[positions], self.is_out[positions], self.sent[positions], self.peer[positions])

    def in_windows(self, starts: Iterable[int], window_us: int) -> HostFlows:
        """The flows that began in one of these windows."""
        return self.at(np.isin(self.start_us // window_us * window_us, np.fromiter(starts, np.int64)))

    def column(self, name: str) -> NDArray[Any]:
        """A stored column as numpy."""
        values: NDArray[Any] = self.table.column(name).to_numpy()
        return values

    def peers(self, top: int) -> tuple[Peer, ...]:
        """Whom the host had most flows with, most first, equal ones by address."""
        names, counts = np.unique(self.peer.astype(str), return_counts=True)
        order = np.lexsort((names, -counts))[:top]
        return tuple(Peer(str(names[i]), int(counts[i])) for i in order)

    def heaviest_peer(self) -> str:
        """Whom the host sent most bytes to; empty without flows."""
        if not len(self.peer):
            return ""
        names, which = np.unique(self.peer.astype(str), return_inverse=True)
        return str(names[int(np.argmax(np.bincount(which, weights=self.sent)))])

    def service_port(self) -> int:
        """The port of the service the host started most flows to; 0 without such flows."""
        ports = self.column("dst_port")[self.is_out]
        if not len(ports):
            return 0
        services = np.char.add(np.char.add(self.peer[self.is_out].astype(str), " "), ports.astype(str))
        names, counts = np.unique(services, return_counts=True)
        return int(str(names[int(np.argmax(counts))]).rpartition(" ")[2])

    def span_us(self) -> int:
        """From the first packet of the first flow to the last packet of the last; 0 without flows."""
        if not len(self.start_us):
            return 0
        return int((self.start_us + self.column("duration_us")).max() - self.start_us.min())


def flows_of(flows: pa.Table, hosts: Sequence[str]) -> dict[str, HostFlows]:
    """The flows of each host, in one pass over the table; hosts without flows are left out.

    Parameters
    ----------
    flows : STORED_FLOWS of one or more hours
    hosts : addresses
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(hosts, pa.string())
    to_itself = pc.equal(flows.column("src_ip"), flows.column("dst_ip"))
    of_both = pc.add(flows.column("bytes_fwd"), flows.column("bytes_bwd"))
    forth = (pc.if_else(to_itself, of_both, flows.column("bytes_fwd")), pa.scalar(True))
    back = (flows.column("bytes_bwd"), pc.invert(to_itself))  # whoever speaks to itself is there once, as who spoke first
    sides = []
    for host, peer, (sent, chosen), is_out in (("src_ip", "dst_ip", forth, True), ("dst_ip", "src_ip", back, False)):
        side = flows.select(NEEDED).append_column("sent", sent)
        side = side.filter(pc.and_(pc.is_in(flows.column(host), value_set=wanted), chosen))
        side = side.append_column("host", side.column(host)).append_column("peer", side.column(peer))
        sides.append(side.append_column("is_out", pa.array(np.full(len(side), is_out))))
    both = pa.concat_tables(sides).sort_by([("host", "ascending"), ("start_us", "ascending"), ("flow_id", "ascending")])
    return {host: _host_flows(both.slice(first, n)) for host, first, n in runs(both.column("host"))}


def runs(sorted_names: pa.ChunkedArray) -> list[tuple[str, int, int]]:
    """Equal neighbours of a sorted column: value, first row, number of rows."""
    import pyarrow.compute as pc

    codes = pc.run_end_encode(sorted_names.combine_chunks())
    bounds = [0, *codes.run_ends.to_pylist()]
    return [(name, first, end - first) for name, (first, end) in zip(codes.values.to_pylist(), pairwise(bounds), strict=True)]


def evidence(flows: HostFlows, anomalous: set[int], most: int, frames: Frames) -> tuple[Evidence, ...]:
    """At most ``most`` flows that show the matter: anomalous ones first, then those with most packets."""
    is_anomalous = np.isin(flows.column("flow_id"), np.fromiter(anomalous, np.int64))
    packets = flows.column("packets_fwd") + flows.column("packets_bwd")
    chosen = flows.at(np.lexsort((flows.start_us, -packets, ~is_anomalous))[:most])
    return tuple(_evidence(row, anomalous, frames) for row in chosen.table.to_pylist())


def locate(segment: str, offset: int, frames: Frames) -> tuple[int, int, int] | None:
    """Number, offset and length of the compressed frame that holds byte ``offset`` of a segment's capture.

    None when the segment's manifest is not at hand.
    """
    inside = [(n, f) for n, f in enumerate(frames.get(segment, ())) if f["raw_offset"] <= offset]
    if not inside:
        return None
    number, frame = inside[-1]
    return number, int(frame["offset"]), int(frame["length"])


def _host_flows(rows: pa.Table) -> HostFlows:
    peer = rows.column("peer").to_numpy().astype(object)
    is_out = rows.column("is_out").to_numpy()
    return HostFlows(rows.select(NEEDED), rows.column("start_us").to_numpy(), is_out, rows.column("sent").to_numpy(), peer)


def _evidence(row: Mapping[str, Any], anomalous: set[int], frames: Frames) -> Evidence:
    where = locate(row["segment"], row["first_offset"], frames)
    number, offset, length = where or (None, None, None)
    return Evidence(
        table="flows",
        row_id=row["flow_id"],
        start_us=row["start_us"],
        duration_us=row["duration_us"],
        src_ip=row["src_ip"],
        src_port=row["src_port"],
        dst_ip=row["dst_ip"],
        dst_port=row["dst_port"],
        protocol=row["protocol"],
        packets=row["packets_fwd"] + row["packets_bwd"],
        bytes=row["bytes_fwd"] + row["bytes_bwd"],
        is_anomalous=row["flow_id"] in anomalous,
        segment=row["segment"],
        offset=row["first_offset"],
        frame=number,
        frame_offset=offset,
        frame_length=length,
        said=" ".join(word for word in (row["app"], next((row[name] for name in NAMES if row[name]), "")) if word),
    )
