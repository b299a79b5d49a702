"""The gate: what is refused, why, and that no row is lost or passed unasked."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from weir import schema
from weir.errors import SchemaError
from weir.features import expectations
from weir.features.rules import may_be_released, rules
from weir.features.validate import Validated, validate
from weir.features.windows import windows

PROJECT = Path(__file__).parents[2] / "great_expectations"
FAR_TIME = 2**62


def with_values(table: pa.Table, column: str, values: list[object]) -> pa.Table:
    """The table with one column replaced; unlike the schema's, the new one may hold nulls."""
    place = table.column_names.index(column)
    kind = table.schema.field(column).type
    return table.set_column(place, pa.field(column, kind), pa.array(values, kind))


def reasons(judged: Validated) -> list[str]:
    return judged.refused.column("reason").to_pylist()


def test_good_flows_pass_and_come_back_unchanged(make_flows):
    flows = make_flows(3)
    judged = validate(flows, "flows", PROJECT)
    assert judged.good.equals(flows)
    assert judged.refused.num_rows == 0
    assert judged.result["success"] is True
    assert judged.result["unit"] == "lab/2024-03-04T09"
    assert judged.result["verdict"] == "good"
    assert judged.result["expectations"] == len(rules("flows"))


def test_windows_of_good_flows_pass(make_flows):
    flows = make_flows([{"dst_port": port, "start_us": 1_709_542_800_000_000 + port * 9_000_000} for port in range(40)])
    assert validate(windows(flows, 60), "windows", PROJECT).result["verdict"] == "good"


def test_good_scores_pass_and_a_row_scored_twice_is_refused():
    row = {"table": "flows", "row_id": 1, "start_us": 0, "host": "h", "score": -0.5, "p_value": 0.5}
    row |= {"model_id": "m", "sensor_id": "lab", "hour": "1970-01-01T00"}
    rows = [row, row | {"table": "windows"}, row | {"row_id": 2}, row | {"row_id": 2}, row | {"row_id": 3, "p_value": 1.5}]
    scores = pa.Table.from_pylist(rows, schema=schema.arrow_schema(schema.SCORES))
    judged = validate(scores, "scores", PROJECT)
    assert judged.good.num_rows == 3
    assert reasons(judged) == ["table and row_id are unique together", "p_value is at least 0 and at most 1"]


BAD_VALUES = [
    ("payload_rate", float("nan"), "payload_rate is finite"),
    ("payload_rate", float("inf"), "payload_rate is finite"),
    ("payload_rate", float("-inf"), "payload_rate is finite"),
    ("payload_rate", None, "payload_rate is present"),
    ("src_ip", None, "src_ip is present"),
    ("flow_id", None, "flow_id is present"),
    ("bytes_fwd", -1, "bytes_fwd is at least 0"),
    ("duration_us", -1, "duration_us is at least 0"),
    ("packets_fwd", -1, "packets_fwd is at least 0"),
    ("ip_version", 9, "ip_version is at least 4 and at most 6"),
    ("dst_port", 65_536, "dst_port is at least 0 and at most 65535"),
    ("end_reason", "boredom", "end_reason is one of active, finished, forced, idle, table_full"),
    ("conn_state", "S9", "conn_state is one of OTH, REJ, RSTO, RSTOS0, RSTR, RSTRH, S0, S1, S2, S3, SF, SH, SHR"),
    ("retransmitted_bwd", 2, "retransmitted_bwd <= packets_bwd"),
    ("payload_mean", 9.5, "payload_min <= payload_mean"),
    ("iat_mean_us", 1_001.0, "iat_mean_us <= iat_max_us"),
    ("payload_fwd", 51, "payload_fwd <= bytes_fwd"),
    ("payload_bwd", 9, "payload_bwd_max <= payload_bwd"),
    ("flags_rst", 1, "flags_rst = rst_fwd + rst_bwd"),
    ("flags_syn", 3, "flags_syn <= packets_fwd + packets_bwd"),
    ("data_packets_fwd", 2, "data_packets_fwd <= packets_fwd"),
    ("iat_fwd_total_us", 1_001, "iat_fwd_total_us <= duration_us"),
    ("hour", "2024-03-04T10", "hour = hour of start_us"),
    ("start_us", -1, "hour = hour of start_us"),
    ("start_us", FAR_TIME, "hour = hour of start_us"),
]


def test_each_bad_value_is_refused_with_the_rule_it_breaks_and_its_neighbours_are_kept(make_flows):
    flows = make_flows(len(BAD_VALUES) + 1)
    for place, (column, value, _) in enumerate(BAD_VALUES):
        values = flows.column(column).to_pylist()
        flows = with_values(flows, column, [*values[:place], value, *values[place + 1 :]])
    judged = validate(flows, "flows", PROJECT)
    assert list(zip(BAD_VALUES, reasons(judged), strict=True)) == [(case, case[2]) for case in BAD_VALUES]
    assert judged.good.column("flow_id").to_pylist() == [len(BAD_VALUES) + 1]
    assert judged.result["refused_by"]["payload_rate is finite"] == 3
    assert (judged.result["success"], judged.result["verdict"]) == (False, "some refused")


def test_of_rows_that_share_an_id_the_first_is_kept_because_the_same_packets_give_the_same_id(make_flows):
    judged = validate(
        make_flows([{"src_port": 1}, {"src_port": 2}, {"src_port": 3, "flow_id": 1}, {"src_port": 4, "flow_id": 1}]),
        "flows",
        PROJECT,
    )
    assert judged.good.column("src_port").to_pylist() == [1, 2]
    assert reasons(judged) == ["flow_id is unique"] * 2


def test_a_row_is_named_by_the_first_rule_it_breaks(make_flows):
    judged = validate(
        make_flows([{"bytes_fwd": -1, "payload_rate": float("nan")}, {"bytes_fwd": -1, "hour": ""}]), "flows", PROJECT
    )
    assert reasons(judged) == ["payload_rate is finite", "bytes_fwd is at least 0"]
    assert judged.result["verdict"] == "all refused"


def test_an_empty_table_is_empty_and_not_a_success(make_flows):
    judged = validate(make_flows(0), "flows", PROJECT)
    assert judged.result["verdict"] == "empty"
    assert judged.result["success"] is False
    assert (judged.good.num_rows, judged.refused.num_rows) == (0, 0)


def test_a_table_of_nothing_but_nan_is_refused_whole(make_flows):
    judged = validate(make_flows([{"payload_rate": float("nan")}] * 4), "flows", PROJECT)
    assert judged.result["verdict"] == "all refused"


def test_refused_rows_can_be_stored_with_the_nulls_they_were_refused_for(make_flows, tmp_path):
    refused = validate(with_values(make_flows(2), "bytes_fwd", [None, 40]), "flows", PROJECT).refused
    pq.write_table(refused, tmp_path / "refused.parquet")
    assert pq.read_table(tmp_path / "refused.parquet").column("bytes_fwd").to_pylist() == [None]


def test_the_share_of_nulls_is_told_for_each_column_that_has_any(make_flows):
    judged = validate(with_values(make_flows(4), "src_ip", ["a", None, None, "b"]), "flows", PROJECT)
    assert judged.result["null_share"] == {"src_ip": 0.5}


@pytest.mark.parametrize("column", [column.name for column in schema.STORED_FLOWS])
def test_a_missing_column_is_named(make_flows, column):
    with pytest.raises(SchemaError, match=rf"flows: columns {column} are missing"):
        validate(make_flows(1).drop_columns([column]), "flows", PROJECT)


@pytest.mark.parametrize("column", [column for column in schema.STORED_FLOWS if column.dtype != "string"])
def test_a_number_stored_as_another_type_is_named(make_flows, column):
    flows = make_flows(1)
    other = pa.float32() if column.dtype != "float64" else pa.int64()
    changed = flows.set_column(
        flows.column_names.index(column.name), column.name, flows.column(column.name).cast(other, safe=False)
    )
    with pytest.raises(SchemaError, match=rf"{column.name} \({other}, not {column.dtype.replace('float64', 'double')}\)"):
        validate(changed, "flows", PROJECT)


def test_a_column_that_the_schema_does_not_know_is_named(make_flows):
    flows = make_flows(1)
    with pytest.raises(SchemaError, match="columns Label are not in the schema"):
        validate(flows.append_column("Label", pa.array(["BENIGN"])), "flows", PROJECT)


def test_a_column_that_is_there_twice_is_named(make_flows):
    flows = make_flows(1)
    with pytest.raises(SchemaError, match="columns bytes_fwd are there twice"):
        validate(flows.append_column("bytes_fwd", flows.column("bytes_fwd")), "flows", PROJECT)


def test_columns_in_another_order_and_texts_in_another_encoding_are_put_right(make_flows):
    flows = make_flows(2)
    coded = with_values(flows, "src_ip", flows.column("src_ip").to_pylist())
    coded = coded.set_column(0, "src_ip2", coded.column("flow_id")).rename_columns({"src_ip2": "flow_id"})
    turned = coded.select(coded.column_names[::-1])
    place = turned.column_names.index("src_ip")
    turned = turned.set_column(place, "src_ip", turned.column("src_ip").dictionary_encode())
    assert validate(turned, "flows", PROJECT).good.equals(flows)


BREAKAGES = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(
            [
                ("bytes_fwd", -5),
                ("payload_rate", float("nan")),
                ("hour", ""),
                ("flow_id", 1),
                ("packets_fwd", 0),
                ("start_us", 3),
            ]
        ),
    ),
    max_size=6,
)


@settings(max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(breakages=BREAKAGES)
def test_every_row_is_either_good_or_refused_and_what_is_good_passes_again(make_flows, breakages):
    rows: list[dict[str, object]] = [{} for _ in range(8)]
    for place, (column, value) in breakages:
        rows[place][column] = value
    flows = make_flows(rows)
    judged = validate(flows, "flows", PROJECT)
    assert judged.good.num_rows + judged.refused.num_rows == flows.num_rows
    assert sum(judged.result["refused_by"].values()) == judged.result["refused"] == judged.refused.num_rows
    assert validate(judged.good, "flows", PROJECT).result["verdict"] in ("good", "empty")


def test_judging_writes_nothing_into_the_project(make_flows, tmp_path):
    expectations.write_project(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    validate(make_flows([{"bytes_fwd": -1}]), "flows", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_suite_made_for_another_schema_is_refused(make_flows, tmp_path):
    expectations.write_project(tmp_path)
    path = tmp_path / "expectations" / "flows.json"
    path.write_text(path.read_text().replace(schema.schema_hash("flows"), "0123456789ab"))
    with pytest.raises(SchemaError, match="made for another schema; run python"):
        validate(make_flows(1), "flows", tmp_path)


def test_a_project_without_the_suite_is_refused(make_flows, tmp_path):
    expectations.write_project(tmp_path)
    (tmp_path / "expectations" / "flows.json").unlink()
    with pytest.raises(SchemaError, match="has no suite flows"):
        validate(make_flows(1), "flows", tmp_path)


def test_an_expectation_that_cannot_be_asked_is_an_error_and_not_a_plain_no(make_flows, tmp_path):
    expectations.write_project(tmp_path)
    path = tmp_path / "expectations" / "flows.json"
    path.write_text(path.read_text().replace('"column": "src_ip"', '"column": "no_such_column"'))
    with pytest.raises(SchemaError, match="'src_ip is present' could not be asked"):
        validate(make_flows(1), "flows", tmp_path)


def test_the_committed_project_is_what_the_schema_says():
    assert expectations.stale(PROJECT) == [], f"run {expectations.COMMAND}"


def test_a_project_is_stale_after_any_change_and_one_command_mends_it(tmp_path):
    assert expectations.stale(tmp_path) == list(expectations.files())
    expectations.write_project(tmp_path)
    assert expectations.stale(tmp_path) == []
    suite = tmp_path / "expectations" / "flows.json"
    suite.write_text(suite.read_text().replace('"min_value": 0', '"min_value": -1', 1))
    assert expectations.stale(tmp_path) == ["expectations/flows.json"]
    assert expectations.write_project(tmp_path) == [suite]
    assert expectations.stale(tmp_path) == []


@pytest.mark.parametrize("table", sorted(schema.TABLES))
def test_every_rule_of_a_table_has_its_own_words_and_an_expectation_in_the_suite(table):
    words = [rule.words for rule in rules(table)]
    assert len(set(words)) == len(words)
    assert [expectation.meta["rule"] for expectation in expectations.suite(table).expectations] == words


def test_holes_and_copies_may_never_be_released():
    held = ["src_ip is present", "payload_rate is finite", "flow_id is unique", "table and row_id are unique together"]
    assert [may_be_released(words) for words in held] == [False] * 4
    assert may_be_released("payload_fwd <= bytes_fwd")
