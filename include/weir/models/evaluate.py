"""What a model is worth: on rows, on attack kinds, and on the alerts an analyst would see.

A figure that its rows cannot support is None, never 0 and never nan: an AUC of one class, a recall
without labels, a rate of false alerts without normal traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.errors import SchemaError
from weir.models.artifact import TABLES, Artifact

if TYPE_CHECKING:
    import pyarrow as pa

NORMAL = ""
POINTS = 200  # of a curve that is drawn
HOURS_PER_DAY = 24
HostHour = tuple[str, str, int]  # sensor, host, hour since 1970
Labels = Mapping[str, Sequence[str]]


def evaluate(artifact: Artifact, tables: Mapping[str, pa.Table], labels: Labels, budget_per_day: float) -> dict[str, Any]:
    """Measure a model on labelled rows at its own threshold.

    Parameters
    ----------
    tables : stored flows and windows
    labels : per table the kind of attack of each row, "" for normal ones
    budget_per_day : alerts a day and sensor; of the alerts of a day the highest scored are kept, as in operation

    Returns
    -------
    ``recall``: share of attack kinds of which at least one alert tells; ``kinds``: per kind its rows, the share of
    them above the threshold, whether an alert tells of it, and the rank of the first that does;
    ``alerts``, ``false_alerts``: host-hours above the threshold, and those without any attack row;
    ``alerts_per_day``: false alerts a day and sensor, None without normal traffic; ``tables``: AUC, average precision,
    confusion matrix, recall and false positive rate of rows; ``curves``: points of ROC and PR.
    """
    scored = {name: _scores(artifact, tables[name], labels[name], name) for name in TABLES}
    alerts = _alerts(artifact, tables, scored, labels, budget_per_day)
    kinds = {kind: _kind(artifact, kind, scored, labels, alerts) for kind in _kinds(labels)}
    told = [kind["alerted"] for kind in kinds.values()]
    hours = _hours(tables)
    false = [alert for alert in alerts["kept"] if not alert["kinds"]]
    has_normal = any(NORMAL in labels[name] for name in TABLES)
    return {
        "model_id": artifact.model_id,
        "schema_hash": {name: schema.schema_hash(name) for name in TABLES},
        "recall": float(np.mean(told)) if told else None,
        "kinds": kinds,
        "alerts": len(alerts["kept"]),
        "over_budget": alerts["over_budget"],
        "false_alerts": len(false),
        "precision": 1 - len(false) / len(alerts["kept"]) if alerts["kept"] and told else None,
        "alerts_per_day": alerts["normal_above"] / hours * HOURS_PER_DAY if has_normal and hours else None,
        "budget_per_day": budget_per_day,
        "promise": artifact.manifest["budget"]["promise"],
        "hours": hours,
        "tables": {name: _rows(artifact, name, scored[name], labels[name]) for name in TABLES},
        "curves": {name: _curves(scored[name], labels[name]) for name in TABLES},
    }


def _scores(artifact: Artifact, table: pa.Table, labels: Sequence[str], name: str) -> NDArray[np.float64]:
    if len(labels) != table.num_rows:
        raise SchemaError(f"{name}: {len(labels)} labels for {table.num_rows} rows; give one each")
    scorer = artifact.table(name)
    scores, _ = scorer.run(scorer.matrix({column: table.column(column).to_numpy() for column in scorer.features}))
    return scores


def _kinds(labels: Labels) -> list[str]:
    return sorted({kind for name in TABLES for kind in labels[name]} - {NORMAL})


def _alerts(
    artifact: Artifact, tables: Mapping[str, pa.Table], scored: Mapping[str, NDArray[np.float64]], labels: Labels, per_day: float
) -> dict[str, Any]:
    """Host-hours above a threshold as alerts, those furthest above it first, at most ``per_day`` of a sensor's day."""
    found: dict[HostHour, dict[str, Any]] = {}
    attacked: set[HostHour] = set()
    for name in TABLES:
        above = scored[name] - artifact.table(name).threshold
        for key, excess, kind in zip(_host_hours(tables[name], name), above.tolist(), labels[name], strict=True):
            if kind != NORMAL:
                attacked.add(key)
            if excess > 0:
                alert = found.setdefault(key, {"excess": excess, "kinds": set()})
                alert["excess"] = max(alert["excess"], excess)
                alert["kinds"] |= {kind} - {NORMAL}
    kept = _within_budget(found, per_day)
    normal_above = sum(key not in attacked for key in found)
    return {"kept": kept, "over_budget": len(found) - len(kept), "normal_above": normal_above}


def _host_hours(table: pa.Table, name: str) -> Iterator[HostHour]:
    hour = table.column("start_us").to_numpy() // schema.HOUR_US
    return zip(table.column("sensor_id").to_pylist(), table.column(schema.HOST[name]).to_pylist(), hour.tolist(), strict=True)


def _within_budget(found: Mapping[HostHour, dict[str, Any]], per_day: float) -> list[dict[str, Any]]:
    sent: dict[tuple[str, int], int] = {}
    kept = []
    for (sensor, _, hour), alert in sorted(found.items(), key=lambda item: (-item[1]["excess"], item[0])):
        day = sensor, hour // HOURS_PER_DAY
        sent[day] = sent.get(day, 0) + 1
        if sent[day] <= per_day:
            kept.append(alert)
    return kept


def _kind(
    artifact: Artifact, kind: str, scored: Mapping[str, NDArray[np.float64]], labels: Labels, alerts: Mapping[str, Any]
) -> dict[str, Any]:
    rows = {name: np.asarray(labels[name]) == kind for name in TABLES}
    above = sum(int((scored[name][rows[name]] > artifact.table(name).threshold).sum()) for name in TABLES)
    n = sum(int(chosen.sum()) for chosen in rows.values())
    rank = next((place for place, alert in enumerate(alerts["kept"], 1) if kind in alert["kinds"]), None)
    return {"rows": n, "row_recall": above / n, "alerted": rank is not None, "rank": rank}


def _rows(artifact: Artifact, name: str, scores: NDArray[np.float64], labels: Sequence[str]) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    attack = np.asarray(labels, dtype=object) != NORMAL
    above = scores > artifact.table(name).threshold
    both = bool(attack.any() and not attack.all())
    confusion = {
        "true_positive": int((above & attack).sum()),
        "false_positive": int((above & ~attack).sum()),
        "true_negative": int((~above & ~attack).sum()),
        "false_negative": int((~above & attack).sum()),
    }
    return {
        "rows": len(scores),
        "attack_rows": int(attack.sum()),
        "threshold": artifact.table(name).threshold,
        "auc": float(roc_auc_score(attack, scores)) if both else None,
        "average_precision": float(average_precision_score(attack, scores)) if both else None,
        "recall": float(above[attack].mean()) if attack.any() else None,
        "false_positive_rate": float(above[~attack].mean()) if len(attack) and not attack.all() else None,
        "confusion": confusion,
    }


def _curves(scores: NDArray[np.float64], labels: Sequence[str]) -> dict[str, Any] | None:
    """ROC and PR as lists of at most ``POINTS`` points; None unless both classes are there."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    attack = np.asarray(labels, dtype=object) != NORMAL
    if not attack.any() or attack.all():
        return None
    false_rate, true_rate, _ = roc_curve(attack, scores)
    precision, recall, _ = precision_recall_curve(attack, scores)
    return {
        "roc": {"false_positive_rate": _thin(false_rate), "true_positive_rate": _thin(true_rate)},
        "pr": {"recall": _thin(recall[::-1]), "precision": _thin(precision[::-1])},
    }


def _thin(points: NDArray[np.float64]) -> list[float]:
    chosen = np.linspace(0, len(points) - 1, min(POINTS, len(points))).round().astype(int)
    return [round(float(point), 6) for point in points[chosen]]


def _hours(tables: Mapping[str, pa.Table]) -> float:
    """Capture time the rows span, summed over sensors, h."""
    spans: dict[str, list[int]] = {}
    for name in TABLES:
        for sensor, start in zip(
            tables[name].column("sensor_id").to_pylist(), tables[name].column("start_us").to_pylist(), strict=True
        ):
            spans.setdefault(sensor, []).append(start)
    return sum(max(starts) - min(starts) for starts in spans.values()) / schema.HOUR_US
