"""Small flow tables that obey every rule of the schema unless a test says otherwise."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from weir import schema

NINE = 1_709_542_800_000_000  # 2024-03-04T09:00:00Z

FlowMaker = Callable[..., pa.Table]


def one_flow(number: int, **given: Any) -> dict[str, Any]:
    """A TCP flow of one packet each way and 10 payload bytes, valid in every column."""
    zero: dict[str, Any] = {"int64": 0, "int32": 0, "float64": 0.0, "string": ""}
    row = {column.name: zero[column.dtype] for column in schema.STORED_FLOWS}
    row |= {"flow_id": number, "start_us": NINE + number, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "src_port": 50_000}
    row |= {"dst_port": 443, "end_reason": "finished", "conn_state": "SF", "protocol": 6, "ip_version": 4, "duration_us": 1_000}
    row |= {"packets_fwd": 1, "packets_bwd": 1, "bytes_fwd": 50, "bytes_bwd": 50, "payload_fwd": 10, "payload_bwd": 10}
    row |= {"data_packets_fwd": 1, "header_fwd": 20, "header_bwd": 20, "segment_size_fwd_min": 20}
    row |= {"sensor_id": "lab", "segment": "ab" * 32}
    for words in ("payload", "payload_fwd", "payload_bwd"):
        row |= {f"{words}_max": 10, f"{words}_min": 10, f"{words}_mean": 10.0}
    row |= {"iat_mean_us": 1_000.0, "iat_max_us": 1_000, "iat_min_us": 1_000}
    row |= given
    return {"hour": schema.hour_of(row["start_us"]), **{k: v for k, v in row.items() if k != "hour" or k in given}}


@pytest.fixture
def make_flows() -> FlowMaker:
    """A function from partial rows (or a number of them) to a table of ``schema.STORED_FLOWS``."""

    def make(rows: int | list[dict[str, Any]]) -> pa.Table:
        given = [{} for _ in range(rows)] if isinstance(rows, int) else rows
        wanted = schema.arrow_schema(schema.STORED_FLOWS)
        return pa.Table.from_pylist([one_flow(number, **row) for number, row in enumerate(given, start=1)], schema=wanted)

    return make
