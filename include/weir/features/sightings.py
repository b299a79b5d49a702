"""Who was seen when and with whom: the window rows that each flow belongs to, as small integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weir import schema

if TYPE_CHECKING:
    import pyarrow as pa

MARKS_PER_KEY = 8  # up to here a table of marks costs less than hashing

Ints = NDArray[np.int64]
Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Sightings:
    """Codes of n flows and the rows they make.

    ``out`` and ``into``, shape (n,), are the row of the host that started the flow and the row of
    the other host. ``source`` and ``target`` are these hosts, ``port`` the destination port and
    ``hour`` the sensor's capture hour, all as codes from 0. ``start_us``, ``host`` and ``sensor``
    describe the rows, which are in the order of start, host and sensor. All codes follow the order
    of what they stand for, so that they do not depend on the order of the flows.
    """

    out: Ints
    into: Ints
    source: Ints
    target: Ints
    port: Ints
    hour: Ints
    start_us: Ints
    host: Texts
    sensor: Texts

    @property
    def rows(self) -> int:
        """How many windows there are."""
        return len(self.start_us)

    @cached_property
    def contact(self) -> Ints:
        """The target in its sensor and hour, as a code, shape (n,)."""
        return compact(paired(self.hour, self.target))[1]

    @cached_property
    def users(self) -> Ints:
        """How many hosts contacted each ``contact`` in its hour."""
        contacts, _ = compact(paired(self.contact, self.source))
        return np.bincount(contacts // span(self.source))

    @cached_property
    def place(self) -> Ints:
        """Target and destination port together, as a code, shape (n,)."""
        return compact(paired(self.target, self.port))[1]

    @cached_property
    def service(self) -> Ints:
        """What one host asked of one address and port in one window, as a code, shape (n,)."""
        return compact(paired(self.out, self.place))[1]


def sightings(flows: pa.Table, length_us: int) -> Sightings:
    """Find the windows of ``length_us`` that the flows (``schema.STORED_FLOWS``, at least one) lie in."""
    start_us = flows.column("start_us").to_numpy()
    n = len(start_us)
    hosts, host = _codes_of_text([*flows.column("src_ip").chunks, *flows.column("dst_ip").chunks])
    sensors, sensor = _codes_of_text(flows.column("sensor_id").chunks)
    spans, moment = compact(start_us // length_us)
    rows, row = compact((np.tile(moment, 2) * len(hosts) + host) * len(sensors) + np.tile(sensor, 2))
    rest, sensor_of_row = np.divmod(rows, len(sensors))
    moment_of_row, host_of_row = np.divmod(rest, len(hosts))
    return Sightings(
        out=row[:n],
        into=row[n:],
        source=host[:n],
        target=host[n:],
        port=compact(flows.column("dst_port").to_numpy().astype(np.int64))[1],
        hour=compact((start_us // schema.HOUR_US) * len(sensors) + sensor)[1],
        start_us=spans[moment_of_row] * length_us,
        host=hosts[host_of_row],
        sensor=sensors[sensor_of_row],
    )


def compact(keys: Ints) -> tuple[Ints, Ints]:
    """The distinct keys, sorted, and for each key its place among them."""
    low, high = int(keys.min()), int(keys.max())
    return _by_marks(keys, low, high) if high - low < MARKS_PER_KEY * len(keys) else _by_hash(keys)


def _by_marks(keys: Ints, low: int, high: int) -> tuple[Ints, Ints]:
    """One mark for each number from the lowest key to the highest: quick where these are few."""
    seen = np.zeros(high - low + 1, bool)
    seen[keys - low] = True
    return np.flatnonzero(seen) + low, (np.cumsum(seen) - 1)[keys - low]


def _by_hash(keys: Ints) -> tuple[Ints, Ints]:
    import pyarrow as pa

    coded = pa.array(keys).dictionary_encode()
    distinct = coded.dictionary.to_numpy()
    order = np.argsort(distinct)
    return distinct[order], _rank(order)[coded.indices.to_numpy()]


def paired(left: Ints, right: Ints) -> Ints:
    """One key for two codes; ``key // span(right)`` gives the left one back."""
    return left * span(right) + right


def span(codes: Ints) -> int:
    """One more than the largest code."""
    return int(codes.max()) + 1


def _codes_of_text(chunks: list[pa.Array]) -> tuple[Texts, Ints]:
    import pyarrow as pa

    coded = pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()
    texts = coded.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(texts)
    return texts[order], _rank(order)[coded.indices.to_numpy()]


def _rank(order: Ints) -> Ints:
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank
