"""Read → one step → write: one function per verb, in the data's order.

Reading this file is reading the system. Doors (command line, DAGs, DVC stages) call these and
nothing else. A job run twice leaves the same objects, so a retry is always safe; what it counted
goes into the ledger under the unit's own name. A unit is a sensor and a capture hour, written
``lab/2026-01-31T09``. Every job returns a small dict of keys and counts.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import ledger, schema, settings
from weir.errors import ArtifactError, CaptureError, SettingsError, StoreError
from weir.ledger import Entry
from weir.store import Store, get_table, open_store, put_table

if TYPE_CHECKING:
    import pyarrow as pa

    from weir.packets.manifest import Manifest

Counts = dict[str, Any]
SCORED = ("flows", "windows")
GREAT_EXPECTATIONS = Path("great_expectations")


def flows_key(unit: str) -> str:
    """Where the flows of a unit lie, as the core made them."""
    return f"2_flows/{unit}.parquet"


def candidates_key(unit: str) -> str:
    """Where the window rows of a unit wait for validation."""
    return f"3_features/candidates/windows/{unit}.parquet"


def valid_key(table: str, unit: str) -> str:
    """Where the rows of a unit lie that passed validation."""
    return f"3_features/{table}/{unit}.parquet"


def quarantine_key(table: str, unit: str) -> str:
    """Where the refused rows of a unit lie, with the reason."""
    return f"3_features/quarantine/{table}/{unit}.parquet"


def scores_key(table: str, unit: str) -> str:
    """Where the scores of a unit lie."""
    return f"5_scores/{table}/{unit}.parquet"


def alerts_key(unit: str) -> str:
    """Where the alerts of a unit lie."""
    return f"6_alerts/{unit}.json"


def _store() -> Store:
    return open_store(settings.load().site.store)


def _put_json(store: Store, key: str, facts: Any) -> None:
    store.put(key, json.dumps(facts, sort_keys=True, indent=1).encode())


def _get_json(store: Store, key: str) -> Any:
    return json.loads(store.get(key))


def units(prefix: str = "2_flows/", store: Store | None = None) -> list[str]:
    """All units that have an object below a prefix, in order."""
    store = store or _store()
    names = (key.removeprefix(prefix) for key in store.keys(prefix))
    return sorted({"/".join(name.split("/")[:2]).removesuffix(".parquet").removesuffix(".json") for name in names})


# ---- packets ---------------------------------------------------------------------------------


def waiting() -> list[str]:
    """Manifests of the sealed segments in the spool, in the order they were sealed."""
    from weir.packets import spool

    folder = settings.load().site.spool
    return [str(path) for path in spool.sealed(folder)] if folder.exists() else []


def collect(manifests: Sequence[str]) -> Counts:
    """Bring sealed segments from the spool into the store.

    A segment leaves the spool only after its bytes were read back from the store and hashed. One
    that cannot be believed is set aside in the spool with the reason; the others go on.
    """
    from weir.packets import spool

    store = _store()
    touched: set[str] = set()
    refused: list[str] = []
    packets = 0
    for name in manifests:
        if not Path(name).exists():
            continue  # an earlier try of this task acknowledged it
        try:
            manifest, whole = spool.read(Path(name))
        except CaptureError as error:
            spool.set_aside(Path(name), str(error))
            refused.append(str(error))
            continue
        _keep(store, manifest, whole, Path(name).read_bytes())
        spool.acknowledge(Path(name), manifest.sha256)
        touched.add(manifest.unit)
        packets += manifest.packets
    return {"segments": len(manifests) - len(refused), "packets": packets, "refused": refused, "units": sorted(touched)}


def _keep(store: Store, manifest: Manifest, whole: bytes, manifest_bytes: bytes) -> None:
    store.put_new(manifest.key, whole)
    if hashlib.sha256(store.get(manifest.key)).hexdigest() != manifest.sha256:
        store.delete(manifest.key)
        raise StoreError(f"{store.url}/{manifest.key}: what was stored is not what was sent; the segment stays in the spool, run collect again")
    store.put_new(manifest.manifest_key, manifest_bytes)
    for entry in _arrival(manifest):
        ledger.record(store, entry)


def _arrival(manifest: Manifest) -> list[Entry]:
    """What the sensor counted (L0, L1), what it sealed (L2) and what arrived (L3)."""
    said = manifest.counters
    unit = f"{manifest.unit}/{manifest.sha256}"
    kernel = {"dropped by the kernel": said["kernel_dropped"], "left unread": said["unread"]}
    disk = {"lost to the disk": said["drop_disk"], "lost to a full spool": said["drop_spool"]}
    who = manifest.sensor_id
    return [
        Entry("L0", unit, "packets", said["received"], said["read"], dropped=kernel, sensor_id=who),
        Entry("L1", unit, "packets", said["read"], said["written"], {"filtered": said["filtered"]}, disk, sources=(f"L0/{unit}",), sensor_id=who),
        Entry("L2", unit, "packets", said["written"], manifest.packets, sources=(f"L1/{unit}",), sensor_id=who),
        Entry("L3", unit, "packets", manifest.packets, manifest.packets, sources=(f"L2/{unit}",), sensor_id=who),
    ]


def _segments(store: Store, unit: str) -> list[Manifest]:
    from weir.packets.manifest import MANIFEST_SUFFIX, Manifest

    found = [Manifest.read(store.get(key)) for key in store.keys(f"1_packets/{unit}/") if key.endswith(MANIFEST_SUFFIX)]
    return sorted(found, key=lambda m: (m.first_us or 0, m.boot_id, m.seq))


def chain() -> list[str]:
    """What the sensors' chains say is missing, one sentence each."""
    from weir.packets.chain import missing
    from weir.packets.manifest import MANIFEST_SUFFIX, Manifest

    store = _store()
    stored = [Manifest.read(store.get(key)) for key in store.keys("1_packets/") if key.endswith(MANIFEST_SUFFIX)]
    spooled = [Manifest.read(Path(name)) for name in waiting()]
    words = {"missing": "never arrived", "broken": "names another predecessor", "twice": "exists twice"}
    return [
        f"{gap.count} segments of sensor {gap.sensor_id}, from number {gap.seq} of start {gap.boot_id} on: {words[gap.kind]}"
        for gap in missing([*stored, *spooled])
    ]


# ---- flows -----------------------------------------------------------------------------------


def flows(unit: str) -> Counts:
    """Build the flow table of one unit from all its segments."""
    from weir.flows.build import build

    store = _store()
    segments = _segments(store, unit)
    if not segments:
        raise StoreError(f"{store.url}/1_packets/{unit}: no segments; collect them first (weir collect)")
    with tempfile.TemporaryDirectory(prefix="weir-flows-") as folder:
        captures = []
        for manifest in segments:
            capture = Path(folder) / f"{len(captures):06d}.pcap.zst"
            capture.write_bytes(store.get(manifest.key))
            captures.append(capture)
        built = build(captures, settings.load().flows)
    sources = tuple(f"L3/{unit}/{manifest.sha256}" for manifest in segments)
    return _keep_flows(store, unit, built.table, built.counts, [m.sha256 for m in segments], sources)


def flows_of_captures(unit: str, captures: Sequence[Path]) -> Counts:
    """Build the flow table of one unit from capture files that no sensor delivered."""
    from weir.flows.build import build

    built = build(captures, settings.load().flows)
    hashes = [hashlib.sha256(capture.read_bytes()).hexdigest() for capture in captures]
    return _keep_flows(_store(), unit, built.table, built.counts, hashes, ())


def _keep_flows(store: Store, unit: str, table: pa.Table, counts: Counts, segments: list[str], sources: tuple[str, ...]) -> Counts:
    import pyarrow as pa

    sensor, hour = unit.split("/")
    rows = len(table)
    segment = pa.array(segments, pa.string()).take(table.column("segment_index").combine_chunks()) if rows else pa.array([], pa.string())
    for name, column in (("sensor_id", pa.array([sensor] * rows, pa.string())), ("hour", pa.array([hour] * rows, pa.string())), ("segment", segment)):
        table = table.append_column(name, column)
    put_table(store, flows_key(unit), schema.conform(table, schema.STORED_FLOWS, flows_key(unit)))
    aside = {name: n for name, n in counts.items() if name not in ("read", "accepted") and not name.startswith("odd_") and n}
    in_flows = sum(table.column("packets_fwd").to_pylist()) + sum(table.column("packets_bwd").to_pylist())
    ledger.record(store, Entry("L4", unit, "packets", counts["read"], counts["accepted"], aside, sources=sources, sensor_id=sensor))
    ledger.record(store, Entry("L5", unit, "packets", counts["accepted"], in_flows, made=rows, sources=(f"L4/{unit}",), sensor_id=sensor))
    odd = {name: n for name, n in counts.items() if name.startswith("odd_") and n}
    return {"unit": unit, "packets": counts["read"], "accepted": counts["accepted"], "set_aside": aside, "odd": odd, "flows": rows}


# ---- features --------------------------------------------------------------------------------


def features(unit: str) -> Counts:
    """Sum the flows of one unit up into window rows."""
    from weir.features.windows import windows

    store = _store()
    made = windows(get_table(store, flows_key(unit)), settings.load().windows.seconds)
    put_table(store, candidates_key(unit), made)
    return {"unit": unit, "windows": len(made)}


def validate(unit: str) -> Counts:
    """Judge the flows and window rows of one unit; the good go on, the refused go to quarantine."""
    from weir.features.validate import validate as judge

    store = _store()
    counts: Counts = {"unit": unit}
    for table, key in (("flows", flows_key(unit)), ("windows", candidates_key(unit))):
        rows = get_table(store, key)
        judged = judge(rows, table, GREAT_EXPECTATIONS)
        put_table(store, valid_key(table, unit), judged.good)
        _quarantine(store, table, unit, judged.refused)
        _put_json(store, f"3_features/validation/{table}/{unit}.json", judged.result)
        aside = _by_reason(judged.refused)
        sources = (f"L5/{unit}",) if table == "flows" else ()
        ledger.record(store, Entry("L6", f"{table}/{unit}", "rows", len(rows), len(judged.good), aside, sources=sources, sensor_id=unit.split("/")[0]))
        counts[table] = {"rows": len(rows), "good": len(judged.good), "refused": aside}
    return counts


def _quarantine(store: Store, table: str, unit: str, refused: pa.Table) -> None:
    if len(refused):
        put_table(store, quarantine_key(table, unit), refused)
    else:
        store.delete(quarantine_key(table, unit))


def _by_reason(refused: pa.Table) -> dict[str, int]:
    reasons = refused.column("reason").value_counts().to_pylist() if len(refused) else []
    return {str(found["values"]): int(found["counts"]) for found in reasons}


def data_docs(out: Path) -> Counts:
    """Write Great Expectations' Data Docs of the validations in the store into a folder."""
    from weir.features.docs import build_docs

    store = _store()
    results = [_get_json(store, key) for key in store.keys("3_features/validation/")]
    return {"data_docs": str(build_docs(GREAT_EXPECTATIONS, out, results))}


# ---- models ----------------------------------------------------------------------------------


def materialise(snapshot_file: Path) -> Counts:
    """Bring the flows that a training snapshot names into this store.

    Hours that a site stored are copied and their sha256 checked; hours given as captures are built.
    What is already here with the right content stays, so a new hour costs one hour.
    """
    snapshot = _snapshot(snapshot_file)
    store = _store()
    made = 0
    for part in snapshot["hours"]:
        unit = part["unit"]
        mark = f"2_flows/{unit}.origin.json"
        if store.exists(mark) and store.exists(flows_key(unit)) and _get_json(store, mark) == part:
            continue
        if "captures" in part:
            flows_of_captures(unit, [snapshot_file.parent / name for name in part["captures"]])
        else:
            whole = open_store(snapshot["store"]).get(flows_key(unit))
            if hashlib.sha256(whole).hexdigest() != part["sha256"]:
                raise StoreError(f"{snapshot['store']}/{flows_key(unit)}: changed since the snapshot was taken; take a new one (weir snapshot)")
            store.put(flows_key(unit), whole)
        _put_json(store, mark, part)
        made += 1
    return {"hours": len(snapshot["hours"]), "made": made}


def _snapshot(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: not a training snapshot: {error}; write one with weir snapshot") from error


def _data_version(snapshot: Any, store: Store) -> str:
    """Twelve hex digits over the validated rows that a snapshot comes to."""
    parts = [f"{part['unit']} {part['role']} {_rows_hash(store, part['unit'])}" for part in snapshot["hours"]]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:12]


def _rows_hash(store: Store, unit: str) -> str:
    return hashlib.sha256(b"".join(store.get(valid_key(table, unit)) for table in SCORED)).hexdigest()


def _usable(store: Store, table: str, parts: Iterable[Any]) -> tuple[pa.Table, dict[str, int]]:
    """Valid rows of some hours, without those of hosts that were alerted on."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kept, excluded = [], 0
    for part in parts:
        rows = get_table(store, valid_key(table, part["unit"]))
        alerted = pa.array(part.get("alerted", []), pa.string())
        usable = rows.filter(pc.invert(pc.is_in(rows.column(schema.HOST[table]), alerted)))
        excluded += len(rows) - len(usable)
        kept.append(usable)
    if not kept:
        raise SettingsError("the snapshot names no hour to train on; give at least one with the role train")
    return pa.concat_tables(kept), {"alerted on": excluded} if excluded else {}
