"""Great Expectations suites made of the rules, and the project folder that holds them.

``python -m weir.features.expectations great_expectations`` writes the folder anew. The files are
the same whoever writes them: ids come from names, not from chance.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir import schema
from weir.features.rules import Rule, rules

if TYPE_CHECKING:
    import great_expectations as gx

NAMES = uuid.UUID("8f0f1a52-6f0c-5d0e-9d5f-2f6f1c0d7a11")
"""Namespace of all ids in the project folder."""

COMMAND = "python -m weir.features.expectations great_expectations"
DATASOURCE = "weir"
BATCH = "rows"

_SUITES = {"class_name": "TupleFilesystemStoreBackend", "base_directory": "expectations/", "suppress_store_backend_id": True}
_NOWHERE = {"store_backend": {"class_name": "InMemoryStoreBackend"}}  # results are stored by jobs, not by Great Expectations


def suite(table: str) -> gx.ExpectationSuite:
    """The suite of a table of ``schema.TABLES``: one critical expectation per rule, in the rules' order."""
    import great_expectations as gx

    return gx.ExpectationSuite(**_suite_facts(table))


def files(project_name: str = "great_expectations") -> dict[str, str]:
    """Every file of the project folder, by its path inside it, with its content."""
    suites = {f"expectations/{table}.json": _json(_suite_facts(table)) for table in schema.TABLES}
    return {"great_expectations.yml": _settings(project_name), ".gitignore": "uncommitted/\n", **suites}


def write_project(project: Path) -> list[Path]:
    """Write the suites and settings into the folder ``project``; returns the files that changed."""
    changed = []
    for name, content in files().items():
        path = project / name
        if not path.is_file() or path.read_text() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            changed.append(path)
    return changed


def stale(project: Path) -> list[str]:
    """Names of the files in ``project`` that no longer say what the schema says."""
    return [
        name for name, content in files().items() if not (project / name).is_file() or (project / name).read_text() != content
    ]


def _suite_facts(table: str) -> dict[str, Any]:
    return {
        "name": table,
        "id": _id(table),
        "expectations": [_expectation_facts(table, rule) for rule in rules(table)],
        "meta": {"schema_hash": schema.schema_hash(table), "written_by": COMMAND},
        "notes": f"Rules of the table {table}, made from include/weir/schema.py. Do not edit; run {COMMAND}",
    }


def _expectation_facts(table: str, rule: Rule) -> dict[str, Any]:
    return {
        "id": _id(f"{table}/{rule.words}"),
        "type": rule.expectation,
        "kwargs": rule.kwargs,
        "meta": {"rule": rule.words},
        "severity": "critical",
    }


def _id(name: str) -> str:
    return str(uuid.uuid5(NAMES, name))


def _json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def _settings(project_name: str) -> str:
    """``great_expectations.yml``: where the suites lie, and one data frame asset per table."""
    import yaml

    assets = {
        table: {
            "type": "dataframe",
            "id": _id(f"asset/{table}"),
            "batch_definitions": {BATCH: {"id": _id(f"batch/{table}"), "partitioner": None}},
        }
        for table in schema.TABLES
    }
    facts = {
        "config_version": 4.0,
        "data_context_id": _id(project_name),
        "analytics_enabled": False,
        "stores": {
            "expectations_store": {"class_name": "ExpectationsStore", "store_backend": _SUITES},
            "validation_results_store": {"class_name": "ValidationResultsStore", **_NOWHERE},
            "checkpoint_store": {"class_name": "CheckpointStore", **_NOWHERE},
            "validation_definition_store": {"class_name": "ValidationDefinitionStore", **_NOWHERE},
        },
        "expectations_store_name": "expectations_store",
        "validation_results_store_name": "validation_results_store",
        "checkpoint_store_name": "checkpoint_store",
        "data_docs_sites": {},
        "progress_bars": {"globally": False},
        "fluent_datasources": {DATASOURCE: {"type": "pandas", "id": _id("datasource"), "assets": assets}},
    }
    return f"# Made from include/weir/schema.py. Do not edit; run {COMMAND}\n" + yaml.safe_dump(facts, sort_keys=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"one argument is needed, the project folder: {COMMAND}")
    for written in write_project(Path(sys.argv[1])):
        sys.stderr.write(f"written: {written}\n")
