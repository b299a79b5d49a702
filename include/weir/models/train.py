"""From validated tables to a model: split by time, fit, calibrate, pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.errors import ArtifactError, SchemaError
from weir.models import artifact
from weir.models.calibrate import Budget, Surprise, budget, maxima, p_value_onnx
from weir.models.detectors.base import Detector
from weir.models.detectors.members import DETECTORS
from weir.models.graph import INPUT, Graph, run, session
from weir.models.preprocess import Encoder

if TYPE_CHECKING:
    import pyarrow as pa

    from weir.settings import AlertSettings, TrainSettings

GOLDEN_ROWS = 10
FLOWS_SHARE = 0.5
"""Of the alert budget; windows have the rest, and what flows cannot spend. Were there one threshold for both, the
louder table would set it: a single odd flow among the calibration rows then silences all windows."""
FEW_ROWS = 300  # below this the pair of nets has too little to learn from, and a forest asks for less


@dataclass(frozen=True)
class TrainedModel:
    """A model that lies in memory as the files of its artifact."""

    model_id: str
    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Rows:
    """One table's rows as training needs them, in time order."""

    x: NDArray[np.float64]
    start_us: NDArray[np.int64]
    group: NDArray[np.object_]
    """sensor, host and hour"""

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        return Rows(self.x[chosen], self.start_us[chosen], self.group[chosen])


@dataclass(frozen=True)
class Fitted:
    """One table's encoder, detector and calibration."""

    name: str
    encoder: Encoder
    detector: Detector
    graph: bytes
    fitted: Rows
    held_back: Rows
    score: NDArray[np.float64]
    """of the held-back rows"""


def train(tables: Mapping[str, pa.Table], settings: TrainSettings, alerts: AlertSettings, data_version: str) -> TrainedModel:
    """Fit one detector per table, calibrate it on rows it has not seen, and pack both.

    A detector is fitted on the earlier rows and calibrated on the later ones; one that can judge each
    row by what the others taught (``judges_apart``) learns from all and is calibrated on all.

    The rows are taken to be mostly normal. The same tables, settings and version give the same bytes.

    Raises
    ------
    SchemaError
        a feature column is missing or not finite.
    ArtifactError
        no model can be trained on these rows; names the rule: too few rows, no spread in time, all rows equal.
    """
    rows = {name: read(tables[name], name) for name in artifact.TABLES}
    cut = _cut(rows, settings.calibrate_share)
    fitted = {name: _fit(name, rows[name], cut, settings) for name in artifact.TABLES}
    limits = _limits(fitted, alerts.budget_per_day)
    facts = {
        "data_version": data_version,
        "seed": settings.seed,
        "budget": together(limits, alerts.budget_per_day),
        "tables": {name: _facts(fitted[name], limits[name], settings) for name in artifact.TABLES},
    }
    files = artifact.pack(facts, {name: fitted[name].graph for name in artifact.TABLES})
    opened = artifact.opened(files, "the model just trained")
    return TrainedModel(opened.model_id, opened.manifest, files)


def _limits(fitted: Mapping[str, Fitted], per_day: float) -> dict[str, Budget]:
    """Each table's threshold: flows spend at most their share, windows what is left."""
    flows = _limit(fitted["flows"], per_day * FLOWS_SHARE)
    spent = per_day * FLOWS_SHARE if flows.promise is None else flows.expected
    return {"flows": flows, "windows": _limit(fitted["windows"], per_day - spent)}


def _limit(part: Fitted, per_day: float) -> Budget:
    return budget(maxima([part.held_back.group], [part.score]), _hours(part.held_back), per_day)


def together(limits: Mapping[str, Budget], per_day: float) -> dict[str, Any]:
    """What the tables' shares of the budget come to; a promise only if each table makes one."""
    promises = [limit.promise for limit in limits.values()]
    return {
        "per_day": per_day,
        "expected": sum(limit.expected for limit in limits.values()),
        "promise": None if None in promises else sum(promise for promise in promises if promise is not None),
        "n": min(limit.n for limit in limits.values()),
        "words": "; ".join(f"{name}: {limit.words}" for name, limit in limits.items()),
    }


def read(table: pa.Table, name: str) -> Rows:
    """A stored table's features and groups, in time order; SchemaError when a feature is missing or not finite."""
    names = schema.features(name)
    missing = [column for column in (*names, "start_us", "sensor_id", schema.HOST[name]) if column not in table.column_names]
    if missing:
        raise SchemaError(f"{name}: columns {', '.join(missing)} are missing; train on stored {name}")
    x = np.column_stack([table.column(column).to_numpy().astype(np.float64) for column in names])
    wild = np.flatnonzero(~np.isfinite(x).all(axis=0))
    if len(wild):
        named = ", ".join(names[column] for column in wild)
        raise SchemaError(f"{name}: columns {named} hold values that are not finite; validate first")
    start_us = table.column("start_us").to_numpy()
    order = np.lexsort((table.column(schema.ROW_ID[name]).to_numpy(), start_us))
    return Rows(x[order], start_us[order], groups(table, name)[order])


def groups(table: pa.Table, name: str) -> NDArray[np.object_]:
    """Name of each row's sensor, host and capture hour: the unit of an alert."""
    hour = table.column("start_us").to_numpy() // schema.HOUR_US
    columns = (table.column("sensor_id").to_pylist(), table.column(schema.HOST[name]).to_pylist(), hour.tolist())
    return np.array([f"{sensor}\t{host}\t{h}" for sensor, host, h in zip(*columns, strict=True)], dtype=object)


def _cut(rows: Mapping[str, Rows], share: float) -> int:
    """The time from which rows are held back, so that about this share of every table is."""
    cuts = []
    for name, part in rows.items():
        if len(part.x) == 0:
            raise ArtifactError(f"training refused (no rows): there are no {name}; collect more traffic")
        cuts.append(int(np.quantile(part.start_us, 1 - share, method="lower")))
    return max(cuts)


def _fit(name: str, rows: Rows, cut: int, settings: TrainSettings) -> Fitted:
    fitted, held_back = rows.where(rows.start_us < cut), rows.where(rows.start_us >= cut)
    for words, part in (("fit on", fitted), ("calibrate on", held_back)):
        if len(part.x) < settings.rows_min:
            raise ArtifactError(
                f"training refused (too few rows): {len(part.x)} {name} to {words}, not {settings.rows_min}; collect more traffic"
            )
    if (fitted.x == fitted.x[0]).all():
        raise ArtifactError(
            f"training refused (all rows equal): {len(fitted.x)} {name} show nothing usual; collect other traffic"
        )
    detector = DETECTORS[choose(name, len(fitted.x), settings)]()
    if detector.judges_apart:
        return _fit_apart(name, rows, detector, settings.seed)
    fitted = _sample(fitted, settings)
    encoder = _encoder(name, fitted.x, detector)
    detector.fit(encoder.encode(fitted.x), settings.seed)
    reference = run(session(_raw(encoder, detector)), "raw", held_back.x)[:, 0]
    graph = _whole(encoder, detector, reference)
    score = run(session(graph), "score", held_back.x)[:, 0]
    return Fitted(name, encoder, detector, graph, fitted, held_back, score)


def _fit_apart(name: str, rows: Rows, detector: Detector, seed: int) -> Fitted:
    """Learn from all rows and calibrate on all, each judged by the hosts and hours that are not its own.

    No row has seen itself, nor its near copies of the same hour, so none need be held back in time;
    twice as many host-hours then support the threshold.
    """
    encoder = _encoder(name, rows.x, detector)
    group = np.unique(rows.group.astype(str), return_inverse=True)[1]
    reference = detector.fit_apart(encoder.encode(rows.x), group, seed)
    score = Surprise.fit(reference).of(reference)
    return Fitted(name, encoder, detector, _whole(encoder, detector, reference), rows, rows, score)


def _encoder(name: str, x: NDArray[np.float64], detector: Detector) -> Encoder:
    encoder = Encoder.fit(schema.features(name), x)
    return encoder.unscaled() if detector.works_on_logs else encoder


def choose(table: str, rows: int, settings: TrainSettings) -> str:
    """The detector's name: as the settings say, or for ``auto`` by the number of rows."""
    named = settings.flows_detector if table == "flows" else settings.windows_detector
    if named != "auto":
        if named not in DETECTORS:
            raise ArtifactError(
                f"training refused (unknown detector): {named!r} for {table}; known are auto, {', '.join(DETECTORS)}"
            )
        return named
    if table == "windows":
        return "record"
    return "iforest" if rows < FEW_ROWS else "pair"


def _sample(rows: Rows, settings: TrainSettings) -> Rows:
    if len(rows.x) <= settings.rows_max:
        return rows
    chosen = np.zeros(len(rows.x), bool)
    chosen[np.random.default_rng(settings.seed).choice(len(rows.x), settings.rows_max, replace=False)] = True
    return rows.where(chosen)


def _raw(encoder: Encoder, detector: Detector) -> bytes:
    graph = Graph(len(encoder.names))
    return graph.bytes({"raw": (detector.to_onnx(graph, encoder.to_onnx(graph)).score, np.float32)})


def _whole(encoder: Encoder, detector: Detector, reference: NDArray[np.float32]) -> bytes:
    graph = Graph(len(encoder.names))
    parts = detector.to_onnx(graph, encoder.to_onnx(graph))
    score = Surprise.fit(reference).to_onnx(graph, parts.score)
    p_value = p_value_onnx(graph, parts.score, reference)
    usual = encoder.decode_onnx(graph, parts.usual)
    return graph.bytes({name: (value, np.float64) for name, value in zip(artifact.OUTPUTS, (score, p_value, usual), strict=True)})


def _hours(rows: Rows) -> float:
    """Capture time the rows span, summed over sensors, h; at least a minute each."""
    sensor = np.array([group.split("\t")[0] for group in rows.group])
    spans = [np.ptp(rows.start_us[sensor == name]) for name in np.unique(sensor)]
    return float(sum(max(span, 60 * schema.US_PER_S) for span in spans)) / schema.HOUR_US


def _facts(part: Fitted, limit: Budget, settings: TrainSettings) -> dict[str, Any]:
    order = np.argsort(part.score, kind="stable")
    golden = part.held_back.x[order[np.linspace(0, len(order) - 1, GOLDEN_ROWS).round().astype(int)]]
    score, p_value = session(part.graph).run(["score", "p_value"], {INPUT: golden})
    return {
        "detector": choose(part.name, len(part.fitted.x), settings),
        "schema_hash": schema.schema_hash(part.name),
        "features": list(part.encoder.names),
        "usual": part.encoder.usual.tolist(),
        "threshold": limit.threshold,
        "budget": asdict(limit),
        "fitted": _span(part.fitted),
        "held_back": _span(part.held_back),
        "golden": {
            "rows": golden.tolist(),
            "score": score[:, 0].tolist(),
            "p_value": p_value[:, 0].tolist(),
            "n": len(part.score),
        },
    }


def _span(rows: Rows) -> dict[str, int]:
    return {"rows": len(rows.x), "first_us": int(rows.start_us[0]), "last_us": int(rows.start_us[-1])}
