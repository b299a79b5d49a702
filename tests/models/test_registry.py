from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from synthetic import trained
from weir.errors import ArtifactError, ConflictError
from weir.models import registry
from weir.store import FolderStore

GOOD = {"recall": 0.8}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def propose(store: FolderStore, detector: str = "zscore") -> str:
    return str(registry.propose(store, trained(detector).files, GOOD, when_us=1)["model_id"])


def test_an_empty_registry_has_no_champion_no_challenger_and_no_history(store: FolderStore) -> None:
    assert registry.champion(store) is None
    assert registry.challenger(store) is None
    assert registry.history(store) == []


def test_a_proposed_model_is_stored_whole_and_becomes_challenger_only(store: FolderStore) -> None:
    model_id = propose(store)
    found = {key.rsplit("/", 1)[1]: store.get(key) for key in store.keys(f"4_models/artifacts/{model_id}/")}
    assert found == dict(trained().files)
    challenger = registry.challenger(store)
    assert challenger is not None
    assert challenger["model_id"] == model_id
    assert challenger["metrics"] == GOOD
    assert registry.champion(store) is None


def test_proposing_twice_changes_nothing(store: FolderStore) -> None:
    propose(store)
    before = {key: store.get(key) for key in store.keys("")}
    propose(store)
    assert {key: store.get(key) for key in store.keys("")} == before


def test_a_model_that_cannot_prove_itself_is_not_proposed(store: FolderStore) -> None:
    with pytest.raises(ArtifactError):
        registry.propose(store, {**trained().files, "flows.onnx": b"?"}, {}, when_us=1)
    assert list(store.keys("")) == []


def test_history_tells_which_model_was_live_when_and_why(store: FolderStore) -> None:
    first, second = propose(store), propose(store, "ecod")
    registry.promote(store, first, "the first", when_us=10)
    registry.promote(store, second, "finds more", when_us=20)
    told = [(entry["number"], entry["model_id"], entry["why"], entry["when_us"]) for entry in registry.history(store)]
    assert told == [(1, first, "the first", 10), (2, second, "finds more", 20)]


def test_a_model_nobody_proposed_cannot_be_promoted(store: FolderStore) -> None:
    with pytest.raises(ArtifactError, match="propose it first"):
        registry.promote(store, "0123456789ab", "hope", when_us=1)


def test_rollback_goes_back_and_a_second_one_undoes_it(store: FolderStore) -> None:
    first, second = propose(store), propose(store, "ecod")
    registry.promote(store, first, "the first", when_us=10, metrics=GOOD)
    registry.promote(store, second, "finds more", when_us=20)
    assert registry.rollback(store, "false alerts", when_us=30)["model_id"] == first
    assert registry.champion(store) == registry.history(store)[2]
    assert registry.history(store)[2]["metrics"] == GOOD
    assert registry.rollback(store, "it was the sensor", when_us=40)["model_id"] == second
    assert [entry["number"] for entry in registry.history(store)] == [1, 2, 3, 4]


def test_without_a_predecessor_there_is_no_rollback(store: FolderStore) -> None:
    with pytest.raises(ArtifactError, match="no earlier champion"):
        registry.rollback(store, "?", when_us=1)
    registry.promote(store, propose(store), "the first", when_us=10)
    with pytest.raises(ArtifactError, match="no earlier champion"):
        registry.rollback(store, "?", when_us=11)


def test_of_racing_promoters_one_wins_and_the_others_are_told(store: FolderStore) -> None:
    model_id = propose(store)
    start, results = threading.Barrier(6), []

    def promote(number: int) -> None:
        start.wait()
        try:
            results.append(registry.promote(store, model_id, f"promoter {number}", when_us=number)["why"])
        except ConflictError:
            results.append("conflict")

    threads = [threading.Thread(target=promote, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = registry.history(store)
    assert [entry["number"] for entry in history] == list(range(1, len(history) + 1))
    assert sorted(entry["why"] for entry in history) == sorted(why for why in results if why != "conflict")


def test_a_champion_that_changed_after_it_was_read_is_not_overwritten(store: FolderStore) -> None:
    first, second = propose(store), propose(store, "ecod")

    class Overtaken(FolderStore):
        overtaken = False

        def put_if(self, key: str, whole: bytes, tag: str | None) -> str:
            if key == registry.CHAMPION and not self.overtaken:
                self.overtaken = True
                registry.promote(store, second, "quicker", when_us=5)
            return super().put_if(key, whole, tag)

    with pytest.raises(ConflictError):
        registry.promote(Overtaken(store.folder), first, "slower", when_us=6)
    champion = registry.champion(store)
    assert champion is not None
    assert champion["why"] == "quicker"


def test_a_promoter_stopped_half_way_leaves_a_whole_history(store: FolderStore) -> None:
    first, second = propose(store), propose(store, "ecod")

    class Stopped(FolderStore):
        def put_new(self, key: str, whole: bytes) -> None:
            if "history" in key:
                raise KeyboardInterrupt
            super().put_new(key, whole)

    with pytest.raises(KeyboardInterrupt):
        registry.promote(Stopped(store.folder), first, "stopped", when_us=1)
    assert [entry["why"] for entry in registry.history(store)] == ["stopped"]
    registry.promote(store, second, "next", when_us=2)
    assert [entry["why"] for entry in registry.history(store)] == ["stopped", "next"]


def test_history_entries_never_change(store: FolderStore) -> None:
    first, second = propose(store), propose(store, "ecod")
    registry.promote(store, first, "the first", when_us=10)
    before: dict[str, Any] = {key: store.get(key) for key in store.keys(registry.PREFIX + "history/")}
    registry.promote(store, second, "finds more", when_us=20)
    registry.rollback(store, "back", when_us=30)
    assert before == {key: store.get(key) for key in before}
