"""Flows agree with what other tools made of the same real captures.

Zeek and ipfixprobe publish captures with their results; tests/golden/truth holds some of them.
Each tool ends flows by its own timeouts, and Zeek also keeps the tunnel itself as a connection;
docs/referees.md says what is compared and what is not.
"""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from by_published import conn_log, ipfixprobe_rows, micros, sent, zeek_sent
from weir.flows.build import Flows
from weir.schema import FLOWS, US_PER_S

TRUTH = Path(__file__).parents[1] / "golden" / "truth"
ZEEK = sorted((TRUTH / "zeek").glob("*.conn.log"))
IPFIXPROBE = sorted((TRUTH / "ipfixprobe").glob("*.csv"))
ICMP = (1, 58)
LONGEST_S = 3600  # Zeek has no idle timeout that would cut these captures
TUPLE = ("src_ip", "src_port", "dst_ip", "dst_port")
CIC = "cicids2017_sqli_4flows"


def zeek_rows(path: Path) -> list[dict[str, str]]:
    """Connections that we see the same way.

    The tunnels themselves are left out, as our packets belong to the innermost IP header. In the Teredo
    capture Zeek cuts what is outside the tunnel by timeouts of its own, so there only the inside counts.
    """
    rows = [row for row in conn_log(path) if row["service"] not in ("geneve", "vxlan", "teredo")]
    return [row for row in rows if row["tunnel_parents"] != "-"] if "Teredo" in path.name else rows


@pytest.mark.parametrize("log", ZEEK, ids=lambda log: log.name.removesuffix(".conn.log"))
def test_packets_and_bytes_are_those_that_zeek_counted(log: Path, flows_of: Callable[..., Flows]) -> None:
    capture = log.with_name(log.name.removesuffix(".conn.log"))
    ours = sent(flows_of(capture, idle_timeout_s=LONGEST_S, active_timeout_s=LONGEST_S))
    zeeks: Counter[Any] = Counter()
    for line in zeek_rows(log):
        zeeks += zeek_sent(line, "orig", "resp")
        zeeks += zeek_sent(line, "resp", "orig")
    assert zeeks
    assert {key: ours[key] for key in zeeks} == dict(zeeks)


def test_durations_are_those_of_zeek_whose_clock_stops_when_both_sides_closed(
    referee: ModuleType, flows_of: Callable[..., Flows]
) -> None:
    compared = 0
    for log in ZEEK:
        capture = log.with_name(log.name.removesuffix(".conn.log"))
        if capture.suffix != ".pcap" or "Teredo" in log.name:
            continue
        table = flows_of(capture, idle_timeout_s=LONGEST_S, active_timeout_s=LONGEST_S).table
        ours = {(*(r[name] for name in TUPLE), r["protocol"]): r["duration_us"] for r in table.to_pylist()}
        beyond = after_close(referee, capture)
        for line in zeek_rows(log):
            protocol = int(line["ip_proto"])
            key = (line["id.orig_h"], int(line["id.orig_p"]), line["id.resp_h"], int(line["id.resp_p"]), protocol)
            if protocol in ICMP:
                continue
            zeeks = 0 if line["duration"] == "-" else round(float(line["duration"]) * US_PER_S)
            assert ours[key] - beyond.get(key[:4], 0) == zeeks, f"{capture.name} {key}"
            compared += 1
    assert compared == 25


@pytest.mark.parametrize("log", ZEEK, ids=lambda log: log.name.removesuffix(".conn.log"))
def test_states_and_histories_are_those_of_zeek(log: Path, flows_of: Callable[..., Flows]) -> None:
    table = flows_of(
        log.with_name(log.name.removesuffix(".conn.log")), idle_timeout_s=LONGEST_S, active_timeout_s=LONGEST_S
    ).table
    ours = {tuple(row[name] for name in TUPLE): row for row in table.to_pylist()}
    for line in zeek_rows(log):
        if int(line["ip_proto"]) in ICMP:
            continue
        row = ours[line["id.orig_h"], int(line["id.orig_p"]), line["id.resp_h"], int(line["id.resp_p"])]
        assert row["conn_state"] == line["conn_state"]
        assert once(row["history"], "SHADFR") == once(line["history"], "SHADFR")
        assert bool(row["retransmitted_fwd"]) == ("T" in line["history"])
        assert bool(row["retransmitted_bwd"]) == ("t" in line["history"])


def once(history: str, letters: str) -> str:
    """The first of each of these letters, on both sides; Zeek repeats some to show how many there were."""
    return "".join(dict.fromkeys(letter for letter in history if letter.upper() in letters))


def after_close(referee: ModuleType, capture: Path) -> dict[Any, int]:
    """For each TCP connection, how long packets went on after both sides had sent a FIN, us."""
    beyond: dict[Any, int] = {}
    seen: dict[Any, Any] = {}
    for packet in referee.read(capture):
        if packet.protocol != 6:
            continue
        ends = frozenset([packet.source, packet.destination])
        flow = seen.setdefault(ends, {"first": packet, "fins": {}})
        if packet.flags & referee.FIN:
            flow["fins"].setdefault(packet.source, packet.time_us)
        first, fins = flow["first"], flow["fins"]
        closed = max(fins.values()) if len(fins) == 2 else packet.time_us
        beyond[(*first.source, *first.destination)] = packet.time_us - closed
    return beyond


@pytest.mark.parametrize("truth", IPFIXPROBE, ids=lambda truth: truth.stem)
def test_flows_are_those_of_ipfixprobe_to_the_microsecond(truth: Path, flows_of: Callable[..., Flows]) -> None:
    table = flows_of(truth.with_suffix(""), idle_timeout_s=30, active_timeout_s=300).table  # ipfixprobe's defaults
    names = (*TUPLE, "protocol", "start_us", "packets_fwd", "packets_bwd", "bytes_fwd", "bytes_bwd")
    ours = Counter((*(r[name] for name in names), r["start_us"] + r["duration_us"]) for r in table.to_pylist())
    assert ours == ipfixprobe_rows(truth)


@pytest.mark.public_data
def test_every_column_that_cicflowmeter_has_is_as_its_corrected_version_gives_it(
    public_data: Path, flows_of: Callable[..., Flows]
) -> None:
    folder = public_data / "truth" / "cicflowmeter"
    with (folder / f"{CIC}.improved_cicflowmeter.csv").open() as file:
        wanted = sorted(csv.DictReader(file), key=lambda row: row["Timestamp"])
    rows = sorted(flows_of(folder / f"{CIC}.pcap").table.to_pylist(), key=lambda row: row["start_us"])
    assert len(rows) == len(wanted) == 4
    for row, want in zip(rows, wanted, strict=True):
        assert row["start_us"] == micros(want["Timestamp"])
        for column in FLOWS:
            if column.cic in (None, "Timestamp"):
                continue
            value = want[column.cic]
            near = value if column.dtype == "string" else pytest.approx(float(value), rel=1e-12)
            assert row[column.name] == near, column.name
