"""Days as a report meets them: an ordinary one, an empty one, a crowded one and a week; all synthetic."""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from weir import schema
from weir.reports.content import content
from weir.reports.summary import strangeness, traffic

MONDAY = date(2024, 3, 4)
THRESHOLD = {"flows": 3.41, "windows": 3.41}
SERVICES = ((6, 443), (6, 80), (17, 53), (6, 22), (17, 443), (6, 445), (17, 123), (6, 8883), (1, 0))
Facts = dict[str, Any]


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def table(columns: tuple[schema.Column, ...], n: int, **given: Any) -> pa.Table:
    """A table with all columns of a schema; what is not given is 0 or empty."""
    plain = {"string": lambda: pa.array([""] * n, pa.string())}
    arrays = [given.get(c.name, plain.get(c.dtype, lambda c=c: np.zeros(n, c.dtype))()) for c in columns]
    return pa.table(arrays, names=[c.name for c in columns]).cast(schema.arrow_schema(columns))


def flows_table(seed: int = 1, n: int = 20_000, start: date = MONDAY, hours: int = 24, scale: float = 1.0) -> pa.Table:
    """Flows of an office: quiet at night, busy by day, a few large ones."""
    rng = np.random.default_rng(seed)
    hour = np.minimum(hours - 1e-6, np.abs(rng.normal(13, 4.5, n)) % hours)
    service = rng.choice(len(SERVICES), n, p=[0.42, 0.08, 0.2, 0.03, 0.1, 0.05, 0.05, 0.04, 0.03])
    sent = rng.lognormal(7, 1.5, n).astype(np.int64) + 60
    received = (rng.lognormal(9, 2.2, n) * scale).astype(np.int64)
    local = [f"10.0.0.{i}" for i in rng.integers(2, 60, n)]
    remote = [
        f"93.184.{i % 7}.{i % 200}" if i % 9 else f"2001:db8:85a3::8a2e:370:{i % 999:04x}" for i in rng.integers(0, 3_000, n)
    ]
    return table(
        schema.STORED_FLOWS,
        n,
        flow_id=np.arange(n),
        start_us=midnight(start) + (hour * 3.6e9).astype(np.int64),
        duration_us=rng.lognormal(14, 2, n).astype(np.int64),
        src_ip=pa.array(local),
        dst_ip=pa.array(remote),
        dst_port=np.array([SERVICES[s][1] for s in service], np.int32),
        protocol=np.array([SERVICES[s][0] for s in service], np.int32),
        packets_fwd=sent // 400 + 1,
        packets_bwd=received // 900,
        bytes_fwd=sent,
        bytes_bwd=received,
    )


def scores_table(flows: pa.Table, seed: int = 2) -> pa.Table:
    """Scores as calibrated ones fall: one in ten above 1, one in a hundred above 2."""
    rng = np.random.default_rng(seed)
    n = len(flows)
    score = np.minimum(-np.log10(rng.random(n)), 3.2)
    score[[n // 3, n // 2]] = (4.6, 5.9)
    return table(
        schema.SCORES,
        n,
        table=pa.array(["flows" if i % 3 else "windows" for i in range(n)]),
        row_id=np.arange(n),
        start_us=flows.column("start_us").to_numpy(),
        score=score,
        p_value=10.0**-score,
    )


def alert(n: int = 0, **changes: Any) -> Facts:
    """One settled alert as it lies in the store."""
    start = midnight(MONDAY) + 33_000_000_000 + n * 60_000_000
    flow = {
        "table": "flows",
        "row_id": 7 + n,
        "start_us": start,
        "duration_us": 1200,
        "src_ip": "10.0.0.5",
        "src_port": 40_000 + n,
        "dst_ip": "10.0.0.9",
        "dst_port": 22,
        "protocol": 6,
        "packets": 2,
        "bytes": 120,
        "is_anomalous": False,
        "segment": hashlib.sha256(b"segment").hexdigest(),
        "offset": 123_456 + 76 * n,
        "frame": 3,
        "frame_offset": 9_000,
        "frame_length": 4_000,
    }
    reasons = [
        {
            "table": "windows",
            "feature": "ports_out",
            "meaning": "distinct destination ports the host contacted",
            "unit": "ports",
            "value": 1994.0,
            "usual": 2.0,
            "share": 0.61,
            "words": "contacted 1,994 ports; usual is 2",
        },
        {
            "table": "windows",
            "feature": "unanswered_out",
            "meaning": "flows that got no packet back",
            "unit": "flows",
            "value": 1990.0,
            "usual": 0.4,
            "share": 0.27,
            "words": "started 1,990 flows that nobody answered; usual is 0.4",
        },
        {
            "table": "windows",
            "feature": "payload_out_mean",
            "meaning": "mean payload",
            "unit": "B",
            "value": 0.0,
            "usual": 412.0,
            "share": 0.08,
            "words": "sent packets with 0 B of payload on average; usual is 412 B",
        },
    ]
    facts = {
        "alert_id": hashlib.sha256(f"{n}".encode()).hexdigest()[:16],
        "fingerprint": hashlib.sha256(f"f{n}".encode()).hexdigest()[:16],
        "sensor_id": "lab",
        "host": "10.0.0.5",
        "hour": "2024-03-04T09",
        "peers": [{"address": "10.0.0.9", "flows": 1994}],
        "tables": ["windows"],
        "kind_hint": {"name": "port scan", "technique": "T1046", "words": "contacted 1,994 ports of 10.0.0.9"},
        "first_us": start,
        "last_us": start + 23_000_000,
        "severity": "high",
        "rows_n": 3,
        "p_value": 0.0004,
        "score": 5.9,
        "reasons": reasons,
        "evidence": [flow, {**flow, "row_id": 8 + n, "dst_port": 443}],
        "lineage": {
            "segments": [flow["segment"]],
            "schema_hash": {"windows": "f" * 12},
            "model_id": "3f9c1a7be204",
            "dag_run": "manual__1",
            "data_version": "d41d8cd98f00",
        },
        "words": "10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2.",
        "notes": [],
        "delivery": "delivered",
        "times_seen": 1,
        "first_seen_us": start,
    }
    return {**facts, **changes}


def ordinary_alerts() -> list[Facts]:
    upload = "10.0.0.17 sent 812 MB, most of it to 93.184.5.35, and received 3.1 MB within 60 s; usual is 92 kB."
    flow = "10.0.0.23 had a TCP flow to 2001:db8:85a3::8a2e:370:7334 port 443 with mean gap: 60 s; usual is 40 ms."
    exfiltration = {"name": "exfiltration", "technique": "T1048", "words": upload}
    return [
        alert(0),
        alert(1, host="10.0.0.17", words=upload, kind_hint=exfiltration, severity="medium", score=4.6, times_seen=4),
        alert(2, host="10.0.0.23", words=flow, kind_hint=None, severity="low", score=3.7, evidence=[], peers=[]),
        alert(3, severity="medium", delivery="grouped", times_seen=5),
    ]


def ledger_facts(balanced: bool = True) -> Facts:
    laws = [
        ("L0", "kernel", "packets", 12_004_118, 11_998_402, {}, {"dropped by the kernel": 5_716}),
        ("L4", "decode", "packets", 11_998_402, 11_950_000, {"non_ip": 48_000, "short_l4": 402}, {}),
        ("L5", "flows", "packets", 11_950_000, 11_950_000, {}, {}),
        ("L6", "validation", "rows", 20_000, 19_988, {"duration_us is at least 0": 12}, {}),
        ("L9", "alerts", "rows", 31, 3, {"grouped": 28}, {}),
    ]
    facts = [
        dict(zip(("hop", "name", "counts", "seen", "accepted", "aside", "dropped"), law, strict=True), problems=[])
        for law in laws
    ]
    if balanced:
        return {"is_balanced": True, "words": "Ledger: balanced, 5,716 packets lost and counted", "lost": 5_716, "laws": facts}
    facts[2]["problems"] = ["3 packets unexplained (lab/2024-03-04T09)"]
    words = "Ledger: NOT balanced at L5, 3 packets unexplained (lab/2024-03-04T09)"
    return {"is_balanced": False, "words": words, "lost": 5_716, "laws": [facts[2], *facts[:2], *facts[3:]]}


def inputs(days: int = 1, n: int = 20_000, **changes: Any) -> Facts:
    """All arguments of ``content`` for an ordinary period."""
    tables = [flows_table(seed=day + 1, n=n, start=date.fromordinal(MONDAY.toordinal() + day)) for day in range(days)]
    flows = traffic(tables, MONDAY, days)
    scores = strangeness([scores_table(t) for t in tables], MONDAY, days, THRESHOLD)
    now = midnight(MONDAY) + (24 * days + 6) * schema.HOUR_US
    columns = [
        {"name": "bytes_bwd", "statistic": 0.31, "z": 6.2, "drifted": True},
        {"name": "iat_mean_us", "statistic": 0.02, "z": 0.4, "drifted": False},
    ]
    champion = {
        "model_id": "3f9c1a7be204",
        "since_us": now - 9 * 24 * schema.HOUR_US,
        "detector": "pair",
        "data_version": "d41d8cd98f00",
    }
    facts: Facts = {
        "kind": "weekly" if days > 1 else "daily",
        "period_start": MONDAY,
        "days": days,
        "flows_summary": flows,
        "alerts": ordinary_alerts(),
        "scores_summary": scores,
        "quality": [
            {"table": "flows", "hour": "2024-03-04T09", "rows": n, "refused": {"duration_us is at least 0": 12}},
            {"table": "windows", "hour": "2024-03-04T09", "rows": n // 9, "refused": {}},
        ],
        "drift": [
            {
                "sensor_id": "lab",
                "hour": "2024-03-04T09",
                "verdict": "no drift",
                "summary": "1 of 80 columns moved",
                "columns": columns,
            },
            {
                "sensor_id": "lab",
                "hour": "2024-03-04T03",
                "verdict": "insufficient data",
                "summary": "612 rows, 10,000 needed",
                "columns": [],
            },
        ],
        "ledger": ledger_facts(),
        "models": {
            "champion": {**champion, "why": "kept recall 0.94 and the budget"},
            "challenger": None,
            "changes": [{"when_us": champion["since_us"], "model_id": "3f9c1a7be204", "why": "kept recall 0.94 and the budget"}],
        },
        "arrivals": [
            {
                "sensor_id": "lab",
                "segments": 214,
                "packets": 11_998_402,
                "bytes": 7_412_009_118,
                "hours": 24 * days,
                "hours_expected": 24 * days,
                "missing": 0,
                "late": 2,
                "last_us": now - 6 * schema.HOUR_US,
                "words": [],
            },
        ],
        "budget": {
            "per_day": 20,
            "expected": 14.2,
            "promise": 14.2,
            "words": "14.2 of 20 alerts a day expected on normal traffic",
        },
        "now_us": now,
        "previous": [
            {**day, "day": f"2024-02-{26 + i}", "anomalies": 20 + i, "alerts": i, "refused": 3}
            for i, day in enumerate(flows["days"] * 4)
        ],
    }
    return {**facts, **changes}


def empty_inputs(days: int = 1) -> Facts:
    """A day on which nothing happened and nothing was set up."""
    return inputs(
        days,
        flows_summary=traffic([], MONDAY, days),
        scores_summary=strangeness([], MONDAY, days, THRESHOLD),
        alerts=[],
        quality=[],
        drift=[],
        ledger={},
        models={},
        arrivals=[],
        budget={},
        previous=[],
    )


def crowded_inputs() -> Facts:
    """Everything at once: 30 alerts, long addresses, huge numbers, a broken ledger, silent sensors."""
    long = "2001:0db8:85a3:1234:5678:8a2e:0370:7334"
    fates = ("delivered", "delivered", "over_budget", "grouped", "failed", "delivered")
    severities = ("critical", "high", "medium", "low", "informational")
    alerts = [
        alert(
            n,
            host=f"{long[:-2]}{n:02x}",
            words=f"{long[:-2]}{n:02x} sent 12,345,678,901,234 requests for a connection, most of them to {long} and unanswered.",
            severity=severities[n % 5],
            delivery=fates[n % 6],
            score=3.5 + n / 3,
            times_seen=1 + n % 4 * 1_000,
            peers=[{"address": long, "flows": 10**9}] * 5,
            notes=["0.3 % of the packets of this hour were lost"] if n % 2 else [],
        )
        for n in range(30)
    ]
    flows = traffic([flows_table(n=30_000, scale=1e8)], MONDAY, 1)
    sensors = [
        {
            "sensor_id": f"branch-office-{place}-uplink-{n}",
            "segments": 10**6,
            "packets": 10**13,
            "bytes": 10**17,
            "hours": 21,
            "hours_expected": 24,
            "missing": 12_345,
            "late": 7,
            "last_us": midnight(MONDAY),
            "words": ["segments 17 to 12,361 of start 3f2c never arrived"],
        }
        for n, place in enumerate(("amsterdam", "berlin", "vienna", "zurich"))
    ]
    drift = [
        {
            "sensor_id": "lab",
            "hour": f"2024-03-04T{h:02d}",
            "verdict": "drift",
            "summary": "17 of 80 columns moved",
            "columns": [],
        }
        for h in range(24)
    ]
    quality = [
        {
            "table": "flows",
            "hour": "2024-03-04T09",
            "rows": 10**12,
            "refused": {f"column_{n} is finite": 10**10 + n for n in range(20)},
        }
    ]
    return inputs(flows_summary=flows, alerts=alerts, ledger=ledger_facts(False), arrivals=sensors, drift=drift, quality=quality)


@pytest.fixture(scope="session")
def make_inputs() -> Callable[..., Facts]:
    return inputs


@pytest.fixture(scope="session")
def make_alert() -> Callable[..., Facts]:
    return alert


@pytest.fixture(scope="session")
def make_flows() -> Callable[..., pa.Table]:
    return flows_table


@pytest.fixture(scope="session")
def make_scores() -> Callable[..., pa.Table]:
    return scores_table


@pytest.fixture(scope="session")
def days() -> dict[str, Facts]:
    """The content of every kind of day."""
    periods = {
        "ordinary": inputs(),
        "empty": empty_inputs(),
        "crowded": crowded_inputs(),
        "week": inputs(7, 4_000),
        "empty week": empty_inputs(7),
    }
    return {name: content(**facts) for name, facts in periods.items()}
