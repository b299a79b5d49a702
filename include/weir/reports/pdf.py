"""The report as a PDF to print, file or attach: the same parts as the page, with text that can be searched.

DejaVu is embedded, as it ships with matplotlib and writes Latin, Greek, Cyrillic and many symbols;
what it cannot write becomes U+FFFD instead of an empty box.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weir.reports.charts import charts, png
from weir.reports.content import when
from weir.reports.page import title
from weir.reports.part import Card, Part, Table
from weir.reports.part_traffic import figures
from weir.reports.sections import parts
from weir.schema import US_PER_S
from weir.words import number

if TYPE_CHECKING:
    from fpdf import FPDF

INK, SOFT, LINE, BLUE = (31, 42, 51), (91, 104, 117), (223, 228, 233), (0, 114, 178)
VERDICTS = {
    "well": ((233, 245, 241), (0, 121, 92)),
    "look": ((253, 243, 225), (199, 119, 0)),
    "act": ((251, 233, 231), (179, 38, 30)),
}
CHIPS = {
    "critical": ((140, 29, 24), (255, 255, 255)),
    "high": ((213, 94, 0), (255, 255, 255)),
    "medium": ((240, 184, 64), INK),
    "low": ((159, 211, 242), INK),
    "informational": ((216, 222, 228), INK),
}
MARGIN_MM = 16
CARDS_MOST = 30
LINES_MOST = 60
CELL_MOST = 90  # characters of a cell; longer ones would fill a page with one line
PNG_DPI = 170
FACES = (("Sans", "", "DejaVuSans.ttf"), ("Sans", "B", "DejaVuSans-Bold.ttf"), ("Mono", "", "DejaVuSansMono.ttf"))


def pdf(content: Mapping[str, Any]) -> bytes:
    """The report as PDF, A4; the same content gives the same bytes.

    Parameters
    ----------
    content : as ``content.content`` makes it
    """
    sheet = _sheet(content)
    _head(sheet, content)
    drawn = charts(content)
    for part in parts(content, CARDS_MOST, LINES_MOST):
        _part(sheet, part, png(part.chart, content, PNG_DPI) if part.chart in drawn else None, drawn.get(part.chart, ""))
    return bytes(sheet.output())


def _sheet(content: Mapping[str, Any]) -> FPDF:
    import matplotlib as mpl
    from fpdf import FPDF

    sheet = FPDF(format="A4")
    sheet.footer = lambda: _foot(sheet, title(content))
    fonts = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for family, style, name in FACES:
        sheet.add_font(family, style, fonts / name)
    sheet.set_margin(MARGIN_MM)
    sheet.c_margin = 0
    sheet.set_auto_page_break(True, MARGIN_MM)
    sheet.set_title(title(content))
    sheet.set_creator("Weir")
    sheet.set_lang("en")
    sheet.set_creation_date(datetime.fromtimestamp(content["made_us"] // US_PER_S, UTC))
    sheet.add_page()
    return sheet


def _foot(sheet: FPDF, name: str) -> None:
    sheet.set_y(-12)
    _font(sheet, 7.5, SOFT)
    sheet.cell(0, 5, f"{name} · page {sheet.page_no()} of {{nb}}", align="C")


def _head(sheet: FPDF, content: Mapping[str, Any]) -> None:
    _text(sheet, f"WEIR {content['kind'].upper()} REPORT", 8, BLUE, "B")
    _text(sheet, content["period"]["words"], 19, INK, "B")
    _text(sheet, f"All times are UTC and come from the packets. Made {when(content['made_us'])}.", 8.5, SOFT)
    sheet.ln(4)
    _verdict(sheet, content["verdict"])
    sheet.ln(5)
    top, width = sheet.get_y(), sheet.epw / 6
    for place, figure in enumerate(figures(content)):
        for offset, size, colour, style, words in (
            (0, 7.5, SOFT, "", figure.name),
            (4, 13, INK, "B", figure.words),
            (10, 6.5, SOFT, "", figure.change),
        ):
            sheet.set_xy(MARGIN_MM + place * width, top + offset)
            _font(sheet, size, colour, style)
            sheet.cell(width, 5, _fitting(sheet, words, width - 1))
    sheet.set_xy(MARGIN_MM, top + 17)


def _verdict(sheet: FPDF, verdict: Mapping[str, Any]) -> None:
    paper, edge = VERDICTS[verdict["level"]]
    words = "\n".join(f"•  {_known(sheet, point['words'])}" for point in verdict["points"])
    _font(sheet, 9.5, INK)
    rows = len(sheet.multi_cell(sheet.epw - 12, 5, words, dry_run=True, output="LINES")) if words else 0
    top, height = sheet.get_y(), 14 + 5 * rows
    sheet.set_fill_color(*paper)
    sheet.rect(MARGIN_MM, top, sheet.epw, height, style="F")
    sheet.set_fill_color(*edge)
    sheet.rect(MARGIN_MM, top, 1.6, height, style="F")
    sheet.set_xy(MARGIN_MM + 6, top + 3.5)
    _font(sheet, 13, INK, "B")
    sheet.cell(0, 6, verdict["words"], new_x="LEFT", new_y="NEXT")
    _font(sheet, 9.5, INK)
    if words:
        sheet.multi_cell(sheet.epw - 12, 5, words)
    sheet.set_xy(MARGIN_MM, top + height)


def _part(sheet: FPDF, part: Part, picture: bytes | None, words: str) -> None:
    if sheet.will_page_break(60 if picture else 30):
        sheet.add_page()
    sheet.ln(5)
    sheet.set_draw_color(*LINE)
    sheet.line(MARGIN_MM, sheet.get_y(), MARGIN_MM + sheet.epw, sheet.get_y())
    sheet.ln(3)
    sheet.start_section(part.title)
    _text(sheet, part.title, 12.5, INK, "B")
    for lead in part.lead:
        _text(sheet, lead, 9, INK)
    if picture:
        sheet.ln(1)
        sheet.image(io.BytesIO(picture), w=sheet.epw, alt_text=words)
    for card in part.cards:
        _card(sheet, card)
    for table in part.tables:
        _table(sheet, table)
    for line in (part.note, part.empty):
        if line:
            _text(sheet, line, 8, SOFT)


def _card(sheet: FPDF, card: Card) -> None:
    if sheet.will_page_break(45):
        sheet.add_page()
    sheet.ln(3)
    paper, ink = CHIPS[card.severity]
    sheet.set_fill_color(*paper)
    _font(sheet, 7.5, ink, "B")
    sheet.cell(sheet.get_string_width(card.severity) + 5, 4.6, card.severity, fill=True, align="C")
    _font(sheet, 8, SOFT)
    sheet.cell(0, 4.6, "  " + _known(sheet, card.status), new_x="LMARGIN", new_y="NEXT")
    sheet.ln(0.8)
    _text(sheet, card.words, 10.5, INK, "B")
    for note in card.notes:
        _text(sheet, f"Note: {note}", 8, SOFT)
    for name, words in card.facts:
        _pair(sheet, name, words)
    sheet.ln(0.8)
    for words, part in card.reasons:
        _bar(sheet, part, words)
    sheet.ln(0.8)
    for words in card.packets:
        _text(sheet, words, 7, SOFT, family="Mono")
    sheet.ln(1.5)
    sheet.set_draw_color(*LINE)
    sheet.line(MARGIN_MM, sheet.get_y(), MARGIN_MM + sheet.epw, sheet.get_y())


def _pair(sheet: FPDF, name: str, words: str) -> None:
    _font(sheet, 8, SOFT)
    sheet.cell(19, 4.3, name)
    _font(sheet, 8, INK)
    sheet.multi_cell(sheet.epw - 19, 4.3, _known(sheet, words), align="L", new_x="LMARGIN", new_y="NEXT")


def _bar(sheet: FPDF, share: float, words: str) -> None:
    """One reason: its share of the score as a bar and a number, and what was seen."""
    if sheet.will_page_break(4.6):
        sheet.add_page()
    sheet.set_fill_color(*BLUE)
    sheet.rect(MARGIN_MM, sheet.get_y() + 1.4, max(24 * share, 0.6), 1.8, style="F")
    sheet.set_x(MARGIN_MM + 26)
    _font(sheet, 8, INK)
    sheet.cell(10, 4.6, f"{share * 100:.0f} %", align="R")
    sheet.set_x(MARGIN_MM + 38)
    sheet.multi_cell(sheet.epw - 38, 4.6, _known(sheet, words), align="L", new_x="LMARGIN", new_y="NEXT")


def _table(sheet: FPDF, table: Table) -> None:
    from fpdf.enums import TableBordersLayout, WrapMode
    from fpdf.fonts import FontFace

    if sheet.will_page_break(18):
        sheet.add_page()
    sheet.ln(1.5)
    if table.caption:
        _text(sheet, table.caption, 8.5, SOFT, "B")
    lines = [[_known(sheet, _short(text)) for text in line] for line in table.lines]
    _font(sheet, 7.5, INK)
    sheet.set_draw_color(*LINE)
    sheet.set_fill_color(255)
    with sheet.table(
        col_widths=_widths(sheet, [list(table.columns), *lines]),
        text_align=tuple("RIGHT" if n in table.numbers else "LEFT" for n in range(len(table.columns))),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD", color=SOFT),
        line_height=4.2,
        padding=(0.6, 1.2),
        wrapmode=WrapMode.CHAR
        if any(len(text) > CELL_MOST / 2 and " " not in text for line in lines for text in line)
        else WrapMode.WORD,
    ) as grid:
        for line in [list(table.columns), *lines]:
            row = grid.row()
            for text in line:
                row.cell(text)
    if table.more:
        _text(sheet, f"{number(table.more)} more left out here; the JSON twin of this report has all.", 7.5, SOFT)


def _widths(sheet: FPDF, lines: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """Widths of columns by what they hold; a column of long texts takes what the others leave."""
    wanted = [max(sheet.get_string_width(line[n]) for line in lines) * 1.08 + 4 for n in range(len(lines[0]))]
    if sum(wanted) <= sheet.epw:
        return tuple(width * sheet.epw / sum(wanted) for width in wanted)
    fair = sheet.epw / len(wanted)
    spare = sheet.epw - sum(min(width, fair) for width in wanted)
    over = sum(max(width - fair, 0) for width in wanted)
    return tuple(min(width, fair) + max(width - fair, 0) / over * spare for width in wanted)


def _short(text: str) -> str:
    return text if len(text) <= CELL_MOST else text[: CELL_MOST - 1] + "…"


def _text(sheet: FPDF, words: str, size: float, colour: tuple[int, int, int], style: str = "", family: str = "Sans") -> None:
    _font(sheet, size, colour, style, family)
    sheet.multi_cell(0, size * 0.5, _known(sheet, words), align="L", new_x="LMARGIN", new_y="NEXT")


def _font(sheet: FPDF, size: float, colour: tuple[int, int, int], style: str = "", family: str = "Sans") -> None:
    sheet.set_font(family, style, size)
    sheet.set_text_color(*colour)


def _fitting(sheet: FPDF, words: str, width: float) -> str:
    known = _known(sheet, words)
    while known and sheet.get_string_width(known) > width:
        known = known[:-2].rstrip() + "…" if len(known) > 2 else ""
    return known


def _known(sheet: FPDF, words: str) -> str:
    """The words with U+FFFD for what the font cannot write."""
    glyphs = sheet.fonts["sans"].cmap if hasattr(sheet.fonts.get("sans"), "cmap") else {}
    return "".join(c if ord(c) in glyphs else "\ufffd" for c in words)
