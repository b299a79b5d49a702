"""Models, second half: who wants to score, who may, and who does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weir import ledger, settings
from weir.errors import ArtifactError
from weir.jobs.keys import Counts, clock_us, put_json, site_store
from weir.ledger import Entry
from weir.store import Store


def propose(folder: str | Path | None = None, now_us: int | None = None) -> Counts:
    """Bring a trained model and what its evaluation said into the registry, as challenger."""
    from weir.models import registry

    store = site_store()
    source = Path(folder) if folder else settings.load().site.data / "4_models" / "candidate"
    training = json.loads((source / "training.json").read_text())
    metrics = json.loads((source.parent / "evaluation" / "metrics.json").read_text())
    files = {path.name: path.read_bytes() for path in source.iterdir() if path.name != "training.json"}
    entry = registry.propose(store, files, metrics, now_us or clock_us())
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

    store, chosen = site_store(), settings.load()
    challenger, champion = registry.challenger(store), registry.champion(store)
    if challenger is None or (model_id is not None and challenger["model_id"] != model_id):
        raise ArtifactError(f"{model_id or 'no model'} is not the challenger; propose it first (weir propose)")
    counts: Counts = {"model_id": challenger["model_id"], "promoted": False}
    if champion and champion["model_id"] == challenger["model_id"]:
        return {**counts, "words": "it is champion already", "checks": []}
    verdict = gate(champion["metrics"] if champion else None, challenger["metrics"], chosen.promote)
    words = "; ".join(check.words for check in verdict.checks if verdict.passed or not check.passed)
    put_json(store, f"4_models/gate/{challenger['model_id']}.json", verdict.as_dict())
    if verdict.passed:
        registry.promote(store, challenger["model_id"], why, now_us or clock_us(), challenger["metrics"])
    return {**counts, "promoted": verdict.passed, "words": words, "checks": verdict.as_dict()["checks"]}


def rollback(why: str, now_us: int | None = None) -> Counts:
    """Make the champion before the present one score again."""
    from weir.models import registry

    entry = registry.rollback(site_store(), why, now_us or clock_us())
    return {"model_id": entry["model_id"], "number": entry["number"], "why": entry["why"]}


def models() -> Counts:
    """Champion, challenger and every champion before, with since when and why."""
    from weir.models import registry

    store = site_store()
    return {"champion": registry.champion(store), "challenger": registry.challenger(store), "history": registry.history(store)}


def champion(store: Store) -> Any:
    """The champion's artifact, checked; None when there is none yet."""
    from weir.models import registry

    chosen = registry.champion(store)
    return artifact_of(store, chosen["model_id"]) if chosen else None


def artifact_of(store: Store, model_id: str) -> Any:
    """A stored model, checked; ArtifactError when there is none."""
    from weir.models import artifact

    prefix = f"4_models/artifacts/{model_id}/"
    names = [key.removeprefix(prefix) for key in store.keys(prefix)]
    if not names:
        raise ArtifactError(f"{store.url}/{prefix}: no such model; propose it first (weir propose)")
    return artifact.opened({name: store.get(prefix + name) for name in names}, f"{store.url}/{prefix}")
