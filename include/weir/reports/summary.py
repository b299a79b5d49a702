"""From tables of many hours to the few numbers a report shows.

Every function takes its tables one after the other (a generator will do) and keeps only sums, so a
week of hours needs the memory of one hour and of one line per host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weir.reports.services import SERVICES
from weir.schema import HOUR_US, US_PER_S
from weir.words import protocol

if TYPE_CHECKING:
    import pyarrow as pa

MINUTE_US = 60 * US_PER_S
DAY_US = 24 * HOUR_US
POINTS_MOST = 180  # of a series that is drawn; more are not told apart on 800 pixels
TINY = 1e-12  # of the largest sum; float64 keeps about 16 digits
STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 240)  # lengths of a bucket a reader can name
HOSTS_MOST = 200_000  # hosts kept between tables; a spoofed flood has more, none of which is a top talker

WITH_PORTS = (6, 17, 132)


def traffic(tables: Iterable[pa.Table], start: date, days: int, top: int = 10) -> dict[str, Any]:
    """How much traffic there was, when, by whom and of what kind.

    Parameters
    ----------
    tables : STORED_FLOWS, one table after the other
    start, days : the period; UTC
    top : lines per list

    Returns
    -------
    dict of plain numbers, text and lists:

    ``totals`` {flows, packets, bytes, hosts (a lower bound when there are more than 100,000)};
    ``series`` {start_us, bucket_us, bytes, packets, flows}, lists of equal length, the bytes and
    packets of a flow spread evenly over its duration;
    ``peak`` {start_us, bytes_per_s} of the busiest bucket;
    ``days`` [{day, flows, packets, bytes}], by start of the flow;
    ``talkers`` [{host, bytes_out, bytes_in, packets, flows}], most bytes first;
    ``protocols`` [{protocol, name, flows, packets, bytes}], most bytes first;
    ``ports`` [{port, protocol, name, flows, packets, bytes}], of the side that was contacted.
    """
    period = Period(start, days)
    by_host, by_service = [], []
    for table in tables:
        period.add(table)
        by_host.append(_by_host(table))
        by_service.append(_by_service(table))
        if sum(map(len, by_host)) > HOSTS_MOST:
            by_host = [_largest(_regroup(by_host, ("host",)), HOSTS_MOST // 2).drop_columns("bytes")]
        by_service = [_regroup(by_service, ("protocol", "port"))]
    hosts = _regroup(by_host, ("host",))
    services = _regroup(by_service, ("protocol", "port"))
    totals = {name: sum(day[name] for day in period.days) for name in ("flows", "packets", "bytes")}
    series = period.series()
    return {
        "totals": {**totals, "hosts": len(hosts) if hosts else 0},
        "series": series,
        "peak": _peak(series),
        "days": period.days,
        "talkers": _largest(hosts, top).drop_columns("bytes").to_pylist() if hosts else [],
        "protocols": _protocols(services, top) if services else [],
        "ports": _ports(services, top) if services else [],
    }


def strangeness(tables: Iterable[pa.Table], start: date, days: int, threshold: Mapping[str, float]) -> dict[str, Any]:
    """How strange the rows were, when, and how many lay beyond the threshold.

    Parameters
    ----------
    tables : SCORES, one table after the other
    start, days : the period; UTC
    threshold : score above which a row of each table is anomalous

    Returns
    -------
    dict: ``threshold`` by table; ``tables`` by name {rows, anomalies}; ``days`` [{day, rows,
    anomalies}]; ``series`` {start_us, bucket_us, and per table the highest score of each bucket or
    None where nothing was scored}.
    """
    fine = _fine(days)
    start_us = _midnight(start)
    highest = {name: np.full(days * DAY_US // fine, -np.inf) for name in threshold}
    counts = {name: {"rows": 0, "anomalies": 0} for name in threshold}
    per_day = np.zeros((days, 2), np.int64)
    for table in tables:
        for name, limit in threshold.items():
            rows = _only(table, "table", name)
            score = rows.column("score").to_numpy()
            at = rows.column("start_us").to_numpy() - start_us
            inside = (at >= 0) & (at < days * DAY_US)
            np.maximum.at(highest[name], at[inside] // fine, score[inside])
            counts[name]["rows"] += len(score)
            counts[name]["anomalies"] += int((score > limit).sum())
            for column, these in ((0, inside), (1, inside & (score > limit))):
                per_day[:, column] += np.bincount(at[these] // DAY_US, minlength=days)
    return {
        "threshold": dict(threshold),
        "tables": counts,
        "days": [{"day": _day(start, n), "rows": int(r), "anomalies": int(a)} for n, (r, a) in enumerate(per_day)],
        "series": _shown(highest, start_us, fine, np.fmax.reduce, -np.inf),
    }


class Period:
    """Sums the flows of a period up, by bucket and by day."""

    def __init__(self, start: date, days: int) -> None:
        self.start_us = _midnight(start)
        self.bucket_us = _fine(days)
        self.days: list[dict[str, Any]] = [{"day": _day(start, n), "flows": 0, "packets": 0, "bytes": 0} for n in range(days)]
        self._sums = {name: np.zeros(days * DAY_US // self.bucket_us) for name in ("bytes", "packets", "flows")}

    def add(self, table: pa.Table) -> None:
        """Count the flows of one table; those that began outside the period are left out."""
        start = table.column("start_us").to_numpy() - self.start_us
        inside = (start >= 0) & (start < len(self.days) * DAY_US)
        start, duration = start[inside], table.column("duration_us").to_numpy()[inside]
        day = start // DAY_US
        for name in ("bytes", "packets"):
            amount = (table.column(f"{name}_fwd").to_numpy() + table.column(f"{name}_bwd").to_numpy())[inside]
            self._sums[name] += spread(start, duration, amount, self.bucket_us, len(self._sums[name]))
            for n in np.unique(day):
                self.days[n][name] += int(amount[day == n].sum())
        for n, flows in enumerate(np.bincount(day, minlength=len(self.days))):
            self.days[n]["flows"] += int(flows)
        self._sums["flows"] += np.bincount(start // self.bucket_us, minlength=len(self._sums["flows"]))

    def series(self) -> dict[str, Any]:
        """The part of the period that has traffic, in at most ``POINTS_MOST`` buckets."""
        return _shown(self._sums, self.start_us, self.bucket_us, np.add.reduce, 0.0)


def spread(
    start: NDArray[np.int64], duration: NDArray[np.int64], amount: NDArray[Any], bucket: int, n: int
) -> NDArray[np.float64]:
    """Amounts that flow evenly from ``start`` for ``duration``, summed up per bucket.

    Parameters
    ----------
    start, duration : us, shape (m,); 0 <= start < n * bucket
    amount : shape (m,)
    bucket, n : length of a bucket, us, and their number; what flows beyond the last is left out

    Returns
    -------
    float64, shape (n,)
    """
    first = start // bucket
    last = (start + duration) // bucket
    is_short = first == last
    sums: NDArray[np.float64] = np.bincount(first[is_short], weights=amount[is_short], minlength=n).astype(np.float64)
    start, duration, amount, first, last = (x[~is_short] for x in (start, duration, amount, first, last))
    rate = amount / duration
    sums += np.bincount(first, weights=rate * ((first + 1) * bucket - start), minlength=n)
    ends_inside = last < n
    end_part = rate * (start + duration - last * bucket)
    sums += np.bincount(last[ends_inside], weights=end_part[ends_inside], minlength=n)
    steps = np.zeros(n + 1)
    np.add.at(steps, np.minimum(first + 1, n), rate * bucket)
    np.add.at(steps, np.minimum(last, n), -rate * bucket)
    whole: NDArray[np.float64] = sums + np.cumsum(steps[:n])
    whole[whole < TINY * max(float(whole.max(initial=0.0)), 1.0)] = 0.0  # what differences of equal sums leave
    return whole


def _fine(days: int) -> int:
    return MINUTE_US if days == 1 else 10 * MINUTE_US


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * US_PER_S


def _day(start: date, n: int) -> str:
    return (start + timedelta(days=n)).isoformat()


def _shown(sums: Mapping[str, NDArray[np.float64]], start_us: int, fine: int, reduce: Any, nothing: float) -> dict[str, Any]:
    """The hours that hold something, in buckets of a length that a reader can name."""
    has = np.flatnonzero(np.any([column != nothing for column in sums.values()], axis=0))
    if not len(has):
        return {"start_us": start_us, "bucket_us": fine, **{name: [] for name in sums}}
    hour = HOUR_US // fine
    low, high = has[0] // hour * hour, -(-(has[-1] + 1) // hour) * hour
    total = len(next(iter(sums.values())))
    if high - low > total // 2:
        low, high = 0, total
    steps = [m * MINUTE_US // fine for m in STEPS_MIN if m * MINUTE_US >= fine]
    step = next((s for s in steps if (high - low) <= s * POINTS_MOST), steps[-1])
    high = min(low + -(-(high - low) // step) * step, total)
    low = max(high - -(-(high - low) // step) * step, 0)
    shown: dict[str, Any] = {"start_us": int(start_us + low * fine), "bucket_us": int(step * fine)}
    for name, column in sums.items():
        values = reduce(column[low:high].reshape(-1, step), axis=1)
        shown[name] = [None if not np.isfinite(v) else round(float(v), 3) for v in values]
    return shown


def _peak(series: Mapping[str, Any]) -> dict[str, Any] | None:
    if not series["bytes"]:
        return None
    n = int(np.argmax(series["bytes"]))
    seconds = series["bucket_us"] / US_PER_S
    return {"start_us": series["start_us"] + n * series["bucket_us"], "bytes_per_s": round(series["bytes"][n] / seconds, 3)}


def _only(table: pa.Table, column: str, value: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table.column(column), value))


def _by_host(table: pa.Table) -> pa.Table:
    """Bytes, packets and flows of every address, whichever side it was on."""
    import pyarrow as pa
    import pyarrow.compute as pc

    packets = pc.add(table.column("packets_fwd"), table.column("packets_bwd"))
    one = pa.array(np.ones(len(table), np.int64))
    sides = []
    for host, sent, received in (("src_ip", "bytes_fwd", "bytes_bwd"), ("dst_ip", "bytes_bwd", "bytes_fwd")):
        columns = {"host": table.column(host), "bytes_out": table.column(sent), "bytes_in": table.column(received)}
        sides.append(pa.table({**columns, "packets": packets, "flows": one}))
    return _regroup(sides, ("host",))


def _by_service(table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {
        "protocol": table.column("protocol"),
        "port": table.column("dst_port"),
        "bytes": pc.add(table.column("bytes_fwd"), table.column("bytes_bwd")),
        "packets": pc.add(table.column("packets_fwd"), table.column("packets_bwd")),
        "flows": pa.array(np.ones(len(table), np.int64)),
    }
    return _regroup([pa.table(columns)], ("protocol", "port"))


def _regroup(tables: list[pa.Table], keys: tuple[str, ...]) -> pa.Table | None:
    """The same sums over several tables of sums."""
    import pyarrow as pa

    if not tables:
        return None
    whole = pa.concat_tables(tables)
    values = [name for name in whole.column_names if name not in keys]
    sums = whole.group_by(list(keys)).aggregate([(name, "sum") for name in values])
    return sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names])


def _largest(sums: pa.Table, top: int) -> pa.Table:
    """The rows with most bytes, equal ones in a fixed order."""
    import pyarrow.compute as pc

    if "bytes" not in sums.column_names:
        sums = sums.append_column("bytes", pc.add(sums.column("bytes_out"), sums.column("bytes_in")))
    keys = [name for name in ("host", "protocol", "port") if name in sums.column_names]
    return sums.sort_by([("bytes", "descending"), *((name, "ascending") for name in keys)]).slice(0, top)


def _protocols(services: pa.Table, top: int) -> list[dict[str, Any]]:
    sums = _largest(_regroup([services.drop_columns("port")], ("protocol",)), top)
    return [{**row, "name": protocol(row["protocol"])} for row in sums.to_pylist()]


def _ports(services: pa.Table, top: int) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    with_ports = services.filter(pc.is_in(services.column("protocol"), value_set=pa.array(WITH_PORTS, pa.int32())))
    rows = _largest(with_ports, top).to_pylist()
    return [{**row, "name": SERVICES.get(row["port"], ""), "transport": protocol(row["protocol"])} for row in rows]
