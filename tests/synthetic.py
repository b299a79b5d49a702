"""Flows and windows made of random numbers that look roughly like traffic, for tests that need a table, not a network."""

from __future__ import annotations

from functools import cache
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from weir import schema
from weir.models.artifact import Artifact, opened
from weir.models.detectors.members import DETECTORS
from weir.models.detectors.pair import Pair
from weir.models.train import TrainedModel, train
from weir.settings import AlertSettings, TrainSettings

NINE = 1_709_542_800_000_000  # 2024-03-04T09:00:00Z, us
BUDGET = 40  # alerts a day; few enough that the calibration of these tables supports it
PROTOCOLS = np.array([6, 6, 6, 17, 17, 1])


@cache
def trained(detector: str = "zscore") -> TrainedModel:
    """A small model of these tables, trained once a run."""
    settings = TrainSettings(flows_detector=detector, windows_detector=detector)
    tables = {"flows": table("flows", 900, seed=1), "windows": table("windows", 500, seed=2)}
    with patch.dict(DETECTORS, {"pair": lambda: Pair(effort=0.1)}):  # a tenth of the steps is enough for tests
        return train(tables, settings, AlertSettings(budget_per_day=BUDGET), data_version="v1")


def artifact(detector: str = "zscore") -> Artifact:
    """The same model, opened."""
    return opened(trained(detector).files, "the synthetic model")


def columns(rows: pa.Table) -> dict[str, np.ndarray]:
    """A table's columns as numpy arrays."""
    return {name: rows.column(name).to_numpy(zero_copy_only=False) for name in rows.column_names}


def table(
    name: str, rows: int, seed: int, hours: float = 6.0, hosts: int = 40, strange: int = 0, start_us: int = NINE
) -> pa.Table:
    """A stored table whose ``strange`` last rows have columns that do not belong together."""
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    columns = {c.name: _column(c, size, random) for c in schema.TABLES[name]}
    columns["start_us"] = np.sort(start_us + (random.random(rows) * hours * schema.HOUR_US).astype(np.int64))
    columns[schema.ROW_ID[name]] = np.arange(rows, dtype=np.int64) + seed * 1_000_000
    columns[schema.HOST[name]] = np.array([f"10.0.0.{host}" for host in random.integers(1, hosts + 1, rows)])
    columns["sensor_id"] = np.full(rows, "lab")
    columns["hour"] = np.array([schema.hour_of(int(start)) for start in columns["start_us"]])
    if strange:
        for feature in schema.features(name)[3::4]:
            columns[feature][-strange:] = _odd(columns[feature], strange, random)
        columns[schema.HOST[name]][-strange:] = "10.9.9.9"
    wanted = schema.arrow_schema(schema.TABLES[name])
    return pa.table([pa.array(columns[field.name]).cast(field.type) for field in wanted], schema=wanted)


def _column(column: schema.Column, size: np.ndarray, random: np.random.Generator) -> np.ndarray:
    rows = len(size)
    if column.dtype == "string":
        return np.full(rows, "x", dtype="U20")
    if column.name == "protocol":
        return random.choice(PROTOCOLS, rows)
    if column.name in ("ip_version", "icmp_type", "icmp_code"):
        return np.full(rows, 4 if column.name == "ip_version" else -1)
    values = np.exp(2 + size + 0.5 * random.normal(size=rows))
    if column.high is not None:
        values = np.minimum(values, column.high)
    return values.astype(np.int64) if column.dtype.startswith("int") else values


def _odd(values: np.ndarray, rows: int, random: np.random.Generator) -> np.ndarray:
    return (values.max() * (20 + 20 * random.random(rows))).astype(values.dtype)
