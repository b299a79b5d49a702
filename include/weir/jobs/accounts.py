"""The ledger over the whole store."""

from __future__ import annotations

from weir import ledger
from weir.jobs.keys import site_store
from weir.jobs.packets import chain
from weir.ledger import Entry


def verify_ledger() -> ledger.Verdict:
    """Check every law over all entries of the store, and what never arrived."""
    store = site_store()
    entries = ledger.read(store)
    scored = {entry.unit for entry in entries if entry.hop == "L8"}
    waiting_rows = [
        Entry("L8", entry.unit, "rows", entry.output, 0, {"waiting for a model": entry.output}, sources=(entry.name,))
        for entry in entries
        if entry.hop == "L6" and entry.unit not in scored
    ]
    return ledger.verify([*entries, *waiting_rows], {"L3": chain()})
