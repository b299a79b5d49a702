"""An alert as people receive it: a short subject, the finding in plain text, attributes to filter by.

The subject and the attributes are headers somewhere on the way; nothing that came out of a packet
stands in them.
"""

from __future__ import annotations

import re
from typing import Any

from weir.alerts.alert import Alert, Evidence, Peer
from weir.words import clean, header, moment, number, plural, protocol, scaled

SUBJECT_MOST = 100  # characters, the limit of SNS
SHORT_MOST = 160  # characters of one SMS
EVIDENCE_SHOWN = 5
NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")


def message(alert: Alert) -> dict[str, Any]:
    """What a notifier needs to send an alert.

    Returns
    -------
    dict with ``name`` (the alert_id), ``subject`` (ASCII, at most 100 characters), ``text`` (many
    lines), ``short`` (one line, at most 160 characters) and ``attributes`` (severity, sensor,
    kind, alert_id; text to text)
    """
    kind = alert.kind_hint.name if alert.kind_hint else "none"
    return {
        "name": alert.alert_id,
        "subject": header(f"Weir: {alert.severity} alert {alert.alert_id}, capture hour {alert.hour}", SUBJECT_MOST),
        "text": text(alert),
        "short": clean(f"Weir {alert.severity}: {alert.words}", SHORT_MOST - 1),
        "attributes": {
            "severity": alert.severity,
            "sensor": NOT_A_NAME.sub("_", alert.sensor_id)[:SUBJECT_MOST] or "unknown",
            "kind": kind,
            "alert_id": alert.alert_id,
        },
    }


def text(alert: Alert) -> str:
    """The finding in plain text, most important first."""
    lines = [
        clean(alert.words, 400),
        "",
        f"Severity  {alert.severity}",
        f"Like      {_kind(alert)}",
        f"Host      {clean(alert.host)}",
        f"Seen by   {clean(alert.sensor_id)}, {when(alert.first_us)} to {when(alert.last_us)} UTC",
        f"Rows      {number(alert.rows_n)}; score {alert.score:.1f}, p = {alert.p_value:.2g}",
        f"Peers     {', '.join(_peer(peer) for peer in alert.peers) or 'not known'}",
        "",
        "Why:",
        *(f"  {share_words(r.share)}  {clean(r.words)}" for r in alert.reasons),
        *(["  the model gave no single reason"] if not alert.reasons else []),
        *(f"Note: {clean(note)}" for note in alert.notes),
        "",
        "Where its packets are:",
        *(_where(e) for e in alert.evidence[:EVIDENCE_SHOWN]),
        *(["  no flow of this host in these windows"] if not alert.evidence else []),
        f"See them: {see(alert)}",
        "",
        f"Alert {alert.alert_id}, fingerprint {alert.fingerprint}, model {clean(alert.lineage.model_id) or 'unknown'}",
    ]
    return "\n".join(lines) + "\n"


def see(alert: Alert) -> str:
    """The command that writes the packets of an alert into a file; nothing in it comes out of a packet."""
    name = NOT_A_NAME.sub("_", alert.alert_id)
    return f"weir packets --alert {name} -o {name}.pcap"


def when(us: int) -> str:
    """A packet time to the second."""
    return moment(us, seconds=True)


def share_words(share: float) -> str:
    """A share of the score as a percentage of fixed width."""
    return f"{share:4.0%}"


def _kind(alert: Alert) -> str:
    if alert.kind_hint is None:
        return "no known kind: strange, not yet an attack"
    return f"{alert.kind_hint.name} (ATT&CK {alert.kind_hint.technique})"


def _peer(peer: Peer) -> str:
    return f"{clean(peer.address)} ({plural(peer.flows, 'flow')})"


def _where(flow: Evidence) -> str:
    frame = "" if flow.frame is None else f", frame {flow.frame}"
    said = f" ({clean(flow.said)})" if flow.said else ""
    return (
        f"  {clean(flow.src_ip)} port {flow.src_port} to {clean(flow.dst_ip)} port {flow.dst_port} {protocol(flow.protocol)}"
        f"{said}, {plural(flow.packets, 'packet')}, {scaled(flow.bytes, 'B')}: "
        f"segment {clean(flow.segment)[:12]}, byte {number(flow.offset)}{frame}"
    )
