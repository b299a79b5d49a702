"""Windows against hand-made values, against a slow second opinion, and against the flows they sum up."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weir import schema
from weir.errors import SchemaError, SettingsError
from weir.features.windows import windows

NINE = 1_709_542_800_000_000
MINUTE = 60_000_000
MIDNIGHT = 1_709_510_400_000_000  # 2024-03-04T00:00:00Z

HOSTS = ("10.0.0.1", "10.0.0.2", "2001:db8::1", "10.0.0.10")
FLOW = st.fixed_dictionaries(
    {
        "start_us": st.integers(MIDNIGHT - 3 * MINUTE, MIDNIGHT + 3 * MINUTE),
        "src_ip": st.sampled_from(HOSTS),
        "dst_ip": st.sampled_from(HOSTS),
        "dst_port": st.sampled_from([0, 22, 53, 443, 65_535]),
        "protocol": st.sampled_from([1, 6, 17, 58]),
        "duration_us": st.integers(0, 2**40),
        "packets_fwd": st.integers(1, 9),
        "packets_bwd": st.integers(0, 9),
        "bytes_fwd": st.integers(0, 2**53),
        "bytes_bwd": st.integers(0, 2**53),
        "payload_fwd": st.integers(0, 99),
        "payload_bwd": st.sampled_from([0, 7]),
        "rst_bwd": st.integers(0, 1),
        "flags_syn": st.integers(0, 3),
        "sensor_id": st.sampled_from(["lab", "roof"]),
    }
)
FLOW_LISTS = st.lists(FLOW, max_size=40)
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(table: pa.Table, **where: Any) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in where.items())]


def test_no_flows_make_an_empty_table_with_the_schema_of_windows(make_flows):
    made = windows(make_flows(0), 60)
    assert made.num_rows == 0
    assert made.schema.equals(schema.arrow_schema(schema.WINDOWS))


def test_windows_over_midnight_have_these_golden_values(make_flows):
    before, after = MIDNIGHT - 1, MIDNIGHT
    made = windows(
        make_flows(
            [
                {"start_us": before, "dst_port": 53, "protocol": 17, "bytes_fwd": 70, "bytes_bwd": 170, "payload_fwd": 42},
                {"start_us": after, "dst_ip": "10.0.0.3", "packets_bwd": 0, "bytes_bwd": 0, "payload_fwd": 0, "payload_bwd": 0},
                {"start_us": after + 5, "rst_bwd": 1, "payload_fwd": 0, "payload_bwd": 0, "flags_syn": 1},
            ]
        ),
        60,
    )
    assert [(r["hour"], r["host"], r["start_us"]) for r in made.to_pylist()] == [
        ("2024-03-03T23", "10.0.0.1", MIDNIGHT - MINUTE),
        ("2024-03-03T23", "10.0.0.2", MIDNIGHT - MINUTE),
        ("2024-03-04T00", "10.0.0.1", MIDNIGHT),
        ("2024-03-04T00", "10.0.0.2", MIDNIGHT),
        ("2024-03-04T00", "10.0.0.3", MIDNIGHT),
    ]
    evening, morning = rows_of(made, host="10.0.0.1")
    assert (evening["dns_out"], evening["dns_bytes_out"], evening["udp_out"], evening["failed_share"]) == (1, 70, 1, 0.0)
    assert evening["bytes_asymmetry"] == pytest.approx(math.log(71 / 171))
    assert evening["payload_out_mean"] == 42.0
    assert (morning["flows_out"], morning["peers_out"], morning["unanswered_out"], morning["refused_out"]) == (2, 2, 1, 1)
    assert (morning["failed_share"], morning["empty_out"], morning["syn_out"]) == (1.0, 2, 1)
    assert (morning["peer_entropy"], morning["port_entropy"]) == (1.0, 0.0)
    silent = rows_of(made, host="10.0.0.3")[0]
    assert (silent["flows_in"], silent["unanswered_in"], silent["packets_out"], silent["bytes_in"]) == (1, 1, 0, 50)


def test_window_ids_are_these_whatever_the_machine(make_flows):
    made = windows(make_flows([{"start_us": NINE}]), 60)
    assert made.column("window_id").to_pylist() == [6207736158846507525, 253680485432981103]


@PROPERTY
@given(rows=FLOW_LISTS)
def test_windows_add_up_exactly_to_their_flows(make_flows, rows):
    flows = make_flows(rows)
    made = windows(flows, 60)

    def total(table: pa.Table, *names: str) -> int:
        return sum(sum(table.column(name).to_pylist()) for name in names)

    assert total(made, "flows_out") == total(made, "flows_in") == flows.num_rows
    assert total(made, "packets_out") == total(made, "packets_in") == total(flows, "packets_fwd", "packets_bwd")
    assert total(made, "bytes_out") == total(made, "bytes_in") == total(flows, "bytes_fwd", "bytes_bwd")
    assert total(made, "syn_out") == total(flows, "flags_syn")
    assert len(set(made.column("window_id").to_pylist())) == made.num_rows
    for column in schema.WINDOWS:
        if column.dtype != "string" and made.num_rows:
            values = made.column(column.name).to_numpy()
            assert np.isfinite(values).all()
            assert column.low is None or values.min() >= column.low
            assert column.high is None or values.max() <= column.high


@PROPERTY
@given(rows=FLOW_LISTS, seed=st.integers(0, 99))
def test_the_order_of_the_flows_does_not_matter(make_flows, rows, seed):
    flows = make_flows(rows)
    shuffled = flows.take(np.random.default_rng(seed).permutation(flows.num_rows))
    assert windows(shuffled, 60).equals(windows(flows, 60))


@PROPERTY
@given(rows=FLOW_LISTS)
def test_all_hours_and_sensors_at_once_give_what_each_gives_alone(make_flows, rows):
    flows = make_flows(rows)
    together = {row["window_id"]: row for row in windows(flows, 60).to_pylist()}
    units = sorted({(row["sensor_id"], row["hour"]) for row in flows.to_pylist()})
    alone = {}
    for sensor, hour in units:
        picked = [row["sensor_id"] == sensor and row["hour"] == hour for row in flows.to_pylist()]
        alone |= {row["window_id"]: row for row in windows(flows.filter(pa.array(picked)), 60).to_pylist()}
    assert together == alone


@PROPERTY
@given(rows=FLOW_LISTS)
def test_a_slow_second_opinion_gives_the_same_columns(make_flows, rows):
    flows = make_flows(rows)
    for row in windows(flows, 60).to_pylist():
        expected = second_opinion(flows.to_pylist(), row)
        assert {name: row[name] for name in expected} == pytest.approx(expected)


def second_opinion(flows: list[dict[str, Any]], window: dict[str, Any]) -> dict[str, float]:
    """The plain reading of the columns' meanings, one flow after the other."""
    host, start = window["host"], window["start_us"]
    hour = [f for f in flows if f["sensor_id"] == window["sensor_id"] and f["hour"] == window["hour"]]
    out = [f for f in hour if f["src_ip"] == host and start <= f["start_us"] < start + MINUTE]
    into = [f for f in hour if f["dst_ip"] == host and start <= f["start_us"] < start + MINUTE]
    services = Counter((f["dst_ip"], f["dst_port"]) for f in out if f["protocol"] == 6)
    to_peer: Counter[str] = Counter()
    to_service: Counter[tuple[str, int]] = Counter()
    for f in out:
        to_peer[f["dst_ip"]] += f["bytes_fwd"]
        to_service[f["dst_ip"], f["dst_port"]] += f["packets_fwd"]
    packets_out = sum(f["packets_fwd"] for f in out) + sum(f["packets_bwd"] for f in into)
    payload_out = sum(f["payload_fwd"] for f in out) + sum(f["payload_bwd"] for f in into)
    return {
        "peers_out": len(to_peer),
        "peers_in": len({f["src_ip"] for f in into}),
        "peers_out_rare": sum(all(f["src_ip"] == host for f in hour if f["dst_ip"] == peer) for peer in to_peer),
        "ports_out": len({f["dst_port"] for f in out}),
        "ports_in": len({f["dst_port"] for f in into}),
        "bytes_out_peer_max": max(to_peer.values(), default=0),
        "unanswered_in": sum(f["packets_bwd"] == 0 for f in into),
        "refused_in": sum(
            f["protocol"] == 6 and f["packets_bwd"] > 0 and f["rst_bwd"] > 0 and f["payload_bwd"] == 0 for f in into
        ),
        "empty_in": sum(f["protocol"] == 6 and f["payload_fwd"] == f["payload_bwd"] == 0 for f in into),
        "icmp_out": sum(f["protocol"] in (1, 58) for f in out),
        "icmp_bytes_out": sum(f["bytes_fwd"] for f in out if f["protocol"] in (1, 58)),
        "service_flows_max": max(services.values(), default=0),
        "service_flows_in_max": max(
            Counter((f["src_ip"], f["dst_port"]) for f in into if f["protocol"] == 6).values(), default=0
        ),
        "service_packets_max": max(to_service.values(), default=0),
        "peer_entropy": entropy(Counter(f["dst_ip"] for f in out)),
        "port_entropy": entropy(Counter(f["dst_port"] for f in out)),
        "payload_out_mean": payload_out / packets_out if packets_out else 0,
        "duration_mean_us": sum(f["duration_us"] for f in out) / len(out) if out else 0,
    }


def entropy(counts: Counter[Any]) -> float:
    total = counts.total()
    return -sum(n / total * math.log2(n / total) for n in counts.values())


def test_a_scanner_stands_out_by_ports_failures_and_entropy(make_flows):
    closed = {"packets_bwd": 1, "rst_bwd": 1, "payload_fwd": 0, "payload_bwd": 0}
    made = windows(make_flows([{"dst_port": port, **closed} for port in range(1, 101)]), 60)
    scanner, victim = made.to_pylist()
    assert (scanner["ports_out"], scanner["refused_out"], scanner["failed_share"]) == (100, 100, 1.0)
    assert scanner["port_entropy"] == pytest.approx(math.log2(100))
    assert (victim["ports_in"], victim["refused_in"], victim["empty_in"], victim["peers_in"]) == (100, 100, 100, 1)


def test_a_call_home_every_five_minutes_is_a_beacon_in_each_of_its_windows(make_flows):
    calls = [{"start_us": NINE + k * 5 * MINUTE, "dst_ip": "203.0.113.5", "bytes_fwd": 300} for k in range(12)]
    made = windows(make_flows(calls), 60)
    assert [row["beacon"] for row in rows_of(made, host="10.0.0.1")] == pytest.approx([1.0] * 12)
    assert {row["regularity"] for row in made.to_pylist()} == {0.0}


def test_a_destination_that_many_hosts_call_is_less_of_a_beacon(make_flows):
    calls = [
        {"start_us": NINE + k * 5 * MINUTE, "src_ip": f"10.0.0.{host}", "dst_ip": "192.0.2.123", "dst_port": 123}
        for k in range(12)
        for host in range(1, 11)
    ]
    assert rows_of(windows(make_flows(calls), 60), host="10.0.0.3")[0]["beacon"] == pytest.approx(0.5)


def test_flows_at_random_times_with_random_sizes_are_no_beacon(make_flows):
    rng = np.random.default_rng(3)
    starts = NINE + np.sort(rng.integers(0, schema.HOUR_US, 60))
    rows = [{"start_us": int(s), "bytes_fwd": int(b)} for s, b in zip(starts, rng.lognormal(7, 2, 60), strict=True)]
    assert max(row["beacon"] for row in windows(make_flows(rows), 60).to_pylist()) < 0.5


def test_ten_even_log_ins_a_minute_are_regular_in_time_and_size(make_flows):
    tries = [{"start_us": NINE + k * 5_000_000, "dst_port": 22, "bytes_fwd": 2_000 + k % 2} for k in range(10)]
    row = rows_of(windows(make_flows(tries), 60), host="10.0.0.1")[0]
    assert (row["regularity"], row["service_flows_max"]) == (1.0, 10)
    assert row["size_regularity"] == pytest.approx(1, abs=1e-3)


def test_five_flows_are_too_few_to_be_regular(make_flows):
    tries = [{"start_us": NINE + k * 5_000_000} for k in range(5)]
    row = rows_of(windows(make_flows(tries), 60), host="10.0.0.1")[0]
    assert (row["regularity"], row["size_regularity"], row["beacon"]) == (0.0, 0.0, 0.0)


def test_flows_that_start_together_are_not_regular(make_flows):
    row = rows_of(windows(make_flows([{"start_us": NINE}] * 9), 60), host="10.0.0.1")[0]
    assert (row["regularity"], row["beacon"]) == (0.0, 0.0)


def test_a_host_that_talks_to_itself_counts_on_both_sides(make_flows):
    made = windows(make_flows([{"dst_ip": "10.0.0.1", "packets_fwd": 2, "packets_bwd": 3}]), 60)
    (row,) = made.to_pylist()
    assert (row["flows_out"], row["flows_in"], row["packets_out"], row["packets_in"]) == (1, 1, 5, 5)


@pytest.mark.parametrize("seconds", [0, -60, 7, 7_200])
def test_windows_that_would_straddle_hours_are_refused(make_flows, seconds):
    with pytest.raises(SettingsError, match=rf"windows.seconds = {seconds}"):
        windows(make_flows(1), seconds)


def test_a_missing_column_is_named(make_flows):
    with pytest.raises(SchemaError, match="rst_bwd"):
        windows(make_flows(1).drop_columns(["rst_bwd"]), 60)


def test_nulls_are_refused_and_named_instead_of_summed_up(make_flows):
    flows = make_flows(1)
    place = flows.column_names.index("bytes_fwd")
    holed = flows.set_column(place, pa.field("bytes_fwd", pa.int64()), pa.array([None], pa.int64()))
    with pytest.raises(SchemaError, match="bytes_fwd have nulls"):
        windows(holed, 60)
