"""Scores: the champion rates the valid rows of a unit."""

from __future__ import annotations

from weir import ledger, schema
from weir.errors import ArtifactError
from weir.jobs.keys import SCORED, Counts, get_json, put_json, scores_key, site_store, units, valid_key
from weir.jobs.registry import champion
from weir.ledger import Entry
from weir.store import Store, get_table, put_table


def unscored() -> list[str]:
    """Units with valid rows that the present champion has not scored; none without a champion."""
    from weir.models import registry

    store = site_store()
    champion = registry.champion(store)
    if champion is None:
        return []
    return [unit for unit in units("3_features/flows/", store) if not _is_scored(store, unit, champion["model_id"])]


def _is_scored(store: Store, unit: str, model_id: str) -> bool:
    mark = f"5_scores/model/{unit}.json"
    return store.exists(mark) and bool(get_json(store, mark)["model_id"] == model_id)


def score(unit: str) -> Counts:
    """Score the valid rows of one unit with the champion."""
    import pyarrow as pa

    from weir.scores.score import score as rate

    store = site_store()
    model = champion(store)
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
    put_json(store, f"5_scores/model/{unit}.json", {"model_id": model.model_id})
    return counts


def _scored(table: str, unit: str, rows: int, made: int, model_id: str) -> Entry:
    name = f"{table}/{unit}"
    return Entry("L8", name, "rows", rows, made, sources=(f"L6/{name}",), sensor_id=unit.split("/")[0], model_id=model_id)
