"""The traffic: how much, when, by whom, of what kind, and compared with the days before."""

from __future__ import annotations

from collections.abc import Sequence

from weir.reports.content import when
from weir.reports.part import Facts, Figure, Line, Part, Table, share, short
from weir.words import number, plural, scaled

MANIFOLD = 9.0  # growth above which a factor is easier to read than a percentage


def figures(content: Facts) -> list[Figure]:
    """The numbers everybody looks for first."""
    totals, days = content["traffic"]["totals"], content["period"]["days"]
    lost = content["ledger"].get("lost", 0)
    sent = content["alert_counts"]["delivered"]["alerts"]
    return [
        Figure("Traffic", scaled(totals["bytes"], "B"), _change(content, "bytes")),
        Figure("Packets", short(totals["packets"]), _change(content, "packets")),
        Figure("Flows", short(totals["flows"]), _change(content, "flows")),
        Figure("Hosts", short(totals["hosts"])),
        Figure(
            "Alerts sent",
            number(sent),
            f"of {number(content['budget']['per_day'] * days)} allowed" if content["budget"].get("per_day") else "",
        ),
        Figure("Packets lost", short(lost), "" if content["ledger"].get("laws") else "not recorded"),
    ]


def traffic(content: Facts) -> Part:
    """Volume over time."""
    totals, peak = content["traffic"]["totals"], content["traffic"]["peak"]
    if not totals["flows"]:
        return Part("traffic", "Traffic", empty="No traffic arrived in this period.")
    series = content["traffic"]["series"]
    told = [
        f"{scaled(totals['bytes'], 'B')} in {plural(totals['packets'], 'packet')} and {plural(totals['flows'], 'flow')} "
        f"of {plural(totals['hosts'], 'host')}.",
    ]
    if peak:
        told.append(f"Busiest at {when(peak['start_us'])} with {scaled(peak['bytes_per_s'], 'B/s')}.")
    minutes = series["bucket_us"] // 60_000_000
    note = f"One step is {plural(minutes, 'minute')}; each flow is spread evenly over its duration."
    return Part("traffic", "Traffic", [" ".join(told)], chart="traffic", note=note)


def trend(content: Facts, lines: int) -> Part:
    """Day by day, or this day next to the days before."""
    columns = ("Day", "Bytes", "Packets", "Flows", "Anomalies", "Alerts", "Refused")
    past, now = content["previous"], content["trend"]
    if not past and len(now) == 1:
        return Part("trend", "Compared with the days before", empty="No earlier report to compare with.")
    mean = [_day_line(_mean(past), f"mean of {plural(len(past), 'earlier day')}")] if past else []
    shown = now if len(now) > 1 else [*past[-6:], *now]
    table = Table(columns, [*(_day_line(day, day["day"]) for day in shown[-lines:]), *mean], frozenset(range(1, 7)))
    chart = "alerts" if len(now) > 1 else ""
    return Part("trend", "Day by day" if len(now) > 1 else "Compared with the days before", chart=chart, tables=[table])


def talkers(content: Facts, lines: int) -> Part:
    """The hosts with most bytes."""
    talkers = content["traffic"]["talkers"]
    if not talkers:
        return Part("talkers", "Top talkers", empty="No host sent or received anything.")
    total = 2 * content["traffic"]["totals"]["bytes"] or 1
    shown = [
        (
            t["host"],
            scaled(t["bytes_out"], "B"),
            scaled(t["bytes_in"], "B"),
            short(t["packets"]),
            short(t["flows"]),
            share(t["bytes_out"] + t["bytes_in"], total / 2),
        )
        for t in talkers[:lines]
    ]
    table = Table(("Host", "Sent", "Received", "Packets", "Flows", "Share of bytes"), shown, frozenset(range(1, 6)))
    return Part(
        "talkers", "Top talkers", tables=[table], note="Every byte has a sender and a receiver, so the shares add up to 200 %."
    )


def protocols(content: Facts, lines: int) -> Part:
    """Protocols and contacted ports with most bytes."""
    traffic = content["traffic"]
    if not traffic["protocols"]:
        return Part("protocols", "Protocols and ports", empty="No traffic, so no protocols.")
    total = traffic["totals"]["bytes"] or 1
    protocols = [(p["name"], scaled(p["bytes"], "B"), share(p["bytes"], total), short(p["flows"])) for p in traffic["protocols"]]
    ports = [
        (
            f"{p['port']}/{p['transport']}",
            p["name"] or "–",
            scaled(p["bytes"], "B"),
            share(p["bytes"], total),
            short(p["flows"]),
        )
        for p in traffic["ports"]
    ]
    return Part(
        "protocols",
        "Protocols and ports",
        tables=[
            Table(("Protocol", "Bytes", "Share", "Flows"), protocols[:lines], frozenset({1, 2, 3}), "Protocols", is_half=True),
            Table(
                ("Port", "Usual service", "Bytes", "Share", "Flows"),
                ports[:lines],
                frozenset({2, 3, 4}),
                "Contacted ports",
                is_half=True,
            ),
        ],
    )


def _change(content: Facts, name: str) -> str:
    """How a day of this period compares with the days before, such as ``+12 % on the 7 days before``."""
    past = content["previous"]
    before = sum(day[name] for day in past) / len(past) if past else 0
    if not before:
        return ""
    now = sum(day[name] for day in content["trend"]) / len(content["trend"])
    change = now / before - 1
    if change > MANIFOLD:
        return f"{number(round(change + 1))} times the {plural(len(past), 'day')} before"
    if abs(change) < 0.005:
        return f"as on the {plural(len(past), 'day')} before"
    return f"{change:+,.0%} on the {plural(len(past), 'day')} before".replace("%", " %").replace("-", "−")


def _mean(days: Sequence[Facts]) -> dict[str, float]:
    return {
        name: sum(day[name] for day in days) / len(days)
        for name in ("bytes", "packets", "flows", "anomalies", "alerts", "refused")
    }


def _day_line(day: Facts, name: str) -> Line:
    counts = (number(round(day[n], 1)) for n in ("anomalies", "alerts", "refused"))
    return (name, scaled(day["bytes"], "B"), short(day["packets"]), short(day["flows"]), *counts)
