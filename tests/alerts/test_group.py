import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weir.alerts.alert import MANY_HOSTS, SEVERITIES, from_dict, to_dict
from weir.alerts.cases import HOSTS_MOST, ROWS_PER_HOST, strangest
from weir.alerts.evidence import flows_of, locate
from weir.alerts.group import group, severity
from weir.alerts.message import text
from weir.errors import SchemaError

START = 1_709_542_800_000_000


def test_a_scan_is_one_alert_that_says_why(scan: dict[str, Any]) -> None:
    (alert,) = group(**scan)
    assert alert.words == "10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2."
    assert alert.kind_hint is not None
    assert (alert.kind_hint.name, alert.kind_hint.technique) == ("port scan", "T1046")
    assert [r.words for r in alert.reasons] == [
        "contacted 1,994 ports; usual is 2",
        "started 1,990 flows that nobody answered; usual is 0",
    ]
    assert [round(r.share, 2) for r in alert.reasons] == [0.78, 0.22]
    assert alert.peers[0].address == "10.0.0.9"
    assert alert.peers[0].flows == 1994
    assert alert.rows_n == 1


def test_an_alert_survives_json(scan: dict[str, Any]) -> None:
    (alert,) = group(**scan)
    written = json.dumps(to_dict(alert), sort_keys=True)
    assert from_dict(json.loads(written)) == alert
    assert json.dumps(to_dict(from_dict(json.loads(written))), sort_keys=True) == written


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "colour"),
        ({"severity": "loud"}, "loud"),
        ({"delivery": "lost"}, "lost"),
        ({"peers": [{"flows": 1}]}, "peers"),
    ],
)
def test_a_damaged_alert_is_refused_by_name(scan: dict[str, Any], change: dict[str, Any], words: str) -> None:
    (alert,) = group(**scan)
    with pytest.raises(SchemaError, match=words):
        from_dict({**to_dict(alert), **change})


def test_the_order_of_the_rows_does_not_matter(scan: dict[str, Any], scores: Any, flows: Any) -> None:
    rows = [{"row_id": n, "host": f"10.0.0.{n % 4}", "p_value": 0.001 * (n % 7), "score": float(n % 5)} for n in range(200)]
    first = group(**{**scan, "scored": scores(*rows)})
    random.Random(3).shuffle(rows)
    mixed = scan["rows"]["flows"].take(np.random.default_rng(3).permutation(1994))
    assert group(**{**scan, "scored": scores(*rows), "rows": {**scan["rows"], "flows": mixed}}) == first
    assert len(first) == 4


def test_every_row_belongs_to_exactly_one_alert(scan: dict[str, Any], scores: Any) -> None:
    scored = scores(*({"row_id": n, "host": f"10.0.{n % 7}.1", "table": ("flows", "windows")[n % 2]} for n in range(1000)))
    alerts = group(**{**scan, "scored": scored})
    assert sum(a.rows_n for a in alerts) == 1000
    assert len({a.alert_id for a in alerts}) == len(alerts) == 7
    assert {a.tables for a in alerts} == {("flows", "windows")}


def test_more_hosts_than_anyone_reads_share_one_alert(scan: dict[str, Any], scores: Any) -> None:
    n = HOSTS_MOST + 250
    scored = scores(*({"row_id": i, "host": f"h{i:05d}", "score": 9 - i * 1e-3} for i in range(n)))
    alerts = group(**{**scan, "scored": scored})
    assert len(alerts) == HOSTS_MOST + 1
    assert sum(a.rows_n for a in alerts) == n
    rest = next(a for a in alerts if a.host == MANY_HOSTS)
    assert (rest.rows_n, rest.severity) == (250, "low")
    assert "h00000" in {a.host for a in alerts}
    assert f"h{n - 1:05d}" not in {a.host for a in alerts}


def test_reasons_are_wanted_for_few_rows_only(scores: Any) -> None:
    scored = scores(*({"row_id": i, "host": f"h{i % 3}", "score": float(i)} for i in range(300)))
    few = strangest(scored)
    assert len(few) == 3 * ROWS_PER_HOST
    assert few.column("score").to_pylist()[:2] == [297.0, 294.0]


def test_no_rows_make_no_alert(scan: dict[str, Any], scores: Any) -> None:
    assert group(**{**scan, "scored": scores()}) == []


def test_two_hours_at_once_are_refused(scan: dict[str, Any], scores: Any) -> None:
    with pytest.raises(SchemaError, match="one sensor and hour"):
        group(**{**scan, "scored": scores({"row_id": 1}, {"row_id": 2, "hour": "2024-03-04T10"})})


def test_a_flow_alone_says_which_flow_it_was(scan: dict[str, Any], scores: Any) -> None:
    scored = scores({"table": "flows", "row_id": 7, "start_us": START})
    why = {("flows", 7): [{"feature": "bytes_fwd", "value": 812e6, "usual": 3100.0, "share": 1.0}]}
    (alert,) = group(scored, {"flows": scan["rows"]["flows"]}, why, {})
    assert alert.words == (
        "10.0.0.5 had a TCP flow to 10.0.0.9 port 8 unusual for its "
        "IP bytes of the side that spoke first, headers included: 812 MB; usual is 3.1 kB."
    )
    assert alert.evidence[0].row_id == 7
    assert alert.evidence[0].is_anomalous
    assert alert.kind_hint is None


def test_without_reasons_or_rows_the_alert_still_stands(scores: Any) -> None:
    (alert,) = group(scores({"row_id": 1}), {}, {}, {})
    assert alert.words == "10.0.0.5 behaved unlike anything in the reference; no single column explains it."
    assert (alert.evidence, alert.peers, alert.reasons) == ((), (), ())


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"app": "tls", "tls_sni": "example.org", "tls_ja4": "t13d"}, "tls example.org"),
        ({"app": "http", "http_host": "example.org", "http_uri": "/?token=secret"}, "http example.org"),
        ({"app": "modbus"}, "modbus"),
        ({}, ""),
    ],
)
def test_evidence_tells_what_the_conversation_said_of_itself(flows: Any, scores: Any, columns: dict[str, str], said: str) -> None:
    rows = {"flows": flows({"flow_id": 7, **columns})}
    (alert,) = group(scores({"table": "flows", "row_id": 7, "start_us": START}), rows, {}, {})
    assert [one.said for one in alert.evidence] == [said]
    assert from_dict(to_dict(alert)) == alert
    assert (f"port 0 TCP ({said}), 1 packet" if said else "port 0 TCP, 1 packet") in text(alert)


def test_a_host_that_speaks_to_itself_has_each_flow_once(flows: Any) -> None:
    rows = flows(
        {"flow_id": 1, "src_ip": "::1", "dst_ip": "::1", "bytes_fwd": 300, "bytes_bwd": 20},
        {"flow_id": 2, "src_ip": "::1", "dst_ip": "::2", "bytes_fwd": 100, "bytes_bwd": 7},
        {"flow_id": 3, "src_ip": "::2", "dst_ip": "::1", "bytes_fwd": 40, "bytes_bwd": 5},
    )
    found = flows_of(rows, ["::1", "::2"])
    assert (found["::1"].column("flow_id").tolist(), found["::1"].sent.tolist()) == ([1, 2, 3], [320, 100, 5])
    assert [(peer.address, peer.flows) for peer in found["::1"].peers(9)] == [("::2", 2), ("::1", 1)]
    assert (found["::2"].column("flow_id").tolist(), found["::2"].sent.tolist()) == ([2, 3], [7, 40])


def test_evidence_leads_to_the_compressed_frame(scan: dict[str, Any]) -> None:
    segment = scan["rows"]["flows"]["segment"][0].as_py()
    frames = {segment: [{"offset": 0, "length": 400, "raw_offset": 0}, {"offset": 400, "length": 300, "raw_offset": 1000}]}
    (alert,) = group(**scan, frames=frames)
    assert len(alert.evidence) == 10
    assert [(e.offset, e.frame, e.frame_offset, e.frame_length) for e in alert.evidence[:1]] == [(24, 0, 0, 400)]
    assert locate(segment, 1000, frames) == (1, 400, 300)
    assert locate(segment, 999, frames) == (0, 0, 400)
    assert locate("other", 0, frames) is None
    assert alert.lineage.segments == (segment,)


def test_the_same_deed_in_the_next_hour_has_the_same_fingerprint_and_another_id(scan: dict[str, Any], scores: Any) -> None:
    (first,) = group(**scan)
    (second,) = group(**{**scan, "scored": scores({"row_id": 77, "hour": "2024-03-04T10"})})
    assert second.fingerprint == first.fingerprint
    assert second.alert_id != first.alert_id


def test_another_host_has_another_fingerprint(scan: dict[str, Any], scores: Any) -> None:
    a, b = group(**{**scan, "scored": scores({"row_id": 1}, {"row_id": 2, "host": "10.0.0.6"})})
    assert a.fingerprint != b.fingerprint


def test_severity_rises_with_strangeness_length_and_kind() -> None:
    assert severity(0.1, 1, False) == "low"
    assert severity(1.1, 1, False) == "medium"
    assert severity(1.1, 5, False) == "high"
    assert severity(1.1, 5, True) == "critical"


def test_without_a_threshold_strangeness_makes_nothing_more_severe(scores: Any) -> None:
    (alert,) = group(scores({"row_id": 1, "score": 99.0}), {}, {}, {})
    assert (alert.severity, alert.excess) == ("low", 99.0)


def test_tables_with_scales_of_their_own_are_ranked_by_what_exceeds_their_threshold(scores: Any) -> None:
    scored = scores({"row_id": 1, "host": "a", "table": "flows", "score": 2.6}, {"row_id": 2, "host": "b", "score": 1.8})
    alerts = group(scored, {}, {}, {}, threshold={"flows": 2.4, "windows": 0.7})
    assert [(a.host, a.excess, a.severity) for a in alerts] == [("b", 1.1, "medium"), ("a", 0.2, "low")]
    assert strangest(scored, {"flows": 2.4, "windows": 0.7}).column("excess").to_pylist() == pytest.approx([0.2, 1.1])


def test_an_alert_ends_with_its_last_window(scan: dict[str, Any]) -> None:
    (alert,) = group(**scan)
    assert alert.last_us - alert.first_us == 60_000_000


def test_alerts_come_most_urgent_first(scan: dict[str, Any], scores: Any) -> None:
    scored = scores(
        {"row_id": 1, "host": "b", "score": 3.1},
        {"row_id": 2, "host": "a", "score": 8.0},
        {"row_id": 77, "score": 3.5},
    )
    alerts = group(**{**scan, "scored": scored}, threshold={"windows": 3.0})
    assert [(a.host, a.severity) for a in alerts] == [("a", "medium"), ("10.0.0.5", "medium"), ("b", "low")]


def test_notes_of_the_hour_travel_with_each_alert(scan: dict[str, Any]) -> None:
    (alert,) = group(**scan, notes=["0.3 % of the packets of this hour were lost"])
    assert alert.notes == ("0.3 % of the packets of this hour were lost",)
    assert replace(alert, notes=()) == group(**scan)[0]


def test_severity_words_rise() -> None:
    assert SEVERITIES == ("informational", "low", "medium", "high", "critical")


def test_every_field_of_an_alert_is_documented(scan: dict[str, Any]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "alert.md").read_text()
    (alert,) = group(**scan)
    whole = to_dict(alert)
    for facts in (whole, whole["evidence"][0], whole["reasons"][0], whole["peers"][0], whole["kind_hint"], whole["lineage"]):
        assert [name for name in facts if f"`{name}`" not in page] == []
