"""Flows as nfstream counts them, and what nDPI inside it takes them for, beside ours."""

from __future__ import annotations

import functools
import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import peers
from by_tshark import frames, tool
from tally import Tally
from weir.flows.build import Flows, build
from weir.settings import FlowSettings

SCRIPT = """
import json, sys
from nfstream import NFStreamer

NAMES = ("src_ip src_port dst_ip dst_port protocol ip_version vlan_id bidirectional_first_seen_ms bidirectional_last_seen_ms "
         "src2dst_packets dst2src_packets src2dst_bytes dst2src_bytes bidirectional_syn_packets bidirectional_fin_packets "
         "bidirectional_rst_packets bidirectional_psh_packets bidirectional_ack_packets bidirectional_urg_packets "
         "bidirectional_ece_packets bidirectional_cwr_packets").split()
SAID = ["application_name", "application_is_guessed", "application_confidence"]

if __name__ == "__main__":  # it starts processes that read this again
    dissections = int(sys.argv[1])
    for capture in sys.argv[2:]:
        rows = []
        for flow in NFStreamer(source=capture, n_dissections=dissections, statistical_analysis=True, accounting_mode=1,
                               n_meters=1, idle_timeout=120, active_timeout=1800):
            rows.append({name: getattr(flow, name) for name in NAMES + (SAID if dissections else [])})
        print("rows " + json.dumps([capture, rows]), flush=True)
"""
TCP, AUTHENTICATION = 6, 51
UNUSUAL, METADATA, COOKED2 = ("nflog", "radiotap"), "cmd", "210"  # the last as tshark numbers link layers
WHOLE = {"tcp", "udp", "icmp", "icmpv6", "sctp", "igmp", "ah", "esp", "gre"}
IDLE_MS = 120_000
FACEBOOK = "0xfaceb00"
LEAST_HTTP = len("GET / HTTP/1.0\r\n\r\n")
DISSECTIONS = 20  # nfstream's default
FLAGS = ("syn", "fin", "rst", "psh", "ack", "urg", "ece", "cwr")
APPS = {
    **{"dns": "DNS", "http": "HTTP", "tls": "TLS", "quic": "QUIC", "ftp": "FTP_CONTROL", "ssh": "SSH", "smtp": "SMTP"},
    **{"mqtt": "MQTT", "modbus": "Modbus"},
}


class Flow(NamedTuple):
    """One flow as one side counts it; times in ms."""

    source: tuple[str, int]
    destination: tuple[str, int]
    protocol: int
    version: int
    first: int
    last: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    flags: tuple[int, ...]

    def key(self) -> object:
        """What both directions have in common."""
        return frozenset((self.source, self.destination)), self.protocol, self.version


def theirs(row: dict[str, Any]) -> Flow:
    """A flow of nfstream."""
    return Flow(
        (row["src_ip"], row["src_port"]),
        (row["dst_ip"], row["dst_port"]),
        row["protocol"],
        row["ip_version"],
        row["bidirectional_first_seen_ms"],
        row["bidirectional_last_seen_ms"],
        (row["src2dst_packets"], row["dst2src_packets"]),
        (row["src2dst_bytes"], row["dst2src_bytes"]),
        tuple(row[f"bidirectional_{flag}_packets"] for flag in FLAGS),
    )


def mine(row: dict[str, Any]) -> Flow:
    """A flow of ours."""
    return Flow(
        (row["src_ip"], row["src_port"]),
        (row["dst_ip"], row["dst_port"]),
        row["protocol"],
        row["ip_version"],
        row["start_us"] // 1000,
        (row["start_us"] + row["duration_us"]) // 1000,
        (row["packets_fwd"], row["packets_bwd"]),
        (row["bytes_fwd"], row["bytes_bwd"]),
        tuple(row[f"flags_{flag}"] for flag in FLAGS),
    )


def compare(captures: Sequence[Path], root: Path, folder: Path) -> list[Tally]:
    """Flows without dissection, and names of applications with it."""
    name = f"nfstream {peers.pinned('nfstream', 'nfstream')}"
    flows, apps = Tally(name, "flows"), Tally(f"nDPI in {name}", "names of applications")
    plain = {}
    for capture in captures:
        label = str(capture.relative_to(root))
        plain[folder / f"{label.replace('/', '_')}.pcap"] = capture, label
    for copy, (capture, _) in plain.items():
        tool("editcap", "-F", "pcap", capture, copy)
    there = [copy for copy in plain if copy.exists() and copy.stat().st_size]
    for copy, rows in streamed(there, 0):
        compare_flows(flows, plain[copy][1], rows, build([copy], FlowSettings()), copy)
    for copy, rows in streamed(there, DISSECTIONS):
        compare_apps(apps, plain[copy][1], copy, rows, build([copy], FlowSettings()).table.to_pylist())
    return [flows, apps]


def streamed(captures: Sequence[Path], dissections: int) -> list[tuple[Path, list[dict[str, Any]]]]:
    """What nfstream gives for each capture."""
    script = peers.PLACE / "flows.py_"
    python = peers.python("nfstream") / "python"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [str(python), str(script), str(dissections), *map(str, captures)], capture_output=True, text=True, env=peers.environment()
    )
    lines = [json.loads(line.removeprefix("rows ")) for line in done.stdout.splitlines() if line.startswith("rows ")]
    return [(Path(name), rows) for name, rows in lines]


class Oddness(NamedTuple):
    """Pairs of addresses with something that the two programs treat otherwise, as tshark shows it."""

    sound: set[frozenset[str]]  # tshark can read their packets up to the transport header
    tunnelled: set[frozenset[str]]
    fragmented: set[frozenset[str]]
    unusual: set[frozenset[str]]  # below them stands what nfstream does not read
    authenticated: set[frozenset[str]]  # with an IPsec authentication header
    makers: set[frozenset[str]]  # with QUIC of a version of its maker's


@functools.cache
def oddness(capture: Path) -> Oddness:
    """Look through a capture once."""
    found = Oddness(*(set() for _ in Oddness._fields))
    for _, frame in frames(capture):
        pairs = {frozenset((packet.source[0], packet.destination[0])) for packet in frame.packets}
        if len(frame.packets) > 1:
            found.tunnelled.update(pairs)
        if frame.is_fragment:
            found.fragmented.update(pairs)
        if "ah" in frame.protocols.split(":"):
            found.authenticated.update(pairs)
        if "gquic" in frame.protocols.split(":") or frame.quic.startswith(FACEBOOK):
            found.makers.update(pairs)
        if frame.protocols.startswith(UNUSUAL) or frame.link == COOKED2 or METADATA in frame.protocols.split(":"):
            found.unusual.update(pairs)
        if set(frame.protocols.split(":")) & WHOLE:
            found.sound.update(pairs)
    return found


def grouped(flows: Sequence[Flow]) -> dict[object, list[Flow]]:
    """Flows of the same ends, earliest first."""
    groups: defaultdict[object, list[Flow]] = defaultdict(list)
    for flow in sorted(flows, key=lambda flow: flow.first):
        groups[flow.key()].append(flow)
    return groups


class Known(NamedTuple):
    """What is known of a capture when differences are looked at."""

    odd: Oddness
    went_back: bool  # its clock
    odd_keys: set[object]  # of flows with oddities of the network or transport layer
    tagged: set[object]  # keys that nfstream has in several VLANs


def compare_flows(tally: Tally, label: str, others: list[dict[str, Any]], flows: Flows, capture: Path) -> None:
    """Compare the flows of one capture, ends by ends."""
    rows = flows.table.to_pylist()
    theirs_by, ours_by = grouped([theirs(row) for row in others]), grouped([mine(row) for row in rows])
    known: Known | None = None
    for key in {**ours_by, **theirs_by}:
        a, b = ours_by.get(key, []), theirs_by.get(key, [])
        same = (Counter(a) & Counter(b)).total()
        rest = max(len(a), len(b)) - same
        if same:
            tally.same(label, same)
        if rest:
            known = known or known_of(capture, flows, rows, others)
            tally.differs(label, why(key, a, b, known), f"{a} {b}", rest)


def known_of(capture: Path, flows: Flows, rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> Known:
    """Look for what explains differences."""
    went_back = bool(flows.counts["odd_out_of_order"] or flows.counts["odd_time"])
    odd_keys = {mine(row).key() for row in rows if row["odd_network"] or row["odd_transport"]}
    vlans: defaultdict[object, set[int]] = defaultdict(set)
    for row in others:
        vlans[theirs(row).key()].add(row["vlan_id"])
    return Known(oddness(capture), went_back, odd_keys, {key for key, found in vlans.items() if len(found) > 1})


def why(key: object, here: list[Flow], others: list[Flow], known: Known) -> str | None:
    """The kind of a difference between the flows of two ends."""
    any_of, odd = (here or others)[0], known.odd
    pair = frozenset((any_of.source[0], any_of.destination[0]))
    is_same = sides(here) == sides(others)
    reopened = is_same and len(here) > len(others) and any_of.protocol == TCP
    pauses = {after.first - before.last for before, after in pairwise(others)}
    reasons = {
        "with a pause of exactly the idle timeout, at which nfstream ends a flow and we do not": is_same and IDLE_MS in pauses,
        "in or around tunnels, which nfstream does not open": pair in odd.tunnelled,
        "with fragments: we count all of them, nfstream the first ones only": pair in odd.fragmented,
        "in several VLANs, which nfstream keeps apart": is_same and key in known.tagged,
        "cut otherwise: we end a closed TCP connection where the next one opens": reopened,
        "in captures whose clock goes back: nfstream then takes the latest time of any packet": is_same and known.went_back,
        "behind link layers or tags that nfstream does not read: NFLOG, 802.11 with IPv6, SLL2, Cisco's metadata": pair
        in odd.unusual,
        "behind an IPsec authentication header, where nfstream stops and we read on": pair in odd.authenticated,
        "of broken headers, which we set aside by name, and tshark rejects, too": not here and pair not in odd.sound,
        "with odd IP lengths, of which we believe the frame, or odd TCP headers": key in known.odd_keys,
    }
    return next((words for words, holds in reasons.items() if holds), None)


def sides(flows: Sequence[Flow]) -> Counter[object]:
    """Packets and bytes by sender, and flags."""
    sums: Counter[object] = Counter()
    for flow in flows:
        for end, packets, size in zip((flow.source, flow.destination), flow.packets, flow.bytes, strict=True):
            sums.update({(end, "packets"): packets, (end, "bytes"): size})
        sums.update(dict(zip(FLAGS, flow.flags, strict=True)))
    return +sums


def compare_apps(tally: Tally, label: str, capture: Path, others: list[dict[str, Any]], here: list[dict[str, Any]]) -> None:
    """Compare the names of flows that both count alike."""
    said = {mine(row): row for row in here}
    for row in others:
        flow = theirs(row)
        if flow not in said:
            continue  # compared as flows
        app, name = said[flow]["app"], str(row["application_name"])
        parts = name.split(".")
        wanted = APPS.get(app, "")
        if wanted in parts or (not app and not set(parts) & set(APPS.values())):
            tally.same(label)
        else:
            tally.differs(label, why_app(app, name, row, said[flow], capture), f"{app!r} {name} {row}")


def why_app(app: str, name: str, row: dict[str, Any], here: dict[str, Any], capture: Path) -> str | None:
    """The kind of a difference between two names."""
    if app == "dns" and name.split(".")[0] in ("MDNS", "LLMNR", "NetBIOS"):
        return "of DNS that nDPI tells by dialect: mDNS, LLMNR, NetBIOS"
    if not app and row["application_is_guessed"]:
        return "that nDPI guesses from port or address, without bytes that show it"
    if not app and row["protocol"] == TCP and not row["bidirectional_syn_packets"]:
        return "of TCP whose beginning is not in the capture: we read no protocol from its middle"
    if not app and "QUIC" in name and frozenset((row["src_ip"], row["dst_ip"])) in oddness(capture).makers:
        return "of QUIC in a version that no RFC describes, Google's or Facebook's"
    if not app and name == "HTTP" and here["payload_fwd"] < LEAST_HTTP:
        return "of HTTP/0.9: a request without version"
    if app == "ssh" and bool(here["ssh_client"]) != bool(here["ssh_server"]):
        return "where one side alone speaks SSH: nDPI wants both"
    return None
