"""The sentence that says why: what a host did, in numbers, and what is usual.

``10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2.``
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from weir.alerts.alert import Evidence, Kind, Reason
from weir.schema import TABLES
from weir.words import clean, number, protocol, quantity, span

COLUMNS = {table: {column.name: column for column in columns} for table, columns in TABLES.items()}
ALIKE = {"regularity", "size_regularity", "beacon"}
COUNTS = {"packets", "flows", "hosts", "ports"}

DID: Mapping[str, str] = {
    "flows_out": "started {}",
    "flows_in": "was the target of {}",
    "peers_out": "contacted {}",
    "peers_in": "was contacted by {}",
    "ports_out": "contacted {}",
    "ports_in": "was contacted on {}",
    "packets_out": "sent {}",
    "packets_in": "received {}",
    "bytes_out": "sent {}",
    "bytes_in": "received {}",
    "unanswered_out": "started {} that nobody answered",
    "refused_out": "started {} that were refused",
    "unanswered_in": "gave no answer to {}",
    "refused_in": "refused {}",
    "empty_out": "started {} of TCP without any payload",
    "empty_in": "was the target of {} of TCP without any payload",
    "peers_out_rare": "contacted {} that no other host contacted",
    "bytes_out_peer_max": "sent {} to one host",
    "failed_share": "had {} of its flows unanswered or refused",
    "syn_out": "sent {} that ask for a connection",
    "dns_out": "started {} to port 53",
    "icmp_bytes_out": "sent {} in ICMP messages",
    "service_flows_in_max": "was the target of {} of one host to one port",
    "size_regularity": "sent flows to one service whose sizes are {} alike",
    "beacon": "called one service in a way that is {} like a machine calling home",
    "udp_out": "started {} over UDP",
    "icmp_out": "started {} of ICMP",
    "service_flows_max": "started {} to one service",
    "service_packets_max": "sent {} to one service",
    "port_entropy": "spread its flows over ports by {}",
    "peer_entropy": "spread its flows over hosts by {}",
    "regularity": "called one service at intervals that are {} alike",
    "payload_out_mean": "sent packets with {} of payload on average",
    "dns_bytes_out": "sent {} to port 53",
    "duration_mean_us": "started flows that lasted {} on average",
}
"""What a host did in a window, by feature; the braces take the number with its unit."""


def reason(table: str, feature: str, value: float, usual: float, share: float) -> Reason:
    """A reason in words, such as ``contacted 1,994 ports; usual is 2``."""
    column = COLUMNS.get(table, {}).get(feature)
    meaning, unit = (column.meaning, column.unit) if column else (feature, "")
    words = f"{_did(feature, meaning, unit, value, table)}; usual is {_usual(feature, unit, usual)}"
    return Reason(table, feature, meaning, unit, float(value), float(usual), float(share), words)


def sentence(
    host: str, kind: tuple[Kind, str] | None, reasons: Sequence[Reason], evidence: Sequence[Evidence], within_us: int
) -> str:
    """Why, in one sentence: the kind's numbers if there is a kind, else the strongest reason's."""
    if kind:
        told, feature = kind
        same = [r for r in reasons if r.table == "windows" and r.feature == feature]
        usual = f"; usual is {_usual(feature, same[0].unit, same[0].usual)}" if same else ""
        return f"{clean(host)} {told.words}{_within(within_us)}{usual}."
    if not reasons:
        return f"{clean(host)} behaved unlike anything in the reference; no single column explains it."
    first = reasons[0]
    if first.table == "windows":
        told_words, _, usual_words = first.words.partition("; ")
        return f"{clean(host)} {told_words}{_within(within_us)}; {usual_words}."
    flow = next((e for e in evidence if e.is_anomalous), None)
    return f"{_flow(flow) if flow else clean(host) + ' had a flow'} unusual for its {first.words}."


def _flow(flow: Evidence) -> str:
    to = f"{clean(flow.dst_ip)} port {flow.dst_port}" if flow.dst_port else clean(flow.dst_ip)
    return f"{clean(flow.src_ip)} had a {protocol(flow.protocol)} flow to {to}"


def _within(us: int) -> str:
    return f" within {span(us)}" if us > 0 else ""


def _did(feature: str, meaning: str, unit: str, value: float, table: str) -> str:
    if feature == "bytes_asymmetry":
        return f"sent {_ratio(value)} as many bytes as it received"
    if table == "windows" and feature in DID:
        return DID[feature].format(_value(feature, unit, value))
    return f"{_sides(meaning)}: {_value(feature, unit, value)}"


def _sides(meaning: str) -> str:
    """A column's meaning without the short names of the two sides."""
    words = meaning.replace("sent fwd", "of the starter").replace("sent bwd", "of the other side")
    return words.replace(" fwd", " of the starter").replace(" bwd", " of the other side")


def _value(feature: str, unit: str, value: float) -> str:
    if feature.endswith("_share") or feature in ALIKE:
        return f"{value * 100:.0f} %"
    return quantity(value, unit)


def _usual(feature: str, unit: str, usual: float) -> str:
    if feature == "bytes_asymmetry":
        return _ratio(usual)
    if unit in COUNTS:
        return number(round(usual) if usual >= 10 else round(usual, 1))
    return _value(feature, unit, usual)


def _ratio(log_ratio: float) -> str:
    return f"{number(float(f'{math.exp(min(max(log_ratio, -50.0), 50.0)):.3g}'))} times"
