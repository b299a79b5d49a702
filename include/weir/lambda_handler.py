"""Door of AWS Lambda: records from Kinesis in, scores out.

Each record's data is JSON: ``{"table": "flows", "schema_hash": "…", "rows": [{column: value, …}]}``.
The answer lists the scores and names the records that could not be scored, so that the event source
retries only those (``ReportBatchItemFailures``). Nothing is kept between calls but the model, so the
same record twice gives the same answer twice.

Environment: WEIR_MODEL, the folder of the artifact. WEIR_SNS_TOPIC, where rows above the threshold
are published; without it boto3 is not even imported.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from weir import schema
from weir.errors import SchemaError, SettingsError
from weir.models.artifact import TABLES, Artifact, load
from weir.scores.reasons import reasons
from weir.scores.score import anomalous, score

MOST_ROWS = 100_000  # of one record; Kinesis allows 1 MiB, which is some thousand rows
MOST_REASONS = 100  # rows of one record that are explained; an attack may make all rows anomalous

log = logging.getLogger("weir.lambda")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Score a batch of records.

    Returns
    -------
    ``scores``, one dict per row with the columns of ``schema.SCORES``, ``anomalous`` and, for anomalous
    rows, ``reasons``; and ``batchItemFailures``, the sequence numbers of records that could not
    be read. A bad row fails its whole record, so that none is lost or scored twice.
    """
    artifact = model(os.environ.get("WEIR_MODEL", ""))
    scores: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for record in event.get("Records", []):
        try:
            scores += _score_record(artifact, record)
        except SchemaError as error:
            name = str(record.get("kinesis", {}).get("sequenceNumber", ""))
            log.warning("record_refused sequence=%s reason=%s", name, error)
            failed.append({"itemIdentifier": name})
    if topic := os.environ.get("WEIR_SNS_TOPIC"):
        _publish(topic, [row for row in scores if row["anomalous"]])
    log.info(
        "batch_scored records=%d rows=%d failed=%d model=%s",
        len(event.get("Records", [])),
        len(scores),
        len(failed),
        artifact.model_id,
    )
    return {"scores": scores, "batchItemFailures": failed}


@cache
def model(folder: str) -> Artifact:
    """The artifact, checked and opened once per process."""
    if not folder:
        raise SettingsError("WEIR_MODEL is not set; give the folder of the artifact to score with")
    return load(Path(folder))


def _score_record(artifact: Artifact, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = _read(record)
    table, rows = said.get("table"), said.get("rows")
    if table not in TABLES:
        raise SchemaError(f"table {table!r} is not scored; known are {' and '.join(TABLES)}")
    if said.get("schema_hash") != schema.schema_hash(table):
        raise SchemaError(
            f"{table} of schema {said.get('schema_hash')!r}, this function knows {schema.schema_hash(table)}; update the sender"
        )
    columns = _columns(table, rows)
    scored = score(artifact, table, columns)
    above = anomalous(artifact, table, scored["score"])
    why = _reasons(artifact, table, columns, above)
    made = [
        dict(zip(scored, values, strict=True)) for values in zip(*(column.tolist() for column in scored.values()), strict=True)
    ]
    return [row | {"anomalous": bool(above[i])} | ({"reasons": why[i]} if i in why else {}) for i, row in enumerate(made)]


def _read(record: Mapping[str, Any]) -> dict[str, Any]:
    try:
        said = json.loads(base64.b64decode(record["kinesis"]["data"], validate=True))
    except (KeyError, TypeError, ValueError, binascii.Error, RecursionError) as error:
        raise SchemaError(f"the record's data is not base64 of JSON: {error!r}") from error
    if not isinstance(said, dict):
        raise SchemaError(f"the record holds {type(said).__name__}, not an object with table and rows")
    return said


def _columns(table: str, rows: Any) -> dict[str, np.ndarray[Any, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or len(rows) > MOST_ROWS:
        raise SchemaError(f"{table}: rows are not a list of at most {MOST_ROWS} objects")
    names = (*schema.features(table), schema.ROW_ID[table], schema.HOST[table], "start_us", "sensor_id", "hour")
    dtypes = {column.name: column.dtype for column in schema.TABLES[table]}
    return {name: _column(table, name, dtypes[name], rows) for name in names}


def _column(table: str, name: str, dtype: str, rows: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, Any]:
    values = [row.get(name) for row in rows]
    wanted = (str,) if dtype == "string" else (int,) if dtype.startswith("int") else (int, float)
    if not all(isinstance(value, wanted) and not isinstance(value, bool) for value in values):
        raise SchemaError(f"{table}: column {name} is missing in a row or not of type {dtype}")
    try:
        return np.array(values, dtype=object if dtype == "string" else dtype)
    except OverflowError as error:
        raise SchemaError(f"{table}: column {name}: {error}") from error


def _reasons(
    artifact: Artifact, table: str, columns: Mapping[str, Any], above: np.ndarray[Any, Any]
) -> dict[int, list[dict[str, Any]]]:
    chosen = np.flatnonzero(above)[:MOST_REASONS]
    found = reasons(artifact, table, {name: column[chosen] for name, column in columns.items()})
    return dict(zip(chosen.tolist(), found, strict=True))


def _publish(topic: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    import boto3

    sns = boto3.client("sns")
    for row in rows:
        sns.publish(
            TopicArn=topic,
            Message=json.dumps(row),
            MessageAttributes={"sensor_id": {"DataType": "String", "StringValue": str(row["sensor_id"]) or "unknown"}},
        )
