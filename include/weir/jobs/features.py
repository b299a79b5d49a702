"""Features: window rows, validation, and the quarantine of refused rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import ledger, schema, settings
from weir.errors import SettingsError
from weir.jobs.keys import Counts, candidates_key, flows_key, get_json, put_json, quarantine_key, site_store, valid_key
from weir.ledger import Entry
from weir.store import Store, get_table, put_table

if TYPE_CHECKING:
    import pyarrow as pa

GREAT_EXPECTATIONS = Path("great_expectations")


def features(unit: str) -> Counts:
    """Sum the flows of one unit up into window rows."""
    from weir.features.windows import windows

    store = site_store()
    made = windows(get_table(store, flows_key(unit)), settings.load().windows.seconds)
    put_table(store, candidates_key(unit), made)
    return {"unit": unit, "windows": len(made)}


def validate(unit: str) -> Counts:
    """Judge the flows and window rows of one unit; the good go on, the refused go to quarantine.

    Where flows are refused, windows are summed up anew from the others: a row that was not believed
    must not count in one that is.
    """
    from weir.features.validate import validate as judge
    from weir.features.windows import windows
    from weir.flows.plugins import without_plugin_columns

    store = site_store()
    counts: Counts = {"unit": unit}
    good = all_flows = without_plugin_columns(get_table(store, flows_key(unit)))
    for table in ("flows", "windows"):
        if table == "flows":
            rows = all_flows
        elif len(good) < len(all_flows):
            rows = windows(good, settings.load().windows.seconds)
        else:
            rows = get_table(store, candidates_key(unit))
        judged = judge(rows, table, GREAT_EXPECTATIONS)
        good, refused = _after_release(store, table, unit, judged.good, judged.refused)
        put_table(store, valid_key(table, unit), good)
        _quarantine(store, table, unit, refused)
        put_json(store, f"3_features/validation/{table}/{unit}.json", judged.result)
        aside = by_reason(refused)
        sources = (f"L5/{unit}",) if table == "flows" else ()
        ledger.record(
            store,
            Entry("L6", f"{table}/{unit}", "rows", len(rows), len(good), aside, sources=sources, sensor_id=unit.split("/")[0]),
        )
        counts[table] = {"rows": len(rows), "good": len(good), "refused": aside}
    return counts


def _quarantine(store: Store, table: str, unit: str, refused: pa.Table) -> None:
    if len(refused):
        put_table(store, quarantine_key(table, unit), refused)
    else:
        store.delete(quarantine_key(table, unit))


def by_reason(refused: pa.Table) -> dict[str, int]:
    """How many rows each expectation refused."""
    reasons = refused.column("reason").value_counts().to_pylist() if len(refused) else []
    return {str(found["values"]): int(found["counts"]) for found in reasons}


def _released_key(table: str, unit: str) -> str:
    return f"3_features/released/{table}/{unit}.json"


def _after_release(store: Store, table: str, unit: str, good: pa.Table, refused: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Good and refused rows once those go on that somebody released."""
    import pyarrow as pa
    import pyarrow.compute as pc

    key = _released_key(table, unit)
    if not store.exists(key) or not len(refused):
        return good, refused
    reasons = pa.array([decision["reason"] for decision in get_json(store, key)], pa.string())
    goes_on = pc.is_in(refused.column("reason"), value_set=reasons)
    released = refused.filter(goes_on).drop_columns("reason").cast(good.schema)
    return pa.concat_tables([good, released]).sort_by(schema.ROW_ID[table]), refused.filter(pc.invert(goes_on))


def write_suites() -> Counts:
    """Write the Great Expectations project's suites from the schema."""
    from weir.features.expectations import write_project

    return {"written": [str(path) for path in write_project(GREAT_EXPECTATIONS)]}


def quarantined() -> dict[str, dict[str, int]]:
    """How many rows are held, by ``table/unit`` and broken expectation."""
    store = site_store()
    held = {}
    for key in store.keys("3_features/quarantine/"):
        name = key.removeprefix("3_features/quarantine/").removesuffix(".parquet")
        held[name] = by_reason(get_table(store, key))
    return held


def refused_rows(table: str, unit: str) -> list[dict[str, Any]]:
    """The rows of one unit that are held, each with the broken expectation as ``reason``."""
    rows: list[dict[str, Any]] = get_table(site_store(), quarantine_key(table, unit)).to_pylist()
    return rows


def release(table: str, unit: str, reason: str, why: str) -> Counts:
    """Let the rows of one unit go on that one expectation refused; kept, so that a later run does the same."""
    from weir.features.rules import may_be_released

    store = site_store()
    held = by_reason(get_table(store, quarantine_key(table, unit)))
    if reason not in held:
        raise SettingsError(f"{table}/{unit}: no row is held for {reason!r}; held are: {', '.join(held)}")
    if not may_be_released(reason):
        raise SettingsError(f"{table}/{unit}: rows refused for {reason!r} cannot be stored as valid; mend their source instead")
    key = _released_key(table, unit)
    decisions = get_json(store, key) if store.exists(key) else []
    put_json(store, key, [*decisions, {"reason": reason, "why": why}])
    validate(unit)
    return {"released": held[reason], "table": table, "unit": unit}


def data_docs(out: Path) -> Counts:
    """Write Great Expectations' Data Docs of the validations in the store into a folder."""
    from weir.features.docs import build_docs

    store = site_store()
    results = [get_json(store, key) for key in store.keys("3_features/validation/")]
    return {"data_docs": str(build_docs(GREAT_EXPECTATIONS, out, results))}
