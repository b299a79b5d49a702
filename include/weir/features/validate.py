"""The gate before storage: rows that break a rule are refused, one by one, with the rule's words.

Two stages. Arrow first refuses nulls and values that are not finite, because Great Expectations
passes bounds on both, and on tables without rows; then the suite of the table judges the rest.
Suites are asked for yes or no; only expectations that say no are asked again for their rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from weir import schema
from weir.errors import SchemaError
from weir.features.expectations import BATCH, COMMAND, DATASOURCE
from weir.features.rules import with_derived

if TYPE_CHECKING:
    import great_expectations as gx
    import pandas as pd
    import pyarrow as pa
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

Verdict = Literal["good", "some refused", "all refused", "empty"]

_UNIQUE = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")
_KEPT = ""  # the reason of a row that broke nothing


@dataclass(frozen=True)
class Validated:
    """A table after its judgement.

    ``good`` and ``refused`` together hold every row once, in the order they came; ``refused`` has
    one column more, ``reason``, the words of the first rule that the row broke. ``result`` is what
    may be stored as JSON: table, unit (the sensor and hour of most rows), rows, good, refused,
    verdict, success, refused_by, null_share, expectations, suite_hash, schema_hash,
    great_expectations.
    """

    good: pa.Table
    refused: pa.Table
    result: dict[str, Any]


def validate(table: pa.Table, name: str, project: Path) -> Validated:
    """Judge every row of a table.

    Parameters
    ----------
    table : rows with the columns of ``schema.TABLES[name]``, in any order
    name : the table's name in the schema
    project : the Great Expectations folder with the suites; nothing is written to it

    Returns
    -------
    Validated; ``result["success"]`` is true only where there were rows and none was refused

    Raises
    ------
    SchemaError
        names the columns that are missing, double, unknown or of another type, or says that the
        suite was made for another schema.
    """
    import pyarrow as pa

    rows = _shaped(table, name)
    reasons = _not_whole(rows)
    whole = np.flatnonzero(reasons == _KEPT)
    suite = _suite(project, name)
    if len(whole):
        reasons[whole] = _broken_rules(rows.take(pa.array(whole)), name, suite, project)
    kept = pa.array(reasons == _KEPT, pa.bool_())
    refused = (
        _nullable(rows).append_column("reason", pa.array(reasons, pa.string())).filter(pa.array(reasons != _KEPT, pa.bool_()))
    )
    good = rows.filter(kept)
    assert good.num_rows + refused.num_rows == table.num_rows, "every row is either good or refused"
    return Validated(good, refused, _result(rows, name, reasons, suite, project))


def _shaped(table: pa.Table, name: str) -> pa.Table:
    """The columns of the schema in their order; texts may come in any encoding, numbers only in their own."""
    import pyarrow as pa

    wanted = schema.arrow_schema(schema.TABLES[name])
    _refuse_columns(name, "are missing", [column for column in wanted.names if column not in table.column_names])
    _refuse_columns(name, "are not in the schema", [column for column in table.column_names if column not in wanted.names])
    _refuse_columns(name, "are there twice", [column for column, times in Counter(table.column_names).items() if times > 1])
    wrong = [
        f"{f.name} ({table.schema.field(f.name).type}, not {f.type})"
        for f in wanted
        if not _fits(table.schema.field(f.name).type, f.type)
    ]
    _refuse_columns(name, "are of another type", wrong)
    return pa.table([table.column(field.name).cast(field.type) for field in wanted], schema=wanted)


def _refuse_columns(name: str, what: str, columns: list[str]) -> None:
    if columns:
        raise SchemaError(f"{name}: columns {', '.join(columns)} {what}; was the table written by another version?")


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(found):
        found = found.value_type
    return bool(found == wanted or (pa.types.is_string(wanted) and pa.types.is_large_string(found)))


def _nullable(rows: pa.Table) -> pa.Table:
    """The same rows under a schema that lets them be stored with the nulls they were refused for."""
    import pyarrow as pa

    return rows.cast(pa.schema([field.with_nullable(True) for field in rows.schema]))


def _not_whole(rows: pa.Table) -> NDArray[np.object_]:
    """The first null or not finite value of each row, in words."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reasons = np.full(rows.num_rows, _KEPT, dtype=object)
    for name in rows.column_names:
        values = rows.column(name)
        if values.null_count:
            _blame(reasons, pc.is_null(values), f"{name} is present")
        if pa.types.is_floating(values.type):
            _blame(reasons, pc.invert(pc.is_finite(pc.fill_null(values, 0.0))), f"{name} is finite")
    return reasons


def _blame(reasons: NDArray[np.object_], broken: pa.ChunkedArray, words: str) -> None:
    reasons[broken.to_numpy() & (reasons == _KEPT)] = words


def _suite(project: Path, name: str) -> gx.ExpectationSuite:
    import great_expectations as gx
    from great_expectations.exceptions import DataContextError

    try:
        suite = gx.get_context(mode="file", context_root_dir=project).suites.get(name)
    except DataContextError as error:
        raise SchemaError(f"{project}: has no suite {name}; run {COMMAND}") from error
    if (suite.meta or {}).get("schema_hash") != schema.schema_hash(name):
        raise SchemaError(f"{project}/expectations/{name}.json: made for another schema; run {COMMAND}")
    return suite


def _broken_rules(rows: pa.Table, name: str, suite: gx.ExpectationSuite, project: Path) -> NDArray[np.object_]:
    """Ask the suite; the words of the first rule, in the suite's order, that each row breaks."""
    import great_expectations as gx

    asset = gx.get_context(mode="file", context_root_dir=project).data_sources.get(DATASOURCE).get_asset(name)
    frame = with_derived(rows, name).to_pandas()
    batch = asset.get_batch_definition(BATCH).get_batch(batch_parameters={"dataframe": frame})
    failed = _failed(batch, suite)
    reasons = np.full(rows.num_rows, _KEPT, dtype=object)
    for expectation, places in _rows_that_break(batch, [asked for asked in suite.expectations if asked.id in failed]):
        if expectation.expectation_type in _UNIQUE:
            places = places[_is_copy(frame, expectation)[places]]
        reasons[places[reasons[places] == _KEPT]] = str((expectation.meta or {})["rule"])
    return reasons


def _is_copy(frame: pd.DataFrame, expectation: gx.expectations.Expectation) -> NDArray[np.bool_]:
    """Rows whose id was there before; the same id means the same packets, so the first row is kept."""
    kwargs = expectation.configuration.kwargs
    copies: NDArray[np.bool_] = frame.duplicated(kwargs.get("column_list") or [kwargs["column"]], keep="first").to_numpy()
    return copies


def _failed(batch: Batch, suite: gx.ExpectationSuite) -> set[str]:
    """Ids of the expectations that do not hold."""
    results = batch.validate(suite, result_format="BOOLEAN_ONLY").results
    assert len(results) == len(suite.expectations), "every expectation is answered"
    return {_answered(result).id for result in results if not result.success}


def _rows_that_break(
    batch: Batch, expectations: list[gx.expectations.Expectation]
) -> list[tuple[gx.expectations.Expectation, NDArray[np.int64]]]:
    """Each expectation and the places of the rows that break it."""
    import great_expectations as gx

    if not expectations:
        return []
    facts = [{"id": e.id, "type": e.expectation_type, "kwargs": e.configuration.kwargs, "meta": e.meta} for e in expectations]
    wanted = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
    results = batch.validate(gx.ExpectationSuite("broken", expectations=facts), result_format=wanted).results
    found = {_answered(result).id: np.array(result.result["unexpected_index_list"], np.int64) for result in results}
    assert all(len(places) for places in found.values()), "an expectation that fails has rows that break it"
    return [(e, found[e.id]) for e in expectations]


def _answered(result: ExpectationValidationResult) -> ExpectationConfiguration:
    """What was asked; SchemaError where it could not be answered, which Great Expectations reports as a plain no."""
    asked = result.expectation_config
    assert asked is not None
    if not result.success and not result.result and "raised_exception" not in result.exception_info:
        words = (asked.meta or {})["rule"]
        told = [info["exception_message"] for info in result.exception_info.values()]
        raise SchemaError(f"the rule {words!r} could not be asked: {'; '.join(told)}; run {COMMAND}")
    return asked


def _result(rows: pa.Table, name: str, reasons: NDArray[np.object_], suite: gx.ExpectationSuite, project: Path) -> dict[str, Any]:
    import great_expectations as gx

    refused_by = Counter(str(reason) for reason in reasons if reason != _KEPT)
    refused = refused_by.total()
    return {
        "table": name,
        "unit": _unit(rows),
        "rows": rows.num_rows,
        "good": rows.num_rows - refused,
        "refused": refused,
        "verdict": _verdict(rows.num_rows, refused),
        "success": bool(rows.num_rows and not refused),
        "refused_by": dict(sorted(refused_by.items())),
        "null_share": {c: rows.column(c).null_count / rows.num_rows for c in rows.column_names if rows.column(c).null_count},
        "expectations": len(suite.expectations),
        "suite_hash": hashlib.sha256((project / "expectations" / f"{name}.json").read_bytes()).hexdigest()[:12],
        "schema_hash": schema.schema_hash(name),
        "great_expectations": gx.__version__,
    }


def _unit(rows: pa.Table) -> str:
    """``sensor/hour`` of most rows; empty without rows."""
    import pyarrow.compute as pc

    if not rows.num_rows:
        return ""
    named = pc.binary_join_element_wise(rows.column("sensor_id"), rows.column("hour"), "/").drop_null()
    counts = {str(found["values"]): found["counts"] for found in named.value_counts().to_pylist()}
    return max(sorted(counts), key=lambda unit: counts[unit], default="")


def _verdict(rows: int, refused: int) -> Verdict:
    if not rows:
        return "empty"
    if not refused:
        return "good"
    return "all refused" if refused == rows else "some refused"
