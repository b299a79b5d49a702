"""Read → one step → write: one function per verb, in the data's order.

Reading this file is reading the system. Doors (command line, DAGs, DVC stages) call these and
nothing else. A job run twice leaves the same objects, so a retry is always safe; what it counted
goes into the ledger under the unit's own name. A unit is a sensor and a capture hour, written
``lab/2026-01-31T09``. Every job returns a small dict of keys and counts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
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
    """All units that have a segment or a table below a prefix, in order."""
    store = store or _store()
    names = (key.removeprefix(prefix) for key in store.keys(prefix) if key.endswith((".parquet", ".pcap.zst")))
    return sorted({"/".join(name.split("/")[:2]).removesuffix(".parquet") for name in names})


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
        raise StoreError(
            f"{store.url}/{manifest.key}: what was stored is not what was sent; the segment stays in the spool, run collect again"
        )
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
        Entry(
            "L1",
            unit,
            "packets",
            said["read"],
            said["written"],
            {"filtered": said["filtered"]},
            disk,
            sources=(f"L0/{unit}",),
            sensor_id=who,
        ),
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
        captures: list[Path] = []
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


def flows_to_file(captures: Sequence[Path], out: Path) -> Counts:
    """Build flows of capture files into one Parquet file, with the core's own columns."""
    import pyarrow.parquet as pq

    from weir.flows.build import build
    from weir.store import PARQUET_COMPRESSION

    built = build(captures, settings.load().flows)
    out.parent.mkdir(parents=True, exist_ok=True)
    hidden = out.with_name(f".{out.name}.part")
    pq.write_table(built.table, hidden, compression=PARQUET_COMPRESSION)
    hidden.replace(out)
    return {**built.counts, "flows": len(built.table), "out": str(out)}


def _keep_flows(
    store: Store, unit: str, table: pa.Table, counts: Counts, segments: list[str], sources: tuple[str, ...]
) -> Counts:
    import pyarrow as pa

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
    put_table(store, flows_key(unit), schema.conform(table, schema.STORED_FLOWS, flows_key(unit)))
    aside = {name: n for name, n in counts.items() if name not in ("read", "accepted") and not name.startswith("odd_") and n}
    in_flows = sum(table.column("packets_fwd").to_pylist()) + sum(table.column("packets_bwd").to_pylist())
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
        good, refused = _after_release(store, table, unit, judged.good, judged.refused)
        put_table(store, valid_key(table, unit), good)
        _quarantine(store, table, unit, refused)
        _put_json(store, f"3_features/validation/{table}/{unit}.json", judged.result)
        aside = _by_reason(refused)
        sources = (f"L5/{unit}",) if table == "flows" else ()
        ledger.record(
            store,
            Entry("L6", f"{table}/{unit}", "rows", len(rows), len(good), aside, sources=sources, sensor_id=unit.split("/")[0]),
        )
        counts[table] = {"rows": len(rows), "good": len(good), "refused": aside}
    return counts


def _quarantine(store: Store, table: str, unit: str, refused: pa.Table) -> None:
    if len(refused):
        put_table(store, quarantine_key(table, unit), refused)
    else:
        store.delete(quarantine_key(table, unit))


def _by_reason(refused: pa.Table) -> dict[str, int]:
    reasons = refused.column("reason").value_counts().to_pylist() if len(refused) else []
    return {str(found["values"]): int(found["counts"]) for found in reasons}


def _released_key(table: str, unit: str) -> str:
    return f"3_features/released/{table}/{unit}.json"


def _after_release(store: Store, table: str, unit: str, good: pa.Table, refused: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Good and refused rows once those go on that somebody released."""
    import pyarrow as pa
    import pyarrow.compute as pc

    key = _released_key(table, unit)
    if not store.exists(key) or not len(refused):
        return good, refused
    reasons = pa.array([decision["reason"] for decision in _get_json(store, key)], pa.string())
    goes_on = pc.is_in(refused.column("reason"), value_set=reasons)
    released = refused.filter(goes_on).drop_columns("reason").cast(good.schema)
    return pa.concat_tables([good, released]).sort_by(schema.ROW_ID[table]), refused.filter(pc.invert(goes_on))


def write_suites() -> Counts:
    """Write the Great Expectations project's suites from the schema."""
    from weir.features.expectations import write_project

    return {"written": [str(path) for path in write_project(GREAT_EXPECTATIONS)]}


def quarantined() -> dict[str, dict[str, int]]:
    """How many rows are held, by ``table/unit`` and broken expectation."""
    store = _store()
    held = {}
    for key in store.keys("3_features/quarantine/"):
        name = key.removeprefix("3_features/quarantine/").removesuffix(".parquet")
        held[name] = _by_reason(get_table(store, key))
    return held


def refused_rows(table: str, unit: str) -> list[dict[str, Any]]:
    """The rows of one unit that are held, each with the broken expectation as ``reason``."""
    rows: list[dict[str, Any]] = get_table(_store(), quarantine_key(table, unit)).to_pylist()
    return rows


def release(table: str, unit: str, reason: str, why: str) -> Counts:
    """Let the rows of one unit go on that one expectation refused; kept, so that a later run does the same."""
    store = _store()
    held = _by_reason(get_table(store, quarantine_key(table, unit)))
    if reason not in held:
        raise SettingsError(f"{table}/{unit}: no row is held for {reason!r}; held are: {', '.join(held)}")
    key = _released_key(table, unit)
    decisions = _get_json(store, key) if store.exists(key) else []
    _put_json(store, key, [*decisions, {"reason": reason, "why": why}])
    validate(unit)
    return {"released": held[reason], "table": table, "unit": unit}


def data_docs(out: Path) -> Counts:
    """Write Great Expectations' Data Docs of the validations in the store into a folder."""
    from weir.features.docs import build_docs

    store = _store()
    results = [_get_json(store, key) for key in store.keys("3_features/validation/")]
    return {"data_docs": str(build_docs(GREAT_EXPECTATIONS, out, results))}


# ---- models ----------------------------------------------------------------------------------


def materialise(snapshot_file: Path) -> Counts:
    """Bring the flows that a training snapshot names into this store.

    Hours that a site stored are copied and their sha256 checked; hours given as captures or as
    arguments of the simulator are built.
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
        elif "simulate" in part:
            _flows_of_simulation(unit, part["simulate"], snapshot_file.parent / part["labels"] if "labels" in part else None)
        else:
            whole = open_store(snapshot["store"]).get(flows_key(unit))
            if hashlib.sha256(whole).hexdigest() != part["sha256"]:
                raise StoreError(
                    f"{snapshot['store']}/{flows_key(unit)}: changed since the snapshot was taken; take a new one (weir snapshot)"
                )
            store.put(flows_key(unit), whole)
        _put_json(store, mark, part)
        made += 1
    return {"hours": len(snapshot["hours"]), "made": made}


def _flows_of_simulation(unit: str, arguments: dict[str, Any], labels: Path | None) -> None:
    """Build an hour that the simulator makes; its labels are kept where the snapshot looks for them."""
    from weir.simulate.run import simulate

    with tempfile.TemporaryDirectory(prefix="weir-simulate-") as folder:
        hour = datetime.strptime(unit.split("/")[1], "%Y-%m-%dT%H").replace(tzinfo=UTC)
        made = simulate(Path(folder), start=hour, hours=1, **arguments)
        flows_of_captures(unit, [Path(name) for name in made["captures"]])
        if labels is not None:
            for kind in ("flows", "timeline"):
                _copy(Path(folder) / f"labels.{kind}.csv", labels.with_name(f"{labels.name}.{kind}.csv"))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


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


def snapshot(until: str | None = None) -> Counts:
    """Name the hours of this store that a model is to be trained on, and what they hold.

    The newest hour of each sensor is not trained on: the gate counts false alerts there. Hosts that
    were alerted on are named, so that training leaves their rows of that hour out: an attacker must
    not teach the model. The frozen labelled hours come from the shipped snapshot.
    """
    store = _store()
    found = [unit for unit in units("3_features/flows/", store) if until is None or unit.split("/")[1] <= until]
    if not found:
        raise SettingsError(
            f"{store.url}: no validated hour up to {until or 'now'}; collect packets and let weir_2_features run first"
        )
    newest = {unit.split("/")[0]: unit for unit in found}  # units are in order, so the last of each sensor stays
    few = len(found) <= len(newest)
    hours = [
        {
            "unit": unit,
            "role": "recent" if unit in newest.values() and not few else "train",
            "sha256": hashlib.sha256(store.get(flows_key(unit))).hexdigest(),
            "alerted": sorted({one["host"] for one in alerts_of(unit, store)}),
        }
        for unit in found
    ]
    replay = [part for part in _snapshot(Path("snapshot.json"))["hours"] if part["role"] == "replay"]
    return {"store": store.url, "hours": [*hours, *({**part, "unit": f"replay-{part['unit']}"} for part in replay)]}


def write_snapshot(out: Path, until: str | None = None) -> Counts:
    """Write what ``snapshot`` says into a file, for ``dvc repro``."""
    from weir.store import put

    taken = snapshot(until)
    put(out, json.dumps(taken, sort_keys=True, indent=1).encode())
    return {"snapshot": str(out), "hours": len(taken["hours"])}


def train(snapshot_file: Path) -> Counts:
    """Fit and calibrate on the snapshot's validated rows; write the artifact below the store."""
    from weir.models import artifact
    from weir.models.train import train as fit

    store, chosen = _store(), settings.load()
    taken = _snapshot(snapshot_file)
    parts = [part for part in taken["hours"] if part["role"] == "train"]
    rows = {table: _usable(store, table, parts) for table in SCORED}
    version = _data_version(taken, store)
    trained = fit({table: found for table, (found, _) in rows.items()}, chosen.train, chosen.alerts, version)
    folder = chosen.site.data / "4_models" / "candidate"
    artifact.save(trained.files, folder)
    used = {table: {"rows": len(found), "excluded": excluded} for table, (found, excluded) in rows.items()}
    facts = {"model_id": trained.model_id, "data_version": version, "hours": [part["unit"] for part in parts], "rows": used}
    (folder / "training.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    return facts


def evaluate(snapshot_file: Path) -> Counts:
    """Measure the trained model: recall on the labelled replay hours, false alerts on the recent ones."""
    from weir.models import artifact
    from weir.models.evaluate import evaluate as measure

    store, chosen = _store(), settings.load()
    taken = _snapshot(snapshot_file)
    model = artifact.load(chosen.site.data / "4_models" / "candidate")
    tables, labels = _labelled(store, [part for part in taken["hours"] if part["role"] == "replay"], snapshot_file.parent)
    metrics = measure(model, tables, labels, chosen.alerts.budget_per_day)
    metrics["replay_false_alerts_per_day"] = metrics.pop("alerts_per_day")
    recent = [part for part in taken["hours"] if part["role"] == "recent"]
    metrics["alerts_per_day"] = _false_alerts(store, model, recent, chosen.alerts.budget_per_day) if recent else None
    folder = chosen.site.data / "4_models" / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    curves = metrics.pop("curves")
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    _write_plots(folder, metrics, curves)
    return {name: metrics[name] for name in ("model_id", "recall", "alerts", "false_alerts", "alerts_per_day", "budget_per_day")}


def _labelled(store: Store, parts: list[Any], folder: Path) -> tuple[dict[str, pa.Table], dict[str, list[str]]]:
    """Valid rows of some hours and the kind of attack of each."""
    import pyarrow as pa

    from weir.models import labels

    rows: dict[str, list[pa.Table]] = {table: [] for table in SCORED}
    kinds: dict[str, list[str]] = {table: [] for table in SCORED}
    for part in parts:
        path = folder / f"{part['labels']}.flows.csv"
        if not path.exists():
            raise SettingsError(f"{path}: no such label list; the snapshot names it for {part['unit']}")
        flow_rows, window_rows = (get_table(store, valid_key(table, part["unit"])) for table in SCORED)
        flow_kinds = labels.of_flows(flow_rows, labels.read(path.read_text(), str(path)))
        kinds["flows"] += flow_kinds
        kinds["windows"] += labels.of_windows(window_rows, flow_rows, flow_kinds, settings.load().windows.seconds)
        rows["flows"].append(flow_rows)
        rows["windows"].append(window_rows)
    if not parts:
        raise SettingsError("the snapshot names no labelled hour; give at least one with the role replay")
    return {table: pa.concat_tables(found) for table, found in rows.items()}, kinds


def _false_alerts(store: Store, model: Any, parts: list[Any], budget_per_day: float) -> float | None:
    """Alerts a day and sensor on hours that are taken to be normal."""
    from weir.models.evaluate import evaluate as measure

    tables = {table: _usable(store, table, parts)[0] for table in SCORED}
    normal = {table: [""] * len(rows) for table, rows in tables.items()}
    found = measure(model, tables, normal, budget_per_day)["alerts_per_day"]
    return None if found is None else float(found)


def _write_plots(folder: Path, metrics: Counts, curves: Counts) -> None:
    lines = ["table,false_positive_rate,recall"]
    for table, curve in curves.items():
        if curve:
            roc = curve["roc"]
            pairs = zip(roc["false_positive_rate"], roc["true_positive_rate"], strict=True)
            lines += [f"{table},{false:g},{true:g}" for false, true in pairs]
    (folder / "roc.csv").write_text("\n".join(lines) + "\n")
    kinds = [f"{kind},{facts['row_recall']:g}" for kind, facts in metrics["kinds"].items()]
    (folder / "recall.csv").write_text("\n".join(["kind,recall", *kinds]) + "\n")


def propose(folder: str | Path | None = None, now_us: int | None = None) -> Counts:
    """Bring a trained model and what its evaluation said into the registry, as challenger."""
    from weir.models import registry

    store = _store()
    source = Path(folder) if folder else settings.load().site.data / "4_models" / "candidate"
    training = json.loads((source / "training.json").read_text())
    metrics = json.loads((source.parent / "evaluation" / "metrics.json").read_text())
    files = {path.name: path.read_bytes() for path in source.iterdir() if path.name != "training.json"}
    entry = registry.propose(store, files, metrics, now_us or _now_us())
    store.put_new(f"4_models/training/{entry['model_id']}.json", (source / "training.json").read_bytes())
    _record_version(store, training)
    return {"model_id": entry["model_id"], "data_version": training["data_version"], "hours": len(training["hours"])}


def _record_version(store: Store, training: Counts) -> None:
    """L7: the valid rows that the store holds of the snapshot's hours are the rows that were trained on."""
    for table, used in training["rows"].items():
        sources = tuple(
            f"L6/{table}/{unit}" for unit in training["hours"] if store.exists(f"{ledger.PREFIX}L6/{table}/{unit}.json")
        )
        excluded = used["excluded"]
        seen = used["rows"] + sum(excluded.values())
        unit = f"{table}/{training['data_version']}"
        ledger.record(
            store, Entry("L7", unit, "rows", seen, used["rows"], excluded, sources=sources, model_id=training["model_id"])
        )


def promote(model_id: str | None = None, why: str = "passed the gate", now_us: int | None = None) -> Counts:
    """Put the challenger through the gate; if it passes, it becomes champion, else the champion stays."""
    from weir.models import registry
    from weir.models.promote import gate

    store, chosen = _store(), settings.load()
    challenger, champion = registry.challenger(store), registry.champion(store)
    if challenger is None or (model_id is not None and challenger["model_id"] != model_id):
        raise ArtifactError(f"{model_id or 'no model'} is not the challenger; propose it first (weir propose)")
    counts: Counts = {"model_id": challenger["model_id"], "promoted": False}
    if champion and champion["model_id"] == challenger["model_id"]:
        return {**counts, "words": "it is champion already", "checks": []}
    verdict = gate(champion["metrics"] if champion else None, challenger["metrics"], chosen.promote)
    words = "; ".join(check.words for check in verdict.checks if verdict.passed or not check.passed)
    _put_json(store, f"4_models/gate/{challenger['model_id']}.json", verdict.as_dict())
    if verdict.passed:
        registry.promote(store, challenger["model_id"], why, now_us or _now_us(), challenger["metrics"])
    return {**counts, "promoted": verdict.passed, "words": words, "checks": verdict.as_dict()["checks"]}


def rollback(why: str, now_us: int | None = None) -> Counts:
    """Make the champion before the present one score again."""
    from weir.models import registry

    entry = registry.rollback(_store(), why, now_us or _now_us())
    return {"model_id": entry["model_id"], "number": entry["number"], "why": entry["why"]}


def models() -> Counts:
    """Champion, challenger and every champion before, with since when and why."""
    from weir.models import registry

    store = _store()
    return {"champion": registry.champion(store), "challenger": registry.challenger(store), "history": registry.history(store)}


def _now_us() -> int:
    """The clock, for the few facts that are about us and not about packets: when a model was promoted, a report made."""
    return int(datetime.now(UTC).timestamp() * schema.US_PER_S)


def _champion(store: Store) -> Any:
    """The champion's artifact, checked; None when there is none yet."""
    from weir.models import registry

    chosen = registry.champion(store)
    return _artifact(store, chosen["model_id"]) if chosen else None


def _artifact(store: Store, model_id: str) -> Any:
    from weir.models import artifact

    prefix = f"4_models/artifacts/{model_id}/"
    names = [key.removeprefix(prefix) for key in store.keys(prefix)]
    if not names:
        raise ArtifactError(f"{store.url}/{prefix}: no such model; propose it first (weir propose)")
    return artifact.opened({name: store.get(prefix + name) for name in names}, f"{store.url}/{prefix}")


# ---- scores ----------------------------------------------------------------------------------


def unscored() -> list[str]:
    """Units with valid rows that the present champion has not scored; none without a champion."""
    from weir.models import registry

    store = _store()
    champion = registry.champion(store)
    if champion is None:
        return []
    return [unit for unit in units("3_features/flows/", store) if not _is_scored(store, unit, champion["model_id"])]


def _is_scored(store: Store, unit: str, model_id: str) -> bool:
    mark = f"5_scores/model/{unit}.json"
    return store.exists(mark) and bool(_get_json(store, mark)["model_id"] == model_id)


def score(unit: str) -> Counts:
    """Score the valid rows of one unit with the champion."""
    import pyarrow as pa

    from weir.scores.score import score as rate

    store = _store()
    model = _champion(store)
    if model is None:
        raise ArtifactError("there is no champion yet; train one (DAG weir_3_train, or dvc repro and weir propose, weir promote)")
    counts: Counts = {"unit": unit, "model_id": model.model_id, "rows": 0}
    for table in SCORED:
        rows = get_table(store, valid_key(table, unit))
        columns = {name: rows.column(name).to_numpy(zero_copy_only=False) for name in rows.column_names}
        scored = rate(model, table, columns)
        made = schema.conform(
            pa.table({name: pa.array(values) for name, values in scored.items()}), schema.SCORES, scores_key(table, unit)
        )
        put_table(store, scores_key(table, unit), made)
        ledger.record(store, _scored(table, unit, len(rows), len(made), model.model_id))
        counts["rows"] += len(made)
    _put_json(store, f"5_scores/model/{unit}.json", {"model_id": model.model_id})
    return counts


def _scored(table: str, unit: str, rows: int, made: int, model_id: str) -> Entry:
    name = f"{table}/{unit}"
    return Entry("L8", name, "rows", rows, made, sources=(f"L6/{name}",), sensor_id=unit.split("/")[0], model_id=model_id)


# ---- alerts ----------------------------------------------------------------------------------


def alerts_of(unit: str, store: Store | None = None) -> list[dict[str, Any]]:
    """The alerts of one unit, as they were stored; empty when there are none."""
    store = store or _store()
    return list(_get_json(store, alerts_key(unit))) if store.exists(alerts_key(unit)) else []


def alert(unit: str, dag_run: str = "by hand", now_us: int | None = None) -> Counts:
    """Group the anomalous rows of one unit into alerts and send the new ones within the budget.

    Each alert is marked as sent right after the channel took it, so that a retry sends only the
    rest.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from weir.alerts import dedupe
    from weir.alerts.group import group

    store, chosen = _store(), settings.load()
    scored = pa.concat_tables([get_table(store, scores_key(table, unit)) for table in SCORED])
    model = _artifact(store, _get_json(store, f"5_scores/model/{unit}.json")["model_id"])
    limit = {table: model.table(table).threshold for table in SCORED}
    beyond = pc.greater(
        scored.column("score"), pa.array([limit[table] for table in scored.column("table").to_pylist()], pa.float64())
    )
    anomalous = scored.filter(beyond)
    rows = {table: get_table(store, valid_key(table, unit)) for table in SCORED}
    lineage = {
        "schema_hash": {table: schema.schema_hash(table) for table in SCORED},
        "dag_run": dag_run,
        "data_version": model.manifest["data_version"],
    }
    found = group(
        anomalous,
        rows,
        _reasons(model, anomalous, rows, limit),
        lineage,
        window_us=chosen.windows.seconds * schema.US_PER_S,
        frames={m.sha256: [asdict(frame) for frame in m.frames] for m in _segments(store, unit)},
        threshold=limit,
        notes=_notes(store, unit),
    )
    settled = _send(store, unit, found, chosen.alerts.budget_per_day)
    _put_json(store, alerts_key(unit), [_alert_dict(a) for a in settled])
    fates = dedupe.counts(settled)
    ledger.record(store, _alerted(unit, len(anomalous), fates, model.model_id))
    return {
        "unit": unit,
        "alerts": len(settled),
        "sent": fates["delivered"]["alerts"],
        **{name: fate["alerts"] for name, fate in fates.items() if name != "anomalies"},
    }


def _alert_dict(found: Any) -> dict[str, Any]:
    from weir.alerts.alert import to_dict

    return to_dict(found)


def _reasons(
    model: Any, anomalous: pa.Table, rows: dict[str, pa.Table], limit: dict[str, float]
) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Why the strangest rows are strange, by table and row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from weir.alerts.cases import strangest
    from weir.scores.reasons import reasons

    asked = strangest(anomalous, limit)
    why: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for table in SCORED:
        ids = asked.filter(pc.equal(asked.column("table"), table)).column("row_id").to_pylist()
        if not ids:
            continue
        name = schema.ROW_ID[table]
        some = rows[table].filter(pc.is_in(rows[table].column(name), value_set=pa.array(ids, pa.int64())))
        columns = {column: some.column(column).to_numpy(zero_copy_only=False) for column in some.column_names}
        found = reasons(model, table, columns)
        why.update({(table, int(row_id)): list(parts) for row_id, parts in zip(columns[name], found, strict=True)})
    return why


def _notes(store: Store, unit: str) -> list[str]:
    """What a reader of an alert must know of its hour: packets that the sensor lost."""
    lost = sum(m.counters["kernel_dropped"] + m.counters["unread"] + m.counters["drop_disk"] for m in _segments(store, unit))
    return [f"{lost:,} packets of this hour were lost at the sensor, so counts may be too low"] if lost else []


ALERT_STATE = "6_alerts/state.json"


def _send(store: Store, unit: str, found: Sequence[Any], per_day: int) -> list[Any]:
    """Send what is new and within the budget; decide anew when another task decided meanwhile."""
    from weir.alerts import dedupe
    from weir.alerts.message import message
    from weir.errors import ConflictError, DeliveryError
    from weir.notify.base import Message

    channel = _alert_channel()
    sensor = unit.split("/")[0]
    for _ in range(ALERT_TRIES):
        state, tag = _state(store)
        mine = state.get(sensor, {"known": {}, "spent": {}})
        fates = dedupe.decide(found, mine["known"], mine["spent"], per_day=per_day)
        failed: dict[str, str] = {}
        for one in found:
            mark = f"6_alerts/sent/{one.alert_id}"
            if fates[one.alert_id] != "send" or store.exists(mark):
                continue
            try:
                channel.send(Message(**message(one)))
                store.put(mark, b"")
            except DeliveryError as error:
                failed[one.alert_id] = str(error)
        settled, known, spent = dedupe.settle(found, fates, failed, mine["known"], mine["spent"])
        state[sensor] = {"known": known, "spent": spent}
        try:
            store.put_if(ALERT_STATE, json.dumps(state, sort_keys=True).encode(), tag)
        except ConflictError:
            continue
        return settled
    raise StoreError(f"{store.url}/{ALERT_STATE}: changed {ALERT_TRIES} times while {unit} was decided; run alert again")


ALERT_TRIES = 20  # other tasks decide at the same time, each takes well under a second


def _state(store: Store) -> tuple[dict[str, Any], str | None]:
    if not store.exists(ALERT_STATE):
        return {}, None
    whole, tag = store.get_tagged(ALERT_STATE)
    return json.loads(whole), tag


def _alert_channel() -> Any:
    from weir.notify.folder import Folder
    from weir.notify.sns import Sns

    site = settings.load().site
    return Sns(site.topic) if site.topic else Folder(site.home / "outbox")


def _alerted(unit: str, anomalies: int, fates: dict[str, dict[str, int]], model_id: str) -> Entry:
    aside = {"grouped": fates["grouped"]["rows"], "over budget": fates["over_budget"]["rows"], "failed": fates["failed"]["rows"]}
    return Entry(
        "L9", unit, "rows", anomalies, fates["delivered"]["rows"], aside, sensor_id=unit.split("/")[0], model_id=model_id
    )


# ---- ledger ----------------------------------------------------------------------------------


def verify_ledger() -> ledger.Verdict:
    """Check every law over all entries of the store, and what never arrived."""
    store = _store()
    entries = ledger.read(store)
    scored = {entry.unit for entry in entries if entry.hop == "L8"}
    waiting_rows = [
        Entry("L8", entry.unit, "rows", entry.output, 0, {"waiting for a model": entry.output}, sources=(entry.name,))
        for entry in entries
        if entry.hop == "L6" and entry.unit not in scored
    ]
    return ledger.verify([*entries, *waiting_rows], {"L3": chain()})


# ---- drift -----------------------------------------------------------------------------------


def drift(unit: str | None = None, snapshot_file: Path | None = None) -> Counts:
    """Compare the flows of one hour with the hours the champion was trained on.

    With a snapshot, its newest hour is compared with those it trains on, and the result is one
    folder for DVC.
    """
    import pyarrow as pa

    from weir.models.drift import drift as compare
    from weir.models.drift_report import draw

    store, chosen = _store(), settings.load()
    unit, against = _drift_hours(store, unit, snapshot_file)
    current = get_table(store, valid_key("flows", unit))
    past = [get_table(store, valid_key("flows", name)) for name in against]
    reference = pa.concat_tables(past) if past else current.slice(0, 0)
    columns = schema.features("flows")
    found = compare(reference, current, columns, chosen.drift)
    facts = {
        "unit": unit,
        "sensor_id": unit.split("/")[0],
        "hour": unit.split("/")[1],
        "verdict": found.verdict,
        "summary": found.summary,
        "columns": found.columns,
        "against": against,
    }
    _put_json(store, f"4_models/drift/{unit}.json", facts)
    drawn = draw(reference, current, found, chosen.train.seed)
    store.put(f"4_models/drift/{unit}.html", drawn.html.encode())
    _put_json(store, f"4_models/drift/{unit}.drawn.json", drawn.summary)
    drifted = [column["name"] for column in found.columns if column["drifted"]]
    return {"unit": unit, "verdict": found.verdict, "words": found.summary["words"], "drifted": drifted, "against": len(against)}


def _drift_hours(store: Store, unit: str | None, snapshot_file: Path | None) -> tuple[str, list[str]]:
    """The hour to judge and the hours to judge it by, never itself."""
    from weir.models import registry

    if snapshot_file is not None:
        parts = _snapshot(snapshot_file)["hours"]
        past = [part["unit"] for part in parts if part["role"] == "train"]
        newest = unit or next((part["unit"] for part in parts if part["role"] == "recent"), past[-1])
    else:
        stored = units("3_features/flows/", store)
        if not stored:
            raise StoreError(f"{store.url}/3_features/flows/: no validated hour; let weir_2_features run first")
        newest = unit or max(stored, key=lambda name: name.split("/")[1])
        champion = registry.champion(store)
        key = f"4_models/training/{champion['model_id']}.json" if champion else ""
        learned = _get_json(store, key)["hours"] if champion and store.exists(key) else stored
        past = [name for name in learned if name in stored and name.split("/")[1] < newest.split("/")[1]]
    return newest, [name for name in past if name != newest]


# ---- reports ---------------------------------------------------------------------------------


def report(kind: str, day: str | None = None, *, mail: bool = True, now_us: int | None = None) -> Counts:
    """Build the report of a day, or of the week that holds the day, as page, PDF and JSON, and mail it.

    The mail goes out once for what the report says; when nothing changed since, it is not sent again.
    """
    from weir.reports.content import content, name
    from weir.reports.page import page
    from weir.reports.pdf import pdf

    store = _store()
    start, days = _period(kind, day, store)
    facts = content(
        "weekly" if kind == "weekly" else "daily",
        start,
        days,
        **_report_inputs(store, start, days),
        previous=_earlier(store, kind, name(kind, start)),
        now_us=now_us or _now_us(),
    )
    folder = f"7_reports/{kind}/{name(kind, start)}"
    whole = {"html": page(facts).encode(), "pdf": bytes(pdf(facts)), "json": json.dumps(facts, sort_keys=True, indent=1).encode()}
    for ending, made in whole.items():
        store.put(f"{folder}/report.{ending}", made)
    keys = {ending: f"{folder}/report.{ending}" for ending in whole}
    sent = _mail_once(store, folder, facts, whole["pdf"]) if mail else "not asked for"
    return {"kind": kind, "report": name(kind, start), **keys, "mailed": sent, "alerts": len(facts["alerts"])}


def _period(kind: str, day: str | None, store: Store) -> tuple[date, int]:
    if day is None:
        found = units("2_flows/", store)
        if not found:
            raise StoreError(f"{store.url}/2_flows/: empty; nothing to report on")
        day = max(unit.split("/")[1] for unit in found)[:10]
    try:
        chosen = date.fromisoformat(day)
    except ValueError:
        raise SettingsError(f"{day!r}: not a day; write it as 2026-01-31") from None
    return (chosen - timedelta(days=chosen.weekday()), 7) if kind == "weekly" else (chosen, 1)


def _report_inputs(store: Store, start: date, days: int) -> Counts:
    """What a report is made of, read from the store."""
    from weir.reports import summary

    span = {(start + timedelta(days=n)).isoformat() for n in range(days)}
    found = [unit for unit in units("2_flows/", store) if unit.split("/")[1][:10] in span]
    scored = [unit for unit in found if store.exists(scores_key("flows", unit))]
    model = _champion(store)
    thresholds = {table: model.table(table).threshold for table in SCORED} if model else {}
    top = settings.load().report.top
    return {
        "flows_summary": summary.traffic((get_table(store, flows_key(unit)) for unit in found), start, days, top),
        "scores_summary": summary.strangeness(
            (get_table(store, scores_key(table, unit)) for unit in scored for table in SCORED), start, days, thresholds
        ),
        "alerts": [one for unit in found for one in alerts_of(unit, store)],
        "quality": _quality(store, found),
        "drift": [_drift_facts(store, key) for unit in found if store.exists(key := f"4_models/drift/{unit}.json")],
        "ledger": _ledger_facts(verify_ledger()),
        "models": _model_facts(store, model),
        "arrivals": _arrivals(store, span),
        "budget": model.manifest["budget"] if model else {},
    }


def _drift_facts(store: Store, key: str) -> Counts:
    facts: Counts = _get_json(store, key)
    return {**facts, "summary": facts["summary"]["words"]}


def _quality(store: Store, found: list[str]) -> list[Counts]:
    entries = {entry.unit: entry for entry in ledger.read(store) if entry.hop == "L6"}
    judged = [(table, unit, entries[f"{table}/{unit}"]) for unit in found for table in SCORED if f"{table}/{unit}" in entries]
    return [{"table": table, "hour": unit.split("/")[1], "rows": e.seen, "refused": dict(e.aside)} for table, unit, e in judged]


def _ledger_facts(verdict: ledger.Verdict) -> Counts:
    laws = [{**asdict(law), "name": ledger.NAMES[law.hop], "problems": list(law.problems)} for law in verdict.laws]
    return {"is_balanced": verdict.is_balanced, "words": verdict.words, "lost": verdict.lost, "laws": laws} if laws else {}


def _model_facts(store: Store, model: Any) -> Counts:
    from weir.models import registry

    def facts(entry: Any) -> Counts | None:
        return {"model_id": entry["model_id"], "since_us": entry["when_us"], "why": entry.get("why", "")} if entry else None

    champion, challenger = facts(registry.champion(store)), facts(registry.challenger(store))
    if champion and model:
        names = {table: model.manifest["tables"][table]["detector"] for table in SCORED}
        champion["detector"] = ", ".join(f"{detector} on {table}" for table, detector in names.items())
        champion["data_version"] = model.manifest["data_version"]
    is_champion = champion and challenger and champion["model_id"] == challenger["model_id"]
    changes = [
        {"when_us": entry["when_us"], "model_id": entry["model_id"], "why": entry["why"]} for entry in registry.history(store)
    ]
    return {"champion": champion, "challenger": None if is_champion else challenger, "changes": changes}


def _arrivals(store: Store, span: set[str]) -> list[Counts]:
    """What each sensor delivered in a period, and what its chain misses."""
    from weir.packets.chain import missing
    from weir.packets.manifest import MANIFEST_SUFFIX, Manifest

    stored = [Manifest.read(store.get(key)) for key in store.keys("1_packets/") if key.endswith(MANIFEST_SUFFIX)]
    inside = [manifest for manifest in stored if manifest.hour[:10] in span]
    hours = sorted({manifest.hour for manifest in inside})
    arrivals = []
    for sensor in sorted({manifest.sensor_id for manifest in inside}):
        mine = [manifest for manifest in inside if manifest.sensor_id == sensor]
        gaps = missing([manifest for manifest in stored if manifest.sensor_id == sensor])
        first = min(manifest.hour for manifest in mine)
        arrivals.append(
            {
                "sensor_id": sensor,
                "segments": len(mine),
                "packets": sum(manifest.packets for manifest in mine),
                "bytes": sum(manifest.packet_bytes for manifest in mine),
                "hours": len({manifest.hour for manifest in mine}),
                "hours_expected": len([hour for hour in hours if hour >= first]),
                "missing": sum(gap.count for gap in gaps if gap.kind == "missing"),
                "late": sum(_is_late(manifest) for manifest in mine),
                "last_us": max(manifest.last_us or 0 for manifest in mine),
                "words": [f"{gap.count} segments from number {gap.seq} on: {gap.kind}" for gap in gaps],
            }
        )
    return arrivals


def _is_late(manifest: Manifest) -> bool:
    """Whether a live sensor sealed a segment more than an hour after its last packet; replays are never late."""
    return not manifest.source.startswith("file:") and manifest.sealed_wall_us - (manifest.last_us or 0) > schema.HOUR_US


EARLIER_REPORTS = 8


def _earlier(store: Store, kind: str, name: str) -> list[Counts]:
    """What the reports before this one said of each of their days, oldest first."""
    keys = [key for key in store.keys(f"7_reports/{kind}/") if key.endswith("/report.json") and key.split("/")[2] < name]
    return [entry for key in keys[-EARLIER_REPORTS:] for entry in _get_json(store, key)["trend"]]


def _mail_once(store: Store, folder: str, facts: Counts, pdf: bytes) -> str:
    """Mail a report unless the same was mailed before; says what became of it, and so does the ledger."""
    from weir.errors import DeliveryError
    from weir.notify.base import Message
    from weir.reports.mail import mail, subject, text

    site = settings.load().site
    version = hashlib.sha256(json.dumps({**facts, "made_us": 0}, sort_keys=True).encode()).hexdigest()
    mark = f"{folder}/mailed.json"
    due = Entry("L10", folder.removeprefix("7_reports/"), "mails", 1, 1)
    if store.exists(mark) and _get_json(store, mark)["version"] == version:
        return "earlier, and nothing changed since"
    sender, recipients = site.mail_from or "weir@localhost", site.mail_to or ("analyst@localhost",)
    whole = mail(facts, pdf, sender=sender, recipients=recipients)
    message = Message(
        name=folder.removeprefix("7_reports/").replace("/", "-"), subject=subject(facts), text=text(facts), mail=whole
    )
    try:
        sent = _mail_channel().send(message)
    except DeliveryError:
        ledger.record(store, Entry(due.hop, due.unit, due.counts, 1, 0, dropped={"failed": 1}))
        raise
    ledger.record(store, due)
    _put_json(store, mark, {"version": version, "id": sent})
    return f"to {', '.join(recipients)}"


def _mail_channel() -> Any:
    from weir.notify.folder import Folder
    from weir.notify.ses import Ses

    site = settings.load().site
    return Ses(site.mail_from, site.mail_to) if site.mail_from else Folder(site.home / "outbox")
