"""The line on top of a report: is all well, or what must somebody look at?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weir.words import number, plural

LEVELS = ("well", "look", "act")
WORDS = {"well": "All well", "look": "Look at this", "act": "Act now"}
LOST_MOST = 0.001  # share of packets; below, a loss is told but is no reason to look
REFUSED_MOST = 0.01  # share of rows
POINTS_MOST = 9  # more are not read
OVERSPENT = 2.0  # times the promised number of alerts

Point = tuple[str, str]
"""Level and words."""


def verdict(content: Mapping[str, Any]) -> dict[str, Any]:
    """The level of the worst point, and every point in words, worst first.

    Returns
    -------
    dict: ``level`` (well, look, act), ``words``, ``points`` [{level, words}]; points of the level
    well are good to know
    """
    points = [*_alerts(content), *_ledger(content), *_arrivals(content), *_model(content), *_quality(content), *_drift(content)]
    points.sort(key=lambda point: -LEVELS.index(point[0]))
    worst = points[0][0] if points else "well"
    if len(points) > POINTS_MOST:
        left = len(points) - POINTS_MOST + 1
        points = [*points[: POINTS_MOST - 1], ("well", f"And {left} more, told in the parts below.")]
    return {"level": worst, "words": WORDS[worst], "points": [{"level": level, "words": words} for level, words in points]}


def _ledger(content: Mapping[str, Any]) -> Iterator[Point]:
    ledger, packets = content["ledger"], content["traffic"]["totals"]["packets"]
    if not ledger.get("laws"):
        yield "look" if packets else "well", "The ledger is empty: nothing proves that no packet was lost."
    elif not ledger["is_balanced"]:
        yield "act", f"{ledger['words']}."
    elif ledger["lost"]:
        share = ledger["lost"] / max(packets + ledger["lost"], 1)
        yield (
            "look" if share > LOST_MOST else "well",
            f"{plural(ledger['lost'], 'packet')} lost and counted ({share * 100:.2g} %).",
        )
    else:
        yield "well", "The ledger balances; no packet was lost."


def _arrivals(content: Mapping[str, Any]) -> Iterator[Point]:
    for sensor in content["arrivals"]:
        who = f"Sensor {sensor['sensor_id']}"
        if sensor.get("missing"):
            yield "look", f"{who}: {plural(sensor['missing'], 'segment')} never arrived."
        expected = sensor.get("hours_expected") or 0
        if sensor.get("hours", 0) < expected:
            yield "look", f"{who} was silent for {expected - sensor['hours']} of {plural(expected, 'hour')}."
    if not content["traffic"]["totals"]["flows"]:
        yield "look", "No traffic arrived in this period."


def _alerts(content: Mapping[str, Any]) -> Iterator[Point]:
    counts = content["alert_counts"]
    severities = counts["severities"]
    for severity, level in (("critical", "act"), ("high", "look"), ("medium", "look")):
        if severities.get(severity):
            yield level, f"{plural(severities[severity], f'{severity} alert')}."
    rest = sum(n for severity, n in severities.items() if severity in ("low", "informational"))
    if rest:
        yield "well", f"{plural(rest, 'alert')} of low severity."
    if counts["failed"]["alerts"]:
        yield "act", f"{plural(counts['failed']['alerts'], 'alert')} could not be sent."
    if counts["over_budget"]["alerts"]:
        yield "look", f"{plural(counts['over_budget']['alerts'], 'alert')} held back by the budget."
    due = content["budget"].get("per_day", 0) * content["budget"]["days"]
    if due and content["budget"]["spent"] > OVERSPENT * due:
        yield "look", f"{number(content['budget']['spent'])} alerts were sent, {number(due)} were promised."


def _model(content: Mapping[str, Any]) -> Iterator[Point]:
    if not content["models"].get("champion"):
        yield "look", "No model is in use: nothing was scored."
    elif content["traffic"]["totals"]["flows"] and not sum(t["rows"] for t in content["scores"]["tables"].values()):
        yield "look", "Traffic arrived, but none of it was scored."


def _quality(content: Mapping[str, Any]) -> Iterator[Point]:
    for table in content["quality"]["tables"]:
        share = table["refused"] / max(table["rows"], 1)
        if share > REFUSED_MOST:
            yield "look", f"{share * 100:.1f} % of the {table['table']} rows are in quarantine."


def _drift(content: Mapping[str, Any]) -> Iterator[Point]:
    drifted = sum(1 for one in content["drift"] if one["verdict"] == "drift")
    if drifted:
        yield "look", f"Traffic no longer looks like the reference ({drifted} of {plural(len(content['drift']), 'drift check')})."
