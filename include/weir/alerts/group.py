"""One alert per sensor, host and hour, out of all the rows that passed the threshold.

A scan is a thousand strange rows and one finding. Nothing is left out: ``rows_n`` of the alerts
adds up to the number of rows given.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weir.alerts import kinds, phrases
from weir.alerts.alert import MANY_HOSTS, SEVERITIES, Alert, Lineage, Reason
from weir.alerts.cases import HOSTS_MOST, Case, cases
from weir.alerts.evidence import Frames, evidence
from weir.errors import SchemaError
from weir.schema import US_PER_S

if TYPE_CHECKING:
    import pyarrow as pa

MINUTE_US = 60 * US_PER_S
REASONS_MOST = 5
EVIDENCE_MOST = 10
PEERS_MOST = 5
LASTING_WINDOWS = 5
FAR_ABOVE = 1.0  # scores are logarithms of rarity or of size: a step of 1 is a factor of 2.7 at least

NO_ROW: Mapping[str, Any] = {"p_value": 1.0, "score": 0.0, "excess": 0.0, "table": ""}  # stands for the rows of too many hosts

Reasons = Mapping[tuple[str, int], Sequence[Mapping[str, Any]]]
"""Reasons of a row by (table, row_id): dicts with feature, value, usual and share."""


def group(
    scored: pa.Table,
    rows: Mapping[str, pa.Table],
    reasons: Reasons,
    lineage: Mapping[str, Any],
    *,
    window_us: int = MINUTE_US,
    frames: Frames | None = None,
    threshold: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
) -> list[Alert]:
    """The alerts of one unit (sensor and hour), most urgent first.

    Parameters
    ----------
    scored : SCORES rows that passed the threshold
    rows : what they were scored from, by name: ``flows`` (STORED_FLOWS) and ``windows`` (WINDOWS)
        of the unit, anomalous or not, as evidence is found among them
    reasons : why the rows of ``cases.strangest(scored)`` are strange; rows without reasons are fine
    lineage : ``schema_hash`` by table, ``dag_run``, ``data_version``; the rest comes from the rows
    window_us : length of a window
    frames : frames of the segments' manifests by sha256, so that packets can be fetched
    threshold : score above which a row of each table is anomalous, to rank rows of different tables
        and for the severity
    notes : what the reader must know of this hour, such as lost packets; put into each alert

    Raises
    ------
    SchemaError
        when ``scored`` holds more than one sensor or hour.
    """
    if len(scored) == 0:
        return []
    sensor_id, hour = _only(scored, "sensor_id"), _only(scored, "hour")
    made = []
    for case in cases(scored, rows, window_us, threshold):
        why = aggregate(case.rows, reasons)
        kind = kinds.kind_of(_seen(case, window_us, frozenset(r.feature for r in why if r.table == "windows")))
        shown = _evidence(case, frames or {})
        top = case.rows[0] if case.rows else {**NO_ROW, "model_id": scored.column("model_id")[0].as_py()}
        made.append(
            Alert(
                alert_id=_digest(sensor_id, case.host, hour),
                fingerprint=fingerprint(sensor_id, case.host, kind[0].name if kind else "", why),
                sensor_id=sensor_id,
                host=case.host,
                hour=hour,
                peers=case.flows.peers(PEERS_MOST) if case.flows else (),
                tables=case.tables,
                kind_hint=kind[0] if kind else None,
                first_us=case.first_us,
                last_us=case.last_us,
                severity=severity(top["excess"] if threshold else 0.0, len(case.windows), kind is not None),
                rows_n=case.rows_n,
                p_value=top["p_value"],
                score=top["score"],
                excess=round(top["excess"], 6),
                reasons=why,
                evidence=shown,
                lineage=Lineage(
                    segments=tuple(sorted({e.segment for e in shown})),
                    schema_hash=dict(lineage.get("schema_hash", {})),
                    model_id=top["model_id"],
                    dag_run=str(lineage.get("dag_run", "")),
                    data_version=str(lineage.get("data_version", "")),
                ),
                words=_words(case, phrases.sentence(case.host, kind, why, shown, _within(case, window_us))),
                notes=tuple(notes),
            )
        )
    return sorted(made, key=urgency)


def urgency(alert: Alert) -> tuple[Any, ...]:
    """Sort key, most urgent first: severity, then strangeness, then size, then a fixed order."""
    return (-alert.level, -alert.excess, alert.p_value, -alert.rows_n, alert.sensor_id, alert.hour, alert.host)


def severity(excess: float, windows_n: int, is_kind: bool) -> str:
    """How urgent, in words.

    An alert is low. It rises by one step for each of: a score at least 1 above the threshold of its
    table; at least five windows, so that it lasts; a known kind of behaviour. All three make it
    critical.
    """
    return SEVERITIES[1 + (excess >= FAR_ABOVE) + (windows_n >= LASTING_WINDOWS) + is_kind]


def fingerprint(sensor_id: str, host: str, kind: str, reasons: Sequence[Reason]) -> str:
    """The same for the same host doing the same thing again, in whatever hour.

    Without a kind, the thing is the quantity of the strongest reason (the first word of its
    column: bytes, iat, ports …), as neighbouring columns take turns at the top.
    """
    matter = kind or (f"{reasons[0].table}:{reasons[0].feature.split('_')[0]}" if reasons else "")
    return _digest(sensor_id, host, matter)


def aggregate(rows: Sequence[Mapping[str, Any]], reasons: Reasons) -> tuple[Reason, ...]:
    """Reasons of several rows as one list, strongest first.

    Shares are added up and scaled to 1 over all features; value and usual are those of the row
    where the feature weighs most.
    """
    total: dict[tuple[str, str], float] = defaultdict(float)
    best: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        for one in reasons.get((row["table"], row["row_id"]), ()):
            key = (row["table"], one["feature"])
            total[key] += max(float(one["share"]), 0.0)
            if key not in best or one["share"] > best[key]["share"]:
                best[key] = one
    whole = sum(total.values()) or 1.0
    order = sorted(total, key=lambda key: (-total[key], key))[:REASONS_MOST]
    return tuple(phrases.reason(*key, best[key]["value"], best[key]["usual"], round(total[key] / whole, 6)) for key in order)


def _only(scored: pa.Table, name: str) -> str:
    found = scored.column(name).unique().to_pylist()
    if len(found) > 1:
        raise SchemaError(f"scored rows: {name} is {found[0]}, {found[1]} …; group one sensor and hour at a time")
    return str(found[0])


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _evidence(case: Case, frames: Frames) -> tuple[Any, ...]:
    anomalous = {row["row_id"] for row in case.rows if row["table"] == "flows"}
    return evidence(case.flows, anomalous, EVIDENCE_MOST, frames) if case.flows else ()


def _seen(case: Case, window_us: int, strange: frozenset[str]) -> list[kinds.Seen]:
    seen = []
    for window in case.window_rows:
        flows = case.flows.in_windows([window["start_us"]], window_us) if case.flows else None
        peers = flows.at(flows.is_out).peers(2) if flows else ()
        port, heaviest = (flows.service_port(), flows.heaviest_peer()) if flows else (0, "")
        seen.append(kinds.Seen(window, peers, port, heaviest, strange))
    return seen


def _within(case: Case, window_us: int) -> int:
    """The time the told numbers were reached in: never more than the window they were counted in."""
    if not case.window_rows:
        return 0
    return min(case.flows.span_us(), window_us) if case.flows else window_us


def _words(case: Case, sentence: str) -> str:
    if case.host != MANY_HOSTS:
        return sentence
    return f"More than {HOSTS_MOST:,} hosts were anomalous in this hour; these are the {case.rows_n:,} rows of the others."
