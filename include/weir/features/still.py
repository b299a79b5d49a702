"""Data Docs made still: pages that load nothing from elsewhere and run no script.

Great Expectations' pages fetch their style sheets, scripts, icons and a logo from public servers.
A monitored network often has no way out, and a page about it should not tell strangers that it
was opened.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

_SCRIPTS = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_STYLES = re.compile(r"<style\b.*?</style>", re.DOTALL | re.IGNORECASE)  # they name pictures elsewhere
_STYLE_SHEETS = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
_IMAGES = re.compile(r"<img\b[^>]*https?://[^>]*>", re.DOTALL | re.IGNORECASE)
_NEWSLETTER = re.compile(r"<footer\b.*?</footer>|<p>[^<]*newsletter.*?</p>", re.DOTALL | re.IGNORECASE)
_FILTER = re.compile(r'<div class="btn-group btn-group-toggle".*?</div>|Validation Filter:|<strong>Actions</strong>', re.DOTALL)

STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; margin: 24px auto; max-width: 1100px; padding: 0 16px }
table { border-collapse: collapse; width: 100% } th { text-align: left }
td, th { border-bottom: 1px solid #d8dee4; padding: 4px 12px 4px 0; vertical-align: top }
ol, ul { padding-left: 1.2em } #navigation ul { columns: 4; list-style: none; padding: 0; font-size: 12px }
.badge { background: #eef1f4; border-radius: 4px; padding: 0 5px; font-family: monospace }
.fa-check-circle::before { content: "\\2713"; color: #1a7f37 } .fa-times::before { content: "\\2717"; color: #cf222e }
.good { color: #1a7f37 } .bad { color: #cf222e } .card { max-height: none !important }
</style>"""


def made_still(page: str) -> str:
    """The page without scripts and without anything fetched over the network, in our own plain style."""
    for foreign in (_SCRIPTS, _STYLES, _STYLE_SHEETS, _IMAGES, _NEWSLETTER, _FILTER):
        page = foreign.sub("", page)
    return page.replace("</head>", f"{STYLE}</head>", 1)


def index(tables: Iterable[str], results: Iterable[Mapping[str, Any]], pages: Iterable[str]) -> str:
    """The first page: one line per judged table, newest first, and the rules of each table.

    Parameters
    ----------
    tables : names of the suites, whose pages are ``expectations/<table>.html``
    results, pages : what ``validate`` gave, and the path of the page of each, in the same order
    """
    lines = "".join(_line(result, page) for result, page in zip(results, pages, strict=True))
    rules = "".join(f'<li><a href="expectations/{quote(name)}.html">{html.escape(name)}</a></li>' for name in tables)
    head = "".join(f"<th>{words}</th>" for words in ("hour", "table", "rows", "good", "refused", "verdict", "most broken rule"))
    empty = "" if lines else "<p>Nothing has been judged yet.</p>"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Weir: data quality</title>{STYLE}</head>'
        f"<body><h1>Data quality</h1><h2>Judged tables</h2><table><tr>{head}</tr>{lines}</table>{empty}"
        f"<h2>Rules</h2><ul>{rules}</ul></body></html>\n"
    )


def _line(result: Mapping[str, Any], page: str) -> str:
    most = max(result["refused_by"].items(), key=lambda found: found[1], default=("", 0))
    words = f"{most[0]} ({most[1]:,})" if most[1] else ""
    numbers = (f"{result[name]:,}" for name in ("rows", "good", "refused"))
    kind = "bad" if result["refused"] else "good"
    unit = html.escape(str(result.get("unit") or "one table"))
    cells = [f'<a href="{quote(page)}">{unit}</a>', html.escape(result["table"]), *numbers]
    cells += [f'<span class="{kind}">{html.escape(result["verdict"])}</span>', html.escape(words)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
