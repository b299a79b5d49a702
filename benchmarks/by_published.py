"""Flows that Zeek, ipfixprobe and the corrected CICFlowMeter publish with their captures, beside ours.

Their files lie below ``truth``; the captures below ``pcap`` under the same names.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tally import Tally
from weir.flows.build import Flows, build
from weir.schema import FLOWS, US_PER_S
from weir.settings import FlowSettings

LONGEST_S = 3_600  # Zeek has no idle timeout that would cut these captures
IPFIXPROBE_IDLE_S, IPFIXPROBE_ACTIVE_S = 30, 300
ICMP = (1, 58)
UDP = 17
TUNNELS = ("geneve", "vxlan", "teredo")
NEAR = 1e-12
CIC = "cicids2017_sqli_4flows"
TWICE = "played twice in one capture, whose clock goes back: we begin anew, ipfixprobe goes on"
PLUGINS = {
    "dns": "of plug-in dns, which ends a flow at each message",
    "vlan": "of plug-in vlan, which keeps VLANs apart",
}
TUPLE = ("src_ip", "src_port", "dst_ip", "dst_port", "protocol")


def named(captures: Sequence[Path], origin: str, name: str) -> Path | None:
    """The capture of a published result."""
    return next((path for path in captures if path.name.removesuffix(".gz") == f"{origin}__{name}"), None)


def sent(flows: Flows) -> Counter[Any]:
    """Packets and bytes by sender, receiver and protocol."""
    sums: Counter[Any] = Counter()
    for row in flows.table.to_pylist():
        ends = ((row["src_ip"], row["src_port"]), (row["dst_ip"], row["dst_port"]))
        for side, pair in (("fwd", ends), ("bwd", ends[::-1])):
            sums[*pair, row["protocol"], "packets"] += row[f"packets_{side}"]
            sums[*pair, row["protocol"], "bytes"] += row[f"bytes_{side}"]
    return sums


def zeek(captures: Sequence[Path], root: Path, _: Path) -> list[Tally]:
    """Packets and bytes of each direction of each connection of Zeek's, and how TCP went."""
    tally, states = Tally("Zeek (conn.log baselines)", "connections"), Tally("Zeek (conn.log baselines)", "states of TCP")
    for log in sorted((root / "truth" / "zeek").glob("*.conn.log")):
        capture = named(captures, "zeek", log.name.removesuffix(".conn.log").split("__")[-1])
        if capture is None:
            tally.differs(log.name, None, "its capture is not there")
            continue
        flows = build([capture], FlowSettings(idle_timeout_s=LONGEST_S, active_timeout_s=LONGEST_S))
        zeek_log(tally, states, str(log.relative_to(root)), conn_log(log), flows)
    return [tally, states]


def conn_log(path: Path) -> list[dict[str, str]]:
    """The rows of a Zeek log."""
    lines = path.read_text().splitlines()
    named = [line for line in lines if line.startswith("#fields")]
    names = named[0].split("\t")[1:] if named else lines[1].split("\t")  # the short form begins with a remark
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [dict(zip(names, row, strict=True)) for row in rows if row != names]


def zeek_log(tally: Tally, states: Tally, log: str, lines: list[dict[str, str]], flows: Flows) -> None:
    """One log; Zeek may cut a conversation where we do not, so the sums of each direction are compared."""
    if "id.orig_h" not in lines[0]:
        for line in lines:  # a short form without addresses
            is_dropped = line["orig_pkts"] == line["resp_pkts"] == "0" and flows.counts["odd_transport_checksum"] > 0
            tally.differs(
                log, "of wrong checksums: Zeek leaves such packets out, we count them and say so" if is_dropped else None, line
            )
        return
    here, theirs = sent(flows), Counter[Any]()
    for line in lines:
        theirs += zeek_sent(line, "orig", "resp") + zeek_sent(line, "resp", "orig")
    times = Counter(map(ends_of, lines))
    by_ends = {tuple(row[name] for name in TUPLE): row for row in flows.table.to_pylist()}
    for line in lines:
        mine = zeek_sent(line, "orig", "resp") + zeek_sent(line, "resp", "orig")
        if all(here[key] == theirs[key] for key in mine):
            tally.same(log)
            zeek_state(states, log, line, by_ends, is_cut=times[ends_of(line)] > 1)
        elif line["service"] in TUNNELS or (is_outside(line, lines) and not any(here[key] for key in mine)):
            tally.differs(log, "tunnels: Zeek keeps one as a connection, our packets belong to what is inside")
        elif "teredo" in log.lower() and line["proto"] == "udp":
            tally.differs(log, "outside Teredo, where Zeek cuts by timeouts and guesses of its own")
        else:
            tally.differs(log, None, f"{line} ours { {key: here[key] for key in mine} }")


def is_outside(line: dict[str, str], lines: list[dict[str, str]]) -> bool:
    """Whether other connections lie in this one."""
    return any(line["uid"] in other.get("tunnel_parents", "").split(",") for other in lines)


def zeek_sent(line: dict[str, str], sender: str, receiver: str) -> Counter[Any]:
    """Packets and bytes of one direction; Zeek's ports of ICMP are type and code, ours 0."""
    protocol = int(line["ip_proto"]) if "ip_proto" in line else {"tcp": 6, "udp": 17, "icmp": 1}[line["proto"]]
    ends = [(line[f"id.{end}_h"], 0 if protocol in ICMP else int(line[f"id.{end}_p"])) for end in (sender, receiver)]
    key = (*ends, protocol)
    return Counter({(*key, "packets"): int(line[f"{sender}_pkts"]), (*key, "bytes"): int(line[f"{sender}_ip_bytes"])})


def ends_of(line: dict[str, str]) -> object:
    """Both ends of a connection of Zeek's, in either order."""
    return frozenset((line[f"id.{end}_h"], line[f"id.{end}_p"]) for end in ("orig", "resp"))


def zeek_state(
    tally: Tally, log: str, line: dict[str, str], by_ends: dict[tuple[Any, ...], dict[str, Any]], is_cut: bool
) -> None:
    """The state of a TCP connection and the letters of its history that both use."""
    if line["proto"] != "tcp":
        return
    row = by_ends.get((line["id.orig_h"], int(line["id.orig_p"]), line["id.resp_h"], int(line["id.resp_p"]), 6))
    if row is None and not is_cut:
        tally.differs(
            log, "turned round by Zeek (`^`): for us the side that spoke first stays it" if "^" in line["history"] else None, line
        )
        return
    if row is None or is_cut:
        tally.differs(log, "of conversations that Zeek cuts after a pause or a reset, and we do not")
        return
    ours, zeeks = (row["conn_state"], once(row["history"])), (line["conn_state"], once(line["history"]))
    if ours == zeeks:
        tally.same(log)
    else:
        tally.differs(log, None, f"{ours} {zeeks} {line}")


def once(history: str) -> str:
    """The first of each letter on both sides; Zeek repeats some to show how many there were."""
    return "".join(dict.fromkeys(letter for letter in history if letter.upper() in "SHADFR"))


def ipfixprobe(captures: Sequence[Path], root: Path, _: Path) -> list[Tally]:
    """Packets, bytes and both times of each flow of ipfixprobe's."""
    tally = Tally("ipfixprobe (expected outputs)", "flows")
    for result in sorted((root / "truth" / "ipfixprobe").glob("*.csv")):
        name, plugin = result.name.removesuffix(".csv").rsplit(".", 1)
        capture = named(captures, "ipfixprobe", name)
        label = str(result.relative_to(root))
        if capture is None:
            tally.differs(label, None, "its capture is not there")
            continue
        settings = FlowSettings(idle_timeout_s=IPFIXPROBE_IDLE_S, active_timeout_s=IPFIXPROBE_ACTIVE_S)
        compare_ipfixprobe(tally, label, plugin, ipfixprobe_rows(result), build([capture], settings))
    return [tally]


def compare_ipfixprobe(tally: Tally, label: str, plugin: str, theirs: Counter[Any], flows: Flows) -> None:
    """Rows that are not there alike are looked at by the ends of the conversation."""
    ours, went_back = our_rows(flows), bool(flows.counts["odd_out_of_order"] or flows.counts["odd_time"])
    same = theirs & ours
    tally.same(label, same.total())
    for row, number in (theirs - same).items():
        ends = frozenset((row[:2], row[2:4]))
        kind = PLUGINS.get(plugin, TWICE if went_back else None) if sums_of(ours, ends) == sums_of(theirs, ends) else None
        tally.differs(label, kind, f"{row} ours {[one for one in ours if frozenset((one[:2], one[2:4])) == ends]}", number)
    seen = {frozenset((row[:2], row[2:4])) for row in theirs - same}
    for row, number in (ours - same).items():
        if frozenset((row[:2], row[2:4])) not in seen:
            tally.differs(label, left_out(plugin, row), f"only ours: {row}", number)


def left_out(plugin: str, row: tuple[Any, ...]) -> str | None:
    """Why a flow of ours is not in the output of a plug-in."""
    if plugin == "nettisa" and row[6] + row[7] == 1:
        return "of one packet, which plug-in nettisa leaves out"
    if plugin == "tls" and row[4] == UDP:
        return "of QUIC, which plug-in tls leaves out"
    return None


def sums_of(rows: Counter[Any], ends: frozenset[Any]) -> Counter[Any]:
    """Packets and bytes by sender of the flows between two ends."""
    sums: Counter[Any] = Counter()
    for row, number in rows.items():
        if frozenset((row[:2], row[2:4])) == ends:
            sums[row[:2], "packets"] += row[6] * number
            sums[row[2:4], "packets"] += row[7] * number
            sums[row[:2], "bytes"] += row[8] * number
            sums[row[2:4], "bytes"] += row[9] * number
    return +sums


def our_rows(flows: Flows) -> Counter[Any]:
    """Our flows as ipfixprobe writes its own."""
    names = (*TUPLE, "start_us", "packets_fwd", "packets_bwd", "bytes_fwd", "bytes_bwd")
    return Counter((*(row[name] for name in names), row["start_us"] + row["duration_us"]) for row in flows.table.to_pylist())


def ipfixprobe_rows(path: Path) -> Counter[Any]:
    """Rows of its output; the line of names stands last, because the file is sorted."""
    lines = list(csv.reader(path.read_text().splitlines()))
    names = [name.split()[1] for name in lines[-1]]
    rows = [dict(zip(names, line, strict=True)) for line in lines[:-1]]
    ends = [(r["SRC_IP"], int(r["SRC_PORT"]), r["DST_IP"], int(r["DST_PORT"]), int(r["PROTOCOL"])) for r in rows]
    numbers = [tuple(int(r[name]) for name in ("PACKETS", "PACKETS_REV", "BYTES", "BYTES_REV")) for r in rows]
    times = [(micros(r["TIME_FIRST"]), micros(r["TIME_LAST"])) for r in rows]
    return Counter((*end, first, *number, last) for end, number, (first, last) in zip(ends, numbers, times, strict=True))


def micros(iso: str) -> int:
    """Microseconds since 1970 of a time in UTC."""
    moment = datetime.fromisoformat(iso).replace(tzinfo=UTC)
    return int(moment.timestamp()) * US_PER_S + moment.microsecond


def cicflowmeter(_: Sequence[Path], root: Path, __: Path) -> list[Tally]:
    """Every column that both have, of the four flows for which there are results."""
    folder = root / "truth" / "cicflowmeter"
    tally = Tally("corrected CICFlowMeter", "values")
    with (folder / f"{CIC}.improved_cicflowmeter.csv").open() as file:
        wanted = sorted(csv.DictReader(file), key=lambda row: row["Timestamp"])
    table = build([folder / f"{CIC}.pcap"], FlowSettings()).table.to_pylist()
    for row, want in zip(sorted(table, key=lambda row: row["start_us"]), wanted, strict=True):
        for column in FLOWS:
            if column.cic is not None:
                is_same = value_is(row[column.name], want[column.cic], column.cic)
                (tally.same if is_same else tally.differs)(CIC, *([] if is_same else [None, f"{column.name} {row} {want}"]))
    return [tally]


def value_is(ours: Any, theirs: str, name: str) -> bool:
    """Whether a value is the same, numbers to the twelfth digit."""
    if name == "Timestamp":
        return bool(ours == micros(theirs))
    return ours == theirs if isinstance(ours, str) else math.isclose(ours, float(theirs), rel_tol=NEAR)
