"""What every row of a table must obey, drawn up from the schema: one rule, one sentence, one expectation.

A rule is known everywhere by its sentence ("bytes_fwd is at least 0"): in the suites, as the
reason of a refused row, and in the counts. Rules between columns may need a column that is not
stored (a sum, the hour of a time); ``with_derived`` adds it for the length of the judgement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weir import schema

if TYPE_CHECKING:
    import pyarrow as pa

END_REASONS = ("active", "finished", "forced", "idle", "table_full")
HOURS_TO_YEAR_10000 = 70_389_528
NO_HOUR = "no hour"
CONNECTION_STATES = ("OTH", "REJ", "RSTO", "RSTOS0", "RSTR", "RSTRH", "S0", "S1", "S2", "S3", "SF", "SH", "SHR")
"""How a connection went, as Zeek's conn.log names it."""

SCORED_TABLES = ("flows", "windows")

HOUR_OF_START = "hour of start_us"
"""Derived column of every table: the capture hour that the row's time lies in."""


@dataclass(frozen=True)
class Rule:
    """A sentence that is true of every good row, and the Great Expectations expectation that asks it."""

    words: str
    expectation: str
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Derived:
    """A column made of stored ones, so that an expectation can compare with it."""

    name: str
    parts: tuple[str, ...]
    make: Callable[..., pa.ChunkedArray]


def rules(table: str) -> tuple[Rule, ...]:
    """All rules of a table: whole, in bounds, unique, and sound between columns, in this order."""
    columns = schema.TABLES[table]
    whole = [_present(column.name) for column in columns]
    bounded = [_bounded(column) for column in columns if column.low is not None or column.high is not None]
    return (_some_rows(), *whole, *bounded, *_BETWEEN_COLUMNS[table], _equal("hour", HOUR_OF_START))


def may_be_released(words: str) -> bool:
    """Whether rows that broke this rule may be called good by hand: a hole or a copy never is."""
    return not words.endswith((" is present", " is finite", " is unique", " are unique together"))


def with_derived(rows: pa.Table, table: str) -> pa.Table:
    """The rows, none of them with a null, and beside them the derived columns that the rules name."""
    hour = Derived(HOUR_OF_START, ("start_us",), _hours)
    for column in (*_DERIVED[table], hour):
        rows = rows.append_column(column.name, column.make(*(rows.column(part) for part in column.parts)))
    return rows


def _some_rows() -> Rule:
    return Rule("the table has rows", "expect_table_row_count_to_be_between", {"min_value": 1})


def _present(column: str) -> Rule:
    return Rule(f"{column} is present", "expect_column_values_to_not_be_null", {"column": column})


def _bounded(column: schema.Column) -> Rule:
    low, high = (None if bound is None else _plain(bound) for bound in (column.low, column.high))
    sides = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    limits = {"min_value": low, "max_value": high}
    given = {side: value for side, value in limits.items() if value is not None}
    return Rule(f"{column.name} is {' and '.join(sides)}", "expect_column_values_to_be_between", {"column": column.name, **given})


def _plain(bound: float) -> float | int:
    return int(bound) if float(bound).is_integer() else bound


def _in_set(column: str, values: tuple[str, ...]) -> Rule:
    return Rule(
        f"{column} is one of {', '.join(values)}",
        "expect_column_values_to_be_in_set",
        {"column": column, "value_set": list(values)},
    )


def _unique(column: str) -> Rule:
    return Rule(f"{column} is unique", "expect_column_values_to_be_unique", {"column": column})


def _at_most(small: str, large: str) -> Rule:
    kwargs = {"column_A": large, "column_B": small, "or_equal": True}
    return Rule(f"{small} <= {large}", "expect_column_pair_values_a_to_be_greater_than_b", kwargs)


def _at_least_one(column: str) -> Rule:
    return Rule(f"{column} is at least 1", "expect_column_values_to_be_between", {"column": column, "min_value": 1})


def _equal(left: str, right: str) -> Rule:
    return Rule(f"{left} = {right}", "expect_column_pair_values_to_be_equal", {"column_A": left, "column_B": right})


def _ordered(prefix: str, unit: str = "") -> tuple[Rule, ...]:
    low, mean, high = (f"{prefix}_{statistic}{unit}" for statistic in ("min", "mean", "max"))
    return _at_most(low, mean), _at_most(mean, high)


_PACKET_MARKS = ("psh", "urg", "rst", "retransmitted", "out_of_order", "zero_windows")

_FLOW_RULES = (
    _unique("flow_id"),
    _at_least_one("packets_fwd + packets_bwd"),
    _in_set("end_reason", END_REASONS),
    _in_set("conn_state", CONNECTION_STATES),
    *(rule for prefix in ("payload", "payload_fwd", "payload_bwd") for rule in _ordered(prefix)),
    *(rule for prefix in ("iat", "iat_fwd", "iat_bwd", "active", "idle") for rule in _ordered(prefix, "_us")),
    *(_at_most(f"payload_{side}", f"bytes_{side}") for side in ("fwd", "bwd")),
    *(_at_most(f"payload_{side}_max", f"payload_{side}") for side in ("fwd", "bwd")),
    *(_at_most(f"{flag}_{side}", f"packets_{side}") for flag in _PACKET_MARKS for side in ("fwd", "bwd")),
    *(_at_most(f"iat_{side}_total_us", "duration_us") for side in ("fwd", "bwd")),
    _at_most("data_packets_fwd", "packets_fwd"),
    *(_equal(f"flags_{flag}", f"{flag}_fwd + {flag}_bwd") for flag in ("psh", "rst", "urg")),
    *(_at_most(f"flags_{flag}", "packets_fwd + packets_bwd") for flag in ("fin", "syn", "ack", "cwr", "ece")),
)

_WINDOW_RULES = (
    _unique("window_id"),
    _at_most("peers_out_rare", "peers_out"),
    *(
        _at_most(f"{part}_{side}", f"flows_{side}")
        for part in ("peers", "ports", "unanswered", "refused", "empty")
        for side in ("out", "in")
    ),
    *(_at_most(f"flows_{side}", "packets_out + packets_in") for side in ("out", "in")),
    *(_at_most(part, "flows_out") for part in ("udp_out", "icmp_out", "dns_out", "service_flows_max")),
    _at_most("service_flows_in_max", "flows_in"),
    _at_most("service_packets_max", "packets_out"),
    *(_at_most(part, "bytes_out") for part in ("bytes_out_peer_max", "icmp_bytes_out", "dns_bytes_out")),
)

_SCORE_RULES = (
    Rule("table and row_id are unique together", "expect_compound_columns_to_be_unique", {"column_list": ["table", "row_id"]}),
    _in_set("table", SCORED_TABLES),
)

_BETWEEN_COLUMNS: dict[str, tuple[Rule, ...]] = {"flows": _FLOW_RULES, "windows": _WINDOW_RULES, "scores": _SCORE_RULES}


def _sum(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.add(left, right)


def _hours(start_us: pa.ChunkedArray) -> pa.ChunkedArray:
    """The capture hour of each time; times that no calendar has get a text that no hour equals."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pc.divide(start_us, schema.HOUR_US).combine_chunks().dictionary_encode()
    texts = [
        schema.hour_of(h * schema.HOUR_US) if 0 <= h < HOURS_TO_YEAR_10000 else NO_HOUR for h in coded.dictionary.to_pylist()
    ]
    return pa.chunked_array([pa.array(texts, pa.string()).take(coded.indices)])


_DERIVED: dict[str, tuple[Derived, ...]] = {
    "flows": tuple(
        Derived(f"{part}_fwd + {part}_bwd", (f"{part}_fwd", f"{part}_bwd"), _sum) for part in ("packets", "psh", "rst", "urg")
    ),
    "windows": (Derived("packets_out + packets_in", ("packets_out", "packets_in"), _sum),),
    "scores": (),
}
