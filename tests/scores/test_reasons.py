from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from synthetic import artifact, columns, table
from weir import schema
from weir.scores.reasons import TOP, reasons

PLANTED = ("payload_mean", "duration_us", "iat_bwd_max_us", "flags_rst", "bulk_fwd_rate")


def planted(column: str) -> dict[str, np.ndarray]:
    """Ordinary flows with one column pushed far beyond what is usual."""
    rows = columns(table("flows", 8, seed=5))
    values = rows[column].astype(np.float64).copy()
    values[:] = np.exp(14)
    rows[column] = values.astype(rows[column].dtype)
    return rows


@pytest.mark.parametrize("detector", ["zscore", "pair"])  # a tail of ECOD ends at the largest value seen
@pytest.mark.parametrize("column", PLANTED)
def test_the_column_that_was_tampered_with_is_named_first(detector: str, column: str) -> None:
    first = [found[0]["feature"] for found in reasons(artifact(detector), "flows", planted(column)) if found]
    assert first.count(column) >= 7


def test_a_reason_gives_value_and_usual_value_in_the_columns_own_unit() -> None:
    reason = reasons(artifact(), "flows", planted("duration_us"))[0][0]
    known: Mapping[str, Any] = {column.name: column for column in schema.STORED_FLOWS}
    assert reason["value"] == int(np.exp(14))
    assert 5 < reason["usual"] < 12  # the synthetic column's median is e^2
    assert (reason["unit"], reason["meaning"]) == ("us", known["duration_us"].meaning)


def test_shares_fall_from_the_first_reason_on_and_sum_to_at_most_one() -> None:
    for found in reasons(artifact("pair"), "flows", columns(table("flows", 20, seed=5, strange=20))):
        shares = [reason["share"] for reason in found]
        assert len(shares) <= TOP
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-9


def test_columns_that_say_the_same_are_named_together() -> None:
    rows = columns(table("flows", 4, seed=5))
    rows["icmp_type"] = rows["icmp_code"] = np.full(4, 8, rows["icmp_type"].dtype)  # both were -1 in all of training
    for found in reasons(artifact(), "flows", rows, top=80):
        assert next(reason for reason in found if reason["feature"] == "icmp_type")["twins"] == ["icmp_code"]


def test_no_rows_have_no_reasons() -> None:
    assert reasons(artifact(), "flows", columns(table("flows", 3, seed=5).slice(0, 0))) == []
