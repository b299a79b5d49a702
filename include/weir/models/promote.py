"""The gate: what a challenger must show before it becomes champion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weir.settings import PromoteSettings


CHANCE = 0.05
HOURS_PER_DAY = 24


@dataclass(frozen=True)
class Check:
    """One question of the gate: the value, the bound it was held to, and the answer in words."""

    name: str
    value: float | str | None
    bound: float | str | None
    passed: bool
    words: str


@dataclass(frozen=True)
class Gate:
    """The gate's verdict; it passes when every check does."""

    passed: bool
    checks: tuple[Check, ...]

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON can hold it."""
        return asdict(self) | {"checks": [asdict(check) for check in self.checks]}


def gate(champion: Mapping[str, Any] | None, challenger: Mapping[str, Any], settings: PromoteSettings) -> Gate:
    """Hold a challenger's metrics against the champion's, both of the same evaluation.

    Parameters
    ----------
    champion : metrics as ``models.evaluate.evaluate`` gives them, on the frozen labelled replay set and the
        recent normal window; None for the first model, which is held to the floors alone
    challenger : the same of the model that wants to score

    Notes
    -----
    Drift alone never promotes: a model trained on an attacker's traffic would otherwise let itself in.
    """
    checks = (
        _recall_floor(challenger, settings),
        _recall_kept(champion, challenger, settings),
        _budget(challenger, settings),
        _schema(champion, challenger),
    )
    return Gate(all(check.passed for check in checks), checks)


def _recall_floor(challenger: Mapping[str, Any], settings: PromoteSettings) -> Check:
    recall, floor = challenger.get("recall"), settings.recall_floor
    passed = recall is not None and recall >= floor
    words = f"finds {_percent(recall)} of the labelled attacks of the replay set; at least {_percent(floor)} are asked"
    return Check("recall floor", recall, floor, passed, words)


def _recall_kept(champion: Mapping[str, Any] | None, challenger: Mapping[str, Any], settings: PromoteSettings) -> Check:
    if champion is None or champion.get("recall") is None:
        return Check("recall kept", challenger.get("recall"), None, True, "there is no champion to compare with: the first model")
    recall, bound = challenger.get("recall"), champion["recall"] - settings.recall_tolerance
    passed = recall is not None and recall >= bound
    allowed = _percent(settings.recall_tolerance)
    words = f"finds {_percent(recall)}, the champion {_percent(champion['recall'])}; {allowed} less is allowed"
    return Check("recall kept", recall, bound, passed, words)


def _budget(challenger: Mapping[str, Any], settings: PromoteSettings) -> Check:
    """Fails only when chance does not explain the alerts: in one quiet hour, two say little against 20 a day."""
    spent, per_day, hours = (challenger.get(name) for name in ("alerts_per_day", "budget_per_day", "alerts_hours"))
    if spent is None or per_day is None or not hours:
        return Check("alert budget", None, None, False, "no normal traffic was evaluated, so nothing is known of false alerts")
    seen = round(spent * hours / HOURS_PER_DAY)
    most = most_by_chance(per_day * settings.budget_factor * hours / HOURS_PER_DAY)
    words = f"{seen} alerts in {hours:.1f} h of normal traffic; the budget of {per_day:g} a day allows up to {most} in that time"
    return Check("alert budget", seen, most, seen <= most, words)


def most_by_chance(expected: float) -> int:
    """The largest count that is still reached in 5 % of cases when this many are expected (Poisson)."""
    count, below, term = 0, 0.0, math.exp(-expected)
    while 1 - (below + term) >= CHANCE:
        count, below, term = count + 1, below + term, term * expected / (count + 1)
    return count


def _schema(champion: Mapping[str, Any] | None, challenger: Mapping[str, Any]) -> Check:
    found = challenger.get("schema_hash")
    wanted = champion.get("schema_hash") if champion else found
    passed = found is not None and found == wanted
    words = (
        "reads the columns the champion reads"
        if passed
        else "reads other columns than the champion; rows scored by both could not be compared"
    )
    return Check("schema", str(found), str(wanted), passed, words)


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.0%}"
