"""What is found in a labelled capture, and what is called strange that is not.

    python benchmarks/detection.py --capture CAP --labels FLOWS.csv --timeline TIMELINE.csv --learn-until TIME [--json]

The first part of the capture, up to ``--learn-until``, is taken to be normal. A model is trained on it together with
simulated hours of an office (and captures given with ``--learn``); the rest is scored, and alerts are made, with the
steps the product uses. A kind of attack is found when an alert has an anomalous row of a host that took part in a
labelled flow of that kind, in the time of that flow. An alert without any such row is false, unless it tells the
other side of another alert.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import schema
from weir.settings import Settings, load

if TYPE_CHECKING:
    import pyarrow as pa

    from weir.alerts.alert import Alert
    from weir.models.artifact import Artifact

Tables = dict[str, "pa.Table"]
HOSTS, SEED, FIRST_HOUR, HOURS = 50, 1, 7, 8
WEEK = timedelta(days=7)
CAPTURE, OFFICE, ALSO = "capture", "office", "also"


@dataclass(frozen=True)
class Found:
    """What an alert tells: its place among all (from 1), what becomes of it, and the kinds of its rows.

    An alert about the other side of a conversation that another alert tells of is no alert of its own.
    """

    rank: int
    host: str
    fate: str
    kinds: frozenset[str]
    severity: str
    hint: str
    words: str

    @property
    def is_sent(self) -> bool:
        """Whether it was within the budget."""
        return self.fate == "send"

    @property
    def is_false(self) -> bool:
        """Whether it tells of nothing that is labelled, and is no other side."""
        return not self.kinds and self.fate != "other_side"


def tables_of(captures: Sequence[Path], sensor: str, chosen: Settings) -> Tables:
    """Flows and windows of some captures, as they would be stored for a sensor."""
    import pyarrow as pa

    from weir.features.windows import windows
    from weir.flows.build import build

    flows = build(captures, chosen.flows).table
    hours = [schema.hour_of(start) for start in flows.column("start_us").to_pylist()]
    for name, values in (("sensor_id", [sensor] * len(flows)), ("hour", hours), ("segment", [""] * len(flows))):
        flows = flows.append_column(name, pa.array(values, pa.string()))
    flows = schema.conform(flows, schema.STORED_FLOWS, sensor)
    return {"flows": flows, "windows": windows(flows, chosen.windows.seconds)}


def office(hours: int, before: datetime, seed: int, chosen: Settings) -> Tables:
    """Simulated hours of ordinary traffic, from 07:00 on a Tuesday at least a week before."""
    from weir.simulate.run import simulate

    tuesday = before - WEEK - timedelta(days=(before.weekday() - 1) % 7)
    with tempfile.TemporaryDirectory(prefix="weir-detection-") as folder:
        start = tuesday.replace(hour=FIRST_HOUR, minute=0, second=0, microsecond=0)
        made = simulate(Path(folder), start=start, hours=hours, seed=seed, hosts=HOSTS)
        return tables_of([Path(name) for name in made["captures"]], OFFICE, chosen)


def split(tables: Tables, at_us: int) -> tuple[Tables, Tables]:
    """The rows that start before a time, and the others."""
    import pyarrow.compute as pc

    early = {name: pc.less(rows.column("start_us"), at_us) for name, rows in tables.items()}
    return (
        {name: rows.filter(early[name]) for name, rows in tables.items()},
        {name: rows.filter(pc.invert(early[name])) for name, rows in tables.items()},
    )


def joined(parts: Sequence[Tables]) -> Tables:
    """The rows of several parts."""
    import pyarrow as pa

    return {name: pa.concat_tables([part[name] for part in parts]) for name in ("flows", "windows")}


def fitted(learned: Tables, chosen: Settings) -> Artifact:
    """The model that ``weir train`` makes of these rows."""
    from weir.models.artifact import opened
    from weir.models.train import train

    files = train(learned, chosen.train, chosen.alerts, "detection").files
    return opened(files, "the model just trained")


def anomalies(model: Artifact, tables: Tables) -> pa.Table:
    """SCORES rows above the threshold of their table."""
    import pyarrow as pa

    from weir.scores.score import anomalous, score

    parts = []
    for name, rows in tables.items():
        scored = score(model, name, columns_of(rows))
        above = anomalous(model, name, scored["score"])
        parts.append(pa.table({column: pa.array(values[above]) for column, values in scored.items()}))
    return pa.concat_tables([schema.conform(part, schema.SCORES, "scores") for part in parts])


def columns_of(rows: pa.Table) -> dict[str, Any]:
    """Columns by name, in numpy."""
    return {name: rows.column(name).to_numpy(zero_copy_only=False) for name in rows.column_names}


def alerts_of(model: Artifact, strange: pa.Table, tables: Tables) -> list[Alert]:
    """The alerts of each hour, with their reasons, as ``weir alert`` makes them."""
    import pyarrow.compute as pc

    from weir.alerts.cases import strangest
    from weir.alerts.group import group
    from weir.scores.reasons import reasons

    made: list[Alert] = []
    for hour in sorted(set(strange.column("hour").to_pylist())):
        here = strange.filter(pc.equal(strange.column("hour"), hour))
        rows = {name: table.filter(pc.equal(table.column("hour"), hour)) for name, table in tables.items()}
        asked, why = strangest(here), {}
        for name, table in rows.items():
            ids = asked.filter(pc.equal(asked.column("table"), name)).column("row_id")
            some = table.filter(pc.is_in(table.column(schema.ROW_ID[name]), value_set=ids.combine_chunks()))
            told = reasons(model, name, columns_of(some)) if len(some) else []
            why |= {(name, int(i)): parts for i, parts in zip(some.column(schema.ROW_ID[name]).to_pylist(), told, strict=True)}
        threshold = {name: model.table(name).threshold for name in rows}
        made += group(here, rows, why, {}, threshold=threshold)
    return made


def row_labels(tables: Tables, list_text: str, what: str, seconds: int) -> dict[tuple[str, int], str]:
    """The kind of attack of each labelled row, by table and row id."""
    from weir.models import labels

    of_flows = labels.of_flows(tables["flows"], labels.read(list_text, what))
    of_windows = labels.of_windows(tables["windows"], tables["flows"], of_flows, seconds)
    kinds = {"flows": of_flows, "windows": of_windows}
    return {
        (name, int(row_id)): kind
        for name in kinds
        for row_id, kind in zip(tables[name].column(schema.ROW_ID[name]).to_pylist(), kinds[name], strict=True)
        if kind
    }


def match(
    alerts: Sequence[Alert], strange: Sequence[Mapping[str, Any]], kinds: Mapping[tuple[str, int], str], per_day: int
) -> list[Found]:
    """What each alert tells, most urgent first.

    Parameters
    ----------
    strange : anomalous SCORES rows; an alert tells of those of its host and hour
    kinds : kind of attack by (table, row_id); rows without one are normal
    per_day : the budget, spent as in operation
    """
    from weir.alerts.dedupe import decide
    from weir.alerts.group import urgency

    told: dict[tuple[str, str], set[str]] = {}
    for row in strange:
        kind = kinds.get((row["table"], row["row_id"]))
        told.setdefault((row["host"], row["hour"]), set()).update({kind} if kind else ())
    fates = decide(alerts, {}, {}, per_day=per_day)
    return [
        Found(
            rank=rank,
            host=alert.host,
            fate=fates[alert.alert_id],
            kinds=frozenset(told.get((alert.host, alert.hour), ())),
            severity=alert.severity,
            hint=alert.kind_hint or "",
            words=alert.words,
        )
        for rank, alert in enumerate(sorted(alerts, key=urgency), start=1)
    ]


def summary(
    found: Sequence[Found], purity: Mapping[str, str], rows: Mapping[str, int], hours: float, budget: Mapping[str, Any]
) -> dict[str, Any]:
    """The figures: per kind whether it was found and by which alert; false alerts per hour against the budget.

    Parameters
    ----------
    purity : ``pure`` or ``mixed`` of every kind that the capture holds
    rows : labelled rows of each kind that were scored; a kind without any cannot be found
    hours : capture time that was scored
    """
    kinds = {}
    for kind in sorted(purity):
        first = next((one for one in found if kind in one.kinds), None)
        kinds[kind] = {
            "purity": purity[kind],
            "rows": rows.get(kind, 0),
            "found": first is not None,
            "sent": any(one.is_sent for one in found if kind in one.kinds),
            "rank": first.rank if first else None,
            "host": first.host if first else None,
            "hint": first.hint if first else None,
            "words": first.words if first else None,
        }
    false = [one for one in found if one.is_false]
    return {
        "kinds": kinds,
        "found": sum(kind["found"] for kind in kinds.values()),
        "of": len(kinds),
        "alerts": sum(one.fate != "other_side" for one in found),
        "other_sides": len([one for one in found if one.fate == "other_side"]),
        "sent": sum(one.is_sent for one in found),
        "false_alerts": len(false),
        "false_alerts_per_hour": len(false) / hours,
        "budget_per_hour": budget["per_day"] / 24,
        "expected_per_hour": budget["expected"] / 24,
        "hours": hours,
        "budget": dict(budget),
        "false": [{"rank": one.rank, "host": one.host, "severity": one.severity, "words": one.words} for one in false],
    }


def purity_of(timeline: Path) -> dict[str, str]:
    """``pure`` or ``mixed`` by label, of everything that is not benign."""
    with timeline.open() as lines:
        return {row["label"]: row["purity"] for row in csv.DictReader(lines) if row["label"] != "benign"}


def measure(
    captures: Sequence[Path],
    labels: Path,
    timeline: Path,
    until: datetime,
    chosen: Settings,
    *,
    simulated: int = HOURS,
    seed: int = SEED,
    also: Sequence[Path] = (),
) -> dict[str, Any]:
    """Learn from the first part of some captures, score the rest, and say what was found.

    Parameters
    ----------
    until : where the first part ends
    simulated, seed : hours of simulated office to learn from as well, and their seed
    also : more captures of normal traffic
    """
    until_us = int(until.timestamp()) * schema.US_PER_S
    first, rest = split(tables_of(captures, CAPTURE, chosen), until_us)
    learned = joined(
        [first]
        + ([office(simulated, until, seed, chosen)] if simulated else [])
        + ([tables_of(also, ALSO, chosen)] if also else [])
    )
    model = fitted(learned, chosen)
    strange = anomalies(model, rest)
    kinds = row_labels(rest, labels.read_text(), str(labels), chosen.windows.seconds)
    rows = {kind: list(kinds.values()).count(kind) for kind in set(kinds.values())}
    found = match(alerts_of(model, strange, rest), strange.to_pylist(), kinds, chosen.alerts.budget_per_day)
    facts = summary(found, purity_of(timeline), rows, _hours(rest["flows"], until_us), model.manifest["budget"])
    return facts | {
        "captures": [capture.name for capture in captures],
        "model_id": model.model_id,
        "learned": {name: len(table) for name, table in learned.items()},
    }


def _hours(flows: pa.Table, from_us: int) -> float:
    spans = zip(*(flows.column(name).to_pylist() for name in ("start_us", "duration_us")), strict=True)
    return (max(start + length for start, length in spans) - from_us) / schema.HOUR_US


def show(facts: Mapping[str, Any]) -> str:
    """The figures as a table in Markdown."""
    lines = ["| kind | purity | rows | found | alert no. | sent | what the alert says |", "|---|---|---|---|---|---|---|"]
    for kind, one in facts["kinds"].items():
        said = one["words"] or ""
        found, sent = "yes" if one["found"] else "**no**", "yes" if one["sent"] else ""
        lines.append(f"| {kind} | {one['purity']} | {one['rows']} | {found} | {one['rank'] or ''} | {sent} | {said} |")
    lines += [
        "",
        f"{facts['found']} of {facts['of']} kinds found.",
        f"{facts['alerts']} alerts in {facts['hours']:.2f} h, of which {facts['sent']} sent; "
        f"{facts['other_sides']} more tell the other side of one of these.",
        f"{facts['false_alerts']} alerts are false: {facts['false_alerts_per_hour']:.1f} an hour. The budget is "
        f"{facts['budget_per_hour']:.2f} an hour, {facts['expected_per_hour']:.2f} were expected.",
        f"Calibration: {facts['budget']['words']}.",
    ]
    lines += [f"- false, no. {one['rank']}: {one['words']}" for one in facts["false"]]
    return "\n".join(lines)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", type=Path, nargs="+", required=True, help="in the order of time")
    parser.add_argument(
        "--labels", type=Path, required=True, help="a line for each 5-tuple: addresses, ports, protocol, times, label"
    )
    parser.add_argument("--timeline", type=Path, required=True, help="a line for each source: start, end, label, purity")
    parser.add_argument("--learn-until", type=datetime.fromisoformat, required=True, help="such as 2024-03-04T09:25:00Z")
    parser.add_argument("--learn", type=Path, nargs="*", default=[], help="more captures of normal traffic")
    parser.add_argument("--simulated", type=int, default=HOURS, help="hours of simulated office to learn from as well")
    parser.add_argument("--seed", type=int, default=SEED, help="of the simulated office")
    parser.add_argument("--budget", type=int, help="alerts a day; default: as in params.yaml")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    until = given.learn_until if given.learn_until.tzinfo else given.learn_until.replace(tzinfo=UTC)
    chosen = load()
    if given.budget:
        chosen = replace(chosen, alerts=replace(chosen.alerts, budget_per_day=given.budget))
    facts = measure(
        given.capture, given.labels, given.timeline, until, chosen, simulated=given.simulated, seed=given.seed, also=given.learn
    )
    print(json.dumps(facts, indent=1, sort_keys=True) if given.json else show(facts))


if __name__ == "__main__":
    main()
