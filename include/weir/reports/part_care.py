"""How far the report can be trusted: data quality, drift, the ledger, the model in use, what arrived."""

from __future__ import annotations

from weir.reports.content import when
from weir.reports.part import Facts, Line, Part, Table, share, short
from weir.words import number, plural, scaled


def quality(content: Facts, lines: int) -> Part:
    """What validation refused, and why."""
    quality = content["quality"]
    if not quality["tables"]:
        return Part("quality", "Data quality", empty="Nothing was validated yet.")
    told = [
        f"{number(t['refused'])} of {plural(t['rows'], _row(t['table']))} refused ({share(t['refused'], t['rows'])})."
        for t in quality["tables"]
    ]
    broken = [(e["expectation"], e["table"], number(e["rows"])) for e in quality["expectations"]]
    if not broken:
        return Part("quality", "Data quality", [" ".join(told)], note="Every expectation was met; the quarantine got nothing.")
    table = Table(
        ("Broken expectation", "Table", "Rows in quarantine"), broken[:lines], frozenset({2}), more=max(len(broken) - lines, 0)
    )
    return Part("quality", "Data quality", [" ".join(told)], tables=[table])


def _row(table: str) -> str:
    return f"{table.removesuffix('s')} row"


def drift(content: Facts, lines: int) -> Part:
    """Verdicts on whether traffic still looks like the reference."""
    checks = content["drift"]
    if not checks:
        return Part("drift", "Drift", empty="No drift verdict yet: a check needs a model in use and an hour with enough rows.")
    order = sorted(
        checks, key=lambda d: (("drift", "insufficient data", "no drift").index(d["verdict"]), d["hour"], d["sensor_id"])
    )
    shown = [(d["verdict"], d["sensor_id"], f"{d['hour']}:00", d["summary"], _moved(d)) for d in order]
    drifted = sum(1 for d in checks if d["verdict"] == "drift")
    lead = [f"{number(drifted)} of {plural(len(checks), 'check')} found that traffic no longer looks like the reference."]
    table = Table(("Verdict", "Sensor", "Hour", "Summary", "Columns that moved"), shown[:lines], more=max(len(shown) - lines, 0))
    return Part("drift", "Drift", lead, tables=[table])


def _moved(check: Facts) -> str:
    moved = sorted((c for c in check["columns"] if c["drifted"]), key=lambda c: -c["z"])
    return ", ".join(c["name"] for c in moved[:4]) + (f" and {len(moved) - 4} more" if len(moved) > 4 else "") or "–"


def ledger(content: Facts) -> Part:
    """One line per law, worst first."""
    ledger = content["ledger"]
    if not ledger.get("laws"):
        return Part("ledger", "Ledger", empty="The ledger is empty: nothing was recorded yet.")
    shown = [
        (
            f"{law['hop']} {law.get('name', '')}".strip(),
            f"{number(law['seen'])} {law['counts']}",
            number(law["accepted"]),
            _reasons(law["aside"]),
            _reasons(law["dropped"]),
            "balanced" if not law["problems"] else f"NOT balanced: {law['problems'][0]}",
        )
        for law in ledger["laws"]
    ]
    table = Table(("Hop", "Seen", "Accepted", "Set aside", "Lost", "State"), shown, frozenset({1, 2}))
    return Part(
        "ledger",
        "Ledger",
        [f"{ledger['words']}."],
        tables=[table],
        note="Seen = accepted + set aside with a reason + lost and counted.",
    )


def _reasons(counts: Facts) -> str:
    return (
        ", ".join(f"{number(n)} {reason.replace('_', ' ')}" for reason, n in sorted(counts.items(), key=lambda c: -c[1]) if n)
        or "–"
    )


def model(content: Facts, lines: int) -> Part:
    """Which model is in use since when, and what became of the alert budget."""
    models, budget = content["models"], content["budget"]
    lead = [_spent(budget)] if budget.get("per_day") else []
    champion = models.get("champion")
    if not champion:
        return Part("model", "Model and budget", lead, empty="No model is in use yet: train one and promote it.")
    rows = [_model_line("in use", champion)]
    rows += [_model_line("challenger", models["challenger"])] if models.get("challenger") else []
    tables = [Table(("Role", "Model", "Since", "Detector", "Data version", "Why"), rows)]
    changes = [(when(c.get("when_us")), c["model_id"], c.get("why") or "–") for c in models.get("changes", [])]
    if changes:
        tables.append(Table(("When", "Model", "Why"), changes[-lines:], caption="Changes"))
    return Part("model", "Model and budget", lead, tables=tables)


def _spent(budget: Facts) -> str:
    expected = budget.get("expected")
    guess = f", {number(round(expected, 1))} a day expected on normal traffic" if expected is not None else ""
    sent = f"{number(budget['spent'])} sent in {plural(budget['days'], 'day')}"
    return f"Alert budget: {number(budget['per_day'])} a day promised{guess}; {sent}."


def _model_line(role: str, model: Facts) -> Line:
    detector, version = model.get("detector") or "–", model.get("data_version") or "–"
    return (role, model["model_id"], when(model.get("since_us")), detector, version, model.get("why") or "–")


def arrivals(content: Facts, lines: int) -> Part:
    """What each sensor delivered."""
    sensors = content["arrivals"]
    if not sensors:
        return Part("arrivals", "What arrived", empty="No sensor delivered anything.")
    shown = [
        (
            s["sensor_id"],
            number(s["segments"]),
            short(s["packets"]),
            scaled(s["bytes"], "B"),
            _hours(s),
            number(s.get("late", 0)),
            number(s.get("missing", 0)),
            when(s.get("last_us")),
        )
        for s in sensors
    ]
    columns = ("Sensor", "Segments", "Packets", "Bytes", "Hours", "Late", "Missing", "Last packet")
    notes = [words for s in sensors for words in s.get("words", [])]
    return Part(
        "arrivals",
        "What arrived",
        notes[:5],
        tables=[Table(columns, shown[:lines], frozenset(range(1, 7)), more=max(len(shown) - lines, 0))],
    )


def _hours(sensor: Facts) -> str:
    expected = sensor.get("hours_expected")
    return f"{number(sensor['hours'])} of {number(expected)}" if expected else number(sensor["hours"])
