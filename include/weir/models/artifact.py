"""The artifact: a model at rest, checked before it is believed.

A folder with ``manifest.json``, ``flows.onnx`` and ``windows.onnx``. Each graph takes the table's
feature columns as float64, in the manifest's order, and gives ``score``, ``p_value`` and
``usual`` (what each column would have been, given the others). Opening one needs numpy and
onnxruntime only and executes nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.errors import ArtifactError, SchemaError
from weir.models.graph import INPUT, ROWS_PER_RUN, run, session
from weir.models.graph_check import check

MANIFEST = "manifest.json"
TABLES = ("flows", "windows")
FORMAT = 1
MOST_BYTES = 64 * 2**20  # of a file; a pair on 85 columns has 0.5 MB, a forest 2 MB
OUTPUTS = ("score", "p_value", "usual")
TOLERANCE = 1e-5  # of a golden row's score, relative above 1; covers other processors' arithmetic


@dataclass(frozen=True)
class Scorer:
    """One table's part of an artifact."""

    table: str
    features: tuple[str, ...]
    usual: NDArray[np.float64]
    """median of each column at training, in the column's own unit, shape (d,)"""
    threshold: float
    """a row alerts when its score is above this"""
    graph: Any

    def matrix(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        """The feature columns side by side, float64, shape (n, d).

        Raises
        ------
        SchemaError
            names columns that are missing, not numbers, or hold a value that is not finite.
        """
        missing = [name for name in self.features if name not in columns]
        if missing:
            raise SchemaError(f"{self.table}: columns {', '.join(missing)} are missing; the model was trained with them")
        try:
            x = np.column_stack([np.asarray(columns[name]).astype(np.float64) for name in self.features])
        except (TypeError, ValueError) as error:
            raise SchemaError(f"{self.table}: a feature column is not numbers of one length: {error}") from error
        wild = np.flatnonzero(~np.isfinite(x).all(axis=0))
        if len(wild):
            names = ", ".join(self.features[column] for column in wild)
            raise SchemaError(f"{self.table}: columns {names} hold values that are not finite; validate rows before scoring them")
        return x

    def run(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Score and p-value of each row, float64, shape (n,); a row's are the same alone and in any batch."""
        score, p_value = np.empty(len(x)), np.empty(len(x))
        for first in range(0, len(x), ROWS_PER_RUN):
            part = slice(first, first + ROWS_PER_RUN)
            s, p = self.graph.run(["score", "p_value"], {INPUT: x[part]})
            score[part], p_value[part] = s[:, 0], p[:, 0]
        return score, p_value

    def expected(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the model would have expected in each column, given the row's others, in own units, shape (n, d)."""
        expected: NDArray[np.float64] = run(self.graph, "usual", x)
        return expected


@dataclass(frozen=True)
class Artifact:
    """A model that has shown who it is."""

    model_id: str
    manifest: dict[str, Any]
    tables: Mapping[str, Scorer]

    def table(self, name: str) -> Scorer:
        """The part for one table; SchemaError when the model has none."""
        if name not in self.tables:
            raise SchemaError(f"{name!r}: model {self.model_id} scores {' and '.join(self.tables)}")
        return self.tables[name]

    def run(self, table: str, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Score and p-value of each row of a table's feature matrix."""
        return self.table(table).run(x)


def identify(manifest: Mapping[str, Any]) -> str:
    """The model's name: 12 hex digits of the hash of all the manifest says, which includes its files' hashes."""
    facts = {key: value for key, value in manifest.items() if key != "model_id"}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()[:12]


def pack(facts: Mapping[str, Any], graphs: Mapping[str, bytes]) -> dict[str, bytes]:
    """An artifact's files by name, from a manifest without its files' hashes and the graphs by table."""
    files = {f"{table}.onnx": graphs[table] for table in TABLES}
    listed = {name: {"sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(whole)} for name, whole in files.items()}
    manifest = {"format": FORMAT, **facts, "files": listed}
    manifest["model_id"] = identify(manifest)
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
    return {**files, MANIFEST: text.encode() + b"\n"}


def save(files: Mapping[str, bytes], folder: Path) -> None:
    """Write an artifact's files into a folder, the manifest last: without it the folder is no artifact."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == MANIFEST):
        hidden = folder / f".{name}"
        hidden.write_bytes(files[name])
        hidden.replace(folder / name)


def load(folder: Path) -> Artifact:
    """Open the model in a folder; refuse one that cannot prove what it is.

    Raises
    ------
    ArtifactError
        names the file and what is wrong with it.
    """
    return opened({name: _read(folder / name) for name in (MANIFEST, *(f"{table}.onnx" for table in TABLES))}, str(folder))


def opened(files: Mapping[str, bytes], what: str) -> Artifact:
    """Open a model from its files' bytes; ``what`` says in messages where they are from."""
    manifest = _manifest(files, what)
    verify_files(manifest, files, what)  # before any of them is parsed
    tables = {}
    for name in TABLES:
        facts = manifest["tables"][name]
        _verify_schema(name, facts, what)
        graph = _open_graph(files[f"{name}.onnx"], len(facts["features"]), f"{what}/{name}.onnx")
        usual = np.array(facts["usual"], np.float64)
        tables[name] = Scorer(name, tuple(facts["features"]), usual, facts["threshold"], graph)
        _reproduce_golden_rows(tables[name], facts["golden"], f"{what}/{name}.onnx")
    return Artifact(manifest["model_id"], manifest, tables)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ArtifactError(f"{path}: larger than {MOST_BYTES} bytes; no model of ours is: do not use it")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path}: {error.strerror}; an artifact is a manifest and one graph per table: fetch it whole"
        ) from error


def _manifest(files: Mapping[str, bytes], what: str) -> dict[str, Any]:
    try:
        manifest = json.loads(files[MANIFEST])
        model_id, found, tables, listed = (manifest[key] for key in ("model_id", "format", "tables", "files"))
        whole = all(
            isinstance(tables[table][key], kind)
            for table in TABLES
            for key, kind in (("features", list), ("usual", list), ("threshold", float), ("golden", dict), ("schema_hash", str))
        ) and all(isinstance(listed[f"{table}.onnx"]["sha256"], str) for table in TABLES)
        named = identify(manifest)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(f"{what}/{MANIFEST}: not a manifest: {error!r}; fetch it again or train anew") from error
    if found != FORMAT or not whole:
        raise ArtifactError(f"{what}/{MANIFEST}: of format {found!r}, this version reads {FORMAT}; train anew")
    if model_id != named:
        raise ArtifactError(
            f"{what}/{MANIFEST}: says {model_id!r} but its content is {named}; changed after training: do not use it"
        )
    return dict(manifest)


def verify_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], what: str) -> None:
    """ArtifactError when a file is missing or not the one the manifest was made with."""
    for name, said in manifest["files"].items():
        if name not in files:
            raise ArtifactError(f"{what}/{name}: missing; fetch the artifact whole")
        if hashlib.sha256(files[name]).hexdigest() != said["sha256"]:
            raise ArtifactError(f"{what}/{name}: not the bytes the manifest was made with; damaged or swapped: fetch it again")


def _verify_schema(table: str, facts: Mapping[str, Any], what: str) -> None:
    if facts["schema_hash"] != schema.schema_hash(table):
        raise ArtifactError(f"{what}: trained on another schema of {table}, {facts['schema_hash']}; train anew with this version")
    if tuple(facts["features"]) != schema.features(table) or len(facts["usual"]) != len(facts["features"]):
        raise ArtifactError(f"{what}: its {table} features are not those of the schema in order; train anew")


def _open_graph(whole: bytes, columns: int, what: str) -> Any:
    check(whole, what)
    try:
        graph = session(whole)
    except _refusals() as error:
        raise ArtifactError(f"{what}: onnxruntime refuses it: {error}; train anew") from error
    asked = [(put.name, put.type, put.shape[1:]) for put in graph.get_inputs()]
    if asked != [(INPUT, "tensor(double)", [columns])] or tuple(out.name for out in graph.get_outputs()) != OUTPUTS:
        raise ArtifactError(f"{what}: takes {asked}, not {columns} numbers a row, or gives other outputs: do not use it")
    return graph


def _refusals(*others: type[Exception]) -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
    return (*others, *(getattr(state, name) for name in names))


def _reproduce_golden_rows(scorer: Scorer, golden: Mapping[str, Any], what: str) -> None:
    try:
        rows, score, p_value = (np.array(golden[key], np.float64) for key in ("rows", "score", "p_value"))
        got, got_p = scorer.run(rows)
        off = np.abs(got - score) / np.maximum(1, np.abs(score))
        off_p = np.abs(got_p - p_value) - 2 / (golden["n"] + 1)  # a score on a step's edge may fall to its other side
    except _refusals(ValueError, KeyError, TypeError, IndexError) as error:
        raise ArtifactError(f"{what}: the manifest's golden rows are not rows of it: {error!r}; train anew") from error
    bad = np.flatnonzero(~((off <= TOLERANCE) & (off_p <= TOLERANCE)))
    if not len(rows) or len(bad):
        row = bad[0] if len(bad) else 0
        raise ArtifactError(
            f"{what}: golden row {row} comes out otherwise, by more than {TOLERANCE}: do not use it on this machine"
        )
