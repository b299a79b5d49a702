"""Models, first half: from a snapshot of hours to a trained and measured artifact. The stages of ``dvc.yaml``."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import schema, settings
from weir.errors import SettingsError, StoreError
from weir.jobs.alerts import alerts_of
from weir.jobs.flows import flows_of_captures
from weir.jobs.keys import SCORED, Counts, flows_key, get_json, put_json, site_store, units, valid_key
from weir.store import Store, get_table, open_store

if TYPE_CHECKING:
    import pyarrow as pa


SIMULATOR = Path(__file__).parents[1] / "simulate"


def materialise(snapshot_file: Path) -> Counts:
    """Bring the flows that a training snapshot names into this store.

    Hours that a site stored are copied and their sha256 checked; hours given as captures or as
    arguments of the simulator are built.
    What is already here and would come out the same stays, so a new hour costs one hour; what the
    snapshot does not name goes.
    """
    snapshot = read_snapshot(snapshot_file)
    store = site_store()
    made = 0
    for unit in set(units("2_flows/", store)) - {part["unit"] for part in snapshot["hours"]}:
        store.delete(flows_key(unit))
    for part in snapshot["hours"]:
        unit = part["unit"]
        mark = f"2_flows/{unit}.origin.json"
        origin = _origin(part, snapshot_file.parent)
        if store.exists(mark) and store.exists(flows_key(unit)) and get_json(store, mark) == origin:
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
        put_json(store, mark, origin)
        made += 1
    return {"hours": len(snapshot["hours"]), "made": made}


def _origin(part: Counts, folder: Path) -> Counts:
    """All that the flows of an hour follow from: when it changes they are built anew."""
    if "sha256" in part:
        return {**part, "schema": schema.schema_hash("flows")}
    from weir import _native

    flows = settings.load().flows
    captures = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in part.get("captures", [])]
    code = [Path(_native.__file__), *(sorted(SIMULATOR.glob("*.py")) if "simulate" in part else [])]
    code += [Path(plugin) for plugin in flows.plugins if Path(plugin).is_file()]
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()
    return {
        **part,
        "captures_sha256": captures,
        "made_by": made_by,
        "settings": {**asdict(flows), "plugins": list(flows.plugins)},
    }


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


def read_snapshot(path: Path) -> Any:
    """A training snapshot from its file; SettingsError when it is none."""
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


def usable(store: Store, table: str, parts: Iterable[Any]) -> tuple[pa.Table, dict[str, int]]:
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
    store = site_store()
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
    replay = [part for part in read_snapshot(Path("snapshot.json"))["hours"] if part["role"] == "replay"]
    return {"store": store.url, "hours": [*hours, *({**part, "unit": f"replay-{part['unit']}"} for part in replay)]}


def write_snapshot(out: Path, until: str | None = None) -> Counts:
    """Write what ``snapshot`` says into a file, for ``dvc repro``."""
    from weir.store import file_to_write, put

    target = file_to_write(out, "snapshot")
    taken = snapshot(until)
    put(target, json.dumps(taken, sort_keys=True, indent=1).encode())
    return {"snapshot": str(out), "hours": len(taken["hours"])}


def train(snapshot_file: Path) -> Counts:
    """Fit and calibrate on the snapshot's validated rows; write the artifact below the store."""
    from weir.models import artifact
    from weir.models.train import train as fit

    store, chosen = site_store(), settings.load()
    taken = read_snapshot(snapshot_file)
    parts = [part for part in taken["hours"] if part["role"] == "train"]
    rows = {table: usable(store, table, parts) for table in SCORED}
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

    store, chosen = site_store(), settings.load()
    taken = read_snapshot(snapshot_file)
    model = artifact.load(chosen.site.data / "4_models" / "candidate")
    tables, labels = _labelled(store, [part for part in taken["hours"] if part["role"] == "replay"], snapshot_file.parent)
    metrics = measure(model, tables, labels, chosen.alerts.budget_per_day)
    metrics["replay_false_alerts_per_day"] = metrics.pop("alerts_per_day")
    recent = [part for part in taken["hours"] if part["role"] == "recent"]
    normal = _false_alerts(store, model, recent, chosen.alerts.budget_per_day) if recent else {}
    metrics["alerts_per_day"], metrics["alerts_hours"] = normal.get("alerts_per_day"), normal.get("hours")
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


def _false_alerts(store: Store, model: Any, parts: list[Any], budget_per_day: float) -> dict[str, Any]:
    """What the evaluation says of hours that are taken to be normal."""
    from weir.models.evaluate import evaluate as measure

    tables = {table: usable(store, table, parts)[0] for table in SCORED}
    normal = {table: [""] * len(rows) for table, rows in tables.items()}
    return measure(model, tables, normal, budget_per_day)


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
