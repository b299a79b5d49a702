"""A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weir.reports.charts import charts, svg
from weir.reports.content import SEVERITIES, when
from weir.reports.part_traffic import figures
from weir.reports.sections import CARDS_MOST, LINES_MOST, parts
from weir.words import number

TEMPLATE = Path(__file__).with_name("page.html")
MAIL_BYTES_MOST = 90_000  # mail programs cut off HTML above about 100,000 bytes as sent, and sending adds to it
MAIL_SIZES = ((10, 40), (6, 20), (4, 12), (2, 8), (0, 4))  # alerts told in full, lines of a table


def page(content: Mapping[str, Any]) -> str:
    """The page, with its charts drawn inside.

    Parameters
    ----------
    content : as ``content.content`` makes it
    """
    from markupsafe import Markup

    drawn = {name: Markup(svg(name, content)) for name in charts(content)}  # noqa: S704 - made by us from numbers only
    return _render(content, drawn, CARDS_MOST, LINES_MOST, is_mail=False)


def mail_html(content: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """The page as the HTML part of a mail, below 100,000 bytes as sent; longer ones tell fewer alerts in full.

    Parameters
    ----------
    content : as ``content.content`` makes it
    sources : where each chart's picture is, by name, such as ``cid:traffic@weir``
    """
    from markupsafe import Markup

    words = charts(content)
    images = {name: Markup('<img src="{}" alt="{}" width="748">').format(source, words[name]) for name, source in sources.items()}
    for cards, lines in MAIL_SIZES:
        html = _render(content, images, cards, lines, is_mail=True)
        if len(html.encode()) < MAIL_BYTES_MOST:
            break
    return html


def title(content: Mapping[str, Any]) -> str:
    """What the report is called, in words of our own."""
    return f"Weir {content['kind']} report {content['period']['name']}"


def _render(content: Mapping[str, Any], images: Mapping[str, Any], cards: int, lines: int, *, is_mail: bool) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"number": number, "when": when}
    return environment.from_string(TEMPLATE.read_text()).render(
        title=title(content),
        content=content,
        figures=figures(content),
        parts=parts(content, cards, lines),
        images=images,
        is_mail=is_mail,
        severities=SEVERITIES,
    )
