"""The site of data quality: what it tells, and that it asks nothing of the network."""

import re
from pathlib import Path

import pytest

from weir.errors import SchemaError
from weir.features.docs import RESULTS_SHOWN, build_docs

PROJECT = Path(__file__).parents[2] / "great_expectations"


def result(unit: str, refused_by: dict[str, int] | None = None, rows: int = 4, table: str = "flows") -> dict[str, object]:
    refused = sum((refused_by or {}).values())
    return {
        "unit": unit,
        "table": table,
        "rows": rows,
        "good": rows - refused,
        "refused": refused,
        "refused_by": refused_by or {},
        "success": bool(rows and not refused),
        "verdict": "some refused" if refused else "good",
        "great_expectations": "1.24.1",
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    broken = {"bytes_fwd is at least 0": 1, "payload_rate is finite": 2}
    build_docs(PROJECT, out, [result("lab/2024-03-04T09"), result("lab/2024-03-04T10", broken), result("<b>/2024-03-04T08")])
    return out


def test_the_first_page_lists_the_hours_newest_first_and_the_rules(site):
    page = (site / "index.html").read_text()
    assert page.index("lab/2024-03-04T10") < page.index("lab/2024-03-04T09") < page.index("&lt;b&gt;/2024-03-04T08")
    assert "payload_rate is finite (2)" in page
    assert 'href="expectations/windows.html"' in page


def test_every_link_of_the_first_page_leads_to_a_page(site):
    links = re.findall(r'href="([^"]+)"', (site / "index.html").read_text())
    assert len(links) == 6
    assert [
        link for link in links if not (site / link.replace("%20", " ").replace("%3C", "<").replace("%3E", ">")).is_file()
    ] == []


def test_a_result_shows_how_many_rows_broke_each_rule(site):
    page = next((site / "validations/flows/lab 2024-03-04T10").rglob("*.html")).read_text()
    assert page.count("fas fa-times") == 3  # the whole, bytes_fwd and payload_rate
    assert "2 unexpected values found. 50% of 4 total rows." in page
    assert "1 unexpected values found. 25% of 4 total rows." in page


def test_no_page_runs_a_script_or_fetches_anything(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) == 7
    for page in pages:
        assert re.findall(r"<script|<img|<link|https?://|url\(", page.read_text(), re.IGNORECASE) == []
    assert {path.suffix for path in site.rglob("*") if path.is_file()} == {".html"}


def test_only_the_newest_results_are_shown(tmp_path):
    hours = [f"lab/2024-03-{day:02d}T{hour:02d}" for day in (4, 5, 6) for hour in range(24)]
    assert len(hours) > RESULTS_SHOWN
    build_docs(PROJECT, tmp_path, [result(unit, table="scores") for unit in hours])
    page = (tmp_path / "index.html").read_text()
    assert page.count('<a href="validations') == RESULTS_SHOWN
    assert hours[-1] in page
    assert hours[0] not in page


def test_a_site_without_results_says_so(tmp_path):
    assert "Nothing has been judged yet" in build_docs(PROJECT, tmp_path / "out").read_text()


def test_a_project_without_suites_is_refused(tmp_path):
    with pytest.raises(SchemaError, match="has no suites"):
        build_docs(tmp_path, tmp_path / "out")
