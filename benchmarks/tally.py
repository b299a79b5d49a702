"""What a comparison with a referee came to: how much was compared, how much was equal, and what kind each difference is of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

SHOWN = 5  # differences without explanation that are printed in full


@dataclass
class Tally:
    """One line of the table.

    Attributes
    ----------
    referee : the program, with its version
    unit : what was compared: packets, flows, columns
    kinds : differences by the words that explain them
    unexplained : differences that no rule explains, each in words
    """

    referee: str
    unit: str
    captures: set[str] = field(default_factory=set)
    compared: int = 0
    equal: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)

    def same(self, capture: str, number: int = 1) -> None:
        """Both say the same of so many."""
        self.captures.add(capture)
        self.compared += number
        self.equal += number

    def differs(self, capture: str, kind: str | None, words: object = "", number: int = 1) -> None:
        """They differ in so many, in a way that has an explanation, or in none."""
        self.captures.add(capture)
        self.compared += number
        if kind is None:
            self.unexplained.append(f"{capture}: {words}")
        else:
            self.kinds[kind] += number

    def is_sum(self) -> bool:
        """Whether all that was compared is equal or of some kind."""
        return self.compared == self.equal + self.kinds.total() + len(self.unexplained)

    def line(self) -> str:
        """A line of a table in Markdown."""
        kinds = [f"{number:,} {kind}" for kind, number in self.kinds.most_common()]
        kinds += [f"**{len(self.unexplained):,} without explanation**"] if self.unexplained else []
        numbers = f"{len(self.captures)} | {self.compared:,} {self.unit} | {self.equal:,}"
        return f"| {self.referee} | {numbers} | {'; '.join(kinds) or 'none'} |"


def table(tallies: list[Tally]) -> str:
    """All of them, in Markdown."""
    head = ["| referee | captures | compared | equal | the others, by kind |", "|---|---:|---:|---:|---|"]
    return "\n".join(head + [tally.line() for tally in tallies])
