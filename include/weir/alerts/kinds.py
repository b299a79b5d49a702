"""What was going on, said only when the columns of a window really say so.

A strange score is not an attack, and must not be given the name of one. Each rule below names a
behaviour when counts of one host in one window leave little else; the bounds are wide of what
desktops and servers do in a minute. An alert that meets no rule has no kind, and most do not.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weir.alerts.alert import Kind, Peer
from weir.words import clean, number, plural, scaled

SCAN_PORTS = 50  # distinct ports in one window; a browser with all its extensions stays below 10
SCAN_PORTS_PER_PEER = 10
SWEEP_PEERS = 50
SWEEP_PORTS = 5  # a sweep asks many hosts the same few questions
FAILED_MOST = 0.5  # scans meet closed doors, servers and browsers open ones
LOGIN_PORTS = {21: "FTP", 22: "SSH", 23: "Telnet", 445: "SMB", 1433: "SQL Server", 3306: "MySQL"}
LOGIN_PORTS |= {3389: "RDP", 5432: "PostgreSQL", 5900: "VNC"}
LOGIN_FLOWS = 20  # new logins to one service in one window; a person needs seconds for each
SYN_FLOOD_FLOWS = 1_000  # unanswered connections to one service in one window
FLOOD_PACKETS = 30_000  # 500 packets/s for a minute to one service
FLOOD_ANSWERED = 0.1  # packets back per packet sent
BEACON = 0.7  # monitoring has this too, so the column must also be what was unusual
DNS_BYTES = 50_000  # about 700 ordinary questions in one window
ICMP_BYTES = 100_000  # twenty times one ping a second
EXFILTRATION_BYTES = 10_000_000
# What a site uses inside: private, shared, link-local and loopback addresses of both versions.
INSIDE = tuple(
    ipaddress.ip_network(net)
    for net in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
        *("255.255.255.255/32", "0.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128", "::/128"),
    )
)
EXFILTRATION_ASYMMETRY = math.log(10)  # ten times as much out as in


@dataclass(frozen=True)
class Seen:
    """What a rule may look at: one window of one host, that host's flows in it, and what was unusual.

    ``strange`` holds the features of windows that are among the alert's reasons.
    """

    window: Mapping[str, Any]
    peers: Sequence[Peer]
    service_port: int
    heaviest_peer: str
    strange: frozenset[str] = frozenset()


def kind_of(seen: Sequence[Seen]) -> tuple[Kind, str] | None:
    """The first rule any of the windows meets: the kind, and the feature its words speak of.

    None when no rule is met, which is the usual case.
    """
    for rule in RULES:
        found = [shown for one in seen if (shown := rule.test(one))]
        if found:
            _, words = max(found)
            return Kind(rule.name, rule.technique, words), rule.feature
    return None


Shown = tuple[float, str] | None
"""How much of a kind a window shows, and the numbers in words; None when it does not show it."""


@dataclass(frozen=True)
class Rule:
    """A kind: its name, its ATT&CK technique, the feature it goes by, and the test of a window."""

    name: str
    technique: str
    feature: str
    test: Callable[[Seen], Shown]


def _syn_flood(seen: Seen) -> Shown:
    w = seen.window
    if min(w["service_flows_max"], w["syn_out"]) < SYN_FLOOD_FLOWS or w["failed_share"] < FAILED_MOST:
        return None
    return w["syn_out"], f"sent {number(w['syn_out'])} requests for a connection, most of them {_to(seen)} and unanswered"


def _packet_flood(seen: Seen) -> Shown:
    w = seen.window
    if w["service_packets_max"] < FLOOD_PACKETS or w["packets_in"] > FLOOD_ANSWERED * w["packets_out"]:
        return None
    return w["service_packets_max"], f"sent {number(w['service_packets_max'])} packets {_to(seen)}, which hardly answered"


def _port_scan(seen: Seen) -> Shown:
    w = seen.window
    if w["ports_out"] < max(SCAN_PORTS, SCAN_PORTS_PER_PEER * w["peers_out"]) or w["failed_share"] < FAILED_MOST:
        return None
    where = f"of {clean(seen.peers[0].address)}" if len(seen.peers) == 1 else f"on {plural(w['peers_out'], 'host')}"
    return w["ports_out"], f"contacted {number(w['ports_out'])} ports {where}"


def _sweep(seen: Seen) -> Shown:
    w = seen.window
    if w["peers_out"] < SWEEP_PEERS or w["ports_out"] > SWEEP_PORTS or w["failed_share"] < FAILED_MOST:
        return None
    return w["peers_out"], f"contacted {number(w['peers_out'])} hosts on {plural(w['ports_out'], 'port')}"


def _scanned(seen: Seen) -> Shown:
    w = seen.window
    if w["ports_in"] < max(SCAN_PORTS, SCAN_PORTS_PER_PEER * w["peers_in"]):
        return None
    return w["ports_in"], f"was contacted on {number(w['ports_in'])} ports by {plural(w['peers_in'], 'host')}"


def _brute_force(seen: Seen) -> Shown:
    w = seen.window
    if seen.service_port not in LOGIN_PORTS or w["service_flows_max"] < LOGIN_FLOWS or w["failed_share"] >= FAILED_MOST:
        return None
    login = LOGIN_PORTS[seen.service_port]
    return w["service_flows_max"], f"opened {number(w['service_flows_max'])} connections to one {login} login"


def _dns_tunnel(seen: Seen) -> Shown:
    w = seen.window
    if w["dns_bytes_out"] < DNS_BYTES:
        return None
    return w["dns_bytes_out"], f"sent {scaled(w['dns_bytes_out'], 'B')} to port 53"


def _icmp_tunnel(seen: Seen) -> Shown:
    w = seen.window
    if w["icmp_bytes_out"] < ICMP_BYTES:
        return None
    return w["icmp_bytes_out"], f"sent {scaled(w['icmp_bytes_out'], 'B')} in ICMP messages"


def _exfiltration(seen: Seen) -> Shown:
    w = seen.window
    is_upload = w["bytes_out_peer_max"] >= EXFILTRATION_BYTES and w["bytes_asymmetry"] >= EXFILTRATION_ASYMMETRY
    if not is_upload or not _is_outside(seen.heaviest_peer):
        return None
    sent, received = scaled(w["bytes_out_peer_max"], "B"), scaled(w["bytes_in"], "B")
    return w["bytes_out_peer_max"], f"sent {sent} {_to(seen)}, outside this network, and received {received}"


def _beacon(seen: Seen) -> Shown:
    w = seen.window
    if w["beacon"] < BEACON or "beacon" not in seen.strange:
        return None
    return w[
        "beacon"
    ], f"called one service again and again, at even intervals and with even sizes ({w['beacon'] * 100:.0f} % alike)"


def _to(seen: Seen) -> str:
    return f"to {clean(seen.heaviest_peer)}" if seen.heaviest_peer else "to one host"


def _is_outside(address: str) -> bool:
    """Whether an address is one that only others use; what leaves this network goes there."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not ip.is_multicast and not any(ip in network for network in INSIDE)


RULES: tuple[Rule, ...] = (
    Rule("flood", "T1498", "syn_out", _syn_flood),
    Rule("flood", "T1498", "service_packets_max", _packet_flood),
    Rule("port scan", "T1046", "ports_out", _port_scan),
    Rule("host sweep", "T1046", "peers_out", _sweep),
    Rule("target of a port scan", "T1046", "ports_in", _scanned),
    Rule("brute force", "T1110", "service_flows_max", _brute_force),
    Rule("DNS tunnel", "T1071.004", "dns_bytes_out", _dns_tunnel),
    Rule("ICMP tunnel", "T1095", "icmp_bytes_out", _icmp_tunnel),
    Rule("exfiltration", "T1048", "bytes_out_peer_max", _exfiltration),
    Rule("beacon", "T1071", "beacon", _beacon),
)
"""In the order they are asked; the first that is met gives the name. Techniques are ATT&CK's."""
