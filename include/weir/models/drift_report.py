"""What changed, as a page for people and a summary for programs.

Our own rule decides (``models/drift.py``); Evidently draws the columns that moved most, on a
sample, because drawing all columns of all rows costs minutes and megabytes. Programs that call
this set ``DO_NOT_TRACK=1`` before Evidently is imported.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weir.models.drift import DriftVerdict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from evidently import Dataset
    from evidently.legacy.calculations.stattests import StatTest

ROWS_DRAWN = 20_000
COLUMNS_DRAWN = 12

_STYLE = "font:15px/1.5 system-ui,sans-serif;margin:24px auto;padding:0 16px;max-width:960px;color:#1b1f24"
_CELL = "text-align:right;padding:3px 18px 3px 0;border-bottom:1px solid #d8dee4"


@dataclass(frozen=True)
class DriftReport:
    """``html`` is one page that needs no network; ``summary`` can be stored as JSON.

    The summary is the verdict's, with ``columns``, ``seed``, ``rows_drawn``, ``columns_drawn`` and
    ``evidently``, which is what Evidently says of the drawn columns, or None where nothing could
    be drawn.
    """

    html: str
    summary: dict[str, Any]


def draw(reference: pa.Table, current: pa.Table, verdict: DriftVerdict, seed: int) -> DriftReport:
    """Draw the columns that moved most; a verdict of "insufficient data" without judged columns gets words only.

    Parameters
    ----------
    reference, current : the tables that the verdict is about
    seed : chooses the rows that are drawn, at most ``ROWS_DRAWN`` of each table
    """
    names = _most_moved(verdict)
    rows = [min(table.num_rows, ROWS_DRAWN) for table in (reference, current)]
    facts = {**verdict.summary, "columns": verdict.columns, "seed": seed, "rows_drawn": rows, "columns_drawn": names}
    ours = _ours(verdict)
    if not names:
        return DriftReport(_page(ours), {**facts, "evidently": None})
    page, theirs = _evidently(_sample(reference, names, seed), _sample(current, names, seed), verdict, names)
    body = page.index(">", page.index("<body")) + 1
    return DriftReport(page[:body] + ours + page[body:], {**facts, "evidently": theirs})


def _most_moved(verdict: DriftVerdict) -> list[str]:
    judged = [column for column in verdict.columns if not column["words"]]
    return [column["name"] for column in sorted(judged, key=lambda c: (-c["z"], c["name"]))[:COLUMNS_DRAWN]]


def _sample(table: pa.Table, names: list[str], seed: int) -> Dataset:
    import pyarrow as pa
    from evidently import DataDefinition, Dataset

    chosen = table.select(names)
    if table.num_rows > ROWS_DRAWN:
        picked = np.random.default_rng(seed).choice(table.num_rows, ROWS_DRAWN, replace=False)
        chosen = chosen.take(pa.array(np.sort(picked)))
    return Dataset.from_pandas(chosen.to_pandas(), data_definition=DataDefinition(numerical_columns=names))


def _evidently(reference: Dataset, current: Dataset, verdict: DriftVerdict, names: list[str]) -> tuple[str, dict[str, Any]]:
    """The page and the findings of Evidently, which takes the z of each column from our verdict."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    share = min(1.0, verdict.summary["needed"] / len(names))
    preset = DataDriftPreset(num_method=_our_rule(verdict), num_threshold=verdict.summary["z_limit"], drift_share=share)
    made = Report([preset]).run(current, reference)
    return made.get_html_str(as_iframe=False), json.loads(made.json())


def _our_rule(verdict: DriftVerdict) -> StatTest:
    """Our findings in the form of an Evidently test, so that its page cannot contradict our verdict."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    found = {column["name"]: column for column in verdict.columns}

    def look_up(reference: pd.Series[float], current: pd.Series[float], kind: ColumnType, threshold: float) -> tuple[float, bool]:
        column = found[str(current.name)]
        return column["z"], column["drifted"]

    test = StatTest(name="weir_z", display_name="z against calm traffic", allowed_feature_types=[ColumnType.Numerical])
    register_stattest(test, look_up)
    return test


def _page(ours: str) -> str:
    head = '<head><meta charset="utf-8"><title>Weir: drift</title></head>'
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{ours}</body></html>\n'


def _ours(verdict: DriftVerdict) -> str:
    """The verdict, in words and a table, to stand above what Evidently draws."""
    facts = verdict.summary
    rows = f"{facts['current_rows']:,} current rows against {facts['reference_rows']:,} reference rows"
    pieces = f", judged by {facts['pieces']} calm pieces of {facts['piece_rows']:,} rows" if facts["pieces"] else ""
    left = "".join(f"<li>{html.escape(name)}: {html.escape(words)}</li>" for name, words in facts["not_judged"].items())
    return (
        f'<section style="{_STYLE}"><h1>Weir: {html.escape(facts["verdict"])}</h1>'
        f"<p>{html.escape(facts['words'])}.</p><p>{rows}{pieces}.</p>{_table(verdict)}"
        + (f"<p>Not judged:</p><ul>{left}</ul>" if left else "")
        + "</section>"
    )


def _table(verdict: DriftVerdict) -> str:
    names = _most_moved(verdict)
    if not names:
        return ""
    found = {column["name"]: column for column in verdict.columns}
    head = "".join(
        f'<th style="{_CELL}">{words}</th>' for words in ("column", "z", "drifted", "reference median", "current median")
    )
    lines = "".join(f"<tr>{_cells(found[name])}</tr>" for name in names)
    return f'<table style="border-collapse:collapse"><tr>{head}</tr>{lines}</table>'


def _cells(column: dict[str, Any]) -> str:
    texts = (
        column["name"],
        f"{column['z']:.1f}",
        "yes" if column["drifted"] else "no",
        f"{column['reference']:g}",
        f"{column['current']:g}",
    )
    return "".join(f'<td style="{_CELL}">{html.escape(text)}</td>' for text in texts)
