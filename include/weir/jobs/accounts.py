"""The ledger over the whole store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weir import ledger
from weir.jobs.keys import site_store
from weir.jobs.packets import chain
from weir.ledger import Entry

if TYPE_CHECKING:
    from weir.packets.manifest import Manifest


def verify_ledger(entries: Sequence[Entry] | None = None, stored: Sequence[Manifest] | None = None) -> ledger.Verdict:
    """Check every law over all entries of the store, and what never arrived.

    Whoever has read all entries, or the manifests of all segments, gives them; else they are read.
    """
    entries = ledger.read(site_store()) if entries is None else entries
    scored = {entry.unit for entry in entries if entry.hop == "L8"}
    waiting_rows = [
        Entry("L8", entry.unit, "rows", entry.output, 0, {"waiting for a model": entry.output}, sources=(entry.name,))
        for entry in entries
        if entry.hop == "L6" and entry.unit not in scored
    ]
    return ledger.verify([*entries, *waiting_rows], {"L3": chain(stored)})
