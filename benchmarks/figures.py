"""What was measured beside what was promised: one figure, the table of them, and the file they are kept in.

``benchmarks/results.json`` holds the figures of the last run that was written down; the tables in README.md and
docs/performance.md are made from it, and from nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results.json")
PAGES = (ROOT / "README.md", ROOT / "docs" / "performance.md")
BEGIN, END = "<!-- bin/bench writes from here -->", "<!-- to here -->"
MET, MISSED, ABSENT, WRONG, TOLD = "met", "missed", "absent", "wrong", "–"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    id : of the promise, such as P1
    what : what was measured, on which capture
    value : the measured number; None where there is none, and ``words`` say why
    target : the promised number; None where nothing was promised
    is_least : whether the target is the least that will do, not the most
    unit : of both numbers
    words : the numbers behind the value
    is_wrong : whether the measurement itself failed, or measured something else than it should
    when : the day, and what the machine did besides
    """

    id: str
    what: str
    value: float | None
    target: float | None
    is_least: bool
    unit: str
    words: str = ""
    is_wrong: bool = False
    when: str = ""

    @property
    def verdict(self) -> str:
        """Met, missed, absent or wrong; a dash where nothing was promised."""
        if self.is_wrong:
            return WRONG
        if self.value is None:
            return ABSENT
        if self.target is None:
            return TOLD
        return MET if (self.value >= self.target if self.is_least else self.value <= self.target) else MISSED

    def line(self) -> str:
        """The line of a Markdown table."""
        measured = "" if self.value is None else number(self.value, self.unit)
        said = f"{measured} ({self.words})" if measured and self.words else measured or self.words
        promised = ""
        if self.target is not None:
            promised = f"{'at least' if self.is_least else 'at most'} {number(self.target, self.unit)}"
        return f"| {self.id} | {self.what} | {said} | {promised} | {self.verdict} |"


def number(value: float, unit: str) -> str:
    """A number as people read it: three figures, or all that stand before the point."""
    digits = 0 if value == int(value) or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit in ('', '%') else ' '}{unit}"


def absent(id_: str, what: str, why: object) -> Figure:
    """A figure that could not be had."""
    return Figure(id_, what, None, None, True, "", str(why))


def wrong(id_: str, what: str, why: object) -> Figure:
    """A figure whose measurement failed."""
    return Figure(id_, what, None, None, True, "", str(why).replace("\n", " ").replace("|", "/"), is_wrong=True)


def table(figures: Iterable[Figure]) -> str:
    """All of them, as Markdown."""
    head = "| | what | measured | promised | |\n|---|---|---|---|---|\n"
    return head + "\n".join(figure.line() for figure in figures)


def falls_short(figures: Iterable[Figure]) -> bool:
    """Whether one is missed, or wrong; one that is absent is neither met nor missed."""
    return any(figure.verdict in (MISSED, WRONG) for figure in figures)


def summary(figures: Sequence[Figure]) -> str:
    """How many are met, missed, and so on."""
    counts = {verdict: sum(figure.verdict == verdict for figure in figures) for verdict in (MET, MISSED, WRONG, ABSENT)}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count or verdict == MET)


def read(path: Path = RESULTS) -> dict[str, Any]:
    """What was written down: ``machine``, ``versions`` and ``figures``."""
    return dict(json.loads(path.read_text())) if path.exists() else {"machine": "", "versions": {}, "figures": []}


def kept(results: Mapping[str, Any]) -> list[Figure]:
    """The figures in it."""
    return [Figure(**figure) for figure in results["figures"]]


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """New figures in the place of old ones of the same promise, all in the order of the promises; one machine only."""
    if old.get("machine") != new["machine"]:
        return dict(new)
    again = {figure["id"] for figure in new["figures"]}
    stay = [figure for figure in old["figures"] if figure["id"] not in again]
    figures = sorted([*stay, *new["figures"]], key=lambda figure: int("0" + "".join(filter(str.isdigit, figure["id"]))) or 99)
    return {**new, "versions": old["versions"] | new["versions"], "figures": figures}


def block(results: Mapping[str, Any]) -> str:
    """What stands between the marks of a page."""
    peers = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    figures = kept(results)
    when = "; ".join(f"{', '.join(ids)}: {day}" for day, ids in days(figures).items())
    return f"{results['machine']}. {peers}.\n\n{table(figures)}\n\n{summary(figures)}. Measured {when}."


def days(figures: Iterable[Figure]) -> dict[str, list[str]]:
    """Which promises were measured when, and beside what."""
    found: dict[str, list[str]] = {}
    for figure in figures:
        ids = found.setdefault(figure.when, [])
        if figure.id not in ids:
            ids.append(figure.id)
    return found


def with_block(page: str, text: str) -> str:
    """The page with this between its marks."""
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}"


def write(results: Mapping[str, Any]) -> None:
    """Keep the results, and show them on the pages."""
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    for page in PAGES:
        page.write_text(with_block(page.read_text(), block(results)))


def as_results(machine: str, when: str, versions: Mapping[str, str], figures: Iterable[Figure]) -> dict[str, Any]:
    """What ``read`` reads."""
    told = [asdict(replace(figure, when=when)) for figure in figures]
    return {"machine": machine, "versions": dict(versions), "figures": told}
