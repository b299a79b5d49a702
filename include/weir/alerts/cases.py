"""Which hosts become alerts, and which of their rows are looked at one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from weir.alerts.alert import MANY_HOSTS
from weir.alerts.evidence import HostFlows, flows_of, runs

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_HOST = 20  # rows that are looked at one by one, per alert
HOSTS_MOST = 1_000  # alerts of one unit; the hosts beyond share one alert

# How far a score exceeds its table's threshold comes first, as tables have scales of their own, and
# as the p-values of all rows stranger than the reference are equal.
STRANGEST_FIRST = [("excess", "descending"), ("p_value", "ascending"), ("table", "ascending"), ("row_id", "ascending")]


@dataclass(frozen=True)
class Case:
    """All that is known of one host when its alert is made.

    ``rows`` are its strangest SCORES rows, strangest first; ``rows_n`` counts all of them.
    ``windows`` holds the starts of the windows in which one of its rows is anomalous;
    ``window_rows`` and ``flows`` are what the host did in those windows.
    """

    host: str
    rows: Sequence[Mapping[str, Any]]
    rows_n: int
    first_us: int
    last_us: int
    tables: tuple[str, ...]
    windows: frozenset[int] = frozenset()
    window_rows: Sequence[Mapping[str, Any]] = ()
    flows: HostFlows | None = None


def strangest(
    scored: pa.Table, threshold: Mapping[str, float] | None = None, per_host: int = ROWS_PER_HOST, hosts: int = HOSTS_MOST
) -> pa.Table:
    """The rows that are worth asking the model for reasons: the strangest few of the strangest hosts.

    Parameters
    ----------
    scored : SCORES rows of one unit, all anomalous
    threshold : score above which a row of each table is anomalous; 0 for tables it does not name
    per_host, hosts : most rows of one host, and most hosts

    Returns
    -------
    SCORES rows with ``excess``, the score minus the threshold, by host, strangest first; the same
    whatever the order of ``scored``.
    """
    import pyarrow.compute as pc

    by_host = _with_excess(scored, threshold or {}).sort_by([("host", "ascending"), *STRANGEST_FIRST])
    rank = _rank(by_host.column("host"))
    few = by_host.filter(rank < per_host)
    lead = by_host.filter(rank == 0)
    if len(lead) <= hosts:
        return few
    chosen = lead.sort_by([*STRANGEST_FIRST, ("host", "ascending")]).slice(0, hosts).column("host")
    return few.filter(pc.is_in(few.column("host"), value_set=chosen.combine_chunks()))


def cases(
    scored: pa.Table, rows: Mapping[str, pa.Table], window_us: int, threshold: Mapping[str, float] | None = None
) -> list[Case]:
    """One case per host; the hosts above the limit are one case together.

    Parameters
    ----------
    scored : SCORES rows of one unit, all anomalous
    rows : ``flows`` and ``windows`` of the same unit, anomalous or not; either may be missing
    window_us : length of a window
    threshold : as for ``strangest``
    """
    top: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in strangest(scored, threshold).to_pylist():
        top[row["host"]].append(row)
    flows = flows_of(rows["flows"], list(top)) if "flows" in rows else {}
    windows = _window_rows(rows["windows"], list(top)) if "windows" in rows else {}
    every = _totals(scored, top, window_us)
    known = [replace(case, **_did(case, flows.get(case.host), windows, window_us)) for case in every if case.host in top]
    rest = [case for case in every if case.host not in top]
    return known + ([_many(rest)] if rest else [])


def _with_excess(scored: pa.Table, threshold: Mapping[str, float]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    names = scored.column("table").unique()
    limits = pa.array([threshold.get(name, 0.0) for name in names.to_pylist()], pa.float64())
    limit = limits.take(pc.index_in(scored.column("table"), value_set=names).combine_chunks())
    return scored.append_column("excess", pc.subtract(scored.column("score"), limit))


def _totals(scored: pa.Table, top: Mapping[str, Sequence[Mapping[str, Any]]], window_us: int) -> list[Case]:
    import pyarrow as pa
    import pyarrow.compute as pc

    length = pa.scalar(window_us)
    window = pc.multiply(pc.divide(scored.column("start_us"), length), length)
    is_window = pc.equal(scored.column("table"), "windows")
    end = pc.add(scored.column("start_us"), pc.multiply(pc.cast(is_window, pa.int64()), length))
    named = scored.select(["host", "table", "row_id", "start_us"]).append_column("window", window).append_column("end", end)
    wanted = [("row_id", "count"), ("start_us", "min"), ("end", "max"), ("window", "distinct"), ("table", "distinct")]
    sums = named.group_by("host").aggregate(wanted)
    return [
        Case(
            host=total["host"],
            rows=tuple(top.get(total["host"], ())),
            rows_n=total["row_id_count"],
            first_us=total["start_us_min"],
            last_us=total["end_max"],
            tables=tuple(sorted(total["table_distinct"])),
            windows=frozenset(total["window_distinct"]),
        )
        for total in sums.to_pylist()
    ]


def _did(case: Case, flows: HostFlows | None, windows: Mapping[str, list[dict[str, Any]]], window_us: int) -> dict[str, Any]:
    """What the host of a case did in the windows in question."""
    own = [row for row in windows.get(case.host, ()) if row["start_us"] in case.windows]
    return {"window_rows": own, "flows": flows.in_windows(case.windows, window_us) if flows else None}


def _many(rest: Sequence[Case]) -> Case:
    first, last = min(case.first_us for case in rest), max(case.last_us for case in rest)
    tables = tuple(sorted({table for case in rest for table in case.tables}))
    return Case(MANY_HOSTS, (), sum(case.rows_n for case in rest), first, last, tables)


def _window_rows(windows: pa.Table, hosts: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = windows.filter(pc.is_in(windows.column("host"), value_set=pa.array(hosts, pa.string())))
    found = found.sort_by([("host", "ascending"), ("start_us", "ascending")])
    return {host: found.slice(first, n).to_pylist() for host, first, n in runs(found.column("host"))}


def _rank(sorted_names: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The place of each row among the rows of the same name, from 0."""
    starts = np.array([first for _, first, _ in runs(sorted_names)], np.int64)
    at = np.arange(len(sorted_names))
    return at - starts[np.searchsorted(starts, at, side="right") - 1]
