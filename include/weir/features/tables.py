"""The page about all tables, ``docs/formats/tables.md``, written from the schema and the rules.

``python -m weir.features.tables > docs/formats/tables.md`` writes it anew.
"""

from __future__ import annotations

import sys

from weir import schema
from weir.features.rules import rules

_WHERE = {
    "flows": "`2_flows/<sensor>/<hour>.parquet`; the rows that passed validation in `3_features/flows/<sensor>/<hour>.parquet`",
    "windows": "`3_features/windows/<sensor>/<hour>.parquet`",
    "scores": "`5_scores/<table>/<sensor>/<hour>.parquet`",
}
_MEANS = {
    "flows": "One row for each conversation of two sides, in both directions.",
    "windows": "One row for each host and minute in which it was seen. A flow counts, whole, in the window it starts in.",
    "scores": "One row for each scored flow or window.",
}
_PLAIN = ("expect_table_row_count_to_be_between", "expect_column_values_to_not_be_null", "expect_column_values_to_be_between")


def page() -> str:
    """The text of the page."""
    head = [
        "# Tables",
        "",
        "This page is written by `python -m weir.features.tables > docs/formats/tables.md` from `include/weir/schema.py`.",
        "Tables are Parquet files. Times are int64 microseconds since 1970, UTC, taken from packets. `fwd` is the side that",
        "spoke first; `out` is what a host did, `in` what was done to it. No column may be null, no number NaN or infinite.",
        "Models learn from columns of the role *feature* only: an *id* (address, port, time) or *lineage* would teach them the",
        "laboratory instead of the behaviour.",
        "",
    ]
    return "\n".join([*head, *(line for table in schema.TABLES for line in _section(table))])


def _section(table: str) -> list[str]:
    between = [rule.words for rule in rules(table) if rule.expectation not in _PLAIN]
    return [
        f"## `{table}`",
        "",
        f"{_MEANS[table]} Stored in {_WHERE[table]}. Schema hash `{schema.schema_hash(table)}`.",
        "",
        "| column | type | unit | meaning | role | bounds | CICFlowMeter |",
        "|---|---|---|---|---|---|---|",
        *(_line(column) for column in schema.TABLES[table]),
        "",
        "Rows must also obey, or they are refused with these words as the reason:",
        "",
        *(f"- `{words}`" for words in between),
        "",
    ]


def _line(column: schema.Column) -> str:
    cells = (f"`{column.name}`", column.dtype, column.unit, column.meaning, column.role, _bounds(column), column.cic or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _bounds(column: schema.Column) -> str:
    if column.low is None and column.high is None:
        return ""
    low, high = ("" if bound is None else f"{bound:g}" for bound in (column.low, column.high))
    return f"{low} … {high}".strip()


if __name__ == "__main__":
    sys.stdout.write(page())
