"""Data Docs: the rules of every table and how the last hours fared, as a folder of static pages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir.errors import SchemaError
from weir.features.expectations import COMMAND
from weir.features.still import index, made_still

if TYPE_CHECKING:
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

RESULTS_SHOWN = 50  # a page of a result is about 300 kB
NO_HOUR = datetime(1970, 1, 1, tzinfo=UTC)


def build_docs(project: Path, out: Path, results: Iterable[Mapping[str, Any]] = ()) -> Path:
    """Write the pages into ``out`` and return the first of them.

    Parameters
    ----------
    project : the Great Expectations folder with the suites; nothing is written to it
    out : folder that becomes the site; its pages need no network and run no script
    results : what ``validate`` gave for some tables, each with its ``unit`` (sensor/hour); the
        newest ``RESULTS_SHOWN`` are shown

    Raises
    ------
    SchemaError
        when the project holds no suites.
    """
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder)
        shown, tables = _draw(project, drawn, results)
        for page in sorted(drawn.rglob("*.html")):
            _write(out / page.relative_to(drawn), made_still(page.read_text()))
    return _write(out / "index.html", index(tables, shown, [_page(result) for result in shown]))


def _write(path: Path, page: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    return path


def _draw(project: Path, folder: Path, results: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Let Great Expectations draw into ``folder``; the results that are shown, newest first, and the tables that have a suite."""
    context = _context(project, folder)
    suites = {suite.name: suite for suite in context.suites.all()}
    if not suites:
        raise SchemaError(f"{project}: has no suites; run {COMMAND}")
    known = [result for result in results if result["table"] in suites]
    newest = sorted(known, key=lambda result: (_hour(result), result.get("unit", ""), result["table"]), reverse=True)
    for result in newest[:RESULTS_SHOWN]:
        context.validation_results_store.set(_key(result), _as_validation(result, suites[result["table"]]))
    context.build_data_docs()
    return newest[:RESULTS_SHOWN], sorted(suites)


def _context(project: Path, out: Path) -> AbstractDataContext:
    """A context in memory that reads the suites and writes the site, and nothing else."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig

    memory = {"class_name": "InMemoryStoreBackend"}
    suites = _files(project / "expectations")
    config = DataContextConfig(
        config_version=4.0,
        stores={
            "expectations_store": {"class_name": "ExpectationsStore", "store_backend": suites},
            "validation_results_store": {"class_name": "ValidationResultsStore", "store_backend": memory},
            "checkpoint_store": {"class_name": "CheckpointStore", "store_backend": memory},
            "validation_definition_store": {"class_name": "ValidationDefinitionStore", "store_backend": memory},
        },
        expectations_store_name="expectations_store",
        validation_results_store_name="validation_results_store",
        checkpoint_store_name="checkpoint_store",
        data_docs_sites={
            "weir": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": _files(out),
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
        progress_bars={"globally": False},
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _files(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "TupleFilesystemStoreBackend",
        "base_directory": str(folder.resolve()),
        "suppress_store_backend_id": True,
    }


def _hour(result: Mapping[str, Any]) -> datetime:
    hour = str(result.get("unit", "")).rpartition("/")[2]
    return datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC) if hour else NO_HOUR


def _key(result: Mapping[str, Any]) -> ValidationResultIdentifier:
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier, ValidationResultIdentifier

    run = RunIdentifier(run_name=_run(result), run_time=_hour(result))
    return ValidationResultIdentifier(ExpectationSuiteIdentifier(result["table"]), run, result["table"])


def _page(result: Mapping[str, Any]) -> str:
    """Where Great Expectations puts the page of a result."""
    return f"validations/{result['table']}/{_run(result)}/{_hour(result):%Y%m%dT%H%M%S.%fZ}/{result['table']}.html"


def _run(result: Mapping[str, Any]) -> str:
    return str(result.get("unit") or "one table").replace("/", " ")


def _as_validation(result: Mapping[str, Any], suite: gx.ExpectationSuite) -> ExpectationSuiteValidationResult:
    """Our counts in the form that Great Expectations draws; a value that is not finite counts as not present."""
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )

    answers = []
    for expectation in suite.expectations:
        refused = _refused(result, str((expectation.meta or {})["rule"]))
        is_true = not refused and bool(result["rows"])
        share = 100 * refused / result["rows"] if result["rows"] else 0.0
        counts = {"element_count": result["rows"], "unexpected_count": refused, "unexpected_percent": share}
        if expectation.expectation_type == "expect_table_row_count_to_be_between":
            counts = {"observed_value": result["rows"]}
        answers.append(ExpectationValidationResult(success=is_true, expectation_config=expectation.configuration, result=counts))
    true = sum(bool(answer.success) for answer in answers)
    return ExpectationSuiteValidationResult(
        success=bool(result["success"]),
        results=answers,
        suite_name=suite.name,
        statistics={
            "evaluated_expectations": len(answers),
            "successful_expectations": true,
            "unsuccessful_expectations": len(answers) - true,
            "success_percent": 100 * true / len(answers),
        },
        meta={
            "run_id": {"run_name": _run(result), "run_time": _hour(result).isoformat()},
            "great_expectations_version": result["great_expectations"],
            "batch_kwargs": {"data_asset_name": result["table"]},
        },
    )


def _refused(result: Mapping[str, Any], words: str) -> int:
    refused_by: Mapping[str, int] = result["refused_by"]
    return refused_by.get(words, 0) + refused_by.get(words.removesuffix(" is present") + " is finite", 0)
