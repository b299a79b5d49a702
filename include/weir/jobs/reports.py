"""Reports: a day or a week as page, PDF and mail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from weir import ledger, schema, settings
from weir.errors import SettingsError, StoreError
from weir.jobs.accounts import verify_ledger
from weir.jobs.alerts import alerts_of
from weir.jobs.keys import SCORED, Counts, clock_us, flows_key, get_json, put_json, scores_key, site_store, units
from weir.jobs.packets import segments
from weir.jobs.registry import champion
from weir.ledger import Entry
from weir.store import Store, get_table

if TYPE_CHECKING:
    from weir.packets.manifest import Manifest

EARLIER_REPORTS = 8


def report(kind: str, day: str | None = None, *, mail: bool = True, now_us: int | None = None) -> Counts:
    """Build the report of a day, or of the week that holds the day, as page, PDF and JSON, and mail it.

    The mail goes out once for what the report says; when nothing changed since, it is not sent again.
    """
    from weir.reports.content import content, name
    from weir.reports.page import page
    from weir.reports.pdf import pdf

    store = site_store()
    start, days = _period(kind, day, store)
    facts = content(
        "weekly" if kind == "weekly" else "daily",
        start,
        days,
        **_report_inputs(store, start, days),
        previous=_earlier(store, kind, name(kind, start)),
        now_us=now_us or clock_us(),
    )
    folder = f"7_reports/{kind}/{name(kind, start)}"
    whole = {"html": page(facts).encode(), "pdf": bytes(pdf(facts)), "json": json.dumps(facts, sort_keys=True, indent=1).encode()}
    for ending, made in whole.items():
        store.put(f"{folder}/report.{ending}", made)
    keys = {ending: f"{folder}/report.{ending}" for ending in whole}
    sent = _mail_once(store, folder, facts, whole["pdf"]) if mail else "not asked for"
    return {"kind": kind, "report": name(kind, start), **keys, "mailed": sent, "alerts": len(facts["alerts"])}


def _period(kind: str, day: str | None, store: Store) -> tuple[date, int]:
    if day is None:
        found = units("2_flows/", store)
        if not found:
            raise StoreError(f"{store.url}/2_flows/: empty; nothing to report on")
        day = max(unit.split("/")[1] for unit in found)[:10]
    try:
        chosen = date.fromisoformat(day)
    except ValueError:
        raise SettingsError(f"{day!r}: not a day; write it as 2026-01-31") from None
    return (chosen - timedelta(days=chosen.weekday()), 7) if kind == "weekly" else (chosen, 1)


def _report_inputs(store: Store, start: date, days: int) -> Counts:
    """What a report is made of, read from the store."""
    from weir.reports import summary

    span = {(start + timedelta(days=n)).isoformat() for n in range(days)}
    found = [unit for unit in units("2_flows/", store) if unit.split("/")[1][:10] in span]
    scored = [unit for unit in found if store.exists(scores_key("flows", unit))]
    model = champion(store)
    thresholds = {table: model.table(table).threshold for table in SCORED} if model else {}
    top = settings.load().report.top
    entries, stored = ledger.read(store), segments(store)
    return {
        "flows_summary": summary.traffic((get_table(store, flows_key(unit)) for unit in found), start, days, top),
        "scores_summary": summary.strangeness(
            (get_table(store, scores_key(table, unit)) for unit in scored for table in SCORED), start, days, thresholds
        ),
        "alerts": [one for unit in found for one in alerts_of(unit, store)],
        "quality": _quality(entries, found),
        "drift": [_drift_facts(store, key) for unit in found if store.exists(key := f"4_models/drift/{unit}.json")],
        "ledger": _ledger_facts(verify_ledger(entries, stored)),
        "models": _model_facts(store, model),
        "arrivals": _arrivals(stored, span),
        "budget": model.manifest["budget"] if model else {},
    }


def _drift_facts(store: Store, key: str) -> Counts:
    facts: Counts = get_json(store, key)
    return {**facts, "summary": facts["summary"]["words"]}


def _quality(entries: Sequence[Entry], found: list[str]) -> list[Counts]:
    of = {entry.unit: entry for entry in entries if entry.hop == "L6"}
    judged = [(table, unit, of[f"{table}/{unit}"]) for unit in found for table in SCORED if f"{table}/{unit}" in of]
    return [{"table": table, "hour": unit.split("/")[1], "rows": e.seen, "refused": dict(e.aside)} for table, unit, e in judged]


def _ledger_facts(verdict: ledger.Verdict) -> Counts:
    laws = [{**asdict(law), "name": ledger.NAMES[law.hop], "problems": list(law.problems)} for law in verdict.laws]
    return {"is_balanced": verdict.is_balanced, "words": verdict.words, "lost": verdict.lost, "laws": laws} if laws else {}


def _model_facts(store: Store, model: Any) -> Counts:
    from weir.models import registry

    def facts(entry: Any) -> Counts | None:
        return {"model_id": entry["model_id"], "since_us": entry["when_us"], "why": entry.get("why", "")} if entry else None

    champion, challenger = facts(registry.champion(store)), facts(registry.challenger(store))
    if champion and model:
        names = {table: model.manifest["tables"][table]["detector"] for table in SCORED}
        champion["detector"] = ", ".join(f"{detector} on {table}" for table, detector in names.items())
        champion["data_version"] = model.manifest["data_version"]
    is_champion = champion and challenger and champion["model_id"] == challenger["model_id"]
    changes = [
        {"when_us": entry["when_us"], "model_id": entry["model_id"], "why": entry["why"]} for entry in registry.history(store)
    ]
    return {"champion": champion, "challenger": None if is_champion else challenger, "changes": changes}


def _arrivals(stored: Sequence[Manifest], span: set[str]) -> list[Counts]:
    """What each sensor delivered in a period, and what its chain misses."""
    from weir.packets import gaps as silences
    from weir.packets.chain import missing

    inside = [manifest for manifest in stored if manifest.hour[:10] in span]
    hours = sorted({manifest.hour for manifest in inside})
    arrivals = []
    for sensor in sorted({manifest.sensor_id for manifest in inside}):
        mine = [manifest for manifest in inside if manifest.sensor_id == sensor]
        gaps = missing([manifest for manifest in stored if manifest.sensor_id == sensor])
        first = min(manifest.hour for manifest in mine)
        arrivals.append(
            {
                "sensor_id": sensor,
                "segments": len(mine),
                "packets": sum(manifest.packets for manifest in mine),
                "bytes": sum(manifest.packet_bytes for manifest in mine),
                "hours": len({manifest.hour for manifest in mine if manifest.packets}),
                "hours_expected": len([hour for hour in hours if hour >= first]),
                "missing": sum(gap.count for gap in gaps if gap.kind == "missing"),
                "late": sum(_is_late(manifest) for manifest in mine),
                "last_us": max(manifest.last_us or 0 for manifest in mine),
                "words": silences.told(mine) + [f"{gap.count} segments from number {gap.seq} on: {gap.kind}" for gap in gaps],
            }
        )
    return arrivals


def _is_late(manifest: Manifest) -> bool:
    """Whether a live sensor sealed a segment more than an hour after its last packet; replays are never late."""
    if manifest.last_us is None or manifest.source.startswith("file:"):
        return False
    return manifest.sealed_wall_us - manifest.last_us > schema.HOUR_US


def _earlier(store: Store, kind: str, name: str) -> list[Counts]:
    """What the reports before this one said of each of their days, oldest first."""
    keys = [key for key in store.keys(f"7_reports/{kind}/") if key.endswith("/report.json") and key.split("/")[2] < name]
    return [entry for key in keys[-EARLIER_REPORTS:] for entry in get_json(store, key)["trend"]]


def _mail_once(store: Store, folder: str, facts: Counts, pdf: bytes) -> str:
    """Mail a report unless the same was mailed before; says what became of it, and so does the ledger."""
    from weir.errors import DeliveryError
    from weir.notify.base import Message
    from weir.reports.mail import mail, subject, text

    site = settings.load().site
    due_hop = "L10"  # its own mails are not what a report says
    said = {**facts, "made_us": 0, "ledger": [law for law in facts["ledger"].get("laws", []) if law["hop"] != due_hop]}
    version = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    mark = f"{folder}/mailed.json"
    due = Entry(due_hop, folder.removeprefix("7_reports/"), "mails", 1, 1)
    if store.exists(mark) and get_json(store, mark)["version"] == version:
        return "earlier, and nothing changed since"
    sender, recipients = site.mail_from or "weir@localhost", site.mail_to or ("analyst@localhost",)
    whole = mail(facts, pdf, sender=sender, recipients=recipients)
    message = Message(
        name=folder.removeprefix("7_reports/").replace("/", "-"), subject=subject(facts), text=text(facts), mail=whole
    )
    ledger.record(store, replace(due, accepted=0))  # whoever is stopped from here on has not said what became of it
    try:
        sent = _mail_channel().send(message)
    except DeliveryError:
        ledger.record(store, Entry(due.hop, due.unit, due.counts, 1, 0, dropped={"failed": 1}))
        raise
    ledger.record(store, due)
    put_json(store, mark, {"version": version, "id": sent})
    return f"to {', '.join(recipients)}"


def _mail_channel() -> Any:
    from weir.notify.folder import Folder
    from weir.notify.ses import Ses

    site = settings.load().site
    return Ses(site.mail_from, site.mail_to) if site.mail_from else Folder(site.home / "outbox")
