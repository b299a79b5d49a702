from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from weir.reports.charts import charts, png, svg
from weir.reports.page import mail_html, page
from weir.reports.part_traffic import figures
from weir.reports.sections import parts

Facts = dict[str, Any]
PARTS = (
    "Alerts",
    "Traffic",
    "How strange it was",
    "Compared with the days before",
    "Top talkers",
    "Protocols and ports",
    "Data quality",
    "Drift",
    "Ledger",
    "Model and budget",
    "What arrived",
    "How to read this",
)


class Reader(HTMLParser):
    """What a browser would find: tags with attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_parts_come_in_a_fixed_order(days: dict[str, Facts]) -> None:
    assert tuple(part.title for part in parts(days["ordinary"])) == PARTS
    assert [part.id for part in parts(days["ordinary"])] == [part.id for part in parts(days["empty"])]


@pytest.mark.parametrize("day", ["ordinary", "empty", "crowded", "week", "empty week"])
def test_a_page_needs_nothing_from_elsewhere(days: dict[str, Facts], day: str) -> None:
    reader = Reader(page(days[day]))
    assert not {"script", "link", "iframe", "object", "embed", "form", "img", "base"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "http:" not in page(days[day])
    assert "https:" not in page(days[day])
    assert "@import" not in page(days[day])


@pytest.mark.parametrize("day", ["ordinary", "empty", "crowded", "week", "empty week"])
def test_a_page_stays_small(days: dict[str, Facts], day: str) -> None:
    assert len(page(days[day]).encode()) < 100_000
    sources = {name: f"cid:{name}" for name in charts(days[day])}
    assert len(mail_html(days[day], sources).encode()) < 90_000


def test_a_mail_with_very_many_alerts_tells_fewer_in_full(days: dict[str, Facts]) -> None:
    long = {"words": "x" * 400, "notes": ["y" * 400] * 20}
    made = {**days["crowded"], "alerts": [{**a, **long} for a in days["crowded"]["alerts"]] * 12}
    html = mail_html(made, {})
    assert len(html.encode()) < 90_000
    assert "left out here" in html
    assert html.count('class="card"') < page(made).count('class="card"')


def test_an_ordinary_day_tells_what_everybody_asks(days: dict[str, Facts]) -> None:
    text = Reader(page(days["ordinary"])).text
    for words in (
        "Look at this",
        "1 high alert.",
        "5,716 packets lost and counted (0.25 %).",
        "10.0.0.5 contacted 1,994 ports of 10.0.0.9 within 23 s; usual is 2.",
        "known, no. 4 of its kind since 2024-03-04",
        "port scan (ATT&CK T1046)",
        "no known kind: strange, not yet an attack",
        "started 1,990 flows that nobody answered; usual is 0.4",
        "10.0.0.5:40000 → 10.0.0.9:22 TCP, 2 packets: segment 03e71c6d7dc6, byte 123,456 (frame 3)",
        "3 alerts were sent, 1 belonged to one that was sent; together they stand for 12 anomalous rows.",
        "12 of 20,000 flow rows refused (0.06 %).",
        "duration_us is at least 0",
        "insufficient data",
        "L0 kernel",
        "Ledger: balanced, 5,716 packets lost and counted.",
        "Alert budget: 20 a day promised, 14.2 a day expected on normal traffic; 3 sent in 1 day.",
        "kept recall 0.94 and the budget",
        "24 of 24",
    ):
        assert words in text, words


def test_an_alert_tells_the_command_that_shows_its_packets(days: dict[str, Facts]) -> None:
    (first, *_) = [one for one in days["ordinary"]["alerts"] if one["delivery"] == "delivered"]
    command = f"See them: weir packets --alert {first['alert_id']} -o {first['alert_id']}.pcap"
    assert command in page(days["ordinary"])
    strange = {**first, "alert_id": "x; reboot"}
    assert "See them" not in page({**days["ordinary"], "alerts": [strange]})


def test_an_empty_day_says_what_is_missing(days: dict[str, Facts]) -> None:
    for part in parts(days["empty"]):
        assert part.empty or part.id == "reading", part.title
        assert not part.tables
    text = Reader(page(days["empty"])).text
    assert "No drift verdict yet: a check needs a model in use and an hour with enough rows." in text
    assert "No alert: nothing was scored." in text
    assert charts(days["empty"]) == {}
    assert charts(days["empty week"]) == {}


def test_a_quiet_day_with_a_model_says_that_nothing_was_strange(days: dict[str, Facts]) -> None:
    quiet = {**days["ordinary"], "alerts": []}
    assert parts(quiet)[0].empty == "No alert: nothing was stranger than the threshold allows."


def test_a_week_shows_each_day_and_its_alerts(days: dict[str, Facts]) -> None:
    part = next(p for p in parts(days["week"]) if p.id == "trend")
    assert (part.title, part.chart) == ("Day by day", "alerts")
    assert [line[0] for line in part.tables[0].lines] == [*(f"2024-03-{n:02d}" for n in range(4, 11)), "mean of 28 earlier days"]


def test_figures_are_compared_with_the_days_before(days: dict[str, Facts]) -> None:
    made = days["ordinary"]
    half = [{**day, "bytes": 2 * day["bytes"], "packets": day["packets"] / 40} for day in made["previous"]]
    strip = {f.name: f.change for f in figures({**made, "previous": half})}
    assert strip["Traffic"] == "−50 % on the 4 days before"
    assert strip["Packets"] == "40 times the 4 days before"
    assert strip["Flows"] == "as on the 4 days before"
    assert strip["Alerts sent"] == "of 20 allowed"
    assert {f.name: f.change for f in figures({**made, "previous": []})}["Traffic"] == ""


@pytest.mark.parametrize("name", ["traffic", "scores", "alerts"])
def test_a_chart_is_one_small_svg_that_follows_the_text_colour(days: dict[str, Facts], name: str) -> None:
    drawn = svg(name, days["week"])
    root = ElementTree.fromstring(drawn)
    assert root.tag == "svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == charts(days["week"])[name]
    assert 'fill="#010203"' not in drawn
    assert "currentColor" in drawn
    assert len(drawn) < 40_000
    assert svg(name, days["week"]) == drawn


def test_charts_of_one_page_share_no_id(days: dict[str, Facts]) -> None:
    reader = Reader(page(days["week"]))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {a["href"] for tag, a in reader.tags if tag in ("use", "a")}
    assert {(href or "").removeprefix("#") for href in wanted} <= set(ids)


def test_numbers_in_a_chart_are_not_cut(days: dict[str, Facts]) -> None:
    assert "threshold 3.41" in svg("scores", days["ordinary"])


def test_a_chart_is_a_png_too(days: dict[str, Facts]) -> None:
    drawn = png("traffic", days["ordinary"])
    assert drawn.startswith(b"\x89PNG")
    assert len(drawn) < 60_000
