"""Flows: the segments of a unit, or captures, become a flow table."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weir import ledger, schema, settings
from weir.errors import SettingsError, StoreError
from weir.jobs.keys import Counts, flows_key, site_store
from weir.jobs.packets import segments
from weir.ledger import Entry
from weir.store import Store, file_to_write, put_table, whole_file

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SEARCHED = ["start_us", "src_ip", "dst_ip", "src_port", "dst_port", "protocol"]
"""Columns of whose row groups a Parquet file says the least and the greatest value."""


def flows(unit: str) -> Counts:
    """Build the flow table of one unit from all its segments."""
    from weir.flows.build import build

    store = site_store()
    manifests = segments(store, unit)
    if not manifests:
        raise StoreError(f"{store.url}/1_packets/{unit}: no segments; collect them first (weir collect)")
    with tempfile.TemporaryDirectory(prefix="weir-flows-") as folder:
        captures: list[Path] = []
        for manifest in manifests:
            capture = Path(folder) / f"{len(captures):06d}.pcap.zst"
            capture.write_bytes(store.get(manifest.key))
            captures.append(capture)
        built = build(captures, settings.load().flows)
    sources = tuple(f"L3/{unit}/{manifest.sha256}" for manifest in manifests)
    return _keep_flows(store, unit, built.table, built.counts, [m.sha256 for m in manifests], sources)


def flows_of_captures(unit: str, captures: Sequence[Path]) -> Counts:
    """Build the flow table of one unit from capture files that no sensor delivered."""
    from weir.flows.build import build

    built = build(captures, settings.load().flows)
    hashes = [hashlib.sha256(capture.read_bytes()).hexdigest() for capture in captures]
    return _keep_flows(site_store(), unit, built.table, built.counts, hashes, ())


def flows_to_file(captures: Sequence[Path], out: Path) -> Counts:
    """Build flows of capture files into one Parquet file, with the core's own columns, as they end.

    SettingsError where ``out`` is no regular file or one of the captures; a run that fails leaves no file.
    """
    target = file_to_write(out, "flows")
    if any(capture.resolve() == target for capture in captures):
        raise SettingsError(f"flows: {out} is a capture that is to be read; name another file with --out")
    if not target.parent.is_dir():
        raise SettingsError(f"flows: {target.parent} is no folder; make it first, or name another file with --out")
    with whole_file(target) as hidden:
        counts = _write_flows(captures, hidden)
    return {**counts, "out": str(out)}


def _write_flows(captures: Sequence[Path], hidden: Path) -> Counts:
    import pyarrow.parquet as pq

    from weir.flows.build import arrow_schema, stream
    from weir.store import PARQUET_COMPRESSION

    chosen = settings.load().flows
    # Hardly a column repeats its values within a row group, and readers skip row groups by time, address and port only.
    plain = {"use_dictionary": False, "write_statistics": SEARCHED}
    with pq.ParquetWriter(hidden, arrow_schema(chosen), compression=PARQUET_COMPRESSION, **plain) as writer:
        groups = _RowGroups(writer)
        counts = stream(captures, chosen, groups.add)
        groups.flush()
    return {**counts, "flows": groups.rows}


class _RowGroups:
    """Gathers batches until they make a row group, as each write begins a new one."""

    ROWS = 16_384  # twice as many take 17 MB more memory and no less time, and save 7 % of the file

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self.writer = writer
        self.waiting: list[pa.RecordBatch] = []
        self.rows = 0
        self._written = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.waiting.append(batch)
        self.rows += len(batch)
        if self.rows - self._written >= self.ROWS:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        self.writer.write_table(pa.Table.from_batches(self.waiting, self.writer.schema))
        self.waiting.clear()
        self._written = self.rows


def _keep_flows(
    store: Store, unit: str, table: pa.Table, counts: Counts, segments: list[str], sources: tuple[str, ...]
) -> Counts:
    import pyarrow as pa
    import pyarrow.compute as pc

    from weir.flows.plugins import plugin_fields

    sensor, hour = unit.split("/")
    rows = len(table)
    segment = (
        pa.array(segments, pa.string()).take(table.column("segment_index").combine_chunks())
        if rows
        else pa.array([], pa.string())
    )
    for name, column in (
        ("sensor_id", pa.array([sensor] * rows, pa.string())),
        ("hour", pa.array([hour] * rows, pa.string())),
        ("segment", segment),
    ):
        table = table.append_column(name, column)
    whole = schema.conform(table, schema.STORED_FLOWS, flows_key(unit))
    for field in plugin_fields(table):
        whole = whole.append_column(field, table.column(field.name))
    put_table(store, flows_key(unit), whole)
    aside = {name: n for name, n in counts.items() if name not in ("read", "accepted") and not name.startswith("odd_") and n}
    in_flows = sum(pc.sum(table.column(name)).as_py() or 0 for name in ("packets_fwd", "packets_bwd"))
    ledger.record(
        store, Entry("L4", unit, "packets", counts["read"], counts["accepted"], aside, sources=sources, sensor_id=sensor)
    )
    ledger.record(
        store, Entry("L5", unit, "packets", counts["accepted"], in_flows, made=rows, sources=(f"L4/{unit}",), sensor_id=sensor)
    )
    odd = {name: n for name, n in counts.items() if name.startswith("odd_") and n}
    return {
        "unit": unit,
        "packets": counts["read"],
        "accepted": counts["accepted"],
        "set_aside": aside,
        "odd": odd,
        "flows": rows,
    }
