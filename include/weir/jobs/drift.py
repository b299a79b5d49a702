"""Drift: has the traffic of an hour changed against the hours the champion learned from?"""

from __future__ import annotations

from pathlib import Path

from weir import schema, settings
from weir.errors import StoreError
from weir.jobs.keys import Counts, get_json, put_json, site_store, units, valid_key
from weir.jobs.training import read_snapshot
from weir.store import Store, get_table


def drift(unit: str | None = None, snapshot_file: Path | None = None) -> Counts:
    """Compare the flows of one hour with the hours the champion was trained on.

    With a snapshot, its newest hour is compared with those it trains on, and the result is one
    folder for DVC.
    """
    import pyarrow as pa

    from weir.models.drift import drift as compare
    from weir.models.drift_report import draw

    store, chosen = site_store(), settings.load()
    unit, against = _drift_hours(store, unit, snapshot_file)
    columns = schema.features("flows")
    needed = ("start_us", *columns)  # texts, such as addresses, are most of a table's memory
    current = get_table(store, valid_key("flows", unit), needed)
    past = [get_table(store, valid_key("flows", name), needed) for name in against]
    reference = pa.concat_tables(past) if past else current.slice(0, 0)
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
    put_json(store, f"4_models/drift/{unit}.json", facts)
    drawn = draw(reference, current, found, chosen.train.seed)
    store.put(f"4_models/drift/{unit}.html", drawn.html.encode())
    put_json(store, f"4_models/drift/{unit}.drawn.json", drawn.summary)
    drifted = [column["name"] for column in found.columns if column["drifted"]]
    return {"unit": unit, "verdict": found.verdict, "words": found.summary["words"], "drifted": drifted, "against": len(against)}


def _drift_hours(store: Store, unit: str | None, snapshot_file: Path | None) -> tuple[str, list[str]]:
    """The hour to judge and the hours to judge it by, never itself."""
    from weir.models import registry

    if snapshot_file is not None:
        parts = read_snapshot(snapshot_file)["hours"]
        past = [part["unit"] for part in parts if part["role"] == "train"]
        newest = unit or next((part["unit"] for part in parts if part["role"] == "recent"), past[-1])
    else:
        stored = units("3_features/flows/", store)
        if not stored:
            raise StoreError(f"{store.url}/3_features/flows/: no validated hour; let weir_2_features run first")
        newest = unit or max(stored, key=lambda name: name.split("/")[1])
        champion = registry.champion(store)
        key = f"4_models/training/{champion['model_id']}.json" if champion else ""
        learned = get_json(store, key)["hours"] if champion and store.exists(key) else stored
        past = [name for name in learned if name in stored and name.split("/")[1] < newest.split("/")[1]]
    return newest, [name for name in past if name != newest]
