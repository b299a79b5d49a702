"""Everything a report says, as one dict of plain facts; page, PDF, mail and JSON are views of it.

Foreign text is made harmless here, once, so no view can forget it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

from weir.reports.verdict import verdict
from weir.words import clean, moment

FORMAT = 1
TEXT_MOST = 400  # characters of one text; an alert's sentence is the longest
SEVERITIES = ("critical", "high", "medium", "low", "informational")
DELIVERIES = ("delivered", "grouped", "over_budget", "failed")
Facts = Mapping[str, Any]


def content(
    kind: Literal["daily", "weekly"],
    period_start: date,
    days: int,
    *,
    flows_summary: Facts,
    alerts: Sequence[Facts],
    scores_summary: Facts,
    quality: Sequence[Facts],
    drift: Sequence[Facts],
    ledger: Facts,
    models: Facts,
    arrivals: Sequence[Facts],
    budget: Facts,
    now_us: int,
    previous: Sequence[Facts] = (),
) -> dict[str, Any]:
    """All facts of one report.

    Parameters
    ----------
    kind, period_start, days : what it covers; UTC. A week starts on the day given.
    flows_summary : as ``summary.traffic`` returns it
    alerts : alerts of the period after they were settled, as ``alerts.alert.to_dict`` writes them
    scores_summary : as ``summary.strangeness`` returns it
    quality : one entry per unit and table: {table, hour, rows, refused {expectation: rows}}
    drift : one entry per verdict: {sensor_id, hour, verdict ("drift", "no drift", "insufficient
        data"), summary, columns [{name, statistic, z, drifted}]}
    ledger : {is_balanced, words, lost, laws [{hop, name, counts, seen, accepted, aside {reason: n},
        dropped {reason: n}, problems [text]}]}, laws worst first; empty when nothing was recorded
    models : {champion {model_id, since_us, detector, data_version, why} or None, challenger (the
        same) or None, changes [{when_us, model_id, why}]}; all but model_id may be missing
    arrivals : one entry per sensor: {sensor_id, segments, packets, bytes, hours, hours_expected,
        missing, late, last_us, words [text]}; ``missing`` and ``late`` count segments, ``hours``
        capture hours with packets
    budget : {per_day, expected, promise, words}, as the model's manifest holds it; may be empty
    now_us : when the report is made
    previous : ``trend`` entries of earlier reports, oldest first, to compare with

    Returns
    -------
    dict that ``json.dumps`` writes; its keys are listed in ``docs/formats/report.md``
    """
    every = sorted(alerts, key=_urgency)
    trend = _trend(flows_summary, scores_summary, every, quality)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "kind": kind,
        "period": {
            "start": period_start.isoformat(),
            "days": days,
            "name": name(kind, period_start),
            "words": _words(period_start, days),
        },
        "made_us": now_us,
        "traffic": flows_summary,
        "scores": scores_summary,
        "alerts": every,
        "alert_counts": _counts(every),
        "kinds": _common(a["kind_hint"]["name"] if a.get("kind_hint") else "no known kind" for a in every),
        "hosts": _common(a["host"] for a in every),
        "quality": _quality(quality),
        "drift": list(drift),
        "ledger": ledger,
        "models": models,
        "arrivals": list(arrivals),
        "budget": {**budget, "spent": sum(1 for a in every if a.get("delivery") == "delivered"), "days": days},
        "trend": trend,
        "previous": list(previous),
    }
    made: dict[str, Any] = cleaned(facts)
    made["verdict"] = verdict(made)
    return made


def name(kind: str, start: date) -> str:
    """What the report's folder is called: ``2024-03-04`` or ``2024-W10``."""
    year, week, _ = start.isocalendar()
    return f"{year}-W{week:02d}" if kind == "weekly" else start.isoformat()


def when(us: int | None, seconds: bool = False) -> str:
    """A packet time, UTC, to the minute or the second."""
    return "unknown" if us is None else moment(us, seconds)


def cleaned(value: Any) -> Any:
    """The same facts with every text, key or value, made harmless; tuples become lists."""
    if isinstance(value, str):
        return clean(value, TEXT_MOST)
    if isinstance(value, Mapping):
        return {clean(key, TEXT_MOST): cleaned(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(part) for part in value]
    return value


def _urgency(alert: Facts) -> tuple[Any, ...]:
    return (
        SEVERITIES.index(alert["severity"]),
        -alert.get("excess", alert["score"]),
        alert["p_value"],
        alert["sensor_id"],
        alert["hour"],
        alert["host"],
    )


def _words(start: date, days: int) -> str:
    last = start + timedelta(days=days - 1)
    if days == 1:
        return f"{start:%A} {start.day} {start:%B} {start.year}"
    return f"{start:%A} {start.day} {start:%B} to {last:%A} {last.day} {last:%B} {last.year}"


def _counts(alerts: Sequence[Facts]) -> dict[str, Any]:
    by_delivery = {
        delivery: {
            "alerts": sum(1 for a in alerts if a.get("delivery") == delivery),
            "rows": sum(a["rows_n"] for a in alerts if a.get("delivery") == delivery),
        }
        for delivery in DELIVERIES
    }
    sent = Counter(a["severity"] for a in alerts if a.get("delivery") == "delivered")
    return {**by_delivery, "severities": {severity: sent[severity] for severity in SEVERITIES if sent[severity]}}


def _common(names: Iterable[str]) -> list[dict[str, Any]]:
    """How often each name occurs, most often first."""
    return [{"name": n, "alerts": count} for n, count in sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0]))]


def _quality(entries: Sequence[Facts]) -> dict[str, Any]:
    rows: Counter[str] = Counter()
    refused: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        rows[entry["table"]] += entry["rows"]
        for expectation, n in entry["refused"].items():
            refused[entry["table"], expectation] += n
    ordered = sorted(refused.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "tables": [
            {"table": t, "rows": n, "refused": sum(r for (of, _), r in refused.items() if of == t)}
            for t, n in sorted(rows.items())
        ],
        "expectations": [{"table": table, "expectation": expectation, "rows": n} for (table, expectation), n in ordered if n],
    }


def _trend(flows: Facts, scores: Facts, alerts: Sequence[Facts], quality: Sequence[Facts]) -> list[dict[str, Any]]:
    """One line per day: what the next reports compare themselves with."""
    anomalies = {day["day"]: day["anomalies"] for day in scores["days"]}
    sent = Counter(a["hour"][:10] for a in alerts if a.get("delivery") == "delivered")
    refused: Counter[str] = Counter()
    for entry in quality:
        refused[str(entry.get("hour", ""))[:10]] += sum(entry["refused"].values())
    return [
        {**day, "anomalies": anomalies.get(day["day"], 0), "alerts": sent[day["day"]], "refused": refused[day["day"]]}
        for day in flows["days"]
    ]
