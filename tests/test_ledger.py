from dataclasses import replace
from pathlib import Path

import pytest

from weir.errors import LedgerError
from weir.ledger import NAMES, Entry, read, record, verify
from weir.store import FolderStore

WAY = (
    Entry("L0", "lab/h/s", "packets", 110, 100, dropped={"dropped by the kernel": 10}),
    Entry("L1", "lab/h/s", "packets", 100, 90, {"filtered": 10}, sources=("L0/lab/h/s",)),
    Entry("L2", "lab/h/s", "packets", 90, 90, sources=("L1/lab/h/s",)),
    Entry("L3", "lab/h/s", "packets", 90, 90, sources=("L2/lab/h/s",)),
    Entry("L4", "lab/h", "packets", 90, 85, {"non_ip": 5}, sources=("L3/lab/h/s",)),
    Entry("L5", "lab/h", "packets", 85, 85, made=7, sources=("L4/lab/h",)),
    Entry("L6", "flows/lab/h", "rows", 7, 6, {"duration": 1}, sources=("L5/lab/h",)),
    Entry("L7", "abc", "rows", 6, 6, sources=("L6/flows/lab/h",)),
    Entry("L8", "flows/lab/h", "rows", 6, 6, sources=("L6/flows/lab/h",)),
    Entry("L9", "lab/h", "rows", 3, 2, {"grouped": 1}),
    Entry("L10", "daily/d", "mails", 1, 1),
)


def test_a_way_without_loss_balances_and_says_so() -> None:
    verdict = verify(WAY)
    assert verdict.is_balanced
    assert verdict.words == "Ledger: balanced, 10 packets lost and counted"
    assert verdict.laws[0].hop == "L0"  # the only one with a loss is told first
    assert {law.hop for law in verdict.laws} == set(NAMES)
    verdict.demand()


@pytest.mark.parametrize("entry", WAY, ids=lambda entry: entry.hop)
def test_a_unit_hidden_at_any_hop_is_named(entry: Entry) -> None:
    leaking = [replace(e, accepted=e.accepted - 1) if e is entry else e for e in WAY]
    verdict = verify(leaking)
    assert not verdict.is_balanced
    assert f"NOT balanced at {entry.hop}, 1 {entry.counts} unexplained" in verdict.words
    with pytest.raises(LedgerError, match=entry.unit):
        verdict.demand()


@pytest.mark.parametrize("entry", [e for e in WAY if e.sources], ids=lambda entry: entry.hop)
def test_what_went_on_and_did_not_arrive_is_named_where_it_is_missing(entry: Entry) -> None:
    leaking = [replace(e, seen=e.seen - 1, accepted=e.accepted - 1) if e is entry else e for e in WAY]
    verdict = verify(leaking)
    assert not verdict.is_balanced
    assert any(
        f"unexplained between {entry.sources[0].split('/')[0]} and {entry.hop}" in p for law in verdict.laws for p in law.problems
    )


@pytest.mark.parametrize("hop", ["L1", "L2", "L3", "L4", "L5", "L6"])
def test_a_hop_that_never_ran_is_named(hop: str) -> None:
    verdict = verify([entry for entry in WAY if entry.hop != hop])
    assert not verdict.is_balanced
    assert any("not seen at" in p or "which no entry records" in p for law in verdict.laws for p in law.problems)


def test_a_retry_overwrites_its_own_entry(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for _ in range(3):
        for entry in WAY:
            record(store, entry)
    assert sorted(read(store), key=lambda e: e.name) == sorted(WAY, key=lambda e: e.name)
    assert verify(read(store)).is_balanced


def test_an_empty_ledger_says_that_nothing_was_recorded() -> None:
    assert "nothing was recorded" in verify([]).words


def test_an_entry_of_another_version_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("ledger/L1/x.json", b'{"unknown": 1}')
    with pytest.raises(LedgerError, match="L1/x"):
        read(store)
