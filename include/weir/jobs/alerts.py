"""Alerts: anomalous rows become findings, sent once and within the budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from weir import ledger, schema, settings
from weir.errors import StoreError
from weir.jobs.keys import SCORED, Counts, alerts_key, get_json, put_json, scores_key, site_store, valid_key
from weir.jobs.packets import segments
from weir.jobs.registry import artifact_of
from weir.ledger import Entry
from weir.store import Store, get_table

if TYPE_CHECKING:
    import pyarrow as pa

ALERT_STATE = "6_alerts/state.json"


ALERT_TRIES = 20  # other tasks decide at the same time, each takes well under a second


def alerts_of(unit: str, store: Store | None = None) -> list[dict[str, Any]]:
    """The alerts of one unit, as they were stored; empty when there are none."""
    store = store or site_store()
    return list(get_json(store, alerts_key(unit))) if store.exists(alerts_key(unit)) else []


def alert(unit: str, dag_run: str = "by hand", now_us: int | None = None) -> Counts:
    """Group the anomalous rows of one unit into alerts and send the new ones within the budget.

    Each alert is marked as sent right after the channel took it, so that a retry sends only the
    rest.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from weir.alerts import dedupe
    from weir.alerts.group import group

    store, chosen = site_store(), settings.load()
    scored = pa.concat_tables([get_table(store, scores_key(table, unit)) for table in SCORED])
    model = artifact_of(store, get_json(store, f"5_scores/model/{unit}.json")["model_id"])
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
        frames={m.sha256: [asdict(frame) for frame in m.frames] for m in segments(store, unit)},
        threshold=limit,
        notes=_notes(store, unit),
    )
    settled = _send(store, unit, found, chosen.alerts.budget_per_day)
    put_json(store, alerts_key(unit), [_alert_dict(a) for a in settled])
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
    """What a reader of an alert must know of its hour: packets that the sensor lost, and times without any."""
    from weir.packets import gaps

    mine = segments(store, unit)
    lost = sum(m.counters["kernel_dropped"] + m.counters["unread"] + m.counters["drop_disk"] for m in mine)
    words = [f"{lost:,} packets of this hour were lost at the sensor, so counts may be too low"] if lost else []
    return words + gaps.told(mine)


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
