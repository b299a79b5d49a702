import io
from typing import Any

import pytest
from pypdf import PdfReader

from weir.reports.pdf import pdf
from weir.reports.sections import parts

Facts = dict[str, Any]


def words(whole: bytes) -> str:
    """All text of a PDF, with line ends as blanks."""
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(whole)).pages)


@pytest.mark.parametrize(("day", "pages"), [("ordinary", 6), ("empty", 2), ("crowded", 14), ("week", 6)])
def test_a_pdf_has_every_part_as_text_that_can_be_searched(days: dict[str, Facts], day: str, pages: int) -> None:
    whole = pdf(days[day])
    text = words(whole)
    for part in parts(days[day]):
        assert part.title in text, part.title
    assert days[day]["verdict"]["words"] in text
    assert f"page 1 of {len(PdfReader(io.BytesIO(whole)).pages)}" in text
    assert len(PdfReader(io.BytesIO(whole)).pages) <= pages
    assert len(whole) < 300_000


def test_an_ordinary_pdf_tells_the_alerts(days: dict[str, Facts]) -> None:
    text = words(pdf(days["ordinary"]))
    assert "10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2." in text
    assert "2001:db8:85a3::8a2e:370:7334" in text
    assert "Ledger: balanced, 5,716 packets lost and counted." in text
    assert "10.0.0.5:40000 → 10.0.0.9:22 TCP" in text


def test_the_same_content_gives_the_same_bytes(days: dict[str, Facts]) -> None:
    assert pdf(days["empty"]) == pdf(days["empty"])


def test_a_pdf_says_what_it_is(days: dict[str, Facts]) -> None:
    reader = PdfReader(io.BytesIO(pdf(days["empty"])))
    assert reader.metadata is not None
    assert reader.metadata.title == "Weir daily report 2024-03-04"
    assert str(reader.metadata.creation_date)[:16] == "2024-03-05 06:00"
    assert reader.trailer["/Root"]["/Lang"] == "en"


def test_letters_beyond_latin_are_written_and_unknown_ones_shown_as_such(days: dict[str, Facts]) -> None:
    made = {**days["empty"], "ledger": {}, "arrivals": [], "verdict": {"level": "look", "words": "Größe Ω Жук", "points": []}}
    made["drift"] = [{"sensor_id": "日本 🦆", "hour": "2024-03-04T09", "verdict": "drift", "summary": "s", "columns": []}]
    text = words(pdf(made))
    assert "Größe Ω Жук" in text
    assert "\ufffd\ufffd \ufffd" in text
