"""What a report is made of: parts with sentences, a chart, tables and alert cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weir.words import number, scaled

Facts = Mapping[str, Any]
Line = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Columns (those of numbers are set to the right), lines of text, and how many lines are left out.

    Two neighbours that are ``is_half`` stand side by side where there is room.
    """

    columns: tuple[str, ...]
    lines: Sequence[Line]
    numbers: frozenset[int] = frozenset()
    caption: str = ""
    more: int = 0
    is_half: bool = False


@dataclass(frozen=True)
class Card:
    """One alert, told in full."""

    severity: str
    words: str
    status: str
    facts: Sequence[tuple[str, str]]
    reasons: Sequence[tuple[str, float]]
    packets: Sequence[str]
    notes: Sequence[str]


@dataclass(frozen=True)
class Part:
    """One part; ``empty`` says what is missing when there is nothing else."""

    id: str
    title: str
    lead: Sequence[str] = ()
    chart: str = ""
    cards: Sequence[Card] = ()
    tables: Sequence[Table] = ()
    empty: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """One number of the strip on top, and how it compares with the days before."""

    name: str
    words: str
    change: str = ""


def short(n: float) -> str:
    """A count with separators, in millions and more where it would not fit."""
    return number(round(n)) if abs(n) < 1e8 else scaled(n, "").strip()


def share(part: float, whole: float) -> str:
    """A share as a percentage."""
    ratio = part / whole if whole else 0.0
    if not ratio:
        return "0 %"
    if ratio < 0.001:
        return f"{ratio:.1e}".replace("e-0", "e-") if ratio < 1e-5 else f"{ratio * 100:.2g} %"
    return f"{ratio * 100:.1f} %"
