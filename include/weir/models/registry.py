"""The registry: which model scores, which wants to, and which did when.

``champion.json`` is replaced in one conditional write, so of two promoters at once one wins and the
other is told; it carries its own number, and the same bytes become ``history/<number>.json``, which
is never changed. There is no pointer to the newest model: new is not better.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from weir.errors import ArtifactError, ConflictError
from weir.models.artifact import MANIFEST, opened

PREFIX = "4_models/registry/"
CHAMPION = PREFIX + "champion.json"
CHALLENGER = PREFIX + "challenger.json"
ARTIFACTS = "4_models/artifacts/"

Entry = dict[str, Any]


class Objects(Protocol):
    """What the registry asks of a store."""

    def put_new(self, key: str, whole: bytes) -> None:
        """Write an object that must not exist; ConflictError when it does with other bytes."""

    def put_if(self, key: str, whole: bytes, tag: str | None) -> str:
        """Replace the object only if its tag still is ``tag``; ConflictError otherwise."""

    def get_tagged(self, key: str) -> tuple[bytes, str]:
        """The object and its tag."""

    def exists(self, key: str) -> bool:
        """Whether the object is there."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin with ``prefix``, in order."""


def propose(store: Objects, files: Mapping[str, bytes], metrics: Mapping[str, Any], when_us: int) -> Entry:
    """Store an artifact, after it proved what it is, and make it the challenger.

    Parameters
    ----------
    files : the artifact's files by name
    metrics : what the evaluation said of it; kept with the pointer, so that the gate can read it
    """
    artifact = opened(files, "the proposed model")
    for name in sorted([MANIFEST, *artifact.manifest["files"]], key=lambda name: name == MANIFEST):
        store.put_new(f"{ARTIFACTS}{artifact.model_id}/{name}", files[name])
    _, tag = _read(store, CHALLENGER)
    entry = {"model_id": artifact.model_id, "metrics": dict(metrics), "when_us": when_us}
    store.put_if(CHALLENGER, _bytes(entry), tag)
    return entry


def promote(store: Objects, model_id: str, why: str, when_us: int, metrics: Mapping[str, Any] | None = None) -> Entry:
    """Make a stored model the champion.

    Raises
    ------
    ArtifactError
        the store has no such model.
    ConflictError
        somebody else changed the champion meanwhile; look at it and decide anew.
    """
    if not store.exists(f"{ARTIFACTS}{model_id}/{MANIFEST}"):
        raise ArtifactError(f"{ARTIFACTS}{model_id}: no such model in the store; propose it first (weir propose)")
    present, tag = _read(store, CHAMPION)
    if present:
        store.put_new(_history_key(present), _bytes(present))  # in case whoever wrote it was stopped right after
    entry = {
        "model_id": model_id,
        "number": present["number"] + 1 if present else 1,
        "previous": present["model_id"] if present else None,
        "why": why,
        "when_us": when_us,
        "metrics": dict(metrics or {}),
    }
    store.put_if(CHAMPION, _bytes(entry), tag)
    store.put_new(_history_key(entry), _bytes(entry))
    return entry


def rollback(store: Objects, why: str, when_us: int) -> Entry:
    """Put the champion's predecessor back; a second rollback undoes the first.

    Raises
    ------
    ArtifactError
        there is no predecessor.
    """
    present = champion(store)
    if present is None or present["previous"] is None:
        raise ArtifactError("there is no earlier champion to go back to; promote another model instead (weir promote)")
    metrics: Entry = next(
        (entry["metrics"] for entry in reversed(history(store)) if entry["model_id"] == present["previous"]), {}
    )
    return promote(store, present["previous"], why, when_us, metrics)


def champion(store: Objects) -> Entry | None:
    """The model that scores: ``model_id``, ``number``, ``previous``, ``why``, ``when_us``, ``metrics``; or None."""
    return _read(store, CHAMPION)[0]


def challenger(store: Objects) -> Entry | None:
    """The model last proposed: ``model_id``, ``metrics``, ``when_us``; None when there is none."""
    return _read(store, CHALLENGER)[0]


def history(store: Objects) -> list[Entry]:
    """All champions there were, the first first, the present one last."""
    found = [_read(store, key)[0] for key in store.keys(PREFIX + "history/")]
    entries = {entry["number"]: entry for entry in (*found, champion(store)) if entry}
    return [entries[number] for number in sorted(entries)]


def _history_key(entry: Entry) -> str:
    return f"{PREFIX}history/{entry['number']:06d}.json"


def _bytes(entry: Entry) -> bytes:
    return json.dumps(entry, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def _read(store: Objects, key: str) -> tuple[Entry | None, str | None]:
    if not store.exists(key):
        return None, None
    whole, tag = store.get_tagged(key)
    try:
        return dict(json.loads(whole)), tag
    except ValueError as error:
        raise ConflictError(f"{key}: not an entry of the registry: {error}; restore it from {PREFIX}history/") from error
