"""What a run says of itself: one sentence of counts for the operator, from what its jobs returned.

It becomes the result of the task ``summary`` and, by the plugin, the note of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Counts = Mapping[str, Any]


def of_collect(collected: Sequence[Counts], built: Sequence[Counts]) -> str:
    """Segments, packets and flows of a ``weir_1_collect`` run."""
    segments = sum(counts["segments"] for counts in collected)
    if not segments:
        return "no packets waited"
    refused = [reason for counts in collected for reason in counts["refused"]]
    flows, packets = sum(counts["flows"] for counts in built), sum(counts["packets"] for counts in collected)
    return _joined(
        f"{_n(segments, 'segment')} with {_n(packets, 'packet')} became {_n(flows, 'flow')} in {_n(len(built), 'hour')}",
        _aside(built),
        f"{_n(len(refused), 'segment')} refused: {refused[0]}" if refused else "",
    )


def of_features(judged: Sequence[Counts]) -> str:
    """Rows and quarantined rows of a ``weir_2_features`` run."""
    if not judged:
        return "no hour was new"
    tables = [(name, counts[name]) for counts in judged for name in ("flows", "windows")]
    good = {name: sum(table["good"] for found, table in tables if found == name) for name in ("flows", "windows")}
    reasons: Counter[str] = Counter()
    for _, table in tables:
        reasons.update(table["refused"])
    return _joined(
        f"{_n(len(judged), 'hour')}: {_n(good['flows'], 'flow')} and {_n(good['windows'], 'window')} are valid",
        f"{reasons.total():,} quarantined, most for: {reasons.most_common(1)[0][0]}" if reasons else "none quarantined",
    )


def of_train(taken: Counts, decided: Counts) -> str:
    """The model and what the gate said in a ``weir_3_train`` run."""
    verdict = "is champion now" if decided["promoted"] else "stays challenger"
    hours = [part for part in taken["hours"] if part["role"] == "train"]
    return _joined(f"model {decided['model_id']}, trained on {_n(len(hours), 'hour')}, {verdict}", str(decided.get("words", "")))


def of_drift(verdicts: Sequence[Counts]) -> str:
    """The verdicts of a ``weir_4_drift`` run."""
    if not verdicts:
        return "no hour was new"
    counted = Counter(str(found["verdict"]) for found in verdicts)
    return _joined(*(f"{verdict}: {_n(n, 'hour')}" for verdict, n in sorted(counted.items())))


def of_score(scored: Sequence[Counts], alerted: Sequence[Counts]) -> str:
    """Rows and alerts of a ``weir_5_score`` run."""
    if not scored:
        return "nothing waited for scores"
    rows, alerts = sum(counts["rows"] for counts in scored), sum(counts["alerts"] for counts in alerted)
    sent = sum(counts.get("sent", 0) for counts in alerted)
    return _joined(f"{_n(rows, 'row')} of {_n(len(scored), 'hour')} scored", f"{_n(alerts, 'alert')}, {sent:,} sent")


def of_report(built: Counts) -> str:
    """Where a report lies and whether it was mailed."""
    mailed = "mailed" if built.get("mailed") else "NOT mailed"
    return _joined(str(built.get("html", "")), mailed)


def _aside(built: Sequence[Counts]) -> str:
    """Packets set aside by name, the most frequent first."""
    reasons: Counter[str] = Counter()
    for counts in built:
        reasons.update(counts.get("set_aside", {}))
    return "set aside: " + ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common()) if reasons else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _n(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
