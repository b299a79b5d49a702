"""Flows from captures, by the native core.

Packets are read in the order given, as one stream, so cutting a capture in two changes nothing.
Every packet read has exactly one outcome: it belongs to a flow, or it was set aside under a name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from weir import _native, schema
from weir.errors import SettingsError
from weir.flows import plugins
from weir.settings import refuse_out_of_bounds

if TYPE_CHECKING:
    import pyarrow as pa

    from weir.settings import FlowSettings

BYTES_PER_MB = 1 << 20


class _Limits(TypedDict):
    idle_timeout_us: int
    active_timeout_us: int
    memory_bytes: int
    parse_applications: bool
    payloads_of: list[tuple[int, int]]


@dataclass(frozen=True)
class Flows:
    """Finished flows and what became of every packet.

    Attributes
    ----------
    table : schema.FLOWS, one row per flow, in the order in which flows end; then the columns of plug-ins
    counts : ``read`` = ``accepted`` + all other names but those that begin with ``odd_``, which
        count oddities beside the sum; ``accepted`` = sum of packets_fwd + packets_bwd
    """

    table: pa.Table
    counts: dict[str, int]


def build(captures: Sequence[Path], settings: FlowSettings) -> Flows:
    """Build the flows of some captures: pcap or pcapng, plain or in gzip or zstd, "-" for standard input.

    Raises
    ------
    CaptureError
        a capture cannot be opened or is broken; says which, at which byte, and what to do
    SettingsError
        a timeout or the memory is out of range, memory ran out, or a plug-in cannot be loaded
    """
    import pyarrow as pa

    reading = plugins.Reading(plugins.load(settings.plugins))
    try:
        batch = _native.build_flows([str(path) for path in captures], **_limits(settings, reading.plugins))
    except MemoryError as error:
        raise _short_of_memory(settings) from error
    table = pa.Table.from_batches([_whole(batch, reading, arrow_schema(settings))])
    return Flows(table, {**batch.counts, **reading.counts})


def arrow_schema(settings: FlowSettings) -> pa.Schema:
    """Schema of the tables built here: schema.FLOWS, then the columns of the plug-ins named in the settings."""
    import pyarrow as pa

    return pa.schema([*schema.arrow_schema(schema.FLOWS), *plugins.arrow_fields(plugins.load(settings.plugins))])


def stream(captures: Sequence[Path], settings: FlowSettings, take: Callable[[pa.RecordBatch], object]) -> dict[str, int]:
    """Like ``build``, but gives the rows to ``take`` as flows end, some thousands at once, and returns the counts.

    Memory does not grow with the captures, as long as ``take`` keeps none of the batches (schema.FLOWS, in the order in
    which flows end, then the columns of plug-ins). What ``take`` raises ends the reading.

    Raises
    ------
    CaptureError
        a capture cannot be opened or is broken; says which, at which byte, and what to do
    SettingsError
        a timeout or the memory is out of range, memory ran out, or a plug-in cannot be loaded
    """
    wanted = arrow_schema(settings)
    reading = plugins.Reading(plugins.load(settings.plugins))

    def pass_on(batch: _native.FlowBatch) -> None:
        take(_whole(batch, reading, wanted))

    try:
        counts = _native.stream_flows([str(path) for path in captures], pass_on, **_limits(settings, reading.plugins))
    except MemoryError as error:
        raise _short_of_memory(settings) from error
    return {**counts, **reading.counts}


def _short_of_memory(settings: FlowSettings) -> SettingsError:
    return SettingsError(
        f"flows.memory_mb: memory ran out with {settings.memory_mb} MB for the flow table; "
        "set less in params.yaml, or give the process more memory"
    )


def _whole(batch: _native.FlowBatch, reading: plugins.Reading, wanted: pa.Schema) -> pa.RecordBatch:
    """The core's columns and those of the plug-ins."""
    import pyarrow as pa

    rows = pa.record_batch(batch)
    added = reading.columns(rows, batch.payloads) if reading.plugins else []
    return pa.RecordBatch.from_arrays([*rows.columns, *added], schema=wanted)


def _limits(settings: FlowSettings, loaded: Sequence[plugins.Plugin]) -> _Limits:
    refuse_out_of_bounds(settings, "flows")
    return {
        "idle_timeout_us": settings.idle_timeout_s * schema.US_PER_S,
        "active_timeout_us": settings.active_timeout_s * schema.US_PER_S,
        "memory_bytes": settings.memory_mb * BYTES_PER_MB,
        "parse_applications": settings.parse_applications,
        "payloads_of": plugins.wishes(loaded),
    }
