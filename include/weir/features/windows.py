"""Windows: what each host did in each span of, say, 60 s.

Every flow counts, whole, in the window it starts in, once for the host that started it ("out")
and once for the host it was started with ("in"). Nothing is spread over later windows: a flow
record does not say when inside it the bytes went, the flow builder's active timeout bounds the
error, and in this way the windows of an hour add up exactly to its flows. Columns that speak of
the capture hour (``beacon``, ``peers_out_rare``) look at all given flows of that hour and sensor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.errors import SchemaError, SettingsError
from weir.features import rhythm
from weir.features.sightings import Ints, Sightings, Texts, compact, paired, sightings, span

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
Columns = Mapping[str, Ints | Floats | Texts]
Flows = Mapping[str, Ints]

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
DNS_PORT = 53
SECONDS_PER_HOUR = 3_600

_NUMBERS = (
    "start_us",
    "duration_us",
    "dst_port",
    "protocol",
    "packets_fwd",
    "packets_bwd",
    "bytes_fwd",
    "bytes_bwd",
    "payload_fwd",
    "payload_bwd",
    "flags_syn",
    "rst_bwd",
)


def windows(flows: pa.Table, seconds: int) -> pa.Table:
    """Sum up flows by sensor, host and time.

    Parameters
    ----------
    flows : table with the columns of ``schema.STORED_FLOWS``; any number of hours and sensors
    seconds : length of a window, s; an hour must be a whole number of windows

    Returns
    -------
    table of ``schema.WINDOWS``, in the order of start, host, sensor; the order and the chunks of
    ``flows`` do not matter

    Raises
    ------
    SettingsError
        when windows of this length would straddle capture hours.
    SchemaError
        names a column that ``flows`` lacks or that has nulls.
    """
    import pyarrow as pa

    if seconds < 1 or SECONDS_PER_HOUR % seconds:
        raise SettingsError(f"windows.seconds = {seconds}: an hour is no whole number of such windows; take 30, 60 or 300")
    flows = _without_nulls(schema.conform(flows, schema.STORED_FLOWS, "flows"))
    wanted = schema.arrow_schema(schema.WINDOWS)
    if not flows.num_rows:
        return wanted.empty_table()
    f = {name: flows.column(name).to_numpy().astype(np.int64, copy=False) for name in _NUMBERS}
    seen = sightings(flows, seconds * schema.US_PER_S)
    columns = {
        **_names(seen),
        **_traffic(f, seen),
        **_failures(f, seen),
        **_peers(f, seen),
        **_services(f, seen),
        **_rhythms(f, seen),
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in wanted], schema=wanted)


def _without_nulls(flows: pa.Table) -> pa.Table:
    empty = [name for name in (*_NUMBERS, "src_ip", "dst_ip", "sensor_id") if flows.column(name).null_count]
    if empty:
        raise SchemaError(f"flows: columns {', '.join(empty)} have nulls; validate the flows first and sum up the good ones")
    return flows


def _names(seen: Sightings) -> Columns:
    hours, hour = compact(seen.start_us // schema.HOUR_US)
    texts = np.array([schema.hour_of(int(h) * schema.HOUR_US) for h in hours], dtype=object)
    return {
        "window_id": _window_ids(seen),
        "start_us": seen.start_us,
        "host": seen.host,
        "sensor_id": seen.sensor,
        "hour": texts[hour],
    }


def _window_ids(seen: Sightings) -> Ints:
    """63 bits that depend on sensor, host and start only: hash the names once, then mix the start in."""
    named: dict[tuple[str, str], int] = {}
    for name in zip(seen.sensor, seen.host, strict=True):
        if name not in named:
            named[name] = int.from_bytes(hashlib.blake2b("\0".join(name).encode(), digest_size=8).digest())
    of_name = np.array([named[name] for name in zip(seen.sensor, seen.host, strict=True)], np.uint64)
    mixed = of_name ^ (seen.start_us.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    # The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    ids: Ints = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)
    return ids


def _traffic(f: Flows, seen: Sightings) -> Columns:
    """How many flows, packets and bytes, each way."""

    def sent(name: str) -> Ints:
        return _sums(seen.rows, seen.out, f[f"{name}_fwd"]) + _sums(seen.rows, seen.into, f[f"{name}_bwd"])

    def received(name: str) -> Ints:
        return _sums(seen.rows, seen.out, f[f"{name}_bwd"]) + _sums(seen.rows, seen.into, f[f"{name}_fwd"])

    flows_out = np.bincount(seen.out, minlength=seen.rows)
    packets_out, bytes_out, bytes_in = sent("packets"), sent("bytes"), received("bytes")
    return {
        "flows_out": flows_out,
        "flows_in": np.bincount(seen.into, minlength=seen.rows),
        "packets_out": packets_out,
        "packets_in": received("packets"),
        "bytes_out": bytes_out,
        "bytes_in": bytes_in,
        "bytes_asymmetry": np.log((bytes_out + 1) / (bytes_in + 1)),
        "payload_out_mean": _ratio(sent("payload"), packets_out),
        "duration_mean_us": _ratio(_sums(seen.rows, seen.out, f["duration_us"]), flows_out),
    }


def _failures(f: Flows, seen: Sightings) -> Columns:
    """What was tried in vain, and with which protocols."""
    tcp = f["protocol"] == TCP
    icmp = (f["protocol"] == ICMP) | (f["protocol"] == ICMPV6)
    dns = f["dst_port"] == DNS_PORT
    marks = {
        "unanswered": f["packets_bwd"] == 0,
        "refused": tcp & (f["packets_bwd"] > 0) & (f["rst_bwd"] > 0) & (f["payload_bwd"] == 0),
        "empty": tcp & (f["payload_fwd"] == 0) & (f["payload_bwd"] == 0),
    }
    found = {f"{name}_out": _sums(seen.rows, seen.out, mark) for name, mark in marks.items()}
    found |= {f"{name}_in": _sums(seen.rows, seen.into, mark) for name, mark in marks.items()}
    failed = found["unanswered_out"] + found["refused_out"]
    return {
        **found,
        "failed_share": _ratio(failed, np.bincount(seen.out, minlength=seen.rows)),
        "syn_out": _sums(seen.rows, seen.out, f["flags_syn"]),
        "udp_out": _sums(seen.rows, seen.out, f["protocol"] == UDP),
        "icmp_out": _sums(seen.rows, seen.out, icmp),
        "icmp_bytes_out": _sums(seen.rows, seen.out, f["bytes_fwd"] * icmp),
        "dns_out": _sums(seen.rows, seen.out, dns),
        "dns_bytes_out": _sums(seen.rows, seen.out, f["bytes_fwd"] * dns),
    }


def _peers(f: Flows, seen: Sightings) -> Columns:
    """With whom, on which ports, and how evenly."""
    peers, peer = compact(paired(seen.out, seen.target))
    row = peers // span(seen.target)
    rare = seen.users[_of_group(peer, seen.contact)] == 1
    ports, port = compact(paired(seen.out, seen.port))
    row_of_port = ports // span(seen.port)
    return {
        "peers_out": np.bincount(row, minlength=seen.rows),
        "peers_out_rare": _sums(seen.rows, row, rare),
        "peer_entropy": _entropy(seen.rows, row, np.bincount(peer)),
        "bytes_out_peer_max": _largest(seen.rows, row, _sums(len(peers), peer, f["bytes_fwd"])),
        "ports_out": np.bincount(row_of_port, minlength=seen.rows),
        "port_entropy": _entropy(seen.rows, row_of_port, np.bincount(port)),
        "peers_in": _distinct(seen.rows, seen.into, seen.source),
        "ports_in": _distinct(seen.rows, seen.into, seen.port),
    }


def _services(f: Flows, seen: Sightings) -> Columns:
    """The most that was done to one address and port; of flows only TCP counts, as name servers are asked all day."""
    service = compact(paired(seen.out, seen.place))[1]
    row, victim = _of_group(service, seen.out), _of_group(service, seen.into)
    count = _sums(len(row), seen.service, f["protocol"] == TCP)
    return {
        "service_flows_max": _largest(seen.rows, row, count),
        "service_flows_in_max": _largest(seen.rows, victim, count),
        "service_packets_max": _largest(seen.rows, row, _sums(len(row), seen.service, f["packets_fwd"])),
    }


def _rhythms(f: Flows, seen: Sightings) -> Columns:
    """How regularly one address and port was contacted, in the window and over the capture hour."""
    found = {name: np.zeros(seen.rows) for name in ("regularity", "size_regularity", "beacon")}
    kept, group = rhythm.repeated(seen.service)
    if len(kept):
        row = seen.out[kept]
        np.maximum.at(found["regularity"], row, rhythm.steadiness(*rhythm.gaps(f["start_us"][kept], group))[group])
        np.maximum.at(found["size_regularity"], row, rhythm.steadiness(f["bytes_fwd"][kept], group)[group])
    of_hour = paired(seen.hour, compact(paired(seen.source, seen.place))[1])
    kept, group = rhythm.repeated(compact(of_hour)[1])
    if len(kept):
        users = _of_group(group, seen.users[seen.contact[kept]])
        marks = rhythm.beacon(f["start_us"][kept], f["bytes_fwd"][kept], group, users, schema.HOUR_US)
        np.maximum.at(found["beacon"], seen.out[kept], marks[group])
    return found


def _of_group(group: Ints, values: Ints) -> Ints:
    """The value that all members of each group share."""
    shared = np.zeros(span(group), np.int64)
    shared[group] = values
    return shared


def _sums(rows: int, row: Ints, values: Ints | NDArray[np.bool_]) -> Ints:
    """Exact sum of the values of each row; flags count as 1."""
    total = np.zeros(rows, np.int64)
    np.add.at(total, row, values.astype(np.int64, copy=False))
    return total


def _largest(rows: int, row: Ints, values: Ints) -> Ints:
    """Largest value of each row, 0 for a row without any."""
    most = np.zeros(rows, np.int64)
    np.maximum.at(most, row, values)
    return most


def _distinct(rows: int, row: Ints, code: Ints) -> Ints:
    """How many different codes each row has."""
    return np.bincount(compact(paired(row, code))[0] // span(code), minlength=rows)


def _ratio(above: Ints | Floats, below: Ints) -> Floats:
    """Quotient of each row, 0 where there is nothing to divide by."""
    ratio = np.zeros(len(below))
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _entropy(rows: int, row: Ints, counts: Ints) -> Floats:
    """Shannon entropy of each row's counts, bit; 0 for a row without any."""
    total = _sums(rows, row, counts)
    weighted = np.bincount(row, weights=counts * np.log2(counts), minlength=rows)
    # Rounding may leave a little less than nothing where all counts but one are 0.
    return np.maximum(np.log2(np.maximum(total, 1)) - _ratio(weighted, total), 0)
