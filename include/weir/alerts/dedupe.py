"""Which alerts are sent, so that people go on reading them.

An alert whose fingerprint was sent a short while ago belongs to that one (grouped), and so does the
other side of a conversation that is told already: who scans and who is scanned are one finding. Of
the others the most urgent are sent until the budget of the hour or the day is spent. Every row has one fate:
anomalies = delivered + grouped + over budget + failed.

State comes in and goes out as plain dicts, times are those of packets, and deciding twice about
the same alert gives the same answer, so a job may run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from weir.alerts.alert import DELIVERIES, SEVERITIES, Alert
from weir.alerts.group import urgency
from weir.schema import HOUR_US

DAY_US = 24 * HOUR_US
RECENT_MOST = 50  # alerts a fingerprint remembers one by one, so that a second run does not count them again

Known = Mapping[str, Mapping[str, Any]]
"""By fingerprint: first_us, last_us, count, notified_us (None: never sent), severity (as sent), recent {alert_id: delivery}."""

Spent = Mapping[str, Sequence[str]]
"""By capture hour: ids of the alerts that were sent."""


def decide(
    alerts: Sequence[Alert],
    known: Known,
    spent: Spent,
    *,
    per_day: int,
    per_hour: int | None = None,
    quiet_us: int = HOUR_US,
    remind_us: int = DAY_US,
) -> dict[str, str]:
    """What to do with each alert: ``send``, or the delivery that is already certain.

    Parameters
    ----------
    alerts : of any hours
    known, spent : as the last ``settle`` returned them; empty at first
    per_day, per_hour : most alerts to send per capture day and per capture hour
    quiet_us : a fingerprint unseen for longer is news again
    remind_us : one that goes on is sent again after this long

    Returns
    -------
    by alert_id: ``send``, ``delivered`` (by an earlier run), ``grouped``, ``other_side`` (grouped
    with the alert of the host at the other end) or ``over_budget``
    """
    sent = {hour: set(ids) for hour, ids in spent.items()}
    fates: dict[str, str] = {}
    told: list[Alert] = []
    for alert in sorted(alerts, key=urgency):
        today = sum(len(ids) for hour, ids in sent.items() if hour[:10] == alert.hour[:10])
        this_hour = sent.setdefault(alert.hour, set())
        if alert.alert_id in this_hour:
            fates[alert.alert_id] = "delivered"
        elif _belongs_to_known(alert, known.get(alert.fingerprint), quiet_us, remind_us):
            fates[alert.alert_id] = "grouped"
        elif other_side(alert, told):
            fates[alert.alert_id] = "other_side"
        elif today >= per_day or (per_hour is not None and len(this_hour) >= per_hour):
            fates[alert.alert_id] = "over_budget"
        else:
            fates[alert.alert_id] = "send"
            this_hour.add(alert.alert_id)
        if fates[alert.alert_id] in ("send", "delivered", "grouped"):
            told.append(alert)
    return fates


def other_side(alert: Alert, told: Sequence[Alert]) -> Alert | None:
    """The alert that tells the same conversation: each host is whom the other had most flows with."""
    for one in told:
        is_same_hour = (one.sensor_id, one.hour) == (alert.sensor_id, alert.hour)
        if is_same_hour and _main_peer(one) == alert.host and _main_peer(alert) == one.host:
            return one
    return None


def settle(
    alerts: Sequence[Alert], fates: Mapping[str, str], failed: Mapping[str, str], known: Known, spent: Spent
) -> tuple[list[Alert], dict[str, dict[str, Any]], dict[str, list[str]]]:
    """The alerts with what became of them, and the state for the next time.

    Parameters
    ----------
    fates : as ``decide`` gave them
    failed : why sending failed, by alert_id; these are tried again when the job runs again

    Returns
    -------
    alerts with delivery, times_seen and first_seen_us; known; spent (the last two days of it)
    """
    records = {fingerprint: dict(record) for fingerprint, record in known.items()}
    sent = {hour: list(ids) for hour, ids in spent.items()}
    settled = []
    for alert in sorted(alerts, key=urgency):
        fate = fates[alert.alert_id]
        delivery = {"send": "failed" if alert.alert_id in failed else "delivered", "other_side": "grouped"}.get(fate, fate)
        record = _remember(records.get(alert.fingerprint), alert, delivery)
        records[alert.fingerprint] = record
        if delivery == "delivered" and alert.alert_id not in sent.setdefault(alert.hour, []):
            sent[alert.hour].append(alert.alert_id)
        why = (f"not sent: {failed[alert.alert_id]}",) if delivery == "failed" else ()
        if fate == "other_side" and (one := other_side(alert, alerts)):
            why = (f"the other side of alert {one.alert_id}",)
        seen = {"times_seen": record["count"], "first_seen_us": record["first_us"]}
        settled.append(replace(alert, delivery=delivery, notes=alert.notes + why, **seen))
    last_days = sorted({hour[:10] for hour in sent})[-2:]
    return settled, records, {hour: ids for hour, ids in sorted(sent.items()) if hour[:10] in last_days}


def counts(settled: Sequence[Alert]) -> dict[str, dict[str, int]]:
    """Alerts and rows by delivery, for the ledger: ``anomalies`` is the sum of the others."""
    table = {
        delivery: {
            "alerts": sum(1 for alert in settled if alert.delivery == delivery),
            "rows": sum(alert.rows_n for alert in settled if alert.delivery == delivery),
        }
        for delivery in DELIVERIES
    }
    pending = table.pop("pending")
    assert not pending["alerts"], "counts are for settled alerts"
    table["anomalies"] = {"alerts": len(settled), "rows": sum(alert.rows_n for alert in settled)}
    return table


def _main_peer(alert: Alert) -> str:
    return alert.peers[0].address if alert.peers else ""


def _belongs_to_known(alert: Alert, record: Mapping[str, Any] | None, quiet_us: int, remind_us: int) -> bool:
    """Whether an alert goes on with one that was sent, lately and as urgently."""
    if record is None or record["notified_us"] is None:
        return False
    past = record["recent"].get(alert.alert_id)
    if past == "grouped":  # decided in an earlier run of the same hour
        return True
    is_near = alert.first_us <= record["last_us"] + quiet_us and alert.last_us >= record["first_us"] - quiet_us
    is_due = alert.last_us - record["notified_us"] >= remind_us
    return is_near and not is_due and alert.level <= SEVERITIES.index(record["severity"])


def _remember(record: Mapping[str, Any] | None, alert: Alert, delivery: str) -> dict[str, Any]:
    """A fingerprint's record after one more alert; the same alert again changes only its delivery."""
    past: Mapping[str, Any] = record or {
        "first_us": alert.first_us,
        "last_us": alert.last_us,
        "count": 0,
        "notified_us": None,
        "severity": alert.severity,
        "recent": {},
    }
    recent = {**past["recent"], alert.alert_id: delivery}
    is_news = alert.alert_id not in past["recent"]
    is_sent = delivery == "delivered"
    return {
        "first_us": min(past["first_us"], alert.first_us),
        "last_us": max(past["last_us"], alert.last_us),
        "count": past["count"] + is_news,
        "notified_us": max(past["notified_us"] or 0, alert.last_us) if is_sent else past["notified_us"],
        "severity": alert.severity if is_sent else past["severity"],
        "recent": dict(list(recent.items())[-RECENT_MOST:]),
    }
