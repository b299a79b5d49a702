"""A small lab hour: rows with every column, of which a test names the ones that matter."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from weir import schema

HOUR = "2024-03-04T09"
START = 1_709_542_800_000_000  # that hour, in us
SEGMENT = hashlib.sha256(b"segment").hexdigest()
TEXT = {"src_ip": "10.0.0.5", "dst_ip": "10.0.0.9", "host": "10.0.0.5", "sensor_id": "lab", "hour": HOUR, "segment": SEGMENT}
TEXT |= {"end_reason": "idle", "table": "windows", "model_id": "abc123"}
NUMBERS = {"start_us": START, "protocol": 6, "ip_version": 4, "packets_fwd": 1, "bytes_fwd": 60, "p_value": 0.001, "score": 3.0}


def make(columns: Sequence[schema.Column], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table with all the columns; what a row does not name has a plain value."""
    plain = {c.name: TEXT.get(c.name, "") if c.dtype == "string" else NUMBERS.get(c.name, 0) for c in columns}
    whole = [{**plain, **row} for row in rows]
    return pa.Table.from_pylist(whole, schema=schema.arrow_schema(tuple(columns)))


@pytest.fixture
def flows() -> Callable[..., pa.Table]:
    return lambda *rows: make(schema.STORED_FLOWS, rows)


@pytest.fixture
def windows() -> Callable[..., pa.Table]:
    return lambda *rows: make(schema.WINDOWS, rows)


@pytest.fixture
def scores() -> Callable[..., pa.Table]:
    return lambda *rows: make(schema.SCORES, rows)


@pytest.fixture
def scan(flows: Any, windows: Any, scores: Any) -> dict[str, Any]:
    """10.0.0.5 tries 1,994 ports of 10.0.0.9 within 23 s."""
    step = 23_000_000 // 1993
    tried = [{"flow_id": n, "dst_port": 1 + n, "start_us": START + n * step, "first_offset": 24 + 76 * n} for n in range(1994)]
    counted = {"flows_out": 1994, "peers_out": 1, "ports_out": 1994, "unanswered_out": 1990, "failed_share": 1990 / 1994}
    return {
        "scored": scores({"row_id": 77, "p_value": 0.0004, "score": 9.5}),
        "rows": {"flows": flows(*tried), "windows": windows({"window_id": 77, **counted})},
        "reasons": {
            ("windows", 77): [
                {"feature": "ports_out", "value": 1994.0, "usual": 2.0, "share": 0.7},
                {"feature": "unanswered_out", "value": 1990.0, "usual": 0.0, "share": 0.2},
            ]
        },
        "lineage": {"schema_hash": {"windows": "f" * 12}, "dag_run": "manual", "data_version": "d1"},
    }
