import random
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from weir.reports.summary import POINTS_MOST, spread, strangeness, traffic

MONDAY = date(2024, 3, 4)
MINUTE = 60_000_000
Make = Callable[..., pa.Table]


def test_totals_are_exact_however_the_flows_are_cut_into_tables(make_flows: Make) -> None:
    whole = make_flows(n=5_000)
    together = traffic([whole], MONDAY, 1)
    cut = traffic([whole.slice(0, 1), whole.slice(1, 0), whole.slice(1, 1_700), whole.slice(1_701)], MONDAY, 1)
    sums = {n: sum(whole.column(f"{n}_{d}").to_numpy().sum() for d in ("fwd", "bwd")) for n in ("bytes", "packets")}
    assert together["totals"] == {**sums, "flows": 5_000, "hosts": together["totals"]["hosts"]}
    for key in ("totals", "days", "talkers", "protocols", "ports"):
        assert cut[key] == together[key], key
    np.testing.assert_allclose(cut["series"]["bytes"], together["series"]["bytes"], atol=0.01)


def test_the_order_of_the_flows_does_not_matter(make_flows: Make) -> None:
    whole = make_flows(n=3_000)
    order = list(range(3_000))
    random.Random(1).shuffle(order)
    first, second = traffic([whole], MONDAY, 1), traffic([whole.take(order)], MONDAY, 1)
    for key in ("totals", "days", "talkers", "protocols", "ports"):
        assert first[key] == second[key], key


def test_every_byte_of_a_host_counts_whichever_side_spoke_first(make_flows: Make) -> None:
    flows = make_flows(n=2_000)
    columns = ("src_ip", "dst_ip", "bytes_fwd", "bytes_bwd")
    rows = list(zip(*(flows.column(c).to_pylist() for c in columns), strict=True))
    top = traffic([flows], MONDAY, 1, top=1)["talkers"][0]
    assert top["bytes_out"] == sum(f if s == top["host"] else b for s, d, f, b in rows if top["host"] in (s, d))
    assert top["bytes_in"] == sum(b if s == top["host"] else f for s, d, f, b in rows if top["host"] in (s, d))
    assert top["flows"] == sum(top["host"] in (s, d) for s, d, _, _ in rows)


def test_talkers_protocols_and_ports_come_largest_first(make_flows: Make) -> None:
    found = traffic([make_flows()], MONDAY, 1, top=5)
    talkers = [t["bytes_out"] + t["bytes_in"] for t in found["talkers"]]
    assert talkers == sorted(talkers, reverse=True)
    assert len(talkers) == 5
    assert [p["name"] for p in found["protocols"]] == ["TCP", "UDP", "ICMP"]
    assert sum(p["flows"] for p in found["protocols"]) == found["totals"]["flows"]
    assert all(p["port"] for p in found["ports"]), "ICMP has no ports"
    assert {"port": 443, "transport": "TCP", "name": "HTTPS"}.items() <= found["ports"][0].items()


@pytest.mark.parametrize("seed", range(5))
def test_amounts_flow_evenly_over_their_duration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start, duration = rng.integers(0, 1_000, 200), rng.integers(0, 700, 200)
    duration[:20] = 0
    amount = rng.integers(1, 10**6, 200)
    wanted = np.zeros(10)
    for s, d, a in zip(start, duration, amount, strict=True):
        for n in range(10):
            inside = max(min(s + d, (n + 1) * 100) - max(s, n * 100), 0)
            wanted[n] += a * inside / d if d else a * (s // 100 == n)
    np.testing.assert_allclose(spread(start, duration, amount, 100, 10), wanted, rtol=1e-9)


def test_a_day_has_few_enough_points_and_a_busy_hour_is_shown_by_the_minute(make_flows: Make) -> None:
    day = traffic([make_flows()], MONDAY, 1)["series"]
    hour = traffic([make_flows(hours=1, n=300)], MONDAY, 1)["series"]
    week = traffic([make_flows(), make_flows(start=date(2024, 3, 10))], MONDAY, 7)["series"]
    assert (day["bucket_us"], len(day["bytes"])) == (10 * MINUTE, 144)
    assert hour["bucket_us"] == MINUTE
    assert len(hour["bytes"]) in (60, 120)
    assert (week["bucket_us"], len(week["bytes"])) == (60 * MINUTE, 168)
    assert max(len(s["bytes"]) for s in (day, hour, week)) <= POINTS_MOST


def test_the_series_loses_nothing_that_lies_inside_the_period(make_flows: Make) -> None:
    flows = make_flows(n=4_000, hours=20)
    found = traffic([flows], MONDAY, 1)
    assert sum(found["series"]["bytes"]) == pytest.approx(found["totals"]["bytes"], rel=1e-3)
    assert sum(found["series"]["flows"]) == found["totals"]["flows"]


def test_flows_of_another_day_are_left_out(make_flows: Make) -> None:
    found = traffic(
        [make_flows(n=100, start=date(2024, 3, 3)), make_flows(n=100), make_flows(n=100, start=date(2024, 3, 5))], MONDAY, 1
    )
    assert found["totals"]["flows"] == 100


def test_no_flows_make_an_empty_summary() -> None:
    found = traffic([], MONDAY, 7)
    assert found["totals"] == {"flows": 0, "packets": 0, "bytes": 0, "hosts": 0}
    assert (found["talkers"], found["protocols"], found["ports"], found["peak"]) == ([], [], [], None)
    assert [day["day"] for day in found["days"]][:2] == ["2024-03-04", "2024-03-05"]
    assert found["series"]["bytes"] == []


def test_the_highest_score_of_each_bucket_is_kept(make_flows: Make, make_scores: Make) -> None:
    scored = make_scores(make_flows(n=2_000))
    found = strangeness([scored.slice(0, 900), scored.slice(900)], MONDAY, 1, {"flows": 3.41, "windows": 3.41})
    assert max(v for v in found["series"]["flows"] + found["series"]["windows"] if v is not None) == 5.9
    assert sum(t["rows"] for t in found["tables"].values()) == 2_000
    assert sum(t["anomalies"] for t in found["tables"].values()) == 2 == found["days"][0]["anomalies"]


def test_where_nothing_was_scored_there_is_no_point(make_flows: Make, make_scores: Make) -> None:
    scored = make_scores(make_flows(n=40))
    found = strangeness([scored], MONDAY, 1, {"flows": 3.41, "windows": 3.41})
    assert None in found["series"]["windows"]
    assert strangeness([], MONDAY, 1, {"flows": 1.0})["series"]["flows"] == []


def test_a_flood_of_spoofed_hosts_does_not_hide_the_top_talkers(make_flows: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from weir.reports import summary

    monkeypatch.setattr(summary, "HOSTS_MOST", 1_000)
    tables: list[Any] = [make_flows(seed=s, n=3_000) for s in range(3)]
    few = traffic(tables, MONDAY, 1, top=3)
    monkeypatch.undo()
    assert few["talkers"] == traffic(tables, MONDAY, 1, top=3)["talkers"]
