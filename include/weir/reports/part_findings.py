"""What was found: the alerts, and how strange the rows were."""

from __future__ import annotations

from collections.abc import Sequence

from weir.reports.content import when
from weir.reports.part import Card, Facts, Part, Table, share
from weir.words import clean, number, plural, protocol

EVIDENCE_MOST = 3
REASONS_MOST = 4


def alerts(content: Facts, cards: int, lines: int) -> Part:
    """The alerts: those that were sent in full, the others in a line each."""
    counts = content["alert_counts"]
    if not content["alerts"]:
        is_scored = any(t["rows"] for t in content["scores"]["tables"].values())
        why = "nothing was stranger than the threshold allows" if is_scored else "nothing was scored"
        return Part("alerts", "Alerts", empty=f"No alert: {why}.")
    told = [a for a in content["alerts"] if a.get("delivery") in ("delivered", "failed")]
    rest = [*told[cards:], *(a for a in content["alerts"] if a.get("delivery") not in ("delivered", "failed"))]
    words = [f"{plural(counts['delivered']['alerts'], 'alert was', 'alerts were')} sent"]
    for delivery, phrase in (
        ("grouped", "belonged to one that was sent"),
        ("over_budget", "held back by the budget"),
        ("failed", "could not be sent"),
    ):
        if counts[delivery]["alerts"]:
            words.append(f"{number(counts[delivery]['alerts'])} {phrase}")
    rows = sum(counts[delivery]["rows"] for delivery in ("delivered", "grouped", "over_budget", "failed"))
    lead = [f"{', '.join(words)}; together they stand for {plural(rows, 'anomalous row')}."]
    common = [(k["name"], number(k["alerts"])) for k in content["kinds"][:5]]
    hosts = [(h["name"], number(h["alerts"])) for h in content["hosts"][:5]]
    halves = [
        Table(("What was going on", "Alerts"), common, frozenset({1}), "By kind", is_half=True),
        Table(("Host", "Alerts"), hosts, frozenset({1}), "By host", is_half=True),
    ]
    tables = [_others(rest, lines)] if rest else []
    return Part("alerts", "Alerts", lead, cards=[_card(a) for a in told[:cards]], tables=[*tables, *halves])


def scores(content: Facts) -> Part:
    """Scores over time against the threshold."""
    tables = content["scores"]["tables"]
    if not any(t["rows"] for t in tables.values()):
        return Part("scores", "How strange it was", empty="Nothing was scored: no model was in use, or no features were ready.")
    told = [
        f"{number(t['anomalies'])} of {plural(t['rows'], name.removesuffix('s'))} lay beyond the threshold "
        f"({share(t['anomalies'], t['rows'])})."
        for name, t in tables.items()
    ]
    note = "Higher is stranger. Each table has a scale of its own, and a threshold that spends its part of the alert budget."
    return Part("scores", "How strange it was", [" ".join(told)], chart="scores", note=note)


def _others(alerts: Sequence[Facts], lines: int) -> Table:
    shown = [(a["severity"], a["words"], _status(a)) for a in alerts[:lines]]
    return Table(("Severity", "Why", "Status"), shown, caption="Further alerts", more=len(alerts) - len(shown))


def _card(alert: Facts) -> Card:
    kind = alert.get("kind_hint")
    peers = ", ".join(f"{p['address']} ({plural(p['flows'], 'flow')})" for p in alert["peers"][:3])
    model = alert["lineage"]["model_id"]
    facts = [
        ("Host", f"{alert['host']}, seen by {alert['sensor_id']}"),
        ("When", f"{when(alert['first_us'], True)} to {when(alert['last_us'], True)[11:]}"),
        ("Looks like", f"{kind['name']} (ATT&CK {kind['technique']})" if kind else "no known kind: strange, not yet an attack"),
        ("Peers", peers or "not known"),
        ("Score", f"{alert['score']:.1f} (p = {alert['p_value']:.2g}), {plural(alert['rows_n'], 'row')}, by model {model}"),
        ("Ids", f"alert {alert['alert_id']}, fingerprint {alert['fingerprint']}"),
    ]
    reasons = [(r["words"], float(r["share"])) for r in alert["reasons"][:REASONS_MOST]]
    packets = [*(_packets(e) for e in alert["evidence"][:EVIDENCE_MOST]), *_see(str(alert["alert_id"]))]
    return Card(alert["severity"], alert["words"], _status(alert), facts, reasons, packets, alert.get("notes", []))


def _status(alert: Facts) -> str:
    seen = alert.get("times_seen", 1)
    again = f", no. {number(seen)} of its kind since {when(alert['first_seen_us'])[:10]}" if seen > 1 else ""
    words = {
        "delivered": "known" if again else "new",
        "grouped": "goes on" if again else "part of another alert",
        "over_budget": "held back",
        "failed": "not sent",
    }
    return words.get(alert.get("delivery", ""), "not decided") + again


def _packets(flow: Facts) -> str:
    ends = f"{_end(flow['src_ip'], flow['src_port'])} → {_end(flow['dst_ip'], flow['dst_port'])} {protocol(flow['protocol'])}"
    frame = f" (frame {flow['frame']})" if flow.get("frame") is not None else ""
    said = f" ({clean(flow['said'])})" if flow.get("said") else ""
    return (
        f"{ends}{said}, {plural(flow['packets'], 'packet')}: segment {flow['segment'][:12]}, byte {number(flow['offset'])}{frame}"
    )


def _see(alert_id: str) -> list[str]:
    """The command that writes an alert's packets into a file; none for an id that we did not make."""
    is_ours = alert_id.isascii() and alert_id.isalnum()
    return [f"See them: weir packets --alert {alert_id} -o {alert_id}.pcap"] if is_ours else []


def _end(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port}" if port else host
