"""The pictures of a report, drawn from its content; SVG for the page, PNG for mail and PDF.

Blue and orange of Okabe and Ito's palette, which colour-blind readers tell apart; each is also
told apart by its mark, and lines are named where they end instead of in a box.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from weir.schema import US_PER_S
from weir.words import number, scaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, VERMILION, GREY = "#0072b2", "#e69f00", "#d55e00", "#8a94a0"
INK = "#010203"  # stands for the text colour of the page; becomes currentColor in SVG
PAPER_INK = "#3a4652"
MARKS = {"flows": (BLUE, "o"), "windows": (ORANGE, "D")}
WIDTH_IN = 7.8
FONT_PT = 9.0
PNG_DPI = 150
TICKS_MOST = 8
HOURS_APART = (0.25, 0.5, 1, 2, 3, 4, 6, 12, 24)
SHORTER = (
    (r"<style.*?</style>", ""),
    (r"\n+", " "),
    (r'<g id="[^"]*"', "<g"),
    (r"font-size: [^;]*; |font-family: [^;]*; | transform=\"rotate\([^)]*\)\"", ""),
    (r'(<use [^>]*?) style="fill: (#\w+); fill-opacity: ([\d.]+)"', r'\1 fill="\2" opacity="\3"'),
    (r'(<use [^>]*?) style="fill: (#\w+)[^"]*"', r'\1 fill="\2"'),
    (r"\b([mp][0-9a-f]{3})[0-9a-f]{7}\b", r"\1"),
    (r" ([LMCZz]) ", r"\1"),
    (r"<g ?/>|<g>\s*</g>", ""),
    (r">\s+<", "><"),
    (INK, "currentColor"),
    ("xlink:href", "href"),
)
"""What makes matplotlib's SVG three times shorter without a visible difference, in this order."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_PT,
    "svg.fonttype": "none",
    "svg.hashsalt": "weir",
    "path.simplify": True,
}


def charts(content: Mapping[str, Any]) -> dict[str, str]:
    """The charts this content has data for: their name, and what they show in a sentence."""
    have = {}
    if content["traffic"]["series"]["bytes"]:
        have["traffic"] = "Bytes and packets per second over time"
    if any(v is not None for name in content["scores"]["threshold"] for v in content["scores"]["series"][name]):
        have["scores"] = "Highest score over time against the threshold"
    if content["period"]["days"] > 1 and any(day["flows"] or day["alerts"] for day in content["trend"]):
        have["alerts"] = "Alerts sent per day against the budget"
    return have


def svg(name: str, content: Mapping[str, Any]) -> str:
    """A chart as an ``<svg>`` element that takes font and text colour of the page around it."""
    whole = _drawn(name, content, INK, "svg").decode()
    view = re.search(r'viewBox="([^"]+)"', whole)
    assert view, "matplotlib writes a viewBox"
    inside = whole[whole.index("<defs>") : whole.rindex("</svg>")]
    for pattern, short in SHORTER:
        inside = re.sub(pattern, short, inside)
    inside = re.sub(r' (?:d|x|y)="[^"]+"', lambda found: re.sub(r"(\d+)(?:\.0\d*|(\.\d)\d+)", r"\1\2", found[0]), inside)
    inside = re.sub(r'(id="|url\(#|href="#)', rf"\1{name[0]}", inside)  # ids are shared by all charts of a page
    return f'<svg viewBox="{view[1]}" role="img" aria-label="{charts(content)[name]}" font-size="{FONT_PT:g}">{inside}</svg>'


def png(name: str, content: Mapping[str, Any], dpi: int = PNG_DPI) -> bytes:
    """A chart as PNG on white."""
    return _drawn(name, content, PAPER_INK, "png", dpi)


def _drawn(name: str, content: Mapping[str, Any], ink: str, kind: str, dpi: int = PNG_DPI) -> bytes:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    draw: dict[str, Callable[[Figure, Mapping[str, Any], str], None]] = {
        "traffic": _traffic,
        "scores": _scores,
        "alerts": _alerts,
    }
    with mpl.rc_context(STYLE):
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        draw[name](figure, content, ink)
        out = io.BytesIO()
        look: dict[str, Any] = (
            {"transparent": True, "metadata": {"Date": None}} if kind == "svg" else {"facecolor": "white", "dpi": dpi}
        )
        figure.savefig(out, format=kind, **look)
    return out.getvalue()


def _traffic(figure: Figure, content: Mapping[str, Any], ink: str) -> None:
    series = content["traffic"]["series"]
    hours, seconds = _hours(series), series["bucket_us"] / US_PER_S
    figure.set_size_inches(WIDTH_IN, 3.0)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axes, values, colour, unit in ((top, series["bytes"], BLUE, "B/s"), (bottom, series["packets"], ORANGE, "packets/s")):
        rate = np.array(values) / seconds
        edges = np.append(hours, hours[-1] + series["bucket_us"] / US_PER_S / 3600)
        axes.stairs(rate, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
        axes.stairs(rate, edges, color=colour, linewidth=1.3, baseline=None)
        axes.set_ylim(0, max(float(rate.max()) * 1.1, 1e-9))
        axes.yaxis.set_major_formatter(lambda value, _, unit=unit: _rate(value, unit))
        axes.yaxis.set_major_locator(_few(3 if axes is top else 2))
        _plain(axes, ink)
    top.set_title("Bytes per second", loc="left", color=ink, fontsize=FONT_PT, fontweight="bold")
    bottom.set_title("Packets per second", loc="left", color=ink, fontsize=FONT_PT, fontweight="bold")
    _time_axis(bottom, series, ink)


def _scores(figure: Figure, content: Mapping[str, Any], ink: str) -> None:
    """One panel per table, as each has a scale and a threshold of its own."""
    scores = content["scores"]
    series = scores["series"]
    names = [name for name in scores["threshold"] if any(v is not None for v in series[name])]
    hours = _hours(series)
    figure.set_size_inches(WIDTH_IN, 0.5 + 1.35 * len(names))
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, names, strict=True):
        limit = scores["threshold"][name]
        values = np.array([np.nan if v is None else v for v in series[name]], float)
        colour, mark = MARKS.get(name, (GREY, "s"))
        for these, size, alpha in ((values <= limit, 3.0, 0.5), (values > limit, 6.0, 1.0)):
            axes.plot(hours[these], values[these], mark, color=colour, markersize=size, markeredgewidth=0, alpha=alpha)
        axes.axhline(limit, color=VERMILION, linewidth=1.2, linestyle=(0, (5, 3)))
        low, high = float(np.nanmin(values)), max(float(np.nanmax(values)), limit)
        axes.set_ylim(min(low, 0.0) - 0.04 * high, high * 1.15)
        axes.yaxis.set_major_locator(_few(3))
        axes.set_title(f"{name.capitalize()}: highest score", loc="left", color=ink, fontsize=FONT_PT, fontweight="bold")
        axes.set_title(f"threshold {limit:.2f}", loc="right", color=VERMILION, fontsize=FONT_PT)
        _plain(axes, ink)
    _time_axis(panels[-1], series, ink)


def _alerts(figure: Figure, content: Mapping[str, Any], ink: str) -> None:
    trend = content["trend"]
    figure.set_size_inches(WIDTH_IN, 1.9)
    axes = figure.subplots()
    bars = axes.bar(range(len(trend)), [day["alerts"] for day in trend], color=BLUE, width=0.55)
    axes.bar_label(bars, color=ink, padding=2)
    axes.set_xticks(range(len(trend)), [f"{datetime.fromisoformat(day['day']):%a %d %b}" for day in trend])
    budget = content["budget"].get("per_day")
    most = max([day["alerts"] for day in trend] + [budget or 0, 1])
    axes.set_ylim(0, most * 1.2)
    axes.yaxis.set_major_locator(_few(3))
    if budget:
        axes.axhline(budget, color=VERMILION, linewidth=1.2, linestyle=(0, (5, 3)))
        axes.annotate(
            f"budget {budget:g} a day",
            (len(trend) - 0.5, budget),
            ha="right",
            va="bottom",
            color=ink,
            xytext=(0, 2),
            textcoords="offset points",
        )
    _plain(axes, ink)


def _plain(axes: Axes, ink: str) -> None:
    """No frame, faint horizontal lines, text in the given colour."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=ink, length=0)
    axes.tick_params(axis="x", color=GREY, length=3)


def _hours(series: Mapping[str, Any]) -> Any:
    """Start of each bucket, in hours since the epoch, so that ticks fall on round hours."""
    n = len(next(values for values in series.values() if isinstance(values, list)))
    return (series["start_us"] + np.arange(n) * series["bucket_us"]) / US_PER_S / 3600


def _time_axis(axes: Axes, series: Mapping[str, Any], ink: str) -> None:
    hours = _hours(series)
    low, high = float(hours[0]), float(hours[-1]) + series["bucket_us"] / US_PER_S / 3600
    apart = next((step for step in HOURS_APART if (high - low) / step <= TICKS_MOST), HOURS_APART[-1])
    ticks = np.arange(np.ceil(low / apart), np.floor(high / apart) + 1) * apart
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, [_time(tick, apart, high - low) for tick in ticks], color=ink)


def _time(hour: float, apart: float, length: float) -> str:
    moment = datetime.fromtimestamp(round(hour * 3600), UTC)
    if apart >= 24:
        return f"{moment:%a %d %b}"
    return f"{moment:%H:%M}" if length <= 25 else f"{moment:%a %H:%M}"


def _rate(value: float, unit: str) -> str:
    if unit == "B/s":
        return scaled(value, unit)
    return scaled(value, "").strip() if value >= 10_000 else number(value)


def _few(n: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(n, steps=[1, 2, 2.5, 5, 10])
